"""The settings of a pool and of a run, complete and plain: the engine reads nothing else.

`PoolSettings` outlive a request and hold for all runs of a pool; `RunSettings` belong to one
request. `Settings` are both, for a command with a pool of its own. Deliberately without defaults
that depend on the machine: `app.config.sources` works those out from flags, environment variables
and configuration.

`PoolSettings` are a protocol: a record cannot inherit from two others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import field

from pool.common.record import Record
from pool.requirements.request import ALL
from pool.sources.names import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pool.sources.index.settings import IndexSettings

__all__ = ["MAX_BUILDS", "PoolSettings", "RunSettings", "Settings"]

MAX_BUILDS = 256
"""The hard maximum of the builds limit: each running hook has a thread that waits for it."""


class PoolSettings(Protocol):
    """Settings that all runs of a pool share."""

    @property
    def builds(self) -> int:
        """The limit of builds at the start, 1 to `MAX_BUILDS`."""
        ...

    @property
    def downloads(self) -> int:
        """The limit of downloads at the start."""
        ...

    @property
    def installs(self) -> int:
        """How many wheels are unpacked, checked and compiled at once."""
        ...

    @property
    def jobs(self) -> int:
        """How many compilers and similar processes all builds together may run."""
        ...

    @property
    def jobs_follow(self) -> bool:
        """Whether raising the limit of builds raises that of jobs; each build needs one."""
        ...

    @property
    def memory(self) -> int | None:
        """The most bytes for all builds together at the start; None for no limit."""
        ...

    @property
    def cache_dir(self) -> Path:
        """Files from indexes, built and unpacked wheels, and the folders in which builds run."""
        ...

    @property
    def state_dir(self) -> Path:
        """Saved runs and the history of builds."""
        ...

    @property
    def environ(self) -> Mapping[str, str]:
        """Where MAKEFLAGS names the jobserver of an outer make."""
        ...

    @property
    def owns_process(self) -> bool:
        """Whether this process is the pool's: adopted processes of no known build end with it."""
        ...


class RunSettings(Record, frozen=True, kw_only=True):
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


class Settings(RunSettings, frozen=True, kw_only=True):
    """Settings of a run in a pool of its own: `PoolSettings`, too."""

    builds: int
    downloads: int
    installs: int
    jobs: int
    jobs_follow: bool = False
    memory: int | None = None
    cache_dir: Path
    state_dir: Path
    owns_process: bool = False
