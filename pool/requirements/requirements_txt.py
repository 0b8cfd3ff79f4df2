"""Requirement and constraint files, with pip's grammar, as wishes, constraints and settings.

As with pip, files that a file names (``-r``, ``-c``) are relative to it, and so is what ``-f``
names if it is there; all other paths are relative to the working directory. Unlike with pip, a
line of which a part would be ignored is wrong, and all wrong lines are told together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pool.common.errors import PoolError, RequirementsFileError, os_error_text
from pool.common.redaction import redact_urls
from pool.requirements.request import Constraint, FormatControl, RequirementSpec, parse_requirement
from pool.requirements.requirements_txt_parser import (
    Line,
    Option,
    decoded,
    logical_lines,
    parse_line,
)
from pool.requirements.target import GitTarget, RequirementTarget, TreeTarget
from pool.requirements.url import parse_link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Requirements", "read_requirements"]

_REMOTE = re.compile(r"https?:", re.IGNORECASE)
_OF_ONE = ("--hash", "--config-settings")
_REFUSED = {
    "--global-option": "use --config-settings",
    "--build-option": "use --config-settings",
    "--install-option": "use --config-settings",
    "--all-releases": "use --pre",
    "--only-final": "exclude the versions by a constraint",
}
_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What a file says, with what those say that it includes."""

    wishes: tuple[RequirementSpec, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    formats: FormatControl = field(default_factory=FormatControl)
    """After all options; with what was said before the file."""
    pre: bool = False
    require_hashes: bool = False
    """All files must have a hash: because it says so, or because one requirement has some."""
    index_url: str | None = None
    """Instead of any other; None where nothing is said."""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    """Paths of what is there beside the file; others as they are."""
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()


def read_requirements(
    path_or_url: str,
    cwd: Path,
    *,
    environ: Mapping[str, str],
    fetch: Callable[[str], str] | None = None,
    constraint: bool = False,
    formats: FormatControl | None = None,
) -> Requirements:
    """Read a requirements file, or a constraint file, and what it includes.

    Args:
        path_or_url: as the user has it; messages and origins repeat it.
        cwd: what relative paths are relative to.
        environ: the values of ``${VARIABLE}``.
        fetch: returns the text that an http URL points at, or raises a `PoolError`; without it
            such URLs are refused.
        constraint: whether its lines are constraints.
        formats: what was said before: the order of ``--no-binary`` and ``--only-binary`` counts.

    Raises:
        RequirementsFileError: it cannot be read, or a line is wrong; file and line are named.
        ExceptionGroup: of several of them.
    """
    reader = _Reader(cwd, environ, fetch, formats or FormatControl())
    reader.read_first(path_or_url, constraint=constraint)
    wrong = reader.wrong or reader.without_hash()
    if len(wrong) == 1:
        raise wrong[0]
    if wrong:
        raise ExceptionGroup(f"wrong lines in {redact_urls(path_or_url)}", wrong)
    return replace(reader.said, require_hashes=reader.require_hashes)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a file is."""

    name: str
    """As the user can find it: without credentials, relative where the user was."""
    where: str
    """A URL, or an absolute path."""

    @property
    def remote(self) -> bool:
        return _REMOTE.match(self.where) is not None

    @property
    def folder(self) -> Path:
        """Of a file that is not remote."""
        return Path(self.where).parent

    def beside(self, name: str) -> _Place:
        """Return the place of a file that this one names."""
        if self.remote:
            url = urljoin(self.where, name)
            return _Place(redact_urls(url), url)
        return _place(name, self.folder, Path(self.name).parent)


def _place(name: str, folder: Path, shown: Path) -> _Place:
    if _REMOTE.match(name):
        return _Place(redact_urls(name), name)
    if name.lower().startswith("file:"):
        path = parse_link(name).local(folder)
        return _Place(name, str(path.resolve()))
    return _Place(str(shown / name), str((folder / name).resolve()))


class _Reader:
    """Reads files, and gathers what they say and what is wrong with them."""

    def __init__(
        self,
        cwd: Path,
        environ: Mapping[str, str],
        fetch: Callable[[str], str] | None,
        formats: FormatControl,
    ) -> None:
        self._cwd = cwd
        self._environ = environ
        self._fetch = fetch
        self._some_hash = False
        self._hashes_optional = False
        self.said = Requirements(formats=formats)
        self.wrong: list[RequirementsFileError] = []

    @property
    def require_hashes(self) -> bool:
        return self.said.require_hashes or (self._some_hash and not self._hashes_optional)

    def read_first(self, path_or_url: str, *, constraint: bool) -> None:
        try:
            self._read((_place(path_or_url, self._cwd, Path()),), constraint=constraint)
        except (PoolError, ValueError) as problem:
            raise _wrong("", problem) from problem

    def _read(self, trail: tuple[_Place, ...], *, constraint: bool) -> None:
        """Read the last of the files of which each includes the next."""
        text = self._text(trail[-1])
        for number, logical in logical_lines(text, self._environ):
            origin = f"{trail[-1].name}:{number}"
            try:
                self._line(parse_line(logical), origin, trail, constraint=constraint)
            except (PoolError, ValueError) as problem:
                self.wrong.append(_wrong(f"{origin}: ", problem))

    def _text(self, place: _Place) -> str:
        if place.remote:
            if self._fetch is None:
                raise ValueError(f"{place.name}: a URL cannot be read here")
            return self._fetch(place.where)
        try:
            return decoded(Path(place.where).read_bytes())
        except OSError as problem:
            reason = os_error_text(problem)
            raise RequirementsFileError(f"{place.name}: {reason}") from problem
        except ValueError as problem:
            raise RequirementsFileError(
                f"{place.name}: not readable as text: {problem}",
                hint="save it as UTF-8, or begin it with a line like # -*- coding: latin-1 -*-",
            ) from problem

    def _line(
        self, line: Line, origin: str, trail: tuple[_Place, ...], *, constraint: bool
    ) -> None:
        for name, instead in _REFUSED.items():
            if any(option.name == name for option in line.options):
                raise RequirementsFileError(f"{name} is not supported", hint=instead)
        editables = [option.value for option in line.options if option.name == "--editable"]
        if not line.words and not editables:
            self._options(line.options, trail)
            return
        words = _only_one(line, editables)
        if constraint:
            self._constrain(words, line.options, origin)
        else:
            self._wish(words, line.options, origin, trail[-1], editable=bool(editables))

    def _options(self, options: tuple[Option, ...], trail: tuple[_Place, ...]) -> None:
        for option in options:
            if option.name in _OF_ONE:
                raise ValueError(f"{option.name} belongs behind a requirement")
            if option.name in ("--requirement", "--constraint"):
                self._include(option, trail)
            elif option.name == "--no-require-hashes":
                self._hashes_optional = True
            else:
                self.said = _with_option(self.said, option, trail[-1])

    def _include(self, option: Option, trail: tuple[_Place, ...]) -> None:
        place = trail[-1].beside(option.value)
        if any(place.where == one.where for one in trail):
            names = " -> ".join(one.name for one in (*trail, place))
            raise ValueError(f"{place.name} includes itself: {names}")
        self._read((*trail, place), constraint=option.name == "--constraint")

    def _wish(
        self,
        words: str,
        options: tuple[Option, ...],
        origin: str,
        place: _Place,
        *,
        editable: bool,
    ) -> None:
        try:
            wish = parse_requirement(
                words, self._cwd, origin=origin, editable=editable, bare_folders=False
            )
        except PoolError as problem:
            raise self._explained(problem, words, place) from problem
        hashes = self._hashes(options)
        if hashes and isinstance(wish.target, TreeTarget | GitTarget):
            raise ValueError(f"{wish.target.label}: only a file can have a hash")
        settings = _config_settings(options)
        wish = replace(wish, hashes=wish.hashes | hashes, config_settings=settings)
        self.said = replace(self.said, wishes=(*self.said.wishes, wish))

    def _explained(self, problem: PoolError, words: str, place: _Place) -> PoolError:
        path = words.partition(";")[0].partition("[")[0].strip()
        if place.remote or place.folder == self._cwd or not (place.folder / path).exists():
            return problem
        hint = f"it is relative to {self._cwd}, not to the file, as with pip"
        return RequirementsFileError(problem.message, hint=hint)

    def _constrain(self, words: str, options: tuple[Option, ...], origin: str) -> None:
        try:
            requirement = Requirement(words)
        except InvalidRequirement as problem:
            raise ValueError(
                f"{redact_urls(words)!r}: a constraint is a name with versions, or name @ URL"
            ) from problem
        if requirement.extras or any(option.name != "--hash" for option in options):
            raise ValueError(f"{redact_urls(words)}: a constraint has no extras and no options")
        hashes = self._hashes(options)
        if requirement.url:
            hashes |= parse_requirement(words, self._cwd, bare_folders=False).hashes
        constraint = Constraint(requirement=requirement, origin=origin, hashes=hashes)
        self.said = replace(self.said, constraints=(*self.said.constraints, constraint))

    def _hashes(self, options: tuple[Option, ...]) -> frozenset[str]:
        hashes = frozenset(_hash(option.value) for option in options if option.name == "--hash")
        self._some_hash |= bool(hashes)
        return hashes

    def without_hash(self) -> list[RequirementsFileError]:
        """Return what is wrong with lines that lack the hash that they must have."""
        if not self.require_hashes:
            return []
        known = {
            canonicalize_name(one.requirement.name) for one in self.said.constraints if one.hashes
        }
        return [
            RequirementsFileError(
                f"{wish.origin}: {redact_urls(wish.target.label)} has no --hash",
                hint="where one requirement has a hash, or with --require-hashes, all must",
            )
            for wish in self.said.wishes
            if not wish.hashes and _name(wish) not in known
        ]


def _wrong(where: str, problem: PoolError | ValueError) -> RequirementsFileError:
    hint = problem.hint if isinstance(problem, PoolError) else ""
    reason = " ".join(str(problem).split())
    return RequirementsFileError(f"{where}{redact_urls(reason)}", hint=hint)


def _only_one(line: Line, editables: list[str]) -> str:
    """Return the one thing that a line is about."""
    if len(editables) + bool(line.words) > 1:
        raise ValueError("more than one requirement on a line")
    for option in line.options:
        if option.name not in (*_OF_ONE, "--editable"):
            raise ValueError(f"{option.name} needs a line of its own")
    return line.words or editables[0]


def _with_option(  # noqa: PLR0911 - a case per option
    said: Requirements, option: Option, place: _Place
) -> Requirements:
    value = option.value
    match option.name:
        case "--index-url" if not said.no_index:
            # As with pip: further indexes count when they are named after it.
            return replace(said, index_url=value, extra_index_urls=())
        case "--extra-index-url" if not said.no_index:
            return replace(said, extra_index_urls=(*said.extra_index_urls, value))
        case "--no-index":
            return replace(said, no_index=True, index_url=None, extra_index_urls=())
        case "--find-links":
            return replace(said, find_links=(*said.find_links, _found(value, place)))
        case "--no-binary":
            return replace(said, formats=said.formats.without_binary(_names(option)))
        case "--only-binary":
            return replace(said, formats=said.formats.with_only_binary(_names(option)))
        case "--trusted-host":
            return replace(said, trusted_hosts=(*said.trusted_hosts, value))
        case "--pre":
            return replace(said, pre=True)
        case "--require-hashes":
            return replace(said, require_hashes=True)
        case _:
            # --prefer-binary and --use-feature: nothing here depends on them.
            return said


def _found(link: str, place: _Place) -> str:
    if not place.remote and (path := place.folder / link).exists():
        return str(path)
    return link


def _names(option: Option) -> str:
    if option.value.startswith("-"):
        raise ValueError(f"{option.name} lacks its names")
    return option.value


def _hash(value: str) -> str:
    kind, _, digest = value.partition(":")
    if kind not in _DIGITS:
        raise ValueError(f"--hash={value}: must begin with sha256:, sha384: or sha512:")
    if not re.fullmatch(rf"[0-9a-fA-F]{{{_DIGITS[kind]}}}", digest):
        raise ValueError(f"--hash={value}: not {_DIGITS[kind]} hexadecimal digits")
    return f"{kind}:{digest.lower()}"


def _config_settings(options: tuple[Option, ...]) -> dict[str, str | list[str]]:
    settings: dict[str, str | list[str]] = {}
    for option in options:
        if option.name != "--config-settings":
            continue
        key, equals, value = option.value.partition("=")
        if not equals:
            raise ValueError(f"--config-settings {option.value}: must be KEY=VALUE")
        before = settings.get(key, [])
        before = [before] if isinstance(before, str) else before
        settings[key] = [*before, value] if key in settings else value
    return settings


def _name(wish: RequirementSpec) -> str | None:
    target = wish.target
    name = target.parsed.name if isinstance(target, RequirementTarget) else target.name
    return canonicalize_name(name) if name else None
