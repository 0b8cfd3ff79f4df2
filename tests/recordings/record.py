"""Records a real run with every state in it, for replays, goldens and pictures.

    python tests/recordings/record.py tests/recordings/day.jsonl

Builds real sdists of the public index beside local trees: one that fails for a missing header, one
whose tree somebody else holds, one that needs a build requirement which exists only as an sdist.
While it runs the cap is changed, builds are cancelled and tried again, and the pool is paused.
Paths of this machine are replaced in what is written.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pool
from pool.events import vocabulary

PUBLIC = ("pyyaml==6.0.3", "frozenlist==1.8.0", "markupsafe==3.0.3", "attrs==26.1.0", "six==1.17.0",
          "rich==14.2.0", "tqdm==4.67.1", "idna==3.13", "urllib3==2.6.3", "multidict==6.7.0")  # fmt: skip
HOLDS = """
import os, sys, time
if "HOLD" in os.environ and "bdist_wheel" in sys.argv:
    open(os.environ["HOLD"], "w").close()
    time.sleep(600)
"""
SETUP = "from setuptools import Extension, setup\nsetup(name={name!r}, version={version!r}{more})\n"


def tree(folder: Path, name: str, version: str, more: str = "", requires: str = "") -> Path:
    """Make a setuptools project."""
    folder.mkdir(parents=True)
    (folder / "setup.py").write_text(SETUP.format(name=name, version=version, more=more))
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nversion = "{version}"\n'
        f'[build-system]\nrequires = ["setuptools"{requires}]\nbuild-backend = "setuptools.build_meta"\n'
    )
    return folder


def trees(root: Path) -> list[str]:
    """Make the local projects; return them as targets."""
    extension = ", ext_modules=[Extension('old_thing', ['old.c'])]"
    old = tree(root / "old-thing", "old-thing", "0.3", extension)
    (old / "old.c").write_text('#include "zlib-ng/missing.h"\nint x;\n')
    core = tree(root / "my-core", "my-core", "2.1.0")
    (core / "setup.py").write_text(HOLDS + (core / "setup.py").read_text())
    slow = "\nimport time\ntime.sleep(4)\n"
    helper = tree(root / "src" / "helper", "build-helper", "0.9")
    (helper / "setup.py").write_text(
        "import time\ntime.sleep(3)\n" + (helper / "setup.py").read_text()
    )
    (root / "links").mkdir()
    with tarfile.open(root / "links" / "build_helper-0.9.tar.gz", "w:gz") as archive:
        archive.add(helper, "build_helper-0.9")
    tree(root / "plugin-a", "plugin-a", "1.0", requires=', "build-helper"')
    tree(root / "plugin-b", "plugin-b", "1.0", requires=', "build-helper"')
    broken = tree(root / "src" / "broken", "broken-helper", "0.1")
    (broken / "setup.py").write_text("raise RuntimeError('no compiler for this planet')\n" + slow)
    with tarfile.open(root / "links" / "broken_helper-0.1.tar.gz", "w:gz") as archive:
        archive.add(broken, "broken_helper-0.1")
    tree(root / "needs-broken", "needs-broken", "1.2", requires=', "broken-helper"')
    waits = tree(root / "big-thing", "big-thing", "3.0")
    (waits / "setup.py").write_text("import time\ntime.sleep(30)\n")
    names = ("old-thing", "my-core", "plugin-a", "plugin-b", "needs-broken", "big-thing")
    return [f"./{name}" for name in names]


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


async def record(root: Path, log: Path) -> int:
    """Run the pool, with a user who presses keys."""
    environ = dict(os.environ)
    local = trees(root)
    overrides = pool.IndexOverrides(find_links=(str(root / "links"),))
    settings = pool.Settings(
        builds=3, downloads=4, installs=2, out_dir=root / "wheelhouse",
        cache_dir=root / ".cache", state_dir=root / ".state", journal=log,
        index=pool.index_settings(environ, overrides), environ=environ,
        argv=("wheelpool", "build", *PUBLIC, *local, "--builds", "3"),
    )  # fmt: skip
    wishes = tuple(pool.parse_wish(text, root) for text in (*local, *PUBLIC))
    state = pool.State()
    seen = asyncio.Event()

    def listen(event: vocabulary.KnownEvent) -> None:
        pool.fold(state, event)
        seen.set()

    the_pool = pool.Pool(settings, pool.Request(wishes=wishes), listen)

    async def until(condition: Callable[[], bool]) -> None:
        while not condition():
            seen.clear()
            await seen.wait()

    def build(name: str) -> pool.BuildState:
        return [build for build in state.builds.values() if build.name == name][-1]

    async def user() -> None:
        await until(lambda: build("old-thing").outcome is not None)
        the_pool.control(pool.Cancel(build=build("urllib3").id))
        the_pool.control(pool.Resize(limit=pool.LimitName.BUILDS, by=1))
        the_pool.control(pool.Retry(build=build("old-thing").id))
        await asyncio.sleep(4)
        the_pool.control(pool.Resize(limit=pool.LimitName.BUILDS, value=2))
        await asyncio.sleep(3)
        the_pool.control(pool.Pause())
        await asyncio.sleep(2)
        the_pool.control(pool.Resume())
        await until(lambda: build("big-thing").status is pool.Status.BUILDING)
        await asyncio.sleep(3)
        the_pool.control(pool.Cancel(build=build("big-thing").id))
        await asyncio.sleep(4)
        os.killpg(holder.pid, 9)

    holder = held_by_uv(root)
    async with asyncio.TaskGroup() as group:
        run = group.create_task(the_pool.run())
        await until(lambda: bool(state.builds))
        group.create_task(user())
    holder.wait()
    return run.result()


def scrubbed(path: Path, root: Path) -> None:
    """Replace paths of this machine in a text file."""
    prefix = str(Path(sysconfig.get_paths()["stdlib"]).parents[1])
    environment = str(Path(sys.executable).parents[1])
    text = path.read_bytes().decode("utf-8", "replace")
    for ours, shown in ((str(root), "/home/me/work"), (str(path.parent), "/home/me/work"), (environment, "/usr"), (prefix, "/usr"),
                        (str(Path.home()), "/home/me")):  # fmt: skip
        text = text.replace(ours, shown)
    path.write_text(text)


def main() -> None:
    log = Path(sys.argv[1]).absolute()
    with tempfile.TemporaryDirectory(prefix="record-") as folder:
        root = Path(folder).resolve()
        print("exit code", asyncio.run(record(root, log)))
        for path in (log, *pool.logs_of(log).iterdir()):
            scrubbed(path, root)
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
