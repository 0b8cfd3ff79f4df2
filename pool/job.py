"""One build as the engine knows it: who it is, what it was asked for, and where its files are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from packaging.utils import InvalidSdistFilename, parse_sdist_filename
from packaging.version import InvalidVersion

from pool.errors import ProjectError
from pool.sources.project import read_project
from pool.sources.target import RequirementTarget, SdistTarget, TreeTarget

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from pathlib import Path

    from pool.backend.wheelstore import StoredWheel
    from pool.model import BuildId
    from pool.seat import Priority
    from pool.sources.index import IndexFile

__all__ = ["Built", "Job", "NestedSdist", "Source", "identity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedSdist:
    """An sdist on an index that other builds require, chosen by the resolver."""

    file: IndexFile

    @property
    def label(self) -> str:
        """The file's name."""
        return self.file.filename


Source: TypeAlias = TreeTarget | SdistTarget | RequirementTarget | NestedSdist
"""What a build starts from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A good wheel."""

    wheel: Path
    name: str
    version: str
    sha256: str
    bytes: int


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """One announced build; the engine alone changes it."""

    id: BuildId
    source: Source
    name: str
    version: str | None
    """None where the source does not tell."""
    log: Path
    priority: Priority
    config_settings: Mapping[str, str | list[str]] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    needed_by: set[BuildId] = field(default_factory=set)
    """The builds that ever waited for it; empty for what the user named."""
    result: asyncio.Future[StoredWheel] | None = None
    """Where other builds wait for its wheel; only nested builds have it."""
    waits_on: set[BuildId] = field(default_factory=set)
    """The nested builds it waits for now; the edges in which cycles are looked for."""

    @property
    def title(self) -> str:
        """The name, with the version where it is known."""
        return f"{self.name} {self.version}" if self.version else self.name

    @property
    def nested(self) -> bool:
        """Whether only other builds asked for it."""
        return isinstance(self.source, NestedSdist)


def identity(source: Source) -> tuple[str, str | None]:
    """Return name and version as far as the source tells without being built."""
    match source:
        case TreeTarget(path=path):
            return _of_tree(path)
        case SdistTarget(path=path):
            return _of_sdist(path.name)
        case NestedSdist(file=file):
            return _of_sdist(file.filename)
        case RequirementTarget(parsed=parsed):
            pins = [pin.version for pin in parsed.specifier if pin.operator in ("==", "===")]
            return parsed.name, pins[0] if len(pins) == 1 and "*" not in pins[0] else None


def _of_tree(path: Path) -> tuple[str, str | None]:
    try:
        project = read_project(path)
    except ProjectError:
        return path.name, None
    return project.name or path.name, project.version


def _of_sdist(filename: str) -> tuple[str, str | None]:
    try:
        name, version = parse_sdist_filename(filename)
    except (InvalidSdistFilename, InvalidVersion):
        return filename.removesuffix(".tar.gz").removesuffix(".zip"), None
    return name, str(version)
