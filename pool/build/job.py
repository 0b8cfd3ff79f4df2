"""The data of one build: its request, its job in the registry, and its result.

Deliberately without behaviour: scheduling is `pool.run.scheduler`'s, the decision to retry
`pool.run.retry`'s. Only the scheduler changes a `BuildJob`; all other classes are frozen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import field
from packaging.utils import (
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from pool.common.errors import ProjectError
from pool.common.model import BuildKey, Outcome
from pool.common.record import MutableRecord, Record
from pool.common.text import format_settings
from pool.requirements.target import GitTarget, RequirementTarget, Target, TreeTarget, UrlTarget
from pool.sources.index.simple_api import IndexFile
from pool.sources.pyproject import read_project

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from pathlib import Path

    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.common.model import BuildId, RunId
    from pool.resolve.manifest import Manifest
    from pool.scheduling.history import Estimate
    from pool.scheduling.slot import Priority, Slot

__all__ = [
    "BuildJob",
    "BuildRequest",
    "BuildResult",
    "Purpose",
    "RetryAttempt",
    "SourceSpec",
    "ignore_unretrieved",
    "infer_identity",
    "source_label",
]

SourceSpec: TypeAlias = Target | IndexFile
"""Where a build's source comes from: a target of the request, or a file selected on an index."""
Purpose: TypeAlias = Literal["wheel", "editable", "metadata"]
"""The product of a build; ``metadata`` only runs prepare_metadata_for_build_wheel if it can."""


class BuildResult(Record, frozen=True, kw_only=True):
    """The result of a successful build."""

    name: str
    version: str
    metadata: str
    """The text of METADATA."""
    wheel: Path | None = None
    """None if only metadata was requested."""
    sha256: str = ""
    bytes: int = 0
    outcome: Outcome = Outcome.BUILT
    note: str = ""
    """A remark for the user on how the wheel was obtained."""
    direct_url: Mapping[str, object] | None = None
    """The contents of direct_url.json (PEP 610); None for a source from an index."""
    unpacked: UnpackedWheel | None = None
    """The unpacked wheel, if a build environment or an installation needs it."""

    @property
    def editable(self) -> bool:
        """Whether the wheel only links to a source tree (PEP 660)."""
        dir_info = (self.direct_url or {}).get("dir_info")
        return isinstance(dir_info, dict) and bool(dir_info.get("editable"))


class BuildRequest(Record, frozen=True, kw_only=True):
    """A build before it is registered; a `BuildJob` adds the id."""

    source: SourceSpec
    purpose: Purpose = "wheel"
    origin: str = ""
    """The file and line that named it; empty for the command line."""
    manifest: Manifest | None = None
    """The rules for selecting a file, if the source is a bare requirement."""
    hashes: frozenset[str] = frozenset()
    """``sha256:<digest>``; the source's file must have one of them, if there are any."""
    config_settings: Mapping[str, str | list[str]] = field(default_factory=dict)

    @property
    def redacted_settings(self) -> tuple[str, ...]:
        """The config settings as ``KEY=VALUE``, redacted and without control characters."""
        return format_settings(self.config_settings)


class RetryAttempt(Record, frozen=True, kw_only=True):
    """An automatic retry of a build, as `pool.run.retry` decided it."""

    jobs: int
    """The number of compilers that it may run at once."""
    exclusive: bool = False
    """Whether no other build may hold a slot while it runs."""
    oom_failures: int = 0
    """The number of earlier attempts that ran out of memory."""
    evictions: int = 0
    """The number of earlier attempts that were evicted."""
    after: str = ""
    """The error reference with which the previous attempt ended."""


class BuildJob(MutableRecord, kw_only=True, eq=False):
    """One registered build. Only the scheduler changes it."""

    id: BuildId
    run: RunId
    request: BuildRequest
    name: str
    version: str | None
    """None if the source does not tell it before it is built."""
    log: Path
    priority: Priority
    estimate: Estimate
    result: asyncio.Future[BuildResult]
    """Dependents wait for this."""
    retry_job: asyncio.Future[BuildJob]
    """Resolved with the next attempt if this one failed; dependents wait for that in turn."""
    nested: bool = False
    """Whether it was requested by other builds or by the resolver alone, not by the user."""
    attempt: RetryAttempt | None = None
    """None if it is not an automatic retry."""
    slot: Slot | None = None
    """None until the job has started."""
    eviction_reason: str = ""
    """Why it is being evicted; empty if it is not."""
    task: asyncio.Task[None] | None = None
    needed_by: set[BuildId] = field(default_factory=set)
    """The builds that have ever waited for it."""
    waits_on: set[BuildId] = field(default_factory=set)
    """The builds that it waits for now: the edges in which cycles are searched for."""

    @property
    def key(self) -> BuildKey:
        """The key of the build among those of all runs of the pool."""
        return BuildKey(self.run, self.id)

    @property
    def source(self) -> SourceSpec:
        """The source of the request."""
        return self.request.source

    @property
    def purpose(self) -> Purpose:
        """The purpose of the request."""
        return self.request.purpose

    @property
    def max_jobs(self) -> int | None:
        """The number of compilers that it may run at once; None for the pool's limit."""
        return self.attempt.jobs if self.attempt else None

    @property
    def exclusive(self) -> bool:
        """Whether no other build may hold a slot while it runs."""
        return self.attempt is not None and self.attempt.exclusive

    @property
    def canonical_name(self) -> NormalizedName:
        """The normalized name."""
        return canonicalize_name(self.name)

    @property
    def published(self) -> bool:
        """Whether its wheel goes to the output folder."""
        return self.purpose == "wheel" and not self.nested

    @property
    def expected_name(self) -> str | None:
        """The project name that the request demands; None if any name is right."""
        match self.source:
            case IndexFile() | RequirementTarget():
                return self.name
            case source:
                return source.name

    @property
    def title(self) -> str:
        """The name, and the version if it is known."""
        return f"{self.name} {self.version}" if self.version else self.name


def ignore_unretrieved(future: asyncio.Future[BuildResult]) -> asyncio.Future[BuildResult]:
    """Suppress asyncio's warning about an exception that is never retrieved."""
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


def source_label(source: SourceSpec) -> str:
    """Return the source as the user typed it, or the name of the index file."""
    return source.filename if isinstance(source, IndexFile) else source.label


def infer_identity(source: SourceSpec) -> tuple[str, str | None]:
    """Return the name and version that a source has before it is built.

    Reads the pyproject.toml of a source tree; no other source is opened.

    Returns:
        The name, or the best label there is, and the version or None.
    """
    match source:
        case TreeTarget(path=path):
            return _identity_of_tree(path)
        case IndexFile(project=project, version=version):
            return project, version
        case RequirementTarget(parsed=parsed):
            pins = [pin.version for pin in parsed.specifier if pin.operator in ("==", "===")]
            return parsed.name, pins[0] if len(pins) == 1 and "*" not in pins[0] else None
        case UrlTarget(url=url, name=name):
            from pool.sources.index.file_cache import filename_in

            inferred, found = _identity_of_file(filename_in(url))
            return name or inferred, found
        case GitTarget(url=url, name=name):
            return name or url.rstrip("/").rpartition("/")[2].removesuffix(".git"), None
        case _:
            return _identity_of_file(source.path.name)


def _identity_of_tree(path: Path) -> tuple[str, str | None]:
    try:
        project = read_project(path)
    except ProjectError:
        return path.name, None
    return project.name or path.name, project.version


def _identity_of_file(filename: str) -> tuple[str, str | None]:
    try:
        if filename.endswith(".whl"):
            # The spelling of the file: a normalized name reads worse.
            return filename.partition("-")[0], str(parse_wheel_filename(filename)[1])
        name, version = parse_sdist_filename(filename)
    except ValueError:  # no valid name, or a version with thousands of digits
        return filename.removesuffix(".tar.gz").removesuffix(".zip"), None
    return name, str(version)
