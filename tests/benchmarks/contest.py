"""Tools that do the same, in turns: each with caches of its own, times as medians and ratios."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import pool

__all__ = ["BIN", "Contest", "table", "turns"]

BIN = Path(sys.executable).parent


class Contest:
    """One place with a cache per tool."""

    def __init__(self, root: Path, **environ: str) -> None:
        self.root = root
        self.environ = {
            **os.environ,
            "XDG_CACHE_HOME": str(root / "cache"),
            "XDG_STATE_HOME": str(root / "state"),
            "UV_CACHE_DIR": str(root / "uv-cache"),
            "UV_LINK_MODE": "hardlink",
            "PIP_CACHE_DIR": str(root / "pip-cache"),
            # uv takes index settings from here only; pip's configuration is not read by it.
            **_uv_index(),
            **environ,
        }

    def call(self, *argv: str | Path) -> None:
        """Run a command; end all if it fails."""
        done = subprocess.run(
            [str(arg) for arg in argv],
            env=self.environ,
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{argv[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def turns(tools: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Let each tool warm up once, then measure all in turns; return the seconds of each."""
    for timed in tools.values():
        timed()
    times: dict[str, list[float]] = {name: [] for name in tools}
    for _ in range(rounds):
        for name, timed in tools.items():
            times[name].append(timed())
    return times


def table(times: Mapping[str, Sequence[float]], ours: str = "wheelpool") -> str:
    """Return medians with their spread, and what ours is to each."""
    base = median(times[ours])
    width = max(map(len, times))
    return "\n".join(
        f"  {name:{width}} {median(seconds):6.2f} s  ({min(seconds):.2f} to {max(seconds):.2f})"
        f"   {ours}/{name} = {base / median(seconds):.2f}"
        for name, seconds in times.items()
    )


def _uv_index() -> dict[str, str]:
    """Hand pip's configuration to uv."""
    settings = pool.read_index_settings(dict(os.environ))
    return {
        "UV_DEFAULT_INDEX": settings.index_url,
        "UV_FIND_LINKS": ",".join(settings.find_links),
    }
