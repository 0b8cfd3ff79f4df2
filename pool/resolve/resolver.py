"""Version resolution without I/O, on top of resolvelib.

`resolve` works on known metadata: pages of projects, METADATA of files. If some is missing, it
returns which; the caller fetches it and calls again. So the resolver is pure, needs no threads, and
the caller decides about order, limits and nested builds. Build requirements and requests of users
are resolved by the same code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import field
from packaging.requirements import InvalidRequirement, Requirement
from resolvelib import BaseReporter, ResolutionImpossible, ResolutionTooDeep, Resolver

from pool.common.errors import RequirementError
from pool.common.record import MutableRecord, Record
from pool.common.text import clean_text
from pool.requirements.markers import requirement_applies
from pool.resolve.candidates import group_by_version
from pool.resolve.conflicts import explain_conflict
from pool.resolve.manifest import Candidate, Manifest, RequirementInfo
from pool.resolve.provider import MissingMetadataError, Provider, parse_requirement_string
from pool.sources.index.simple_api import IndexFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packaging.specifiers import SpecifierSet
    from packaging.utils import NormalizedName
    from packaging.version import Version
    from resolvelib.resolvers import Result

    from pool.requirements.target_python import TargetPython
    from pool.resolve.manifest import DirectDist

__all__ = [
    "KnownMetadata",
    "MissingMetadata",
    "Resolution",
    "filter_applicable",
    "parse_build_requirements",
    "resolve",
]

_MAX_ROUNDS = 20_000


class _Group(NamedTuple):
    """The files of a page by version."""

    page: tuple[IndexFile, ...]
    files: dict[Version, list[IndexFile]]


class KnownMetadata(MutableRecord):
    """The metadata fetched so far; grows during a run."""

    pages: dict[str, tuple[IndexFile, ...]] = field(default_factory=dict)
    """Files by normalized project name; empty if no index has the project."""
    metadata: dict[str, str] = field(default_factory=dict)
    """The text of METADATA by file name; for an sdist, that of its wheel."""
    directs: dict[str, DirectDist] = field(default_factory=dict)
    """Distributions by the URL in requirements."""
    _groups: dict[tuple[str, str, bool], _Group] = field(default_factory=dict)

    def group(
        self, name: str, wanted: SpecifierSet, *, pre: bool
    ) -> dict[Version, list[IndexFile]]:
        """Return the files of a page by version, as `group_by_version` does; computed once."""
        key, page = (name, str(wanted), pre), self.pages[name]
        group = self._groups.get(key)
        if group is None or group.page is not page:  # The page may have been read again.
            group = _Group(page, group_by_version(wanted, page, pre=pre))
            self._groups[key] = group
        return group.files


class Resolution(Record, frozen=True, kw_only=True):
    """Versions that satisfy all requirements together."""

    candidates: tuple[Candidate, ...]
    """One candidate for each name, sorted by name."""
    required_by: Mapping[NormalizedName, tuple[RequirementInfo, ...]] = field(default_factory=dict)
    """The requirements on each name, with their origins."""
    dependencies: Mapping[NormalizedName, frozenset[NormalizedName]] = field(default_factory=dict)
    """The names that each name depends on."""

    @property
    def files(self) -> tuple[IndexFile, ...]:
        """The candidates that are files of an index."""
        origins = (candidate.origin for candidate in self.candidates)
        return tuple(origin for origin in origins if isinstance(origin, IndexFile))

    def closure(self, names: Iterable[NormalizedName]) -> frozenset[NormalizedName]:
        """Return the names with their direct and indirect dependencies."""
        found: set[NormalizedName] = set()
        pending = list(names)
        while pending:
            if (name := pending.pop()) not in found:
                found.add(name)
                pending.extend(self.dependencies.get(name, ()))
        return frozenset(found)


class MissingMetadata(Record, frozen=True, kw_only=True):
    """The metadata that the resolution needs before it can go on."""

    pages: tuple[str, ...] = ()
    metadata: tuple[IndexFile, ...] = ()
    directs: tuple[Requirement, ...] = ()
    """Requirements with URLs whose distribution is not known yet."""


def resolve(
    manifest: Manifest, store: KnownMetadata, target: TargetPython, places: str = ""
) -> Resolution | MissingMetadata:
    """Select a version for each name, or return the metadata that is missing.

    Raises:
        RequirementError: an invalid requirement, an unknown project, or a conflict; the message
            has the origins of the requirements.
    """
    provider = Provider(manifest, store, target)
    try:
        provider.require_known(manifest.requirements)
        result = Resolver(provider, BaseReporter()).resolve(
            manifest.requirements, max_rounds=_MAX_ROUNDS
        )
    except MissingMetadataError as problem:
        # Candidates may still be dropped: metadata of wheels is cheap, sdists may need a build.
        wheels = {name: file for name, file in provider.unread.items() if file.kind == "wheel"}
        metadata = tuple((wheels | provider.prefetch).values())
        return MissingMetadata(pages=problem.pages, directs=problem.directs, metadata=metadata)
    except ResolutionImpossible as problem:
        # Unknown metadata can only add requirements, so the conflict stays.
        causes = [cause.requirement for cause in problem.causes]
        raise explain_conflict(causes, provider, places) from problem
    except ResolutionTooDeep as problem:
        raise RequirementError("the requirements cannot be resolved: too many ways") from problem
    resolution = _to_resolution(result)
    if unread := {f.filename: f for f in resolution.files if f.filename in provider.unread}:
        return MissingMetadata(metadata=tuple((unread | provider.prefetch).values()))
    return resolution


def _to_resolution(
    result: Result[RequirementInfo, Candidate, tuple[NormalizedName, frozenset[NormalizedName]]],
) -> Resolution:
    """Merge the candidates of a name with and without extras: extras have no files."""
    candidates: dict[NormalizedName, Candidate] = {}
    by: dict[NormalizedName, dict[RequirementInfo, None]] = {}
    needs: dict[NormalizedName, set[NormalizedName]] = {}
    for (name, extras), candidate in sorted(result.mapping.items(), key=lambda pair: pair[0][0]):
        first = candidates.get(name, candidate)
        candidates[name] = Candidate(
            name, candidate.version, first.extras | extras, candidate.origin
        )
        for about in result.criteria[name, extras].information:
            if about.parent is None or about.parent.name != name:
                by.setdefault(name, {})[about.requirement] = None
            if about.parent is not None and about.parent.name != name:
                needs.setdefault(about.parent.name, set()).add(name)
    return Resolution(
        candidates=tuple(candidates.values()),
        required_by={name: tuple(asking) for name, asking in by.items()},
        dependencies={name: frozenset(brought) for name, brought in needs.items()},
    )


def parse_build_requirements(
    requirements: Sequence[str], target: TargetPython
) -> tuple[RequirementInfo, ...]:
    """Parse build requirements; those whose markers are false are left out.

    Raises:
        RequirementError: an invalid requirement.
    """
    parsed = (_parse(text, target) for text in requirements)
    return tuple(RequirementInfo(one, "the project needs") for one in parsed if one is not None)


def filter_applicable(requirements: Iterable[str], target: TargetPython) -> list[str]:
    """Return the requirements whose markers are true for an interpreter.

    Raises:
        RequirementError: an invalid requirement.
    """
    return [text for text in requirements if _parse(text, target)]


def _parse(text: str, target: TargetPython) -> Requirement | None:
    try:
        requirement = parse_requirement_string(text)
    except InvalidRequirement as problem:
        reason = str(problem).splitlines()[0]
        raise RequirementError(f"build requirement {clean_text(text)!r}: {reason}") from problem
    return requirement if requirement_applies(requirement, target.environment) else None
