"""Sets of versions that go together, found without any I/O.

`resolve` works on facts: pages of projects, metadata of files. Where it lacks some it says which,
the caller gets them, adds them and asks again. So it is pure, needs no threads, and whoever calls
it decides about order, limits and nested builds. Build requirements and the closures of what
users ask for are resolved by the same code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from resolvelib import BaseReporter, ResolutionImpossible, ResolutionTooDeep, Resolver

from pool.common.errors import RequirementError
from pool.requirements.markers import holds
from pool.resolve.candidates import by_version
from pool.resolve.conflicts import explained
from pool.resolve.manifest import Candidate, Manifest, RequirementInfo
from pool.resolve.provider import MissingFactsError, Provider
from pool.sources.index.simple_api import IndexFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packaging.specifiers import SpecifierSet
    from packaging.utils import NormalizedName
    from packaging.version import Version
    from resolvelib.resolvers import Result

    from pool.requirements.target_python import TargetPython
    from pool.resolve.manifest import DirectDist

__all__ = ["KnownMetadata", "MissingMetadata", "Resolution", "applicable", "build_needs", "resolve"]

_ROUNDS = 20_000
# Each round reads the same metadata again, and half of its time went into this.
_requirement = lru_cache(maxsize=1 << 13)(Requirement)


@dataclass(slots=True)
class KnownMetadata:
    """What is known so far; grows while a pool runs."""

    pages: dict[str, tuple[IndexFile, ...]] = field(default_factory=dict)
    """By normalised project name; empty where no index has it."""
    metadata: dict[str, str] = field(default_factory=dict)
    """The text of METADATA by file name; of an sdist, what a wheel of it has."""
    directs: dict[str, DirectDist] = field(default_factory=dict)
    """By the URL that requirements name."""
    _groups: dict[tuple[str, str, bool], dict[Version, list[IndexFile]]] = field(
        default_factory=dict
    )

    def grouped(
        self, name: str, wanted: SpecifierSet, *, pre: bool
    ) -> dict[Version, list[IndexFile]]:
        """Return the files of a page by version as `by_version` does, worked out once."""
        key = (name, str(wanted), pre)
        if key not in self._groups:
            self._groups[key] = by_version(wanted, self.pages[name], pre=pre)
        return self._groups[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Versions that satisfy all needs together."""

    choices: tuple[Candidate, ...]
    """One for each name, by name."""
    by: Mapping[NormalizedName, tuple[RequirementInfo, ...]] = field(default_factory=dict)
    """Who asked for each."""
    needs: Mapping[NormalizedName, frozenset[NormalizedName]] = field(default_factory=dict)
    """What each brings along."""

    @property
    def files(self) -> tuple[IndexFile, ...]:
        """What comes from indexes."""
        origins = (choice.origin for choice in self.choices)
        return tuple(origin for origin in origins if isinstance(origin, IndexFile))

    def closure(self, names: Iterable[NormalizedName]) -> frozenset[NormalizedName]:
        """Return the names with all that they bring along, and what that brings along."""
        found: set[NormalizedName] = set()
        waiting = list(names)
        while waiting:
            if (name := waiting.pop()) not in found:
                found.add(name)
                waiting.extend(self.needs.get(name, ()))
        return frozenset(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingMetadata:
    """What has to be found out before the resolution can go on."""

    pages: tuple[str, ...] = ()
    metadata: tuple[IndexFile, ...] = ()
    directs: tuple[Requirement, ...] = ()
    """Requirements with URLs of which nothing is known yet."""


def resolve(
    asked: Manifest, facts: KnownMetadata, target: TargetPython, where: str = ""
) -> Resolution | MissingMetadata:
    """Choose a version for every name that is needed, or say what has to be known first.

    Raises:
        RequirementError: a bad requirement, an unknown project, a conflict; who asked for what.
    """
    provider = Provider(asked, facts, target)
    try:
        provider.look_up(asked.needs)
        result = Resolver(provider, BaseReporter()).resolve(asked.needs, max_rounds=_ROUNDS)
    except MissingFactsError as problem:
        # What was chosen so far may be dropped again: wheels cost little, builds wait.
        wheels = {name: file for name, file in provider.unread.items() if file.kind == "wheel"}
        metadata = tuple((wheels | provider.ahead).values())
        return MissingMetadata(pages=problem.pages, directs=problem.directs, metadata=metadata)
    except ResolutionImpossible as problem:
        # Metadata that is not known yet can only add requirements.
        causes = [cause.requirement for cause in problem.causes]
        raise explained(causes, provider, where) from problem
    except ResolutionTooDeep as problem:
        raise RequirementError("the requirements cannot be resolved: too many ways") from problem
    resolution = _told(result)
    if unread := {f.filename: f for f in resolution.files if f.filename in provider.unread}:
        return MissingMetadata(metadata=tuple((unread | provider.ahead).values()))
    return resolution


def _told(
    result: Result[RequirementInfo, Candidate, tuple[NormalizedName, frozenset[NormalizedName]]],
) -> Resolution:
    """Put what was found under names alone: extras have no files of their own."""
    choices: dict[NormalizedName, Candidate] = {}
    by: dict[NormalizedName, dict[RequirementInfo, None]] = {}
    needs: dict[NormalizedName, set[NormalizedName]] = {}
    for (name, extras), choice in sorted(result.mapping.items(), key=lambda pair: pair[0][0]):
        first = choices.get(name, choice)
        choices[name] = Candidate(name, choice.version, first.extras | extras, choice.origin)
        for about in result.criteria[name, extras].information:
            if about.parent is None or about.parent.name != name:
                by.setdefault(name, {})[about.requirement] = None
            if about.parent is not None and about.parent.name != name:
                needs.setdefault(about.parent.name, set()).add(name)
    return Resolution(
        choices=tuple(choices.values()),
        by={name: tuple(asking) for name, asking in by.items()},
        needs={name: frozenset(brought) for name, brought in needs.items()},
    )


def build_needs(requirements: Sequence[str], target: TargetPython) -> tuple[RequirementInfo, ...]:
    """Return build requirements as needs; those whose markers do not hold are left out.

    Raises:
        RequirementError: one that cannot be read.
    """
    parsed = (_parsed(text, target) for text in requirements)
    return tuple(RequirementInfo(one, "the project needs") for one in parsed if one is not None)


def applicable(requirements: Iterable[str], target: TargetPython) -> list[str]:
    """Return the requirements whose markers hold for an interpreter.

    Raises:
        RequirementError: one that cannot be read.
    """
    return [text for text in requirements if _parsed(text, target)]


def _parsed(text: str, target: TargetPython) -> Requirement | None:
    try:
        requirement = _requirement(text)
    except InvalidRequirement as problem:
        reason = str(problem).splitlines()[0]
        raise RequirementError(f"build requirement {text!r}: {reason}") from problem
    return requirement if holds(requirement, target.environment) else None
