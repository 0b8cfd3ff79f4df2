"""One build as the engine knows it: who it is, what it was asked for, and where its files are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion

from pool.build.frontend.log_tail import clean_line
from pool.common.errors import ProjectError
from pool.common.model import Outcome
from pool.common.redaction import starred_settings
from pool.requirements.target import GitTarget, RequirementTarget, Target, TreeTarget, UrlTarget
from pool.sources.index.file_cache import name_in
from pool.sources.index.simple_api import IndexFile
from pool.sources.pyproject import read_project

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from pathlib import Path

    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.common.model import BuildId
    from pool.resolve.manifest import Manifest
    from pool.run.retry import RetryAttempt
    from pool.scheduling.slot import Priority, Slot

__all__ = [
    "BuildJob",
    "BuildRequest",
    "BuildResult",
    "Purpose",
    "Source",
    "identity",
    "ignore_unretrieved",
    "label_of",
]

Source: TypeAlias = Target | IndexFile
"""What a build starts from: what somebody pointed at, or a file that was chosen on an index."""
Purpose: TypeAlias = Literal["wheel", "editable", "metadata"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """What came out of a build that went well."""

    name: str
    version: str
    metadata: str
    """The text of METADATA."""
    wheel: Path | None = None
    """None where only metadata was wanted."""
    sha256: str = ""
    bytes: int = 0
    outcome: Outcome = Outcome.BUILT
    remark: str = ""
    """What there is to say of how it came about."""
    direct_url: Mapping[str, object] | None = None
    """Where it came from, if that was no index (PEP 610)."""
    stored: UnpackedWheel | None = None
    """The wheel unpacked, where somebody needs it so."""

    @property
    def editable(self) -> bool:
        """Whether the wheel is a link to a source tree (PEP 660)."""
        facts = (self.direct_url or {}).get("dir_info")
        return isinstance(facts, dict) and bool(facts.get("editable"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """What is to be built, before it has an id."""

    source: Source
    purpose: Purpose = "wheel"
    origin: str = ""
    """Where the user asked for it; empty for the command line."""
    asked: Manifest | None = None
    """By what rules a file is chosen, where the source is a name."""
    hashes: frozenset[str] = frozenset()
    """``sha256:<digest>``, one of which the source's file must have."""
    config_settings: Mapping[str, str | list[str]] = field(default_factory=dict)

    @property
    def told_settings(self) -> tuple[str, ...]:
        """The settings as ``KEY=VALUE``, fit to be shown and kept."""
        return tuple(
            clean_line(f"{key}={value}")
            for key, said in starred_settings(self.config_settings).items()
            for value in ([said] if isinstance(said, str) else said)
        )


@dataclass(slots=True, kw_only=True, eq=False)
class BuildJob:
    """One announced build; the engine alone changes it."""

    id: BuildId
    order: BuildRequest
    name: str
    version: str | None
    """None where the source does not tell."""
    log: Path
    priority: Priority
    result: asyncio.Future[BuildResult]
    """Where others wait for what comes out."""
    retry_job: asyncio.Future[BuildJob]
    """Where others wait for the next try, if it went wrong."""
    nested: bool = False
    """Whether only other builds, or the search for versions, asked for it."""
    most_jobs: int | None = None
    """How many compilers it may run at once; None for as many as there are."""
    attempt: RetryAttempt | None = None
    """Where it is an automatic try, which."""
    seat: Slot | None = None
    """Where it sits, once it has begun."""
    makes_room: str = ""
    """Why it is being ended to make room for others, if it is."""
    task: asyncio.Task[None] | None = None
    needed_by: set[BuildId] = field(default_factory=set)
    """The builds that ever waited for it."""
    waits_on: set[BuildId] = field(default_factory=set)
    """The builds it waits for now; the edges in which cycles are looked for."""

    @property
    def source(self) -> Source:
        """What it starts from."""
        return self.order.source

    @property
    def purpose(self) -> Purpose:
        """What is to come out."""
        return self.order.purpose

    @property
    def key(self) -> NormalizedName:
        """The name as requirements have it."""
        return canonicalize_name(self.name)

    @property
    def published(self) -> bool:
        """Whether its wheel is for the user to have."""
        return self.purpose == "wheel" and not self.nested

    @property
    def expected_name(self) -> str | None:
        """The name that somebody asked for; None where only the source tells it."""
        match self.source:
            case IndexFile() | RequirementTarget():
                return self.name
            case source:
                return source.name

    @property
    def title(self) -> str:
        """The name, with the version where it is known."""
        return f"{self.name} {self.version}" if self.version else self.name


def ignore_unretrieved(future: asyncio.Future[BuildResult]) -> asyncio.Future[BuildResult]:
    """Let nobody be told that nobody looked at its exception."""
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


def label_of(source: Source) -> str:
    """Return what a source is called: as the user typed it, or the file's name."""
    return source.filename if isinstance(source, IndexFile) else source.label


def identity(source: Source) -> tuple[str, str | None]:
    """Return name and version as far as the source tells without being built."""
    match source:
        case TreeTarget(path=path):
            return _of_tree(path)
        case IndexFile(project=project, version=version):
            return project, version
        case RequirementTarget(parsed=parsed):
            pins = [pin.version for pin in parsed.specifier if pin.operator in ("==", "===")]
            return parsed.name, pins[0] if len(pins) == 1 and "*" not in pins[0] else None
        case UrlTarget(url=url, name=name):
            found, known = _of_file(name_in(url))
            return name or found, known
        case GitTarget(url=url, name=name):
            return name or url.rstrip("/").rpartition("/")[2].removesuffix(".git"), None
        case _:
            return _of_file(source.path.name)


def _of_tree(path: Path) -> tuple[str, str | None]:
    try:
        project = read_project(path)
    except ProjectError:
        return path.name, None
    return project.name or path.name, project.version


def _of_file(filename: str) -> tuple[str, str | None]:
    try:
        if filename.endswith(".whl"):
            # As the file spells it: the normalised name reads worse.
            return filename.partition("-")[0], str(parse_wheel_filename(filename)[1])
        name, version = parse_sdist_filename(filename)
    except (InvalidSdistFilename, InvalidWheelFilename, InvalidVersion):
        return filename.removesuffix(".tar.gz").removesuffix(".zip"), None
    return name, str(version)
