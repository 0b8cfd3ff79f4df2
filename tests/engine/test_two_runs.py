"""Several runs in one pool: one limit over all, a journal each, turns, and no shared damage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

import pool
from pool.events import types as v
from tests.support.makers import make_sdist, make_tree
from tests.support.pool_runs import RUN_TIMEOUT_SECONDS, make_settings

NAP = "\nimport time\ntime.sleep(0.1)\n"
FAIL = "\nraise SystemExit('no compiler')\n"
BUILDS = pool.LimitName.BUILDS
MARKED = """
_build = build_wheel
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    import time
    with open({marks!r}, "a") as marks:
        marks.write(os.getcwd() + "\\n")
    time.sleep({seconds})
    return _build(wheel_directory)
"""
UNTIL = """
_build = build_wheel
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    import time
    until = time.monotonic() + 60
    while not os.path.exists({go!r}) and time.monotonic() < until:
        time.sleep(0.02)
    return _build(wheel_directory)
"""


class ObservedRun:
    """A run in a shared pool, and its state by its own events."""

    def __init__(self, runs: Runs, name: str) -> None:
        self.runs = runs
        self.name = name
        self.state = pool.RunState()
        self.events: list[v.KnownEvent] = []
        self.run: pool.Run
        self.on_event: Callable[[v.KnownEvent], None] = lambda _: None

    def listen(self, event: v.KnownEvent) -> None:
        self.events.append(event)
        pool.apply(self.state, event)
        self.runs.observe(event)
        self.on_event(event)

    async def finish(self) -> int:
        """Run to the end; check that the journal folds to the live state."""
        code = await self.run.run()
        folded = pool.RunState()
        with pool.JournalReader(self.run.journal) as reader:
            assert reader.header == self.run.header
            pool.apply_all(folded, reader.read())
        assert folded == self.state
        folded.header = self.run.header
        assert folded == self.run.state
        assert [event.seq for event in self.events] == list(range(1, len(self.events) + 1))
        return code

    def outcomes(self) -> set[pool.Outcome | None]:
        return {build.outcome for build in self.state.builds.values()}


class Runs:
    """The runs of one pool, and what holds for all of them at every event."""

    def __init__(self, the_pool: pool.Pool, settings: pool.Settings, root: Path) -> None:
        self.pool = the_pool
        self.settings = settings
        self.root = root
        self.all: list[ObservedRun] = []
        self.most = 0
        """The most builds that held a slot at once."""
        self.order: list[str] = []
        """The run of each build that started."""

    def observe(self, event: v.KnownEvent) -> None:
        slots = [slot for one in self.all for slot in one.state.slots]
        assert len(slots) == len(set(slots)), "two builds are in one slot"
        self.most = max(self.most, len(slots))

    async def create(
        self, name: str, *requirements: Path, builds: int | None = None, **more: object
    ) -> ObservedRun:
        observed = ObservedRun(self, name)
        fields = {"journal": self.root / f"{name}.jsonl", "out_dir": self.root / name, **more}
        settings = msgspec.structs.replace(self.settings, run_builds=builds, **fields)
        parsed = tuple(pool.parse_requirement(str(one), self.root) for one in requirements)
        request = pool.Request(requirements=parsed)
        observed.run = await self.pool.create_run(settings, request, observed.listen)
        self.all.append(observed)
        return observed


@asynccontextmanager
async def shared_pool(root: Path, *, builds: int = 2) -> AsyncIterator[Runs]:
    settings = make_settings(root, builds=builds, jobs=8)
    async with (
        asyncio.timeout(RUN_TIMEOUT_SECONDS),
        await pool.Pool.create(settings) as the_pool,
    ):
        yield Runs(the_pool, settings, root)


def trees_of(root: Path, run: str, number: int, backend: str = NAP) -> list[Path]:
    return [make_tree(root / f"src-{run}", f"{run}{n}", backend=backend) for n in range(number)]


async def test_one_limit_holds_over_two_runs_and_each_has_its_own_journal(tmp_path: Path) -> None:
    async with shared_pool(tmp_path, builds=2) as runs:
        first = await runs.create("first", *trees_of(tmp_path, "a", 4))
        second = await runs.create("second", *trees_of(tmp_path, "b", 4))
        codes = await asyncio.gather(first.finish(), second.finish())
    assert list(codes) == [0, 0]
    assert first.run.id != second.run.id
    assert first.run.journal != second.run.journal
    assert runs.most == 2
    for run, letter in ((first, "a"), (second, "b")):
        assert {build.name[0] for build in run.state.builds.values()} == {letter}
        assert len(list((tmp_path / run.name).glob("*.whl"))) == 4
        assert run.state.limits[BUILDS].cap == 2


async def test_one_run_fails_one_is_cancelled_and_the_third_goes_on(tmp_path: Path) -> None:
    go = tmp_path / "go"
    async with shared_pool(tmp_path, builds=3) as runs:
        bad = await runs.create("bad", *trees_of(tmp_path, "a", 2, FAIL), fail_fast=True)
        endless = trees_of(tmp_path, "b", 2, UNTIL.format(go=str(tmp_path / "never")))
        cancelled = await runs.create("cancelled", *endless)
        good = await runs.create("good", *trees_of(tmp_path, "c", 3, UNTIL.format(go=str(go))))

        def on_event(event: v.KnownEvent) -> None:
            if isinstance(event, v.BuildPhase) and event.phase is pool.Phase.BUILD:
                cancelled.run.control(pool.Stop(now=True))

        cancelled.on_event = on_event
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run.finish()) for run in (bad, cancelled, good)]
            await asyncio.wait(tasks[:2])
            go.touch()
    assert [task.result() for task in tasks] == [1, 130, 0]
    assert pool.Outcome.FAILED in bad.outcomes()
    assert cancelled.outcomes() == {pool.Outcome.CANCELLED}
    assert good.outcomes() == {pool.Outcome.BUILT}
    assert not any(isinstance(event, v.RunStopping) for event in good.events)


async def test_runs_one_after_another_share_the_pool(tmp_path: Path) -> None:
    make_sdist(tmp_path / "links", "helper")
    trees = [make_tree(tmp_path, f"t{n}", build_requires=["helper"]) for n in range(2)]
    async with shared_pool(tmp_path) as runs:
        first = await runs.create("first", *trees)
        assert await first.finish() == 0
        second = await runs.create("second", *trees)
        assert await second.finish() == 0
        third = await runs.create("third", *trees, refresh=frozenset({pool.ALL}))
        assert await third.finish() == 0
    assert first.outcomes() == third.outcomes() == {pool.Outcome.BUILT}
    assert second.outcomes() == {pool.Outcome.CACHED}
    expected = [build.expected for build in third.state.builds.values()]
    assert None not in expected, "the history has the builds of the first run"


async def test_a_run_of_one_build_does_not_wait_behind_a_run_of_twenty(tmp_path: Path) -> None:
    async with shared_pool(tmp_path, builds=1) as runs:
        many = await runs.create("many", *trees_of(tmp_path, "m", 20))
        started = asyncio.Event()
        many.on_event = lambda event: started.set() if isinstance(event, v.BuildStarted) else None
        running = asyncio.create_task(many.finish())
        await started.wait()
        one = await runs.create("one", *trees_of(tmp_path, "o", 1))
        assert await one.finish() == 0
        ended = sum(build.outcome is not None for build in many.state.builds.values())
        assert ended <= 4, "it had to wait behind the other run"
        assert not running.done()
        many.run.control(pool.Stop(now=True))
        assert await running == 130


async def test_two_runs_of_the_same_nested_requirement_build_it_once(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    backend = MARKED.format(marks=str(marks), seconds=0.3)
    make_sdist(tmp_path / "links", "helper", backend=backend)
    proof = "\nimport helper\n"
    async with shared_pool(tmp_path, builds=4) as runs:
        both = [
            await runs.create(
                name, make_tree(tmp_path / name, name, build_requires=["helper"], backend=proof)
            )
            for name in ("left", "right")
        ]
        assert await asyncio.gather(*(run.finish() for run in both)) == [0, 0]
    assert len(marks.read_text().splitlines()) == 1, "the other run takes it from the cache"
    ended = [build.outcome for run in both for build in run.state.builds.values()]
    assert sorted(map(str, ended)) == ["built", "built", "built", "cached"]
    assert not list((tmp_path / "cache" / "builds").glob("*")), "nothing is left behind"


async def test_two_runs_of_one_tree_build_it_one_after_another(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    tree = make_tree(tmp_path, "tree", backend=MARKED.format(marks=str(marks), seconds=0.2))
    async with shared_pool(tmp_path, builds=2) as runs:
        both = [await runs.create(name, tree, cache=False) for name in ("left", "right")]
        assert await asyncio.gather(*(run.finish() for run in both)) == [0, 0]
    assert len(marks.read_text().splitlines()) == 2
    waited = [e for run in both for e in run.events if isinstance(e, v.LockWaiting)]
    assert waited, "one of them waited for the lock of the tree"


async def test_the_limit_of_a_run_holds_under_that_of_the_pool(tmp_path: Path) -> None:
    most: dict[str, int] = {"narrow": 0, "wide": 0}
    async with shared_pool(tmp_path, builds=3) as runs:
        narrow = await runs.create("narrow", *trees_of(tmp_path, "n", 5), builds=1)
        wide = await runs.create("wide", *trees_of(tmp_path, "w", 6), builds=8)

        def count(run: ObservedRun) -> Callable[[v.KnownEvent], None]:
            def on_event(_: v.KnownEvent) -> None:
                most[run.name] = max(most[run.name], len(run.state.slots))
                assert len(run.state.slots) <= run.state.limits[BUILDS].cap

            return on_event

        for run in (narrow, wide):
            run.on_event = count(run)
        codes = await asyncio.gather(narrow.finish(), wide.finish())
        assert list(codes) == [0, 0]
    assert most["narrow"] == 1
    assert runs.most == 3
    assert narrow.state.limits[BUILDS].cap == 1
    assert wide.state.limits[BUILDS].cap == 3, "it is never above the pool's"


async def test_a_run_with_its_own_limit_resizes_and_pauses_only_itself(tmp_path: Path) -> None:
    go = tmp_path / "go"
    async with shared_pool(tmp_path, builds=4) as runs:
        own = await runs.create("own", *trees_of(tmp_path, "o", 3), builds=2)
        other = await runs.create("other", *trees_of(tmp_path, "x", 2, UNTIL.format(go=str(go))))

        def on_event(event: v.KnownEvent) -> None:
            if isinstance(event, v.RunStarted):
                own.run.control(pool.Resize(limit=BUILDS, value=3))
                own.run.control(pool.Resize(limit=BUILDS, value=9))
                own.run.control(pool.Pause())

        own.on_event = on_event
        async with asyncio.TaskGroup() as group:
            running = group.create_task(own.finish())
            beside = group.create_task(other.finish())
            while not other.state.slots:  # noqa: ASYNC110 - no event of this test tells of it
                await asyncio.sleep(0.01)
            assert not own.state.slots
            go.touch()
            assert await beside == 0
            assert not any(build.outcome for build in own.state.builds.values())
            own.run.control(pool.Resume())
            assert await running == 0
    changes = [(e.old, e.new, e.why) for e in own.events if isinstance(e, v.LimitChanged)]
    assert changes == [(2, 3, "user"), (3, 4, "user"), (4, 0, "pause"), (0, 4, "resume")]
    assert not any(isinstance(event, v.LimitChanged) for event in other.events)


async def test_a_change_of_the_pools_limit_is_in_the_journal_of_each_run(tmp_path: Path) -> None:
    async with shared_pool(tmp_path, builds=2) as runs:
        first = await runs.create("first", *trees_of(tmp_path, "a", 2))
        second = await runs.create("second", *trees_of(tmp_path, "b", 2))
        third = await runs.create("third", *trees_of(tmp_path, "c", 2), builds=1)

        def on_event(event: v.KnownEvent) -> None:
            if isinstance(event, v.BuildStarted) and not changed:
                changed.append(event)
                first.run.control(pool.Resize(limit=BUILDS, value=4))
                first.run.control(pool.Resize(limit=pool.LimitName.DOWNLOADS, value=5))

        changed: list[v.KnownEvent] = []
        second.on_event = on_event
        codes = await asyncio.gather(*(run.finish() for run in (first, second, third)))
    assert codes == [0, 0, 0]
    for run, builds in ((first, 4), (second, 4), (third, 1)):
        assert run.state.limits[BUILDS].cap == builds
        assert run.state.limits[pool.LimitName.DOWNLOADS].cap == 5


async def test_the_end_of_a_run_that_paused_the_pool_resumes_it_for_others(tmp_path: Path) -> None:
    async with shared_pool(tmp_path, builds=1) as runs:
        first = await runs.create("first", *trees_of(tmp_path, "a", 1))
        second = await runs.create("second", *trees_of(tmp_path, "b", 2))
        paused = asyncio.Event()

        def on_event(event: v.KnownEvent) -> None:
            if isinstance(event, v.BuildStarted):
                first.run.control(pool.Pause())
                paused.set()

        first.on_event = on_event
        running = asyncio.create_task(first.finish())
        await paused.wait()
        beside = asyncio.create_task(second.finish())
        assert await running == 0
        assert await beside == 0
    changes = [(e.old, e.new, e.why) for e in second.events if isinstance(e, v.LimitChanged)]
    assert changes[-1] == (0, 1, "resume")
