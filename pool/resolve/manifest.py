"""What a resolution is about: who needs what, by which rules, and what can be chosen.

Plain data between the resolver and those who ask it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from packaging.utils import NormalizedName, canonicalize_name

from pool.common.redaction import redact_urls
from pool.requirements.request import FormatControl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.requirements import Requirement
    from packaging.version import Version

    from pool.requirements.request import Constraint
    from pool.sources.index.simple_api import IndexFile

__all__ = ["Candidate", "DirectDist", "InstalledDist", "Manifest", "Origin", "RequirementInfo"]


@dataclass(frozen=True, slots=True)
class RequirementInfo:
    """A requirement, and who has it."""

    requirement: Requirement
    by: str
    """With its verb: ``rich 14.2.0 needs``, ``requirements.txt:3 asks for``."""
    python: bool = False
    """It is about the interpreter, which is not the right one; so it cannot be satisfied."""

    @property
    def name(self) -> NormalizedName:
        """The project's name, normalised."""
        return canonicalize_name(self.requirement.name)

    def __str__(self) -> str:
        what = f"Python{self.requirement.specifier}" if self.python else str(self.requirement)
        return redact_urls(f"{self.by} {what}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectDist:
    """What a URL or a path points at: one version, without a choice."""

    url: str
    """As requirements on it have it."""
    name: NormalizedName
    version: str
    metadata: str
    known: bool = True
    """Whether that is what it has; else only its build will tell, and any version fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledDist:
    """What an environment has already."""

    name: NormalizedName
    version: str
    metadata: str


Origin: TypeAlias = "IndexFile | DirectDist | InstalledDist"
"""Where a chosen version comes from."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One version of one project."""

    name: NormalizedName
    version: Version
    extras: frozenset[NormalizedName]
    origin: Origin = field(compare=False)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that a resolution has to satisfy, beside the facts."""

    needs: tuple[RequirementInfo, ...]
    deps: bool = True
    """Whether what is chosen brings its own requirements along."""
    constraints: tuple[Constraint, ...] = ()
    """Those whose markers hold."""
    formats: FormatControl = field(default_factory=FormatControl)
    pre: bool = False
    built: frozenset[NormalizedName] = frozenset()
    """Taken as sdists wherever there are some; the others as wheels wherever there are some."""
    files: Mapping[NormalizedName, tuple[IndexFile, ...]] = field(default_factory=dict)
    """Instead of an index's page, where a lock file names the files."""
    hashes: Mapping[NormalizedName, frozenset[str]] = field(default_factory=dict)
    """``sha256:<digest>``, one of which a project's file must have."""
    require_hashes: bool = False
    """Whether no file may be taken for which there is none."""
    kept: Mapping[NormalizedName, InstalledDist] = field(default_factory=dict)
    """Taken before all others where they fit."""
    preferred: Mapping[NormalizedName, Version] = field(default_factory=dict)
    """Versions that were chosen already, in a first round."""
