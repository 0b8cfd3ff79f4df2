"""Targets: what can be built, parsed from a word of a command line or a line of a file.

A new kind of target needs a class, its place in `Target`, and a case in `parse_target_and_extras`.
Parsing checks which paths exist, but opens no file and uses no network.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

from pool.common.errors import TargetError, os_error_text
from pool.common.files import expand_user
from pool.common.lazy_pattern import LazyPattern
from pool.common.record import KeyedRecord, Record
from pool.common.redaction import redact_urls
from pool.sources.archives import SUFFIXES
from pool.sources.names import canonicalize_name

if TYPE_CHECKING:
    from pathlib import Path

    from packaging.markers import Marker
    from packaging.requirements import Requirement
    from packaging.utils import NormalizedName

    from pool.requirements.url import ParsedUrl

__all__ = [
    "GitTarget",
    "ParsedTarget",
    "RequirementTarget",
    "SdistTarget",
    "Target",
    "TreeTarget",
    "UrlTarget",
    "WheelTarget",
    "is_project",
    "local_target",
    "parse_target",
    "parse_target_and_extras",
]


class TreeTarget(KeyedRecord, frozen=True, eq=False, kw_only=True):
    """A directory with a project in it."""

    path: Path
    """Absolute, without symbolic links."""
    name: str | None = None
    """The name in ``name @ file://...``; the built wheel must have it."""
    label: str = ""
    """The text that the user gave, without credentials."""

    def key(self) -> tuple[object, ...]:
        """Return what is compared: not the label, and not the name."""
        return (self.path,)


class SdistTarget(KeyedRecord, frozen=True, eq=False, kw_only=True):
    """A local sdist."""

    path: Path
    name: str | None = None
    label: str = ""

    def key(self) -> tuple[object, ...]:
        """Return what is compared: not the label, and not the name."""
        return (self.path,)


class RequirementTarget(Record, frozen=True, kw_only=True):
    """A name, with or without versions, that is resolved on an index."""

    parsed: Requirement

    @property
    def label(self) -> str:
        """The requirement as text."""
        return str(self.parsed)


class WheelTarget(KeyedRecord, frozen=True, eq=False, kw_only=True):
    """A local wheel."""

    path: Path
    name: str | None = None
    label: str = ""

    def key(self) -> tuple[object, ...]:
        """Return what is compared: not the label, and not the name."""
        return (self.path,)


class UrlTarget(KeyedRecord, frozen=True, eq=False, kw_only=True):
    """An sdist or a wheel at a URL (PEP 508 direct reference, or the bare URL)."""

    url: str
    """Without fragment; may hold credentials."""
    name: str | None = None
    """The name in ``name @ url`` or ``#egg=name``."""
    subdirectory: str = ""
    """The folder of the project in the archive (``#subdirectory=``)."""
    label: str = ""
    """Without credentials."""

    def key(self) -> tuple[object, ...]:
        """Return what is compared: not the label."""
        return (self.url, self.name, self.subdirectory)


class GitTarget(KeyedRecord, frozen=True, eq=False, kw_only=True):
    """A commit of a git repository (``git+https://host/repo@ref#subdirectory=sub``)."""

    url: str
    """The URL for git, without ``git+``, reference and fragment; may hold credentials."""
    reference: str = ""
    """A commit, tag or branch; empty for the default branch."""
    name: str | None = None
    subdirectory: str = ""
    label: str = ""
    """Without credentials."""

    def key(self) -> tuple[object, ...]:
        """Return what is compared: not the label."""
        return (self.url, self.reference, self.name, self.subdirectory)


Target: TypeAlias = (
    TreeTarget | SdistTarget | WheelTarget | RequirementTarget | UrlTarget | GitTarget
)


class ParsedTarget(Record, frozen=True, kw_only=True):
    """A target with the extras, marker and hashes that were given with it."""

    target: Target
    extras: frozenset[NormalizedName] = frozenset()
    """Empty for a `RequirementTarget`, which has its own."""
    marker: Marker | None = None
    """None for a `RequirementTarget`, which has its own."""
    hashes: frozenset[str] = frozenset()
    """``sha256:<digest>``, from the fragment of a URL."""


# https://..., git+ssh://..., file:..., git@...
_URL = LazyPattern(r"[A-Za-z][\w+.-]*://|(?:git\+)?file:|(?:git\+)?git@")
# name @ https://..., name[extra]@file:...
_DIRECT = LazyPattern(rf"[A-Za-z0-9][\w.-]*\s*(?:\[[^]]*\]\s*)?(?:\s@\s|@\s*(?={_URL.pattern}))")
_EXTRAS = LazyPattern(r"(.+?)\s*\[([^]]*)\]")


def parse_target(text: str, cwd: Path) -> Target:
    """Parse one target; extras, marker and hashes are checked but not returned.

    Raises:
        TargetError: as `parse_target_and_extras` does.
    """
    return parse_target_and_extras(text, cwd).target


def parse_target_and_extras(text: str, cwd: Path, *, bare_folders: bool = True) -> ParsedTarget:
    """Parse one target, with its extras, marker and hashes.

    Args:
        text: a path, a requirement, a URL, or ``name @ URL``; all but a requirement may be
            followed by a marker, a path also by extras in brackets.
        cwd: the folder of relative paths.
        bare_folders: whether a word without a slash may name a project's folder. On a command
            line it may; in a file it is always a requirement, as in pip.

    Raises:
        TargetError: it cannot be built; the message names it.
    """
    text = text.strip()
    if not text:
        raise TargetError("an empty target: name a folder, an sdist or a requirement")
    if ":" in text and _URL.match(text):
        from pool.requirements.url import parse_url

        url, marker = _split_marker(text, r"\s+;|;\s+")
        return replace(_parse_url_target(parse_url(url), text, cwd), marker=marker)
    if "@" in text and _DIRECT.match(text):
        return _parse_direct_reference(text, cwd)
    try:
        return _parse_path(text, cwd, bare_folders=bare_folders) or _parse_requirement_target(
            text, cwd
        )
    except OSError as problem:
        # A requirement may be longer than the longest file name.
        if _looks_like_path(text) or problem.errno != errno.ENAMETOOLONG:
            raise TargetError(f"{text}: {os_error_text(problem)}") from problem
    return _parse_requirement_target(text, cwd)


def is_project(path: Path) -> bool:
    """Return whether a folder is a project that can be built."""
    return any((path / name).is_file() for name in ("pyproject.toml", "setup.py"))


def _split_marker(text: str, separator: str) -> tuple[str, Marker | None]:
    from packaging.markers import InvalidMarker

    from pool.common.pep508 import strict_marker

    body, *marker = re.split(separator, text, maxsplit=1)
    if not marker or not marker[0].strip():
        return body.strip(), None
    try:
        return body.strip(), strict_marker(marker[0].strip())
    except InvalidMarker as problem:
        reason = str(problem).splitlines()[0].lower()
        raise TargetError(f"{redact_urls(text)!r}: its marker is not valid: {reason}") from problem


def _parse_direct_reference(text: str, cwd: Path) -> ParsedTarget:
    from pool.requirements.url import parse_url

    parsed = _parse_requirement(text)
    url = parsed.url or ""
    if _URL.match(url):
        named = _parse_url_target(parse_url(url), text, cwd, parsed.name)
    else:
        named = ParsedTarget(target=local_target(text, cwd / url, parsed.name))
    extras = frozenset(map(canonicalize_name, parsed.extras))
    return replace(named, extras=named.extras | extras, marker=parsed.marker)


def _parse_url_target(
    url: ParsedUrl, text: str, cwd: Path, name: str | None = None
) -> ParsedTarget:
    target: Target
    name, label = name or url.name, redact_urls(text)
    if url.is_git:
        target = GitTarget(
            url=url.url,
            reference=url.reference,
            name=name,
            subdirectory=url.subdirectory,
            label=label,
        )
    elif url.scheme == "file":
        target = _file_url_target(url, text, cwd, name)
    else:
        _check_filename(url.filename, text)
        target = UrlTarget(url=url.url, name=name, subdirectory=url.subdirectory, label=label)
    return ParsedTarget(target=target, extras=url.extras, hashes=url.hashes)


def _file_url_target(url: ParsedUrl, text: str, cwd: Path, name: str | None) -> Target:
    path = url.local_path(cwd)
    if path.is_dir():
        return local_target(text, path / url.subdirectory, name)
    target = local_target(text, path, name)
    if not url.subdirectory:
        return target
    return UrlTarget(
        url=path.resolve().as_uri(), name=name, subdirectory=url.subdirectory, label=text
    )


def _check_filename(filename: str, text: str) -> None:
    if filename.endswith(".whl"):
        from packaging.utils import parse_wheel_filename

        try:
            parse_wheel_filename(filename)
        except ValueError as problem:
            raise TargetError(
                f"{redact_urls(text)}: not the name of a wheel: {filename}"
            ) from problem
    if filename.endswith(".git"):
        raise TargetError(
            f"{redact_urls(text)}: a repository, not a file", hint="write git+ before the URL"
        )


def _parse_path(text: str, cwd: Path, *, bare_folders: bool) -> ParsedTarget | None:
    """Parse a path; None if the text is a requirement."""
    # Brackets and semicolons are allowed in file names: an existing path takes precedence.
    if _is_path(text, cwd, bare_folders=bare_folders) and (cwd / expand_user(text)).exists():
        return ParsedTarget(target=local_target(text, cwd / expand_user(text)))
    bare, _, marker = text.partition(";")
    bare, extras = _split_extras(bare.strip())
    if not _is_path(bare, cwd, bare_folders=bare_folders):
        return None
    return ParsedTarget(
        target=local_target(text, cwd / _expand(bare)),
        extras=extras,
        marker=_split_marker(f"{bare};{marker}", ";")[1],
    )


def _is_path(text: str, cwd: Path, *, bare_folders: bool) -> bool:
    if _looks_like_path(text):
        return True
    path = cwd / _expand(text)
    return bool(text) and (path.is_file() or (bare_folders and is_project(path)))


def _looks_like_path(text: str) -> bool:
    return "/" in text or text.startswith((".", "~")) or text.endswith((*SUFFIXES, ".whl"))


def _expand(text: str) -> Path:
    path = expand_user(text)
    if text.startswith("~") and str(path).startswith("~") and not path.exists():
        user = text.partition("/")[0]
        raise TargetError(f"{text}: no such user", hint=f"for a folder of that name: ./{user}")
    return path


def _split_extras(text: str) -> tuple[str, frozenset[NormalizedName]]:
    if (match := _EXTRAS.fullmatch(text)) is None:
        return text, frozenset()
    extras = (extra.strip() for extra in match[2].split(","))
    return match[1], frozenset(canonicalize_name(extra) for extra in extras if extra)


def local_target(
    text: str, path: Path, name: str | None = None
) -> TreeTarget | SdistTarget | WheelTarget:
    """Return the target for a path, by what is there.

    Args:
        text: the text for messages and the label.
        path: absolute.
        name: the name that the project must have.

    Raises:
        TargetError: the path does not exist, or cannot be built.
    """
    label = redact_urls(text)
    if path.is_dir():
        if not is_project(path):
            raise TargetError(f"{label}: not a project: it has no pyproject.toml and no setup.py")
        return TreeTarget(path=path.resolve(), name=name, label=label)
    if not path.exists():
        raise TargetError(f"{label}: no such file or directory")
    if not path.is_file():
        raise TargetError(f"{label}: neither a folder nor a file")
    if path.suffix == ".whl":
        _check_filename(path.name, text)
        return WheelTarget(path=path.resolve(), name=name, label=label)
    if not path.name.lower().endswith(SUFFIXES):
        raise TargetError(f"{label}: not a source archive (.tar.gz or .zip)")
    return SdistTarget(path=path.resolve(), name=name, label=label)


def _parse_requirement_target(text: str, cwd: Path) -> ParsedTarget:
    parsed = _parse_requirement(text)
    # Without spaces around the @, a direct reference looks like a name.
    return (
        _parse_direct_reference(text, cwd)
        if parsed.url
        else ParsedTarget(target=RequirementTarget(parsed=parsed))
    )


def _parse_requirement(text: str) -> Requirement:
    from packaging.requirements import InvalidRequirement

    from pool.common.pep508 import strict_requirement

    try:
        return strict_requirement(text)
    except InvalidRequirement as problem:
        reason = str(problem).splitlines()[0].lower()
        raise TargetError(
            f"{redact_urls(text)!r}: neither an existing path nor a requirement: {reason}",
            hint="a path has a slash in it, a requirement looks like name==1.0",
        ) from problem
