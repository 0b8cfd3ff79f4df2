"""Random controls: every build ends once, limits hold, the journal folds to the live state."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from functools import partial
from pathlib import Path

import msgspec
import pytest

import pool
from app.plain.printer import Printer
from pool.events import types as v
from tests.support.makers import make_sdist, make_tree
from tests.support.pool_runs import open_run

STRESS = int(os.environ.get("WHEELPOOL_STRESS", "1"))
NAP = "\nimport random, time\ntime.sleep(random.random() * 0.2)\n"
FAILS = "\nimport random\nassert random.random() < 0.7, 'bad luck'\n"


def settings(root: Path, links: Path, builds: int) -> pool.Settings:
    environ = {"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull, "TMPDIR": str(root)}
    overrides = pool.IndexOverrides(no_index=True, find_links=(str(links),))
    return pool.Settings(
        builds=builds, downloads=2, installs=2, jobs=2, out_dir=root / "out", cache_dir=root / "cache",
        state_dir=root / "state", journal=root / "run.jsonl", environ=environ, argv=("test",),
        index=pool.read_index_settings(environ, overrides),
    )  # fmt: skip


async def send_random_controls(run: pool.Run, state: pool.RunState, dice: random.Random) -> None:
    """Send controls at random times."""
    for _ in range(dice.randrange(5, 30)):
        await asyncio.sleep(dice.random() * 0.15)
        build = dice.choice(list(state.builds)) if state.builds else None
        if build is None:
            continue
        controls: list[pool.Control] = [
            pool.Resize(limit=pool.LimitName.BUILDS, value=dice.randrange(1, 6)),
            pool.Resize(limit=pool.LimitName.BUILDS, by=-1),
            pool.Cancel(build=build),
            pool.Retry(build=build),
            pool.Pause(),
            pool.Resume(),
        ]
        run.control(dice.choice(controls))
    run.control(pool.Resume())
    if dice.random() < 0.3:
        run.control(pool.Stop(now=dice.random() < 0.5))


def check_building_lines(journal: Path) -> None:
    """Check that the lines of a run show no more builds at once than have a slot."""
    building = set[object]()
    with pool.JournalReader(journal) as reader:
        printer = Printer("normal", reader.header, pool.logs_path(journal))
        for event in reader.read():
            build = getattr(event, "build", None)
            for line in printer.print_event(event):
                if line.word == "building":
                    building.add(build)
                elif line.word != "note":
                    building.discard(build)
            assert len(building) <= len(printer.state.slots), event


@pytest.mark.parametrize("seed", range(3 * STRESS))
async def test_random_controls_of_one_run(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    links = tmp_path / "links"
    make_sdist(links, "helper", backend=NAP + (FAILS if dice.random() < 0.3 else ""))
    trees = [
        make_tree(tmp_path, f"t{n}", backend=NAP + (FAILS if n % 3 == 0 else ""),
                  build_requires=["helper"] if n % 2 else [])
        for n in range(8)
    ]  # fmt: skip
    events: list[v.KnownEvent] = []
    state = pool.RunState()
    most = Counter[str]()

    def listen(event: v.KnownEvent) -> None:
        events.append(event)
        before = len(state.slots)
        pool.apply(state, event)
        if len(state.slots) > before:
            most["above the cap"] += len(state.slots) > state.limits[pool.LimitName.BUILDS].cap

    request = pool.Request(
        requirements=tuple(pool.parse_requirement(str(tree), tmp_path) for tree in trees)
    )
    how = settings(tmp_path, links, dice.randrange(1, 4))
    async with (
        asyncio.timeout(120),
        open_run(how, request, listen) as run,
        asyncio.TaskGroup() as group,
    ):
        running = group.create_task(run.run())
        controls = group.create_task(send_random_controls(run, state, dice))
        code = await running
        controls.cancel()
    assert code in (0, 1, 130)
    ended = Counter(event.build for event in events if isinstance(event, v.BuildFinished))
    assert ended == Counter(dict.fromkeys(state.builds, 1)), "each build ends exactly once"
    assert most["above the cap"] == 0
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    again = pool.RunState()
    with pool.JournalReader(run.journal) as reader:
        pool.apply_all(again, reader.read())
    assert again == state
    check_building_lines(run.journal)
    kept = list((tmp_path / "cache" / "builds").glob("*/*"))
    failed = [b for b in state.builds.values() if b.outcome is pool.Outcome.FAILED]
    assert len(kept) == len(failed), "folders of failed builds are kept, and no others"


async def play(run: pool.Run, state: pool.RunState, dice: random.Random) -> int:
    """Run a run while random controls come; return its exit code."""
    async with asyncio.TaskGroup() as group:
        controls = group.create_task(send_random_controls(run, state, dice))
        code = await run.run()
        controls.cancel()
    return code


@pytest.mark.parametrize("seed", range(2 * STRESS))
async def test_random_controls_of_several_runs_in_one_pool(tmp_path: Path, seed: int) -> None:
    dice = random.Random(1000 + seed)
    links = tmp_path / "links"
    make_sdist(links, "helper", backend=NAP)
    shared = make_tree(tmp_path, "shared", backend=NAP, build_requires=["helper"])
    how = settings(tmp_path, links, 3)
    states = [pool.RunState() for _ in range(3)]
    seen: list[list[v.KnownEvent]] = [[], [], []]
    too_many = Counter[str]()

    def listen(number: int, event: v.KnownEvent) -> None:
        seen[number].append(event)
        state, before = states[number], len(states[number].slots)
        pool.apply(state, event)
        slots = [slot for one in states for slot in one.slots]
        too_many["one slot"] += len(slots) != len(set(slots))
        if len(state.slots) > before:
            too_many["own limit"] += len(state.slots) > state.limits[pool.LimitName.BUILDS].cap

    async with asyncio.timeout(120), await pool.Pool.create(how) as the_pool:
        runs = []
        for number in range(3):
            trees = [
                make_tree(tmp_path / f"run{number}", f"r{number}t{n}",
                          backend=NAP + (FAILS if n == 0 else ""),
                          build_requires=["helper"] if n % 2 else [])
                for n in range(4)
            ]  # fmt: skip
            parsed = [pool.parse_requirement(str(tree), tmp_path) for tree in (*trees, shared)]
            run_settings = msgspec.structs.replace(
                how,
                run_builds=dice.choice([None, 1, 2, 9]),
                journal=tmp_path / f"run{number}.jsonl",
                out_dir=tmp_path / f"out{number}",
            )
            request = pool.Request(requirements=tuple(parsed))
            runs.append(await the_pool.create_run(run_settings, request, partial(listen, number)))
        games = [play(run, state, dice) for run, state in zip(runs, states, strict=True)]
        codes = await asyncio.gather(*games)
    assert set(codes) <= {0, 1, 130}
    assert not +too_many
    for run, state, events in zip(runs, states, seen, strict=True):
        ended = Counter(event.build for event in events if isinstance(event, v.BuildFinished))
        assert ended == Counter(dict.fromkeys(state.builds, 1)), "each build ends exactly once"
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        folded = pool.RunState()
        with pool.JournalReader(run.journal) as reader:
            pool.apply_all(folded, reader.read())
        assert folded == state
    kept = list((tmp_path / "cache" / "builds").glob("*/*"))
    builds = [build for state in states for build in state.builds.values()]
    failed = [build for build in builds if build.outcome is pool.Outcome.FAILED]
    assert len(kept) == len(failed), "folders of failed builds are kept, and no others"
