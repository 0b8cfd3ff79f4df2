"""The input of a resolution: requirements with their origins, rules, and what can be chosen.

Plain data between the resolver and its callers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec import field
from packaging.utils import NormalizedName, canonicalize_name

from pool.common.record import KeyedRecord, Record
from pool.common.redaction import redact_urls
from pool.requirements.request import FormatControl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.requirements import Requirement
    from packaging.version import Version

    from pool.requirements.request import Constraint
    from pool.sources.index.simple_api import IndexFile

__all__ = ["Candidate", "DirectDist", "InstalledDist", "Manifest", "Origin", "RequirementInfo"]


class RequirementInfo(Record, frozen=True):
    """A requirement, and what requires it."""

    requirement: Requirement
    required_by: str
    """The origin with its verb: ``rich 14.2.0 needs``, ``requirements.txt:3 requires``."""
    is_python: bool = False
    """It is a Requires-Python that the interpreter does not satisfy, so nothing can."""
    unreadable: str = ""
    """Why the metadata that has it cannot be read, so nothing can satisfy it; empty if it can."""

    @property
    def name(self) -> NormalizedName:
        """The normalized name of the project."""
        return canonicalize_name(self.requirement.name)

    @property
    def is_impossible(self) -> bool:
        """Whether no version of any project satisfies it."""
        return self.is_python or bool(self.unreadable)

    def __str__(self) -> str:
        text = f"Python{self.requirement.specifier}" if self.is_python else str(self.requirement)
        return redact_urls(f"{self.required_by} {self.unreadable or text}")


class DirectDist(Record, frozen=True, kw_only=True):
    """The distribution behind a URL or a path: one version, without a choice."""

    url: str
    """The URL as in the requirements that name it."""
    name: NormalizedName
    version: str
    metadata: str
    metadata_known: bool = True
    """False if version and metadata are placeholders until the project is built.

    Then every specifier matches.
    """


class InstalledDist(Record, frozen=True, kw_only=True):
    """A distribution that is installed in the environment already."""

    name: NormalizedName
    version: str
    metadata: str
    from_index: bool = True
    """Whether it came from an index, rather than from a tree, a file or a URL."""


Origin: TypeAlias = "IndexFile | DirectDist | InstalledDist"
"""The source of a candidate."""


class Candidate(KeyedRecord, frozen=True, eq=False):
    """One version of one project."""

    name: NormalizedName
    version: Version
    extras: frozenset[NormalizedName]
    origin: Origin

    def key(self) -> tuple[object, ...]:
        """Return what is compared: not the origin."""
        return (self.name, self.version, self.extras)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Manifest(Record, frozen=True, kw_only=True):
    """The input of one resolution, beside the known metadata."""

    requirements: tuple[RequirementInfo, ...]
    deps: bool = True
    """Whether the dependencies of candidates are resolved as well."""
    constraints: tuple[Constraint, ...] = ()
    """The constraints whose markers are true."""
    formats: FormatControl = field(default_factory=FormatControl)
    pre: bool = False
    from_source: frozenset[NormalizedName] = frozenset()
    """Names for which sdists are preferred; for all others wheels are."""
    files: Mapping[NormalizedName, tuple[IndexFile, ...]] = field(default_factory=dict)
    """The files that a lock file names; they replace the index page of the project."""
    hashes: Mapping[NormalizedName, frozenset[str]] = field(default_factory=dict)
    """``sha256:<digest>``; a file of the project must have one of them."""
    require_hashes: bool = False
    """Whether files without a required hash are refused."""
    installed: Mapping[NormalizedName, InstalledDist] = field(default_factory=dict)
    """Installed distributions; they are preferred if they satisfy the requirements."""
    preferred: Mapping[NormalizedName, Version] = field(default_factory=dict)
    """Versions that an earlier resolution of the same run selected; they are tried first."""

    def file_rules(self, name: NormalizedName) -> tuple[object, ...] | None:
        """Return all that decides which file of one project is selected, apart from its page.

        None if more than the page decides: the project has dependencies to resolve, or a choice
        of its own.
        """
        if self.deps or self.files or self.installed or self.preferred:
            return None
        constraints = [
            (str(one.requirement), sorted(one.hashes))
            for one in self.constraints
            if canonicalize_name(one.requirement.name) == name
        ]
        formats = (self.formats.allows_wheels(name), self.formats.allows_sdists(name))
        rules = (formats, self.pre, name in self.from_source, self.require_hashes)
        requirements = [str(one.requirement) for one in self.requirements]
        return (requirements, constraints, *rules, sorted(self.hashes.get(name, ())))
