"""The build monitor: failures of the sampler or of a log become one note and end nothing."""

from __future__ import annotations

import asyncio
import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pool.build import monitor as monitor_module
from pool.build.monitor import BuildMonitor
from pool.common.model import BuildKey
from pool.common.once_map import Lazy
from pool.events import types as v
from pool.events.bus import EventBus
from pool.events.router import EventRouter
from pool.system.sampler import Sample, TreeUsage
from tests.support.build_keys import build_key
from tests.support.fakes import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

B1 = build_key("b1")


class FakeSampler:
    """Raises the first problems, then measures 100 bytes for each build."""

    def __init__(self, *problems: Exception) -> None:
        self.problems = list(problems)
        self.calls = 0

    def sample(self, roots: Mapping[BuildKey, int], closely: Collection[BuildKey] = ()) -> Sample:
        self.calls += 1
        if self.problems:
            raise self.problems.pop(0)
        usage = TreeUsage(processes=(), rss=100)
        return Sample(builds=dict.fromkeys(roots, usage), total=1000, available=900)


class FakeJobserver:
    def held(self, build: BuildKey) -> int:
        return 1

    def allowed(self, build: BuildKey) -> int:
        return 1


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture(autouse=True)
def _short_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_module, "_TICK_SECONDS", 0)


def create(
    executor: ThreadPoolExecutor,
    sampler: Any,
    on_sample: Callable[[Any], None] = lambda _: None,
) -> tuple[BuildMonitor, list[v.KnownEvent]]:
    events: list[v.KnownEvent] = []
    jobserver: Any = FakeJobserver()
    router = EventRouter()
    router.add(B1.run, EventBus(ManualClock(), None, events.append))
    return BuildMonitor(router, Lazy(lambda: sampler), executor, jobserver, on_sample), events


async def run_until(monitor: BuildMonitor, condition: Callable[[], bool]) -> None:
    """Run the monitor until a condition holds; its task must not end by itself."""
    task = asyncio.create_task(monitor.run())
    async with asyncio.timeout(30):
        while not condition():
            assert not task.done(), "the monitor has ended"
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def notes(events: list[v.KnownEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, v.Note)]


async def test_failing_samples_are_one_note_and_the_next_sample_is_taken(
    executor: ThreadPoolExecutor, tmp_path: Path
) -> None:
    problems = [OSError(errno.EMFILE, "Too many open files") for _ in range(3)]
    sampler = FakeSampler(*problems)
    monitor, events = create(executor, sampler)
    monitor.hook_started(B1, tmp_path / "b1.log", 42)
    await run_until(monitor, lambda: any(isinstance(event, v.Sample) for event in events))
    assert sampler.calls >= 4
    assert notes(events) == ["running builds cannot be monitored: too many open files"]
    assert monitor.peak(B1) == 100


async def test_different_failures_are_a_note_each(
    executor: ThreadPoolExecutor, tmp_path: Path
) -> None:
    sampler = FakeSampler(OSError(errno.EIO, "Input/output error"), RuntimeError("no /proc"))
    monitor, events = create(executor, sampler)
    monitor.hook_started(B1, tmp_path / "b1.log", 42)
    await run_until(monitor, lambda: any(isinstance(event, v.Sample) for event in events))
    assert notes(events) == [
        "running builds cannot be monitored: input/output error",
        "running builds cannot be monitored: RuntimeError: no /proc",
    ]


async def test_a_failing_sample_is_not_repeated_at_every_tick(
    executor: ThreadPoolExecutor, tmp_path: Path
) -> None:
    sampler = FakeSampler(*(OSError(errno.EIO, "Input/output error") for _ in range(100)))
    monitor, _ = create(executor, sampler)
    monitor.hook_started(B1, tmp_path / "b1.log", 42)
    ticks = 0

    def counted() -> bool:
        nonlocal ticks
        ticks += 1
        return sampler.calls >= 3

    await run_until(monitor, counted)
    assert ticks >= 2 * monitor_module._TICKS_PER_SAMPLE


async def test_a_log_that_cannot_be_read_is_one_note_and_output_goes_on_later(
    executor: ThreadPoolExecutor, tmp_path: Path
) -> None:
    log = tmp_path / "b1.log"
    log.mkdir()
    monitor, events = create(executor, FakeSampler())
    monitor.hook_started(B1, log, 42)
    await run_until(monitor, lambda: sum(isinstance(event, v.Sample) for event in events) > 3)
    assert notes(events) == [f"{log}: the log cannot be read: is a directory"]
    log.rmdir()
    log.write_bytes(b"compiling\n")
    await run_until(monitor, lambda: isinstance(events[-1], v.BuildOutput))
    monitor.hook_ended(B1)
    assert [event.last for event in events if isinstance(event, v.BuildOutput)] == ["compiling"]


async def test_a_failing_listener_of_samples_does_not_end_the_monitor(
    executor: ThreadPoolExecutor, tmp_path: Path
) -> None:
    calls: list[object] = []

    def on_sample(samples: object) -> None:
        calls.append(samples)
        if len(calls) == 1:
            raise RuntimeError("eviction failed")

    monitor, events = create(executor, FakeSampler(), on_sample)
    monitor.hook_started(B1, tmp_path / "b1.log", 42)
    await run_until(monitor, lambda: len(calls) == 2)
    assert notes(events) == ["running builds cannot be monitored: RuntimeError: eviction failed"]


def test_a_short_hook_counts_with_the_peak_of_its_largest_process(
    executor: ThreadPoolExecutor, tmp_path: Path
) -> None:
    monitor, _ = create(executor, FakeSampler())
    monitor.hook_started(B1, tmp_path / "b1.log", 42)
    monitor.note_peak(B1, 70)
    monitor.note_peak(B1, 50)
    monitor.hook_ended(B1)
    assert monitor.forget(B1) == 70
    assert monitor.forget(B1) == 0
