"""In-tree backends of a few lines each, and what is needed to call their hooks."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from pool.build.frontend.hook_result import Hook
from pool.build.frontend.hooks import HookCall
from tests.support.build_keys import build_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WHEEL = "thing-1.0-py3-none-any.whl"
BUILDS_WHEEL = f"""
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    open(wheel_directory + "/{WHEEL}", "w").close()
    return "{WHEEL}"
"""
# Starts a process that leaves its group and session, then writes its pid down and stays.
STARTS_STRAY = """
import os, subprocess, sys, time
def stray(name):
    code = "import os, pathlib, time; pathlib.Path(%r).write_text(str(os.getpid())); time.sleep(600)"
    return subprocess.Popen([sys.executable, "-S", "-c", code % name], start_new_session=True)
def seen(*names):
    while not all(os.path.exists(name) and os.path.getsize(name) for name in names):
        time.sleep(0.005)
"""

# Does not end when asked to, and has a stray.
IGNORES_SIGTERM = (
    STARTS_STRAY
    + """
import signal
def build_wheel(directory, settings=None, metadata=None):
    signal.signal(signal.SIGTERM, lambda *_: open("asked", "w").close())
    stray("stray")
    seen("stray")
    open("ready", "w").close()
    while True:
        time.sleep(600)
"""
)


def make_backend_tree(tmp_path: Path, backend: str) -> Path:
    """Make a tree whose backend is the module ``odd`` in its folder ``here``."""
    (tmp_path / "tree" / "here").mkdir(parents=True)
    (tmp_path / "tree" / "here" / "odd.py").write_text(textwrap.dedent(backend))
    (tmp_path / "out").mkdir()
    return tmp_path / "tree"


def hook_call(
    tree: Path,
    hook: Hook = "build_wheel",
    *,
    backend: str = "odd",
    backend_path: tuple[str, ...] = ("here",),
    config_settings: dict[str, str | list[str]] | None = None,
    fds: tuple[int, ...] = (),
) -> HookCall:
    """Return a call of a hook of that tree's backend, with this very interpreter."""
    return HookCall(
        build=build_key(),
        tree=tree,
        python=Path(sys.executable),
        backend=backend,
        backend_path=backend_path,
        hook=hook,
        config_settings=config_settings or {},
        output=tree.parent / "out",
        log=tree.parent / "b1.log",
        fds=fds,
        environ={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"},
    )


def processes_in(tree: Path) -> Iterator[psutil.Process]:
    """Yield the processes that have anything to do with a tree: each was started in it."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd() == str(tree):
                yield process


async def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that another process does."""
    try:
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 - other processes set no asyncio.Event
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"never came true: {what}") from None
