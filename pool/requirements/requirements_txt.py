"""Requirements and constraints files, with pip's grammar.

As in pip, files that a file includes (``-r``, ``-c``) are relative to it, and so are ``-f`` folders
that exist there; all other paths are relative to the working directory. Unlike in pip, a line of
which a part would be ignored is an error, and all errors are reported together.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from msgspec import field
from msgspec.structs import replace
from packaging.requirements import InvalidRequirement
from packaging.utils import canonicalize_name

from pool.common.errors import PoolError, RequirementsFileError, os_error_text
from pool.common.files import read_limited
from pool.common.pep508 import strict_requirement
from pool.common.record import Record
from pool.common.redaction import redact_urls
from pool.requirements.config_settings import parse_config_settings
from pool.requirements.request import Constraint, FormatControl, RequirementSpec, parse_requirement
from pool.requirements.requirements_txt_parser import (
    Line,
    Option,
    decode,
    logical_lines,
    parse_line,
)
from pool.requirements.target import GitTarget, TreeTarget
from pool.requirements.url import normalize_file_url, parse_url

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

__all__ = ["RequirementsFile", "read_requirements"]

MAX_BYTES = 64 << 20
"""Bytes of one file."""
_REMOTE = re.compile(r"https?:", re.IGNORECASE)
_PER_REQUIREMENT = ("--hash", "--config-settings")
_UNSUPPORTED = {
    "--global-option": "use --config-settings",
    "--build-option": "use --config-settings",
    "--install-option": "use --config-settings",
    "--all-releases": "use --pre",
    "--only-final": "exclude the versions by a constraint",
}
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


class RequirementsFile(Record, frozen=True, kw_only=True):
    """The content of a requirements file and of the files that it includes."""

    requirements: tuple[RequirementSpec, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    formats: FormatControl = field(default_factory=FormatControl)
    """After all options, starting from the format options before the file."""
    pre: bool = False
    require_hashes: bool = False
    """Whether all files need a hash: by ``--require-hashes``, or because one of them has one."""
    index_url: str | None = None
    """Overrides the configured index; None if the file has none."""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    """Paths for folders that exist relative to the file; others unchanged."""
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
    hashed: Collection[str] = (),
) -> RequirementsFile:
    """Read a requirements or constraints file, and the files that it includes.

    Args:
        path_or_url: as the user gave it; messages and origins repeat it.
        cwd: the folder of relative paths.
        environ: the values of ``${VARIABLE}``.
        fetch: returns the text behind an http URL, or raises a `PoolError`; without it such URLs
            are refused.
        constraint: whether its lines are constraints.
        formats: the format options before the file: their order matters.
        hashed: the normalized names that have hashes elsewhere: in a constraints file.

    Raises:
        RequirementsFileError: the file cannot be read, or a line is invalid; file and line are
            named.
        ExceptionGroup: of several of them.
    """
    reader = _Reader(cwd, environ, fetch, formats or FormatControl())
    reader.read_first(path_or_url, constraint=constraint)
    errors = reader.errors or reader.missing_hashes(hashed)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup(f"invalid lines in {redact_urls(path_or_url)}", errors)
    return replace(reader.result, require_hashes=reader.require_hashes)


class _FileLocation(Record, frozen=True):
    """The path or URL of a requirements file."""

    name: str
    """For messages: without credentials, relative to the working directory."""
    path_or_url: str
    """A URL, or an absolute path."""

    @property
    def is_remote(self) -> bool:
        return _REMOTE.match(self.path_or_url) is not None

    @property
    def folder(self) -> Path:
        """The folder of a local file."""
        return Path(self.path_or_url).parent

    def resolve(self, name: str) -> _FileLocation:
        """Return the location of a file that this one includes."""
        if self.is_remote:
            url = urljoin(self.path_or_url, name)
            return _FileLocation(redact_urls(url), url)
        return _locate(name, self.folder, Path(self.name).parent)


def _locate(name: str, folder: Path, shown: Path) -> _FileLocation:
    if _REMOTE.match(name):
        return _FileLocation(redact_urls(name), name)
    if name.lower().startswith("file:"):
        path = parse_url(name).local_path(folder)
        return _FileLocation(name, str(path.resolve()))
    return _FileLocation(str(shown / name), str((folder / name).resolve()))


class _Reader:
    """Reads files, and collects their content and errors."""

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
        self._has_hash = False
        self._hashes_optional = False
        self.result = RequirementsFile(formats=formats)
        self.errors: list[RequirementsFileError] = []

    @property
    def require_hashes(self) -> bool:
        return self.result.require_hashes or (self._has_hash and not self._hashes_optional)

    def read_first(self, path_or_url: str, *, constraint: bool) -> None:
        try:
            self._read((_locate(path_or_url, self._cwd, Path()),), constraint=constraint)
        except (PoolError, ValueError) as problem:
            raise _line_error("", problem) from problem

    def _read(self, trail: tuple[_FileLocation, ...], *, constraint: bool) -> None:
        """Read the last file of a trail, in which each file includes the next."""
        text = self._read_text(trail[-1])
        for number, logical in logical_lines(text, self._environ):
            origin = f"{trail[-1].name}:{number}"
            try:
                self._read_line(parse_line(logical), origin, trail, constraint=constraint)
            except (PoolError, ValueError) as problem:
                self.errors.append(_line_error(f"{origin}: ", problem))

    def _read_text(self, location: _FileLocation) -> str:
        if location.is_remote:
            if self._fetch is None:
                raise ValueError(f"{location.name}: a URL cannot be read here")
            return self._fetch(location.path_or_url)
        try:
            # It may be a pipe, as in ``-r <(command)``.
            with Path(location.path_or_url).open("rb") as file:
                return decode(read_limited(file, MAX_BYTES))
        except OSError as problem:
            reason = os_error_text(problem)
            raise RequirementsFileError(f"{location.name}: {reason}") from problem
        except ValueError as problem:
            raise RequirementsFileError(
                f"{location.name}: not readable as text: {problem}",
                hint="save it as UTF-8, or start it with a line like # -*- coding: latin-1 -*-",
            ) from problem

    def _read_line(
        self, line: Line, origin: str, trail: tuple[_FileLocation, ...], *, constraint: bool
    ) -> None:
        for name, hint in _UNSUPPORTED.items():
            if any(option.name == name for option in line.options):
                raise RequirementsFileError(f"{name} is not supported", hint=hint)
        editables = [option.value for option in line.options if option.name == "--editable"]
        if not line.words and not editables:
            self._apply_options(line.options, trail)
            return
        text = _single_requirement(line, editables)
        if constraint:
            self._add_constraint(text, line.options, origin)
        else:
            self._add_requirement(text, line.options, origin, trail[-1], editable=bool(editables))

    def _apply_options(self, options: tuple[Option, ...], trail: tuple[_FileLocation, ...]) -> None:
        for option in options:
            if option.name in _PER_REQUIREMENT:
                raise ValueError(f"{option.name} must follow a requirement")
            if option.name in ("--requirement", "--constraint"):
                self._include(option, trail)
            elif option.name == "--no-require-hashes":
                self._hashes_optional = True
            else:
                self.result = _with_option(self.result, option, trail[-1])

    def _include(self, option: Option, trail: tuple[_FileLocation, ...]) -> None:
        location = trail[-1].resolve(option.value)
        if any(location.path_or_url == one.path_or_url for one in trail):
            names = " -> ".join(one.name for one in (*trail, location))
            raise ValueError(f"{location.name} includes itself: {names}")
        self._read((*trail, location), constraint=option.name == "--constraint")

    def _add_requirement(
        self,
        text: str,
        options: tuple[Option, ...],
        origin: str,
        location: _FileLocation,
        *,
        editable: bool,
    ) -> None:
        try:
            spec = parse_requirement(
                text, self._cwd, origin=origin, editable=editable, bare_folders=False
            )
        except PoolError as problem:
            raise self._with_hint(problem, text, location) from problem
        hashes = self._parse_hashes(options)
        if hashes and isinstance(spec.target, TreeTarget | GitTarget):
            raise ValueError(f"{spec.target.label}: only a file can have a hash")
        pairs = (option.value for option in options if option.name == "--config-settings")
        settings = parse_config_settings(pairs, "--config-settings")
        spec = replace(spec, hashes=spec.hashes | hashes, config_settings=settings)
        self.result = replace(self.result, requirements=(*self.result.requirements, spec))

    def _with_hint(self, problem: PoolError, text: str, location: _FileLocation) -> PoolError:
        path = text.partition(";")[0].partition("[")[0].strip()
        if (
            location.is_remote
            or location.folder == self._cwd
            or not (location.folder / path).exists()
        ):
            return problem
        hint = f"as in pip, the path is relative to {self._cwd}, not to the file"
        return RequirementsFileError(problem.message, hint=hint)

    def _add_constraint(self, text: str, options: tuple[Option, ...], origin: str) -> None:
        try:
            requirement = strict_requirement(text)
        except InvalidRequirement as problem:
            raise ValueError(
                f"{redact_urls(text)!r}: a constraint is a name with versions, or name @ URL"
            ) from problem
        if requirement.extras or any(option.name != "--hash" for option in options):
            raise ValueError(f"{redact_urls(text)}: a constraint has no extras and no options")
        hashes = self._parse_hashes(options)
        if requirement.url:
            hashes |= parse_requirement(text, self._cwd, bare_folders=False).hashes
            requirement.url = normalize_file_url(requirement.url)
        constraint = Constraint(requirement=requirement, origin=origin, hashes=hashes)
        self.result = replace(self.result, constraints=(*self.result.constraints, constraint))

    def _parse_hashes(self, options: tuple[Option, ...]) -> frozenset[str]:
        hashes = frozenset(
            _parse_hash(option.value) for option in options if option.name == "--hash"
        )
        self._has_hash |= bool(hashes)
        return hashes

    def missing_hashes(self, hashed: Collection[str]) -> list[RequirementsFileError]:
        """Return an error for each requirement that lacks a required hash."""
        if not self.require_hashes:
            return []
        constrained = {
            canonicalize_name(one.requirement.name) for one in self.result.constraints if one.hashes
        }
        return [
            RequirementsFileError(
                f"{spec.origin}: {redact_urls(spec.target.label)} has no --hash",
                hint="with --require-hashes, or one --hash, all requirements need hashes",
            )
            for spec in self.result.requirements
            if not spec.hashes and spec.hash_name not in (*constrained, *hashed)
        ]


def _line_error(prefix: str, problem: PoolError | ValueError) -> RequirementsFileError:
    hint = problem.hint if isinstance(problem, PoolError) else ""
    reason = " ".join(str(problem).split())
    return RequirementsFileError(f"{prefix}{redact_urls(reason)}", hint=hint)


def _single_requirement(line: Line, editables: list[str]) -> str:
    """Return the single requirement of a line."""
    if len(editables) + bool(line.words) > 1:
        raise ValueError("more than one requirement on a line")
    for option in line.options:
        if option.name not in (*_PER_REQUIREMENT, "--editable"):
            raise ValueError(f"{option.name} needs a line of its own")
    return line.words or editables[0]


def _with_option(  # noqa: PLR0911 - a case per option
    file: RequirementsFile, option: Option, location: _FileLocation
) -> RequirementsFile:
    value = option.value
    match option.name:
        case "--index-url" if not file.no_index:
            # As in pip: --extra-index-url counts only after it.
            return replace(file, index_url=value, extra_index_urls=())
        case "--extra-index-url" if not file.no_index:
            return replace(file, extra_index_urls=(*file.extra_index_urls, value))
        case "--no-index":
            return replace(file, no_index=True, index_url=None, extra_index_urls=())
        case "--find-links":
            return replace(file, find_links=(*file.find_links, _resolve_link(value, location)))
        case "--no-binary":
            return replace(file, formats=file.formats.with_no_binary(_require_names(option)))
        case "--only-binary":
            return replace(file, formats=file.formats.with_only_binary(_require_names(option)))
        case "--trusted-host":
            return replace(file, trusted_hosts=(*file.trusted_hosts, value))
        case "--pre":
            return replace(file, pre=True)
        case "--require-hashes":
            return replace(file, require_hashes=True)
        case _:
            # --prefer-binary and --use-feature have no effect here.
            return file


def _resolve_link(link: str, location: _FileLocation) -> str:
    if not location.is_remote and (path := location.folder / link).exists():
        return str(path)
    return link


def _require_names(option: Option) -> str:
    if option.value.startswith("-"):
        raise ValueError(f"{option.name} needs names")
    return option.value


def _parse_hash(value: str) -> str:
    kind, _, digest = value.partition(":")
    if kind not in _DIGEST_LENGTHS:
        raise ValueError(f"--hash={value}: must start with sha256:, sha384: or sha512:")
    if not re.fullmatch(rf"[0-9a-fA-F]{{{_DIGEST_LENGTHS[kind]}}}", digest):
        raise ValueError(f"--hash={value}: not {_DIGEST_LENGTHS[kind]} hexadecimal digits")
    return f"{kind}:{digest.lower()}"
