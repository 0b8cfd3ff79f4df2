"""Runs of a pool in this process: its settings, its run, and the builds in its final state.

Requirements are found in a folder of wheels and sdists, `links`, never on an index.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pool
from pool.events import types as v
from tests.support.target import Target

__all__ = [
    "RUN_TIMEOUT_SECONDS",
    "install_into",
    "last_build",
    "make_settings",
    "open_run",
    "outcome_of",
    "run_pool",
]

RUN_TIMEOUT_SECONDS = 60
"""A run takes a few seconds; one that takes this long is deadlocked."""


def make_settings(root: Path, **more: Any) -> pool.Settings:
    """Return settings whose cache, state, journal and output lie below a folder.

    Args:
        root: the folder; `root/links` holds the wheels and sdists that can be found.
        more: fields of `pool.Settings` that replace the defaults: two builds, two jobs, `root/out`.
    """
    environ = {"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull, "TMPDIR": str(root)}
    overrides = pool.IndexOverrides(no_index=True, find_links=(str(root / "links"),))
    fields: dict[str, Any] = {"builds": 2, "jobs": 2, "out_dir": root / "out", **more}
    return pool.Settings(
        downloads=1, installs=1, cache_dir=root / "cache", state_dir=root / "state",
        journal=root / "run.jsonl", environ=environ, argv=("test",),
        index=pool.read_index_settings(environ, overrides), **fields,
    )  # fmt: skip


def install_into(path: Path) -> dict[str, Any]:
    """Create an environment; return the fields of settings that install into it."""
    return {"out_dir": None, "installs_into": Target(path).path, "deps": True}


async def run_pool(
    settings: pool.Settings,
    *requirements: str | Path,
    on_event: Callable[[v.KnownEvent, pool.RunState], pool.Control | None] = lambda *_: None,
) -> tuple[int, pool.RunState]:
    """Run requirements in a pool of their own; return the exit code and the state.

    Args:
        settings: of the pool and the run.
        requirements: as a command line has them.
        on_event: called for each event and the state after it; may return a control to send.
    """
    state, loop = pool.RunState(), asyncio.get_running_loop()

    def listen(event: v.KnownEvent) -> None:
        pool.apply(state, event)
        if (control := on_event(event, state)) is not None:
            loop.call_soon(run.control, control)

    folder = settings.cache_dir.parent
    parsed = tuple(pool.parse_requirement(str(text), folder) for text in requirements)
    request = pool.Request(requirements=parsed)
    async with (
        asyncio.timeout(RUN_TIMEOUT_SECONDS),
        open_run(settings, request, listen) as run,
    ):
        return await run.run(), state


@asynccontextmanager
async def open_run(
    settings: pool.Settings,
    request: pool.Request,
    listener: Callable[[v.KnownEvent], None],
) -> AsyncIterator[pool.Run]:
    """Create a pool with one run; close it at the end of the block."""
    async with await pool.Pool.create(settings) as the_pool:
        yield await the_pool.create_run(settings, request, listener)


def last_build(state: pool.RunState, name: str) -> pool.BuildState:
    """Return the last build of a project."""
    return [build for build in state.builds.values() if build.name == name][-1]


def outcome_of(event: v.KnownEvent, state: pool.RunState, name: str) -> pool.Outcome | None:
    """Return the outcome if the event ends a build of that project, else None."""
    if isinstance(event, v.BuildFinished) and state.builds[event.build].name == name:
        return event.outcome
    return None
