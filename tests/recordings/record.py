"""Records two real runs for replays, goldens and pictures: a day with every state, and its eve.

    python -m tests.recordings.record            # eve.jsonl and day.jsonl, some minutes

On the eve everything is well and nobody presses a key: it teaches the pool what its builds take.
On the day a header is missing, a build grows, one runs out of memory, uv holds a tree, memory is
short, and a user raises and lowers caps, cancels, tries again and pauses. Sdists of the public
index are built beside the projects of `tests.recordings.projects`. Paths of this machine are
replaced in what is written.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

import pool
from pool.events import types as vocabulary
from tests.recordings.projects import Day, local

HERE = Path(__file__).parent
PUBLIC = ("kiwisolver==1.5.1", "msgspec==0.22.0", "pyyaml==6.0.3", "markupsafe==3.0.3",
          "rich==14.2.0", "tqdm==4.67.1", "attrs==26.1.0", "six==1.17.0", "idna==3.13", "urllib3==2.6.3",
          "typing-extensions==4.16.0")  # fmt: skip
CACHED = {"six", "idna"}
"""Built on the eve, and taken from the cache on the day."""
EVE = Day(well=True, grown=6)
DAY = Day(well=False, grown=58)
BUDGET = 2 << 30
"""Bytes for all builds of the day: less than they take together."""

User = Callable[["Run"], Coroutine[None, None, None]]


class Run:
    """One run of the pool, and what its user sees of it."""

    def __init__(self, root: Path, journal: Path, day: Day, *, memory: int | None) -> None:
        here = local(root, day)
        environ = {
            key: value for key, value in os.environ.items() if not key.startswith("PIP_FIND")
        }
        flags = ("-j", "4", "--jobs", "4", *(("--memory", "2G") if memory else ()))
        names = [re.split("==", text)[0] for text in (*here, *PUBLIC)]
        self.settings = pool.Settings(
            builds=4, downloads=4, installs=2, jobs=4, memory=memory, out_dir=root / "wheelhouse",
            cache_dir=root.parent / "cache", state_dir=root.parent / "state", journal=journal,
            index=pool.read_index_settings(environ, pool.IndexOverrides(find_links=(str(root / "links"),))),
            refresh=frozenset(n.removeprefix("./") for n in names if n not in CACHED) | {"build-helper"},
            environ=environ, config_settings={"editable_mode": "compat"},
            argv=("wheelpool", "build", *PUBLIC, *here, *flags, "-C", "editable_mode=compat"),
        )  # fmt: skip
        wishes = tuple(pool.parse_requirement(text, root) for text in (*here, *PUBLIC))
        formats = pool.FormatControl().with_only_binary("typing-extensions")
        self.state = pool.RunState()
        self._seen = asyncio.Event()
        self.request = pool.Request(requirements=wishes, formats=formats)
        self.run: pool.Run

    def listen(self, event: vocabulary.KnownEvent) -> None:
        pool.apply(self.state, event)
        self._seen.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when something is so, or the run is over."""
        while not (condition() or self.state.finished):
            self._seen.clear()
            await self._seen.wait()

    def build(self, name: str) -> pool.BuildState:
        """Return the last try of a build."""
        return [build for build in self.state.builds.values() if build.name == name][-1]

    def builds(self, name: str) -> Callable[[], bool]:
        """Return whether a build has a slot, to be waited for."""
        return lambda: self.build(name).status is pool.Status.BUILDING

    def ended(self, name: str) -> Callable[[], bool]:
        """Return whether a build is over, to be waited for."""
        return lambda: self.build(name).outcome is not None

    def resize(self, limit: pool.LimitName, **how: int) -> None:
        """Change a cap."""
        self.run.control(pool.Resize(limit=limit, **how))


async def presses_keys(run: Run) -> None:
    """Do what users do."""
    builds = pool.LimitName.BUILDS
    await run.until(lambda: any(one.needs for one in run.state.builds.values()))
    await asyncio.sleep(5)
    run.run.control(pool.Cancel(build=run.build("urllib3").id))
    run.resize(builds, by=1)
    await run.until(run.ended("old-thing"))
    await asyncio.sleep(3)
    run.run.control(pool.Retry(build=run.build("old-thing").id))
    await run.until(lambda: run.build("growing-thing").rss > 1 << 30)
    run.resize(builds, value=3)
    await asyncio.sleep(12)
    run.resize(pool.LimitName.JOBS, value=3)
    run.run.control(pool.Pause())
    await asyncio.sleep(3)
    run.run.control(pool.Resume())


async def thinks_again(run: Run) -> None:
    """Cancel a build that takes long."""
    await run.until(lambda: run.build("big-thing").phase is pool.Phase.BUILD)
    await asyncio.sleep(9)
    run.run.control(pool.Cancel(build=run.build("big-thing").id))


def held_by_uv(root: Path) -> subprocess.Popen[bytes]:
    """Start uv on a tree that wheelpool is to build as well; return when it has its lock."""
    mark = root / "held"
    argv = [str(Path(sys.executable).with_name("uv")), "build", "--wheel", "my-core", "--offline",
            "--no-build-isolation", "--python", sys.executable, "-o", str(root / "uv-out")]  # fmt: skip
    holder = subprocess.Popen(
        argv,
        cwd=root,
        env={**os.environ, "HOLD": str(mark)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not mark.exists():
        time.sleep(0.05)
    return holder


async def recorded(run: Run, users: Sequence[User], holder: subprocess.Popen[bytes] | None) -> int:
    """Run the pool with its users; end the holder of the tree when two builds are left."""

    async def end_holder() -> None:
        def few_left() -> bool:
            return sum(build.outcome is None for build in run.state.builds.values()) <= 2

        await run.until(few_left)
        if holder is not None:
            os.killpg(holder.pid, 9)

    async with (
        await pool.Pool.create(run.settings) as the_pool,
        asyncio.TaskGroup() as group,
    ):
        run.run = await the_pool.create_run(run.settings, run.request, run.listen)
        done = group.create_task(run.run.run())
        await run.until(lambda: bool(run.state.builds))
        for user in users:
            group.create_task(user(run))
        group.create_task(end_holder())
    if holder is not None:
        holder.wait()
    return done.result()


def scrubbed(path: Path, root: Path) -> None:
    """Replace paths of this machine in a text file."""
    prefix = str(Path(sysconfig.get_paths()["stdlib"]).parents[1])
    environment = str(Path(sys.executable).parents[1])
    text = path.read_bytes().decode("utf-8", "replace")
    for ours, shown in ((str(root / "cache"), "/home/me/.cache/wheelpool"), (str(root / "work"), "/home/me/work"), (str(root), "/home/me"),
                        (str(path.parent), "/home/me/work"), (environment, "/usr"), (prefix, "/usr"),
                        (str(Path.home()), "/home/me")):  # fmt: skip
        text = text.replace(ours, shown)
    path.write_text(text)


def main() -> None:
    """Record the eve, then the day."""
    with tempfile.TemporaryDirectory(prefix="record-") as folder:
        root = Path(folder).resolve()
        for name, day, users, memory in (
            ("eve", EVE, (), None),
            ("day", DAY, (presses_keys, thinks_again), BUDGET),
        ):
            journal = HERE / f"{name}.jsonl"
            shutil.rmtree(pool.logs_path(journal), ignore_errors=True)
            journal.unlink(missing_ok=True)
            work = root / "work"
            work.mkdir()
            run = Run(work, journal, day, memory=memory)
            holder = held_by_uv(work) if memory else None
            code = asyncio.run(recorded(run, users, holder))
            print(name, "exit code", code, f"{journal.stat().st_size >> 10} KiB")
            for path in (journal, *pool.logs_path(journal).iterdir()):
                scrubbed(path, root)
            shutil.rmtree(work)


if __name__ == "__main__":
    main()
