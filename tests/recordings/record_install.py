"""Records a real install for pictures: an application, what it requires, and two editables.

    python -m tests.recordings.record_install tests/recordings/install.jsonl

Everything is downloaded anew from the configured index, three files at a time; another process
holds the environment's lock for some seconds. Paths of this machine are replaced afterwards.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import pool
from tests.recordings.projects import tree
from tests.recordings.record import scrubbed

HOLDER = """
import fcntl, sys, time
with open(sys.argv[1], "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    time.sleep(60)
"""
ASKED = ["sphinx", "httpx", "pyyaml", "markupsafe"]


async def record(root: Path, log: Path) -> int:
    """Install into an environment that somebody else holds at first."""
    venv.EnvBuilder(with_pip=False, symlinks=True).create(root / ".venv")
    tree(root / "core", "my-core", "2.1")
    tree(root / "plugin", "my-plugin", "1.0")
    environ = dict(os.environ)
    settings = pool.Settings(
        builds=2, downloads=3, installs=2, jobs=2, out_dir=None,
        cache_dir=root / ".cache", state_dir=root / ".state", journal=log,
        index=pool.read_index_settings(environ), environ=environ, deps=True,
        installs_into=root / ".venv",
        argv=("wheelpool", "install", *ASKED, "-e", "./core", "-e", "./plugin", "--into", ".venv"),
    )  # fmt: skip
    names = [pool.parse_requirement(text, root) for text in ASKED]
    trees = [pool.parse_requirement(text, root, editable=True) for text in ("./core", "./plugin")]
    formats = pool.FormatControl().with_no_binary("pyyaml,markupsafe")
    request = pool.Request(requirements=(*names, *trees), formats=formats)
    state, holder = pool.RunState(), held(root)

    def listen(event: pool.events.KnownEvent) -> None:
        pool.apply(state, event)
        if state.environment is not None and state.environment.waiting_since is not None:
            asyncio.get_running_loop().call_later(4.0, holder.kill)

    try:
        async with await pool.Pool.create(settings) as the_pool:
            return await (await the_pool.create_run(settings, request, listen)).run()
    finally:
        holder.kill()
        holder.wait()


def held(root: Path) -> subprocess.Popen[str]:
    """Start a process that holds the environment's lock; return when it does."""
    argv = [sys.executable, "-c", HOLDER, str(root / ".venv" / ".lock")]
    holder = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    holder.stdout.readline()
    return holder


def main() -> None:
    log = Path(sys.argv[1]).absolute()
    with tempfile.TemporaryDirectory(prefix="record-") as folder:
        root = Path(folder).resolve()
        print("exit code", asyncio.run(record(root, log)))
        for path in (log, *pool.logs_path(log).iterdir()):
            scrubbed(path, root)


if __name__ == "__main__":
    main()
