"""What one run was asked to do, complete and plain: the engine reads nothing else.

Deliberately without defaults that depend on the machine: `app.config` works those out from flags,
environment and configuration, and says where each value came from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pool.sources.pipconfig import IndexSettings

__all__ = ["MAX_BUILDS", "Settings"]

MAX_BUILDS = 256
"""The hard maximum of the builds cap: each running hook has a thread that waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything about a run but its targets."""

    builds: int
    """The cap at the start, 1 to `MAX_BUILDS`."""
    downloads: int
    installs: int
    """How many wheels are unpacked, checked and compiled at once."""
    out_dir: Path
    """Made when the first wheel is put there."""
    cache_dir: Path
    """Files from indexes, unpacked wheels, and the folders in which builds run."""
    state_dir: Path
    """Saved runs and the history of durations."""
    journal: Path | None
    """Where the journal goes; None for a folder of the run's own below ``state_dir``."""
    index: IndexSettings
    environ: Mapping[str, str]
    """What hooks inherit, before it is cleaned; also where TMPDIR for uv's lock comes from."""
    argv: tuple[str, ...]
    """The command line, for the journal's header; credentials are masked by the reader of flags."""
    python: Path | None = None
    """The target interpreter; None for the one that runs wheelpool."""
    config_settings: Mapping[str, str | list[str]] = field(default_factory=dict)
    """``-C``, for what the user named; nested builds do not get them (as pip and uv have it)."""
    copy: bool = False
    """Build each tree in a copy of its own, without a lock."""
    fail_fast: bool = False
    lock_timeout: float | None = None
    """Seconds; None waits for ever."""
