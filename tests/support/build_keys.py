"""Keys of builds, for tests of what serves the runs of a whole pool."""

from __future__ import annotations

from pool.common.model import BuildId, BuildKey, RunId

__all__ = ["build_key"]


def build_key(build: str = "b1", run: str = "run") -> BuildKey:
    """Return the key of a build; by default of one and the same run."""
    return BuildKey(RunId(run), BuildId(build))
