"""What one run was asked to do, complete and plain: the engine reads nothing else.

Deliberately without defaults that depend on the machine: `app.config.sources` works those out from flags,
environment and configuration, and says where each value came from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from packaging.utils import canonicalize_name

from pool.requirements.request import ALL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pool.sources.index.settings import IndexSettings

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
    jobs: int
    """How many compilers and the like all builds together may run."""
    out_dir: Path | None
    """Where wheels go, made when the first one does; None where none is to be left."""
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
    """The command line, for the journal's header; the reader of flags stars secrets out."""
    jobs_follow: bool = False
    """Whether a raised cap of builds raises them, as nobody said a number; each build needs one."""
    python: Path | None = None
    """The target interpreter; None for the one that runs wheelpool, or the environment's."""
    deps: bool = False
    """Whether what is asked for brings along what it requires."""
    installs_into: Path | Literal["active"] | None = None
    """The environment to install into; None where wheels are the aim."""
    upgrade: bool = False
    """Take newer versions of what was named, though the environment has one that fits."""
    not_isolated: frozenset[str] = frozenset()
    """Names that are built in the environment as it is, or `ALL`."""
    cache: bool = True
    """Whether wheels of earlier builds are taken, and new ones kept for later."""
    refresh: frozenset[str] = frozenset()
    """Names of which nothing that was kept counts, or `ALL`."""
    config_settings: Mapping[str, str | list[str]] = field(default_factory=dict)
    """``-C``, for what the user named; nested builds do not get them (as pip and uv have it)."""
    copy: bool = False
    """Build each tree in a copy of its own, without a lock."""
    fail_fast: bool = False
    memory: int | None = None
    """The most bytes that all builds together may have at the start; None for no end."""
    retries: int = 2
    """How often what ran out of memory is tried again, with less each time; 0 to 2."""
    lock_timeout: float | None = None
    """Seconds; None waits for ever."""

    @property
    def folders(self) -> tuple[Path, ...]:
        """The run's own folders, which are no sources though they may lie in a tree."""
        ours = (self.out_dir, self.cache_dir, self.state_dir)
        return tuple(folder for folder in ours if folder is not None)

    def isolates(self, name: str) -> bool:
        """Tell whether a project is built in an environment of its own."""
        return ALL not in self.not_isolated and canonicalize_name(name) not in self.not_isolated

    def refreshes(self, name: str) -> bool:
        """Tell whether what was kept of a project does not count."""
        return ALL in self.refresh or canonicalize_name(name) in self.refresh
