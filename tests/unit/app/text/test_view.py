"""Words: times, sizes, and one sentence for every state."""

from __future__ import annotations

from typing import Literal

import pytest

import pool
from app.text import view
from pool.common.model import BuildId, Holder, LimitName, Outcome, Phase, WaitFor
from pool.events import types as v

A, B, C = BuildId("b1"), BuildId("b2"), BuildId("b3")


def state(*events: v.KnownEvent) -> pool.RunState:
    state = pool.RunState()
    started = v.RunStarted(limits={LimitName.BUILDS: 2}, targets=3, out_dir="o", logs="l")
    names = {A: "core", B: "plugin", C: "helper"}
    queued = [v.BuildQueued(build=b, name=n, target=n, log=n) for b, n in names.items()]
    pool.apply_all(state, [started, *queued, *events])
    return state


def said(*events: v.KnownEvent, now: float = 0.0, in_line: str = "") -> str:
    run = state(*events)
    line = view.describe(run.builds[A], run, now, in_line)
    return f"{line.kind}: {line.word} {line.detail}".rstrip()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (4.14, "4.1 s"),
        (59.94, "59.9 s"),
        (59.97, "1 min 00 s"),
        (252, "4 min 12 s"),
        (3720, "1 h 02 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert view.duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1024, "1 KiB"),
        (88 << 10, "88 KiB"),
        (412 << 20, "412 MiB"),
        (int(3.1 * (1 << 30)), "3.1 GiB"),
        (24 << 30, "24 GiB"),
    ],
)
def test_sizes(count: int, words: str) -> None:
    assert view.size(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0:00"), (7.9, "0:07"), (750, "12:30"), (3723, "1:02:03")]
)
def test_clocks(seconds: float, words: str) -> None:
    assert view.clock(seconds) == words


def test_every_state_has_its_words() -> None:
    holder = Holder(pid=4121, command="uv build")
    lock = v.BuildWaiting(build=A, for_=WaitFor.LOCK, on="/t", holder=holder, t=10.0)
    nested = v.BuildWaiting(build=A, for_=WaitFor.DEPENDENCY, on="helper", builds=(C,))
    started = v.BuildStarted(build=A, slot=1)
    assert said() == "queued: queued"
    assert said(in_line="12th in line") == "queued: queued 12th in line"
    assert (
        said(v.LimitChanged(limit=LimitName.BUILDS, old=2, new=0, why="pause"))
        == "queued: queued paused"
    )
    assert said(lock, now=41.0) == 'waiting: locked by pid 4121 "uv build" for 0:31'
    assert said(nested) == "waiting: needs helper (queued)"
    assert said(started) == "building: building starting"
    assert said(started, v.BuildPhase(build=A, phase=Phase.BUILD)) == "building: building build"
    for outcome in (Outcome.BUILT, Outcome.CACHED, Outcome.CANCELLED, Outcome.SKIPPED):
        assert said(v.BuildFinished(build=A, outcome=outcome)) == f"{outcome}: {outcome}"
    failed = v.BuildFinished(build=A, outcome=Outcome.FAILED, message="no compiler")
    assert said(failed) == "failed: failed no compiler"
    again = v.BuildQueued(build=BuildId("b4"), name="core", target="core", log="x", retry_of=A)
    assert said(failed, again) == "retried: retried failed: no compiler"


def test_downloads_say_how_far_they_are() -> None:
    waiting = v.BuildWaiting(build=A, for_=WaitFor.DOWNLOAD, on="core-1.tar.gz")
    begun = v.DownloadStarted(build=A, file="core-1.tar.gz", total=200)
    part = v.DownloadProgress(build=A, file="core-1.tar.gz", bytes=50, total=200)
    assert said(waiting, begun, part) == "waiting: fetching 25 % of 200 B  core-1.tar.gz"


def test_counts_leave_out_what_is_not_there() -> None:
    assert view.counts({"building": 2, "queued": 1, "failed": 0}) == "2 building · 1 queued"


def test_a_part_of_a_size_has_one_unit_where_one_is_enough() -> None:
    assert view.size_of(12 << 20, 40 << 20) == "12 of 40 MiB"
    assert view.size_of(900 << 10, 2 << 20) == "900 KiB of 2 MiB"
    assert (view.size(4.1 * (1 << 20)), view.size(4.1 * (1 << 20), fine=True)) == (
        "4 MiB",
        "4.1 MiB",
    )


@pytest.mark.parametrize(
    ("purpose", "name", "words"),
    [
        ("metadata", "metadata of core", "building: building metadata · get_requires"),
        ("editable", "core (editable)", "building: building editable · get_requires"),
        ("wheel", "core", "building: building get_requires"),
    ],
)
def test_what_is_to_come_out_is_told(
    purpose: Literal["wheel", "editable", "metadata"], name: str, words: str
) -> None:
    again = v.BuildQueued(build=A, name="core", target="core", log="x", purpose=purpose)
    phase = v.BuildPhase(build=A, phase=Phase.GET_REQUIRES)
    events = (again, v.BuildStarted(build=A, slot=1), phase)
    assert said(*events) == words
    assert view.title(state(*events).builds[A]) == name


def test_every_kind_has_a_glyph_for_every_terminal() -> None:
    assert all(len(full) == 1 and plain.isascii() for full, plain in view.GLYPHS.values())
