"""The settings of a pool and of a run, complete and plain: the engine reads nothing else.

`PoolSettings` outlive a request and hold for all runs of a pool; `RunSettings` belong to one
request. `Settings` are both, for a command with a pool of its own. Deliberately without defaults
that depend on the machine: `app.config.sources` works those out from flags, environment variables
and configuration.

The classes have no ``__slots__``: `Settings` inherits from two dataclasses.
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

__all__ = ["MAX_BUILDS", "PoolSettings", "RunSettings", "Settings"]

MAX_BUILDS = 256
"""The hard maximum of the builds limit: each running hook has a thread that waits for it."""


@dataclass(frozen=True, kw_only=True)
class PoolSettings:
    """Settings that all runs of a pool share."""

    builds: int
    """The limit of builds at the start, 1 to `MAX_BUILDS`."""
    downloads: int
    installs: int
    """How many wheels are unpacked, checked and compiled at once."""
    jobs: int
    """How many compilers and similar processes all builds together may run."""
    jobs_follow: bool = False
    """Whether raising the limit of builds raises that of jobs; each build needs one."""
    memory: int | None = None
    """The most bytes for all builds together at the start; None for no limit."""
    cache_dir: Path
    """Files from indexes, built and unpacked wheels, and the folders in which builds run."""
    state_dir: Path
    """Saved runs and the history of builds."""
    environ: Mapping[str, str]
    """Where MAKEFLAGS names the jobserver of an outer make."""
    owns_process: bool = False
    """Whether this process belongs to the pool: adopted processes of no known build end with it."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Settings of one request, apart from its targets."""

    run_builds: int | None = None
    """The run's own limit of builds, under the pool's; None for the pool's alone."""
    out_dir: Path | None
    """The folder for wheels, created with the first one; None if no wheels are published."""
    journal: Path | None
    """The file for the journal; None for a folder of the run's own in the state folder."""
    index: IndexSettings
    environ: Mapping[str, str]
    """The environment of hooks, before it is cleaned; TMPDIR decides on uv's lock files."""
    argv: tuple[str, ...]
    """The command line, for the header of the journal; secrets are redacted already."""
    python: Path | None = None
    """The target interpreter; None for the one of wheelpool, or of the environment."""
    deps: bool = False
    """Whether the dependencies of what is requested are requested, too."""
    installs_into: Path | Literal["active"] | None = None
    """The environment to install into; None for wheels alone."""
    upgrade: bool = False
    """Install newer versions of named projects, even if the environment has one that fits."""
    overwriting: frozenset[str] = frozenset()
    """Names of projects that may replace files of other distributions, or `ALL`."""
    not_isolated: frozenset[str] = frozenset()
    """Names of projects that are built in the environment as it is, or `ALL`."""
    cache: bool = True
    """Whether the cache of built wheels is read and written."""
    refresh: frozenset[str] = frozenset()
    """Names of projects whose cache entries are ignored, or `ALL`."""
    config_settings: Mapping[str, str | list[str]] = field(default_factory=dict)
    """``-C``, for projects that the user named; like pip and uv, not for nested builds."""
    copy: bool = False
    """Build each tree in its own copy, without a lock."""
    fail_fast: bool = False
    """Cancel the run when a build fails."""
    warm: bool = True
    """Whether hooks may be forks of template processes that have imported the backend."""
    retries: int = 2
    """Automatic retries of a build that runs out of memory, each with fewer jobs; 0 to 2."""
    lock_timeout: float | None = None
    """Seconds to wait for a lock; None for no limit."""
    process_start: float | None = None
    """When the process of the command started, on the pool's clock; None if that is unknown."""
    notes: tuple[str, ...] = ()
    """Sentences for the user at the start, such as settings that have no effect."""

    def isolates(self, name: str) -> bool:
        """Return whether a project is built in an environment of its own."""
        return ALL not in self.not_isolated and canonicalize_name(name) not in self.not_isolated

    def may_overwrite(self, name: str) -> bool:
        """Return whether a project may replace files of other distributions."""
        return ALL in self.overwriting or canonicalize_name(name) in self.overwriting

    def refreshes(self, name: str) -> bool:
        """Return whether the cache entries of a project are ignored."""
        return ALL in self.refresh or canonicalize_name(name) in self.refresh


@dataclass(frozen=True, kw_only=True)
class Settings(PoolSettings, RunSettings):
    """Settings of a run in a pool of its own."""
