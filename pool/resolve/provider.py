"""The questions of resolvelib, answered from facts alone (see `pool.resolve.resolver`)."""

from __future__ import annotations

from email.parser import HeaderParser
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeAlias

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version
from resolvelib import AbstractProvider

from pool.common.errors import RequirementError
from pool.requirements.markers import holds
from pool.resolve.candidates import by_version, usable
from pool.resolve.manifest import Candidate, DirectDist, InstalledDist, RequirementInfo
from pool.sources.index.simple_api import IndexFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from email.message import Message

    from resolvelib.structs import RequirementInformation

    from pool.requirements.target_python import TargetPython
    from pool.resolve.manifest import Manifest

__all__ = ["Key", "MetadataStore", "MissingFactsError", "Provider", "bare"]

PYTHON = "the-interpreter"
"""Stands for the interpreter among the names of projects."""
Key: TypeAlias = tuple[NormalizedName, frozenset[NormalizedName]]
"""What is chosen once: a name with its extras."""
Match: TypeAlias = "tuple[Version, IndexFile | InstalledDist | DirectDist]"
"""A version, and where it comes from."""
_AHEAD = 16
"""So many files at most are read ahead."""
# Each round reads the same metadata again, and half of its time went into this.
_requirement = lru_cache(maxsize=1 << 13)(Requirement)
_headers = lru_cache(maxsize=1 << 11)(HeaderParser().parsestr)
_version = lru_cache(maxsize=1 << 12)(Version)


class MetadataStore(Protocol):
    """The facts, as the provider reads them."""

    @property
    def pages(self) -> Mapping[str, tuple[IndexFile, ...]]:
        """All files by normalised project name."""
        ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """METADATA by file name."""
        ...

    @property
    def directs(self) -> Mapping[str, DirectDist]:
        """What is known of URLs."""
        ...

    def grouped(
        self, name: str, wanted: SpecifierSet, *, pre: bool
    ) -> dict[Version, list[IndexFile]]:
        """Return a page's files by version."""
        ...


class MissingFactsError(Exception):
    """The resolution cannot go on without these."""

    def __init__(self, pages: Iterable[str], directs: Iterable[Requirement]) -> None:
        super().__init__()
        self.pages = tuple(sorted(set(pages)))
        self.directs = tuple({one.url: one for one in directs}.values())


class Provider(AbstractProvider[RequirementInfo, Candidate, Key]):
    """What can be chosen, what it requires, and what fits."""

    def __init__(self, asked: Manifest, facts: MetadataStore, target: TargetPython) -> None:
        self.asked = asked
        self.facts = facts
        self.target = target
        self.unread: dict[str, IndexFile] = {}
        """Chosen files whose metadata is not known: taken to require nothing, for now."""
        self.ahead: dict[str, IndexFile] = {}
        """Wheels whose metadata is likely to be asked for next."""
        self._ranks = {tag: rank for rank, tag in reversed(list(enumerate(target.tags)))}
        self._limits: dict[NormalizedName, list[RequirementInfo]] = {}
        for one in asked.constraints:
            limit = RequirementInfo(one.requirement, f"{one.origin} allows only")
            self._limits.setdefault(limit.name, []).append(limit)
        self.ruled_out: dict[NormalizedName, list[tuple[RequirementInfo, RequirementInfo]]] = {}
        """By name: what versions need that cannot be had beside what was asked for."""
        self._firm: dict[NormalizedName, list[RequirementInfo]] = {}
        """What holds whatever is chosen: what was asked for, and constraints."""
        for need in (*asked.needs, *(limit for group in self._limits.values() for limit in group)):
            self._firm.setdefault(need.name, []).append(need)
        pointed = [need for group in self._firm.values() for need in group]
        self._pointed = {need.name: need.requirement for need in pointed if need.requirement.url}

    def identify(self, requirement_or_candidate: RequirementInfo | Candidate) -> Key:
        """Return what may be chosen once: a name with its extras."""
        it = requirement_or_candidate
        if isinstance(it, Candidate):
            return it.name, it.extras
        extras = frozenset(canonicalize_name(extra) for extra in it.requirement.extras)
        return canonicalize_name(PYTHON) if it.python else it.name, extras

    def get_preference(
        self,
        identifier: Key,
        resolutions: Mapping[Key, Candidate],
        candidates: Mapping[Key, Iterator[Candidate]],
        information: Mapping[Key, Iterator[RequirementInformation[RequirementInfo, Candidate]]],
        backtrack_causes: Sequence[RequirementInformation[RequirementInfo, Candidate]],
    ) -> tuple[bool, bool, bool, str]:
        """Prefer what caused a conflict, then what is pointed at or pinned, then by name."""
        causes = {self.identify(cause.requirement) for cause in backtrack_causes}
        asking = [about.requirement.requirement for about in information[identifier]]
        pinned = any(one.operator == "==" for each in asking for one in each.specifier)
        pointed = identifier[0] in self._pointed or any(each.url for each in asking)
        return identifier not in causes, not pointed, not pinned, identifier[0]

    def find_matches(
        self,
        identifier: Key,
        requirements: Mapping[Key, Iterator[RequirementInfo]],
        incompatibilities: Mapping[Key, Iterator[Candidate]],
    ) -> Callable[[], Iterator[Candidate]]:
        """Return what satisfies all requirements on a name, the best first."""
        name, extras = identifier
        if name == PYTHON:
            return lambda: iter(())
        needs = [*requirements[identifier], *self.limits(name)]
        bad = {choice.version for choice in incompatibilities[identifier]}
        found = self._pointed_at(name, needs)
        # resolvelib may ask again: each time from the beginning.
        matches = _Replayed(self._index(name, needs) if found is None else found)

        def lazily() -> Iterator[Candidate]:
            # Mostly the first one is taken; looking at all files of all versions costs most.
            hopeless = 0
            for version, origin in matches:
                choice = Candidate(name, version, extras, origin)
                if version in bad:
                    continue
                if self._is_hopeless(choice):
                    hopeless += 1
                    continue
                self._read_ahead(matches, hopeless)
                yield choice

        return lazily

    def _is_hopeless(self, choice: Candidate) -> bool:
        """Tell whether a version needs what cannot be had beside what was asked for.

        Found out here it costs a look; found out by backtracking it costs a search for every
        version of everything that was chosen before.
        """
        text = self._known_metadata(choice)
        if text is None or not self.asked.deps:
            return False
        for requirement in self._requires(_headers(text), choice):
            need = RequirementInfo(requirement, f"{choice} needs")
            if (against := self._excluded_by(need)) is not None:
                pairs = self.ruled_out.setdefault(choice.name, [])
                if all(str(need) != str(known) for known, _ in pairs):
                    pairs.append((need, against))
                return True
        return False

    def _excluded_by(self, need: RequirementInfo) -> RequirementInfo | None:
        """Return what was asked for that leaves nothing for a need, as far as pages tell."""
        firm = self._firm.get(need.name)
        if not firm or need.requirement.url or need.name in self._pointed:
            return None
        if need.name in self.asked.files or need.name not in self.facts.pages:
            return None
        wanted = need.requirement.specifier
        for one in firm:
            wanted &= one.requirement.specifier
        kept = self.asked.kept.get(need.name)
        if kept is not None and wanted.contains(kept.version, prereleases=True):
            return None
        if self.facts.grouped(need.name, wanted, pre=True):
            return None
        # They count as soon as something that is chosen later pins them.
        yanked = (file for file in self.facts.pages[need.name] if file.yanked)
        pinned = any(wanted.contains(file.version, prereleases=True) for file in yanked)
        return None if pinned else firm[0]

    def _read_ahead(self, matches: Iterable[Match], hopeless: int) -> None:
        """After versions that were hopeless, ask for the metadata of the next ones at once."""
        if not hopeless:
            return
        files = [origin for _, origin in matches if isinstance(origin, IndexFile)]
        unknown = [file for file in files if file.filename not in self.facts.metadata]
        wheels = [file for file in unknown if file.kind == "wheel"][: min(hopeless, _AHEAD)]
        self.ahead |= {file.filename: file for file in wheels}

    def limits(self, name: NormalizedName) -> list[RequirementInfo]:
        """Return the constraints on a name."""
        return self._limits.get(name, [])

    def _pointed_at(
        self, name: NormalizedName, needs: Sequence[RequirementInfo]
    ) -> Iterable[tuple[Version, DirectDist]] | None:
        """Return what a URL points at; None where no URL is said."""
        said = [need.requirement for need in needs if need.requirement.url]
        if name in self._pointed:
            said.append(self._pointed[name])
        if not said:
            return None
        self.look_up([RequirementInfo(one, "") for one in said])
        directs = [self.facts.directs[one.url or ""] for one in said]
        version = _version(directs[0].version)
        fits = len({direct.url for direct in directs}) == 1 and directs[0].name == name
        fits = fits and (not directs[0].known or all(_allows(need, version) for need in needs))
        return [(version, directs[0])] if fits else []

    def _index(
        self, name: NormalizedName, needs: Sequence[RequirementInfo]
    ) -> Iterator[tuple[Version, IndexFile | InstalledDist]]:
        """Yield versions that nobody points at: the environment's own, then from the newest on."""
        wanted = SpecifierSet()
        for need in needs:
            wanted &= need.requirement.specifier
        kept = self.asked.kept.get(name)
        if kept is not None and wanted.contains(kept.version, prereleases=True):
            yield _version(kept.version), kept
        self._require_hash(name, needs)
        files = self._grouped(name, wanted)
        first = self.asked.preferred.get(name)
        if first in files and (file := self._usable(name, files[first])):
            yield first, file
        source_only = [True, False] if name in self.asked.built else [False]
        for only in source_only:
            for version, group in files.items():
                if file := self._usable(name, group, source_only=only):
                    yield version, file

    def _require_hash(self, name: NormalizedName, needs: Sequence[RequirementInfo]) -> None:
        """See that a file which nobody has named is allowed to come.

        Raises:
            RequirementError: all files need hashes, and of it none is demanded.
        """
        asked = self.asked
        if asked.require_hashes and not (name in asked.hashes or name in asked.files):
            raise RequirementError(
                f"{needs[0]}, and no hash of it is demanded",
                hint="all must have hashes, as one has, or --require-hashes says: what comes along"
                " as well",
            )

    def _grouped(
        self, name: NormalizedName, wanted: SpecifierSet
    ) -> dict[Version, list[IndexFile]]:
        if (named := self.asked.files.get(name)) is not None:
            return by_version(wanted, named, pre=True)
        if name not in self.facts.pages:
            raise MissingFactsError([name], ())
        return self.facts.grouped(name, wanted, pre=self.asked.pre)

    def _usable(
        self, name: NormalizedName, files: Iterable[IndexFile], *, source_only: bool = False
    ) -> IndexFile | None:
        formats, hashes = self.asked.formats, self.asked.hashes.get(name)
        wheels = formats.wheels(name) and not source_only
        good = (file for file in files if not hashes or _promises(file, hashes))
        return usable(good, self.target, self._ranks, wheels=wheels, sdists=formats.sdists(name))

    def is_satisfied_by(self, requirement: RequirementInfo, candidate: Candidate) -> bool:
        """Tell whether a choice fits one more requirement."""
        url, origin = requirement.requirement.url, candidate.origin
        if isinstance(origin, DirectDist):
            fits = not origin.known or _allows(requirement, candidate.version)
            return fits and url in (None, origin.url)
        return not url and _allows(requirement, candidate.version)

    def get_dependencies(self, candidate: Candidate) -> Iterable[RequirementInfo]:
        """Return what a choice requires in turn."""
        if (text := self._metadata(candidate)) is None:
            return []
        metadata = _headers(text)
        if wanted := _other_python(metadata, self.target):
            return [RequirementInfo(wanted, f"{candidate} needs", python=True)]
        if not self.asked.deps:
            return []
        needs = [
            RequirementInfo(one, f"{candidate} needs")
            for one in self._requires(metadata, candidate)
        ]
        if candidate.extras:
            needs.append(RequirementInfo(bare(candidate), f"{candidate} is"))
        self.look_up(needs)
        return needs

    def _metadata(self, choice: Candidate) -> str | None:
        """Return a choice's metadata; None where it is to be found out, or not wanted."""
        text = self._known_metadata(choice)
        if text is None and self.asked.deps and isinstance(choice.origin, IndexFile):
            # Going on finds all that is missing at once; the answer is thrown away afterwards.
            self.unread[choice.origin.filename] = choice.origin
        return text

    def _known_metadata(self, choice: Candidate) -> str | None:
        if isinstance(choice.origin, IndexFile):
            return self.facts.metadata.get(choice.origin.filename)
        return choice.origin.metadata

    def _requires(self, metadata: Message, choice: Candidate) -> Iterator[Requirement]:
        environment = self.target.environment
        for text in metadata.get_all("Requires-Dist", []):
            try:
                requirement = _requirement(text)
            except InvalidRequirement:
                continue  # Old metadata has lines that nothing can read; pip passes them over too.
            if holds(requirement, environment, choice.extras or [""]):
                yield requirement

    def look_up(self, needs: Iterable[RequirementInfo]) -> None:
        """See that something is known of all that is needed.

        Raises:
            MissingFactsError: of some, nothing is.
        """
        wanted = [need for need in needs if not need.python]
        pointing = [
            need
            for need in wanted
            if need.requirement.url and need.requirement.url not in self.facts.directs
        ]
        for need in pointing:
            self._require_hash(need.name, [need])
        directs = [need.requirement for need in pointing]
        pages = [need.name for need in wanted if not self._known(need)]
        if pages or directs:
            raise MissingFactsError(pages, directs)

    def _known(self, need: RequirementInfo) -> bool:
        asked = self.asked
        elsewhere = (
            need.name in self._pointed or need.name in asked.files or need.name in asked.kept
        )
        return bool(need.requirement.url) or elsewhere or need.name in self.facts.pages


class _Replayed:
    """What an iterator yields, as often as it is asked for."""

    def __init__(self, matches: Iterable[Match]) -> None:
        self._rest = iter(matches)
        self._seen: list[Match] = []

    def __iter__(self) -> Iterator[Match]:
        at = 0
        while at < len(self._seen) or self._more():
            yield self._seen[at]
            at += 1

    def _more(self) -> bool:
        fresh = list(islice(self._rest, 1))
        self._seen += fresh
        return bool(fresh)


def bare(choice: Candidate) -> Requirement:
    """Return the requirement on a choice without its extras."""
    if isinstance(choice.origin, DirectDist):
        return Requirement(f"{choice.name} @ {choice.origin.url}")
    return Requirement(f"{choice.name}=={choice.version}")


def _allows(need: RequirementInfo, version: Version) -> bool:
    return need.requirement.specifier.contains(version, prereleases=True)


def _promises(file: IndexFile, hashes: frozenset[str]) -> bool:
    """Tell whether a file may have one of the digests; what the index does not tell, is seen."""
    told = {name: digest for name, digest in file.hashes.items() if f"{name}:{digest}" in hashes}
    algorithms = {one.partition(":")[0] for one in hashes}
    return bool(told) or algorithms.isdisjoint(file.hashes)


def _other_python(metadata: Message, target: TargetPython) -> Requirement | None:
    """Return what a file requires of the interpreter, if that is not so.

    Pages of folders and of some mirrors do not tell.
    """
    wanted = Requirement(PYTHON)
    try:
        wanted.specifier = SpecifierSet(metadata.get("Requires-Python", ""))
    except InvalidSpecifier:
        return None
    right = wanted.specifier.contains(target.python_version, prereleases=True)
    return None if right else wanted
