"""The provider for resolvelib: works on known metadata (see `pool.resolve.resolver`)."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeAlias

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version
from resolvelib import AbstractProvider

from pool.common.errors import RequirementError
from pool.common.pep508 import lenient_requirement, lenient_specifiers
from pool.common.text import clean_text
from pool.requirements.markers import requirement_applies
from pool.requirements.url import normalize_file_url
from pool.resolve.candidates import best_file, group_by_version
from pool.resolve.manifest import Candidate, DirectDist, InstalledDist, RequirementInfo
from pool.sources.core_metadata import parse_headers
from pool.sources.index.simple_api import IndexFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from email.message import Message

    from resolvelib.structs import RequirementInformation

    from pool.requirements.target_python import TargetPython
    from pool.resolve.manifest import Manifest

__all__ = [
    "Key",
    "MetadataStore",
    "MissingMetadataError",
    "Provider",
    "parse_requirement_string",
    "without_extras",
]

PYTHON = "the-interpreter"
"""Stands for the interpreter among project names."""
Key: TypeAlias = tuple[NormalizedName, frozenset[NormalizedName]]
"""The identity of a choice: a name with its extras."""
Match: TypeAlias = "tuple[Version, IndexFile | InstalledDist | DirectDist]"
"""A version and its source."""
_MAX_PREFETCH = 16
"""The most files whose metadata is prefetched."""


@lru_cache(maxsize=1 << 13)
def _parse_dependency(text: str) -> Requirement:
    """Parse a Requires-Dist; the URL of a local file is compared with those of targets."""
    requirement = lenient_requirement(text)
    if requirement.url:
        requirement.url = normalize_file_url(requirement.url)
    return requirement


# Each round parses the same metadata again; without caches that took half of its time.
parse_requirement_string = lru_cache(maxsize=1 << 13)(lenient_requirement)
_parse_version = lru_cache(maxsize=1 << 12)(Version)


class _UnreadableError(Exception):
    """Metadata that cannot be read; the text has the reason, to follow the version."""


def _unreadable(field: str, text: str) -> _UnreadableError:
    return _UnreadableError(f"has a {field} that cannot be read: {clean_text(text)!r}")


class MetadataStore(Protocol):
    """The known metadata, as the provider reads it (`KnownMetadata`)."""

    @property
    def pages(self) -> Mapping[str, tuple[IndexFile, ...]]:
        """All files by normalized project name."""
        ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """METADATA by file name."""
        ...

    @property
    def directs(self) -> Mapping[str, DirectDist]:
        """Distributions by URL."""
        ...

    def group(
        self, name: str, specifier: SpecifierSet, *, pre: bool
    ) -> dict[Version, list[IndexFile]]:
        """Return a page's files by version."""
        ...


class MissingMetadataError(Exception):
    """The resolution cannot go on without these pages and distributions."""

    def __init__(self, pages: Iterable[str], directs: Iterable[Requirement]) -> None:
        super().__init__()
        self.pages = tuple(sorted(set(pages)))
        self.directs = tuple({one.url: one for one in directs}.values())


class Provider(AbstractProvider[RequirementInfo, Candidate, Key]):
    """Which candidates there are, what they require, and which requirements they satisfy."""

    def __init__(self, manifest: Manifest, store: MetadataStore, target: TargetPython) -> None:
        self.manifest = manifest
        self.store = store
        self.target = target
        self.unread: dict[str, IndexFile] = {}
        """Selected files with unknown metadata; until it is known, they require nothing."""
        self.prefetch: dict[str, IndexFile] = {}
        """Wheels whose metadata is likely to be needed next."""
        self._ranks = {tag: rank for rank, tag in reversed(list(enumerate(target.tags)))}
        self._constraints: dict[NormalizedName, list[RequirementInfo]] = {}
        for one in manifest.constraints:
            info = RequirementInfo(one.requirement, f"{one.origin} allows only")
            self._constraints.setdefault(info.name, []).append(info)
        self.unreadable: dict[NormalizedName, dict[str, str]] = {}
        """By name: the versions whose metadata cannot be read, each with the reason."""
        self.ruled_out: dict[NormalizedName, list[tuple[RequirementInfo, RequirementInfo]]] = {}
        """By name: requirements of versions that a fixed requirement excludes, with that one."""
        self._fixed: dict[NormalizedName, list[RequirementInfo]] = {}
        """Requirements that hold in each solution: those of the manifest, and constraints."""
        for info in (
            *manifest.requirements,
            *(limit for group in self._constraints.values() for limit in group),
        ):
            self._fixed.setdefault(info.name, []).append(info)
        direct = [info for group in self._fixed.values() for info in group]
        self._direct = {info.name: info.requirement for info in direct if info.requirement.url}

    def identify(self, requirement_or_candidate: RequirementInfo | Candidate) -> Key:
        """Return the identity of a choice: a name with its extras."""
        it = requirement_or_candidate
        if isinstance(it, Candidate):
            return it.name, it.extras
        extras = frozenset(canonicalize_name(extra) for extra in it.requirement.extras)
        return canonicalize_name(PYTHON) if it.is_impossible else it.name, extras

    def get_preference(
        self,
        identifier: Key,
        resolutions: Mapping[Key, Candidate],
        candidates: Mapping[Key, Iterator[Candidate]],
        information: Mapping[Key, Iterator[RequirementInformation[RequirementInfo, Candidate]]],
        backtrack_causes: Sequence[RequirementInformation[RequirementInfo, Candidate]],
    ) -> tuple[bool, bool, bool, str]:
        """Order by: causes of a conflict, direct URLs, pins, then the name."""
        causes = {self.identify(cause.requirement) for cause in backtrack_causes}
        requirements = [about.requirement.requirement for about in information[identifier]]
        pinned = any(one.operator == "==" for each in requirements for one in each.specifier)
        direct = identifier[0] in self._direct or any(each.url for each in requirements)
        return identifier not in causes, not direct, not pinned, identifier[0]

    def find_matches(
        self,
        identifier: Key,
        requirements: Mapping[Key, Iterator[RequirementInfo]],
        incompatibilities: Mapping[Key, Iterator[Candidate]],
    ) -> Callable[[], Iterator[Candidate]]:
        """Return the candidates that satisfy all requirements on a name, the best first."""
        name, extras = identifier
        if name == PYTHON:
            return lambda: iter(())
        infos = [*requirements[identifier], *self.constraints(name)]
        incompatible = {candidate.version for candidate in incompatibilities[identifier]}
        found = self._direct_matches(name, infos)
        # resolvelib may iterate again, each time from the first match.
        matches = _Replayable(self._index_matches(name, infos) if found is None else found)

        def iterate() -> Iterator[Candidate]:
            # Lazy: mostly the first candidate is taken, and examining all files is expensive.
            hopeless = 0
            for version, origin in matches:
                candidate = Candidate(name, version, extras, origin)
                if version in incompatible:
                    continue
                if self._is_hopeless(candidate):
                    hopeless += 1
                    continue
                self._request_prefetch(matches, hopeless)
                yield candidate

        return iterate

    def _is_hopeless(self, candidate: Candidate) -> bool:
        """Return whether a version cannot be read, or requires what a fixed requirement excludes.

        Detecting it here costs one check. Backtracking would cost a search for each version of each
        candidate that was selected before.
        """
        text = self._known_metadata(candidate)
        if text is None or not self.manifest.deps:
            return False
        if problem := self.explain_unreadable(candidate):
            self.unreadable.setdefault(candidate.name, {})[str(candidate.version)] = problem
            return True
        for requirement in self._parse_requires(parse_headers(text), candidate):
            info = RequirementInfo(requirement, f"{candidate} needs")
            if (excluding := self._excluded_by(info)) is not None:
                pairs = self.ruled_out.setdefault(candidate.name, [])
                if all(str(info) != str(known) for known, _ in pairs):
                    pairs.append((info, excluding))
                return True
        return False

    def _excluded_by(self, info: RequirementInfo) -> RequirementInfo | None:
        """Return the fixed requirement beside which no known file satisfies this one."""
        fixed = self._fixed.get(info.name)
        if not fixed or info.requirement.url or info.name in self._direct:
            return None
        if info.name in self.manifest.files or info.name not in self.store.pages:
            return None
        specifier = info.requirement.specifier
        for one in fixed:
            specifier &= one.requirement.specifier
        installed = self.manifest.installed.get(info.name)
        if installed is not None and specifier.contains(installed.version, prereleases=True):
            return None
        if self.store.group(info.name, specifier, pre=True):
            return None
        # Yanked files become allowed if a candidate that is selected later pins them.
        yanked = (file for file in self.store.pages[info.name] if file.yanked)
        pinned = any(specifier.contains(file.version, prereleases=True) for file in yanked)
        return None if pinned else fixed[0]

    def _request_prefetch(self, matches: Iterable[Match], hopeless: int) -> None:
        """After hopeless versions, request the metadata of as many next ones at once."""
        if not hopeless:
            return
        files = [origin for _, origin in matches if isinstance(origin, IndexFile)]
        unknown = [file for file in files if file.filename not in self.store.metadata]
        wheels = [file for file in unknown if file.kind == "wheel"][: min(hopeless, _MAX_PREFETCH)]
        self.prefetch |= {file.filename: file for file in wheels}

    def constraints(self, name: NormalizedName) -> list[RequirementInfo]:
        """Return the constraints on a name."""
        return self._constraints.get(name, [])

    def _direct_matches(
        self, name: NormalizedName, infos: Sequence[RequirementInfo]
    ) -> Iterable[tuple[Version, DirectDist]] | None:
        """Return the distribution behind a URL; None if no requirement has a URL."""
        with_url = [info.requirement for info in infos if info.requirement.url]
        if name in self._direct:
            with_url.append(self._direct[name])
        if not with_url:
            return None
        self.require_known([RequirementInfo(one, "") for one in with_url])
        directs = [self.store.directs[one.url or ""] for one in with_url]
        version = _parse_version(directs[0].version)
        fits = len({direct.url for direct in directs}) == 1 and directs[0].name == name
        fits = fits and (
            not directs[0].metadata_known or all(_allows(info, version) for info in infos)
        )
        return [(version, directs[0])] if fits else []

    def _index_matches(
        self, name: NormalizedName, infos: Sequence[RequirementInfo]
    ) -> Iterator[tuple[Version, IndexFile | InstalledDist]]:
        """Yield versions of the index: the installed one, the preferred one, then the newest."""
        specifier = SpecifierSet()
        for info in infos:
            specifier &= info.requirement.specifier
        installed = self.manifest.installed.get(name)
        if installed is not None and specifier.contains(installed.version, prereleases=True):
            yield _parse_version(installed.version), installed
        self._require_hash(name, infos)
        files = self._group(name, specifier)
        first = self.manifest.preferred.get(name)
        if first in files and (file := self._best_file(name, files[first])):
            yield first, file
        source_only = [True, False] if name in self.manifest.from_source else [False]
        for only in source_only:
            for version, group in files.items():
                if file := self._best_file(name, group, source_only=only):
                    yield version, file

    def _require_hash(self, name: NormalizedName, infos: Sequence[RequirementInfo]) -> None:
        """Check that a project may be used at all if all files need hashes.

        Raises:
            RequirementError: all files need hashes, and none is required of this project.
        """
        manifest = self.manifest
        if manifest.require_hashes and not (name in manifest.hashes or name in manifest.files):
            raise RequirementError(
                f"{infos[0]}, and no hash of it is given",
                hint="with --require-hashes, or one --hash, all requirements need hashes,"
                " dependencies as well",
            )

    def _group(
        self, name: NormalizedName, specifier: SpecifierSet
    ) -> dict[Version, list[IndexFile]]:
        if (named := self.manifest.files.get(name)) is not None:
            return group_by_version(specifier, named, pre=True)
        if name not in self.store.pages:
            raise MissingMetadataError([name], ())
        return self.store.group(name, specifier, pre=self.manifest.pre)

    def _best_file(
        self, name: NormalizedName, files: Iterable[IndexFile], *, source_only: bool = False
    ) -> IndexFile | None:
        formats, hashes = self.manifest.formats, self.manifest.hashes.get(name)
        wheels = formats.allows_wheels(name) and not source_only
        matching = (file for file in files if not hashes or _may_match(file, hashes))
        return best_file(
            matching, self.target, self._ranks, wheels=wheels, sdists=formats.allows_sdists(name)
        )

    def is_satisfied_by(self, requirement: RequirementInfo, candidate: Candidate) -> bool:
        """Return whether a candidate satisfies a requirement."""
        url, origin = requirement.requirement.url, candidate.origin
        if isinstance(origin, DirectDist):
            fits = not origin.metadata_known or _allows(requirement, candidate.version)
            return fits and url in (None, origin.url)
        return not url and _allows(requirement, candidate.version)

    def get_dependencies(self, candidate: Candidate) -> Iterable[RequirementInfo]:
        """Return the requirements of a candidate."""
        if (text := self._metadata(candidate)) is None:
            return []
        try:
            infos = list(self._requirements(parse_headers(text), candidate))
        except _UnreadableError as problem:
            return [RequirementInfo(Requirement(PYTHON), str(candidate), unreadable=str(problem))]
        if not self.manifest.deps or any(info.is_python for info in infos):
            return infos
        if candidate.extras:
            infos.append(RequirementInfo(without_extras(candidate), f"{candidate} is"))
        self.require_known(infos)
        return infos

    def _requirements(self, metadata: Message, candidate: Candidate) -> Iterator[RequirementInfo]:
        """Yield a Requires-Python that is not met, or else the requirements of a candidate."""
        if unmet := _unmet_python(metadata, self.target):
            yield RequirementInfo(unmet, f"{candidate} needs", is_python=True)
        elif self.manifest.deps:
            for requirement in self._parse_requires(metadata, candidate):
                yield RequirementInfo(requirement, f"{candidate} needs")

    def explain_unreadable(self, candidate: Candidate) -> str:
        """Return why the metadata of a candidate cannot be read; empty if it can, or is unknown."""
        if (text := self._known_metadata(candidate)) is None:
            return ""
        try:
            list(self._requirements(parse_headers(text), candidate))
        except _UnreadableError as problem:
            return str(problem)
        return ""

    def _metadata(self, candidate: Candidate) -> str | None:
        """Return a candidate's metadata; None if it is unknown or not needed."""
        text = self._known_metadata(candidate)
        if text is None and self.manifest.deps and isinstance(candidate.origin, IndexFile):
            # Going on collects all that is missing; the result is discarded afterwards.
            self.unread[candidate.origin.filename] = candidate.origin
        return text

    def _known_metadata(self, candidate: Candidate) -> str | None:
        if isinstance(candidate.origin, IndexFile):
            return self.store.metadata.get(candidate.origin.filename)
        return candidate.origin.metadata

    def _parse_requires(self, metadata: Message, candidate: Candidate) -> list[Requirement]:
        """Return the requirements that apply.

        Raises:
            _UnreadableError: one cannot be read, so nothing is known about the version.
        """
        environment, extras = self.target.environment, candidate.extras or [""]
        requirements = []
        for text in _values(metadata, "Requires-Dist"):
            try:
                requirement = _parse_dependency(text)
                applies = requirement_applies(requirement, environment, extras)
            except (InvalidRequirement, RequirementError) as problem:
                raise _unreadable("requirement", text) from problem
            if applies:
                requirements.append(requirement)
        return requirements

    def require_known(self, infos: Iterable[RequirementInfo]) -> None:
        """Check that the pages or distributions of all requirements are known.

        Raises:
            MissingFactsError: of some, nothing is.
        """
        specifier = [info for info in infos if not info.is_python]
        unknown_urls = [
            info
            for info in specifier
            if info.requirement.url and info.requirement.url not in self.store.directs
        ]
        for info in unknown_urls:
            self._require_hash(info.name, [info])
        directs = [info.requirement for info in unknown_urls]
        pages = [info.name for info in specifier if not self._is_known(info)]
        if pages or directs:
            raise MissingMetadataError(pages, directs)

    def _is_known(self, info: RequirementInfo) -> bool:
        manifest = self.manifest
        elsewhere = (
            info.name in self._direct
            or info.name in manifest.files
            or info.name in manifest.installed
        )
        return bool(info.requirement.url) or elsewhere or info.name in self.store.pages


class _Replayable:
    """An iterable over an iterator that can be iterated again; reads lazily."""

    def __init__(self, matches: Iterable[Match]) -> None:
        self._rest = iter(matches)
        self._cached: list[Match] = []

    def __iter__(self) -> Iterator[Match]:
        at = 0
        while at < len(self._cached) or self._read_next():
            yield self._cached[at]
            at += 1

    def _read_next(self) -> bool:
        next_items = list(islice(self._rest, 1))
        self._cached += next_items
        return bool(next_items)


def without_extras(candidate: Candidate) -> Requirement:
    """Return the requirement on a candidate without its extras."""
    if isinstance(candidate.origin, DirectDist):
        return Requirement(f"{candidate.name} @ {candidate.origin.url}")
    return Requirement(f"{candidate.name}=={candidate.version}")


def _allows(info: RequirementInfo, version: Version) -> bool:
    return info.requirement.specifier.contains(version, prereleases=True)


def _may_match(file: IndexFile, hashes: frozenset[str]) -> bool:
    """Return whether a file may have one of the hashes, as far as the index lists its hashes."""
    listed = {name: digest for name, digest in file.hashes.items() if f"{name}:{digest}" in hashes}
    algorithms = {one.partition(":")[0] for one in hashes}
    return bool(listed) or algorithms.isdisjoint(file.hashes)


def _values(metadata: Message, field: str) -> list[str]:
    """Return the values of a field; folded lines are joined, and bytes may not be UTF-8."""
    return [" ".join(str(value).split()) for value in metadata.get_all(field, [])]


def _unmet_python(metadata: Message, target: TargetPython) -> Requirement | None:
    """Return the Requires-Python of METADATA if the interpreter does not satisfy it.

    Folders and the pages of some mirrors do not have it.
    """
    specifier = Requirement(PYTHON)
    text = "".join(_values(metadata, "Requires-Python")[:1])
    try:
        specifier.specifier = lenient_specifiers(text)
    except InvalidSpecifier as problem:
        raise _unreadable("Requires-Python", text) from problem
    satisfied = specifier.specifier.contains(target.python_version, prereleases=True)
    return None if satisfied else specifier
