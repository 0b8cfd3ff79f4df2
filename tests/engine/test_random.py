"""A pool under random commands: every build ends once, the caps hold, the journal is the state."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest

import pool
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


async def meddle(run: pool.Run, state: pool.RunState, dice: random.Random) -> None:
    """Press keys at random until nothing is left to press them for."""
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


@pytest.mark.parametrize("seed", range(3 * STRESS))
async def test_random_commands(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    links = tmp_path / "links"
    make_sdist(links, "helper", backend=NAP + (FAILS if dice.random() < 0.3 else ""))
    trees = [
        make_tree(tmp_path, f"t{n}", backend=NAP + (FAILS if n % 3 == 0 else ""),
                  build_requires=["helper"] if n % 2 else [])
        for n in range(8)
    ]  # fmt: skip
    told: list[v.KnownEvent] = []
    state = pool.RunState()
    most = Counter[str]()

    def listen(event: v.KnownEvent) -> None:
        told.append(event)
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
        meddling = group.create_task(meddle(run, state, dice))
        code = await running
        meddling.cancel()
    assert code in (0, 1, 130)
    ended = Counter(event.build for event in told if isinstance(event, v.BuildFinished))
    assert ended == Counter(dict.fromkeys(state.builds, 1)), "each build ends exactly once"
    assert most["above the cap"] == 0
    assert [event.seq for event in told] == list(range(1, len(told) + 1))
    again = pool.RunState()
    with pool.JournalReader(run.journal) as reader:
        pool.apply_all(again, reader.read())
    assert again == state
    kept = list((tmp_path / "cache" / "builds").glob("*/*"))
    failed = [b for b in state.builds.values() if b.outcome is pool.Outcome.FAILED]
    assert len(kept) == len(failed), "what failed is kept, and nothing else"
