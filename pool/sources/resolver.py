"""Build requirements resolved without any I/O.

`resolve` works on facts: pages of projects, metadata of files. Where it lacks some it says which,
the caller gets them, adds them and asks again. So it is pure, needs no threads, and whoever calls
it decides about order, limits and nested builds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from email.parser import HeaderParser
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from resolvelib import (
    AbstractProvider,
    BaseReporter,
    ResolutionImpossible,
    ResolutionTooDeep,
    Resolver,
)

from pool.errors import RequirementError
from pool.sources.candidates import by_version, usable, why_none

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from email.message import Message

    from packaging.version import Version
    from resolvelib.structs import RequirementInformation

    from pool.sources.candidates import TargetPython
    from pool.sources.page import IndexFile

__all__ = ["Facts", "Missing", "Resolution", "applicable", "resolve"]

_ROUNDS = 20_000
_PYTHON = "the-interpreter"
"""Stands for the interpreter among the names of projects."""
# Each round reads the same metadata again, and half of its time went into this.
_requirement = lru_cache(maxsize=1 << 13)(Requirement)


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
    python: bool = False
    """It is about the interpreter, which is not the right one; so it cannot be satisfied."""

    def __str__(self) -> str:
        what = f"Python{self.requirement.specifier}" if self.python else str(self.requirement)
        return f"{self.by or 'the project'} needs {what}"


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
        # What was chosen so far may be dropped again: wheels cost little, builds wait.
        wheels = [file for file in provider.unread.values() if file.kind == "wheel"]
        return Missing(pages=problem.pages, metadata=tuple(wheels))
    except ResolutionImpossible as problem:
        # Metadata that is not known yet can only add requirements.
        raise provider.explained(problem.causes) from problem
    except ResolutionTooDeep as problem:
        raise RequirementError(
            "the build requirements cannot be resolved: too many ways"
        ) from problem
    files = {candidate.file.filename: candidate.file for candidate in result.mapping.values()}
    if unread := tuple(file for name, file in files.items() if name not in facts.metadata):
        return Missing(metadata=unread)
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
    if not _applies(requirement, target.environment, [""]):
        return None
    if requirement.url:
        raise RequirementError(f"build requirement {requirement.name}: URLs are not supported yet")
    return requirement


def _applies(
    requirement: Requirement, environment: Mapping[str, str], extras: Iterable[str]
) -> bool:
    if requirement.marker is None:
        return True
    try:
        return any(requirement.marker.evaluate({**environment, "extra": one}) for one in extras)
    except (UndefinedComparison, UndefinedEnvironmentName) as problem:
        raise RequirementError(f"{requirement}: its marker has no meaning: {problem}") from problem


class _Provider(AbstractProvider[_Need, _Candidate, _Key]):
    """The questions of resolvelib, answered from facts."""

    def __init__(self, facts: Facts, target: TargetPython, where: str) -> None:
        self._facts = facts
        self._target = target
        self._where = where
        self.unread: dict[str, IndexFile] = {}
        """Chosen files whose metadata is not known: taken to require nothing, for now."""
        self._ranks = {tag: rank for rank, tag in reversed(list(enumerate(target.tags)))}

    def identify(self, requirement_or_candidate: _Need | _Candidate) -> _Key:
        """Return what may be chosen once: a name with its extras."""
        it = requirement_or_candidate
        if isinstance(it, _Candidate):
            return it.name, it.extras
        extras = frozenset(canonicalize_name(extra) for extra in it.requirement.extras)
        return canonicalize_name(_PYTHON if it.python else it.requirement.name), extras

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
        if name == _PYTHON:
            return lambda: iter(())
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
            self.unread[candidate.file.filename] = candidate.file
            return []
        by, metadata = f"{candidate.name} {candidate.version}", HeaderParser().parsestr(text)
        if wanted := _other_python(metadata, self._target):
            return [_Need(wanted, by, python=True)]
        needs = [_Need(requirement, by) for requirement in self._requires(metadata, candidate)]
        if candidate.extras:
            needs.append(_Need(Requirement(f"{candidate.name}=={candidate.version}"), by))
        unknown = {
            canonicalize_name(need.requirement.name) for need in needs
        } - self._facts.pages.keys()
        if unknown:
            raise _MissingPagesError(*sorted(unknown))
        return needs

    def _requires(self, metadata: Message, candidate: _Candidate) -> Iterator[Requirement]:
        for text in metadata.get_all("Requires-Dist", []):
            try:
                requirement = _requirement(text)
            except InvalidRequirement:
                continue  # Old metadata has lines that nothing can read; pip passes them over too.
            if _applies(requirement, self._target.environment, candidate.extras or [""]):
                if requirement.url:
                    raise RequirementError(
                        f"{candidate.name} {candidate.version} needs {requirement.name}"
                        " from a URL, which is not supported yet"
                    )
                yield requirement

    def _page(self, name: str) -> tuple[IndexFile, ...]:
        if name not in self._facts.pages:
            raise _MissingPagesError(name)
        return self._facts.pages[name]

    def explained(
        self, causes: Collection[RequirementInformation[_Need, _Candidate]]
    ) -> RequirementError:
        """Put a conflict into words: who asked for what, and what there is."""
        needs = {str(cause.requirement): cause.requirement for cause in causes}
        for text, need in sorted(needs.items()):
            if not need.python and (why := self._why_not(need.requirement)):
                hint = f"looked at {self._where}" if self._where else ""
                return RequirementError(f"{text}, but {why}", hint=hint)
        version = self._target.python_version
        python = f"; this is Python {version}" if any(n.python for n in needs.values()) else ""
        asked = "; ".join(sorted(needs))
        return RequirementError(f"requirements that exclude each other: {asked}{python}")

    def _why_not(self, requirement: Requirement) -> str:
        """Say why a requirement cannot be satisfied even alone; empty if it can."""
        page = self._facts.pages.get(canonicalize_name(requirement.name), ())
        groups = by_version(requirement.specifier, page).values()
        if any(usable(files, self._target, self._ranks) for files in groups):
            return ""
        return why_none(requirement.specifier, page, self._target)


def _other_python(metadata: Message, target: TargetPython) -> Requirement | None:
    """Return what a wheel requires of the interpreter, if that is not so.

    Pages of folders and of some mirrors do not tell.
    """
    wanted = Requirement(_PYTHON)
    try:
        wanted.specifier = SpecifierSet(metadata.get("Requires-Python", ""))
    except InvalidSpecifier:
        return None
    right = wanted.specifier.contains(target.python_version, prereleases=True)
    return None if right else wanted
