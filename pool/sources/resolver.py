"""Build requirements resolved without any I/O.

`resolve` works on facts: pages of projects, metadata of files. Where it lacks some it says which,
the caller gets them, adds them and asks again. So it is pure, needs no threads, and whoever calls
it decides about order, limits and nested builds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from email.parser import HeaderParser
from typing import TYPE_CHECKING, TypeAlias

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from resolvelib import (
    AbstractProvider,
    BaseReporter,
    ResolutionImpossible,
    ResolutionTooDeep,
    Resolver,
)

from pool.errors import RequirementError
from pool.sources.candidates import by_version, usable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from packaging.version import Version
    from resolvelib.structs import RequirementInformation

    from pool.sources.candidates import TargetPython
    from pool.sources.page import IndexFile

__all__ = ["Facts", "Missing", "Resolution", "applicable", "resolve"]

_ROUNDS = 20_000


@dataclass(slots=True)
class Facts:
    """What is known so far; grows while a pool runs."""

    pages: dict[str, tuple[IndexFile, ...]] = field(default_factory=dict)
    """By normalised project name; empty where no index has it."""
    metadata: dict[str, str] = field(default_factory=dict)
    """The text of METADATA by file name; of an sdist, what its built wheel has."""
    _groups: dict[tuple[str, str], dict[Version, list[IndexFile]]] = field(default_factory=dict)

    def grouped(
        self, name: str, wanted: SpecifierSet, page: tuple[IndexFile, ...]
    ) -> dict[Version, list[IndexFile]]:
        """Return a project's files by version as `by_version` does, worked out once."""
        key = (name, str(wanted))
        if key not in self._groups:
            self._groups[key] = by_version(wanted, page)
        return self._groups[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The files that satisfy all requirements, by name."""

    files: tuple[IndexFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What has to be found out before the resolution can go on."""

    pages: tuple[str, ...] = ()
    metadata: tuple[IndexFile, ...] = ()


@dataclass(frozen=True, slots=True)
class _Need:
    """A requirement, and who has it: None for the project that is built."""

    requirement: Requirement
    by: str | None


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: NormalizedName
    version: Version
    file: IndexFile = field(compare=False)
    extras: frozenset[str]


_Key: TypeAlias = tuple[NormalizedName, frozenset[str]]


class _MissingPagesError(Exception):
    def __init__(self, *pages: str) -> None:
        super().__init__()
        self.pages = pages


def resolve(
    requirements: Sequence[str], facts: Facts, target: TargetPython, where: str = ""
) -> Resolution | Missing:
    """Choose a set of files, or say what has to be known first.

    Raises:
        RequirementError: a bad requirement, an unknown project, a conflict; who asked for what.
    """
    needs = [_Need(parsed, None) for text in requirements if (parsed := _parsed(text, target))]
    unknown = {canonicalize_name(need.requirement.name) for need in needs} - facts.pages.keys()
    if unknown:
        return Missing(pages=tuple(sorted(unknown)))
    provider = _Provider(facts, target, where)
    try:
        result = Resolver(provider, BaseReporter()).resolve(needs, max_rounds=_ROUNDS)
    except _MissingPagesError as problem:
        return Missing(pages=problem.pages, metadata=tuple(provider.unread))
    except ResolutionImpossible as problem:
        if provider.unread:
            return Missing(metadata=tuple(provider.unread))
        raise provider.explained(problem.causes) from problem
    except ResolutionTooDeep as problem:
        raise RequirementError(
            "the build requirements cannot be resolved: too many ways"
        ) from problem
    if provider.unread:
        return Missing(metadata=tuple(provider.unread))
    files = {candidate.file.filename: candidate.file for candidate in result.mapping.values()}
    return Resolution(files=tuple(files[name] for name in sorted(files)))


def applicable(requirements: Iterable[str], target: TargetPython) -> list[str]:
    """Return the requirements whose markers hold for an interpreter.

    Raises:
        RequirementError: one that cannot be read.
    """
    return [text for text in requirements if _parsed(text, target)]


def _parsed(text: str, target: TargetPython) -> Requirement | None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as problem:
        reason = str(problem).splitlines()[0]
        raise RequirementError(f"build requirement {text!r}: {reason}") from problem
    if requirement.marker and not requirement.marker.evaluate(target.environment):
        return None
    if requirement.url:
        raise RequirementError(f"build requirement {requirement.name}: URLs are not supported yet")
    return requirement


class _Provider(AbstractProvider[_Need, _Candidate, _Key]):
    """The questions of resolvelib, answered from facts."""

    def __init__(self, facts: Facts, target: TargetPython, where: str) -> None:
        self._facts = facts
        self._target = target
        self._where = where
        self.unread: list[IndexFile] = []
        """Chosen files whose metadata is not known: taken to require nothing, for now."""
        self._ranks = {tag: rank for rank, tag in reversed(list(enumerate(target.tags)))}

    def identify(self, requirement_or_candidate: _Need | _Candidate) -> _Key:
        """Return what may be chosen once: a name with its extras."""
        it = requirement_or_candidate
        if isinstance(it, _Candidate):
            return it.name, it.extras
        return canonicalize_name(it.requirement.name), frozenset(it.requirement.extras)

    def get_preference(
        self,
        identifier: _Key,
        resolutions: Mapping[_Key, _Candidate],
        candidates: Mapping[_Key, Iterator[_Candidate]],
        information: Mapping[_Key, Iterator[RequirementInformation[_Need, _Candidate]]],
        backtrack_causes: Sequence[RequirementInformation[_Need, _Candidate]],
    ) -> tuple[bool, bool, str]:
        """Prefer what caused a conflict, then what is pinned, then by name."""
        causes = {self.identify(cause.requirement) for cause in backtrack_causes}
        pinned = any(
            specifier.operator == "=="
            for about in information[identifier]
            for specifier in about.requirement.requirement.specifier
        )
        return identifier not in causes, not pinned, identifier[0]

    def find_matches(
        self,
        identifier: _Key,
        requirements: Mapping[_Key, Iterator[_Need]],
        incompatibilities: Mapping[_Key, Iterator[_Candidate]],
    ) -> Callable[[], Iterator[_Candidate]]:
        """Return what satisfies all requirements on a name, the newest version first."""
        name, extras = identifier
        wanted = SpecifierSet()
        for need in requirements[identifier]:
            wanted &= need.requirement.specifier
        bad = {candidate.version for candidate in incompatibilities[identifier]}
        groups = self._facts.grouped(name, wanted, self._page(name))

        def lazily() -> Iterator[_Candidate]:
            # Mostly the first one is taken; looking at all files of all versions costs most.
            for version, files in groups.items():
                if version not in bad and (file := usable(files, self._target, self._ranks)):
                    yield _Candidate(name, version, file, extras)

        return lazily

    def is_satisfied_by(self, requirement: _Need, candidate: _Candidate) -> bool:
        """Tell whether a choice fits one more requirement."""
        return requirement.requirement.specifier.contains(candidate.version, prereleases=True)

    def get_dependencies(self, candidate: _Candidate) -> Iterable[_Need]:
        """Return what a choice requires in turn."""
        text = self._facts.metadata.get(candidate.file.filename)
        if text is None:
            # Going on finds all that is missing at once; the answer is thrown away afterwards.
            self.unread.append(candidate.file)
            return []
        by = f"{candidate.name} {candidate.version}"
        needs = [_Need(requirement, by) for requirement in self._requires(text, candidate)]
        if candidate.extras:
            needs.append(_Need(Requirement(f"{candidate.name}=={candidate.version}"), by))
        unknown = {
            canonicalize_name(need.requirement.name) for need in needs
        } - self._facts.pages.keys()
        if unknown:
            raise _MissingPagesError(*sorted(unknown))
        return needs

    def _requires(self, metadata: str, candidate: _Candidate) -> Iterator[Requirement]:
        for text in HeaderParser().parsestr(metadata).get_all("Requires-Dist", []):
            try:
                requirement = Requirement(text)
            except InvalidRequirement:
                continue  # Old metadata has lines that nothing can read; pip passes them over too.
            extras = candidate.extras or {""}
            if requirement.marker is None or any(
                requirement.marker.evaluate({**self._target.environment, "extra": extra})
                for extra in extras
            ):
                yield requirement

    def _page(self, name: str) -> tuple[IndexFile, ...]:
        if name not in self._facts.pages:
            raise _MissingPagesError(name)
        return self._facts.pages[name]

    def explained(
        self, causes: Collection[RequirementInformation[_Need, _Candidate]]
    ) -> RequirementError:
        """Put a conflict into words: who asked for what, and what there is."""
        asked = sorted(
            {
                f"{cause.requirement.by or 'the project'} needs {cause.requirement.requirement}"
                for cause in causes
            }
        )
        name = canonicalize_name(next(iter(causes)).requirement.requirement.name)
        if not self._facts.pages.get(name):
            return RequirementError(
                f"{asked[0]}, but no project of that name was found",
                hint=f"looked at {self._where}" if self._where else "",
            )
        if len(asked) == 1:
            return RequirementError(f"{asked[0]}, but no version fits this Python and platform")
        return RequirementError("requirements that exclude each other: " + "; ".join(asked))
