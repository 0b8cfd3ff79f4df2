"""What a user can ask for, recognised from the words of a command line or of a file.

A new kind of target begins here: a class, its place in `Target`, and a case in `parse_named`.
Nothing but the file system is asked, and nothing is opened.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion

from pool.common.errors import TargetError, os_error_text
from pool.common.redaction import redact_urls
from pool.requirements.url import ParsedUrl, parse_link
from pool.sources.archive import SUFFIXES

if TYPE_CHECKING:
    from packaging.utils import NormalizedName

__all__ = [
    "GitTarget",
    "Named",
    "RequirementTarget",
    "SdistTarget",
    "Target",
    "TreeTarget",
    "UrlTarget",
    "WheelTarget",
    "is_project",
    "local_target",
    "parse_named",
    "parse_target",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeTarget:
    """A directory with a project in it."""

    path: Path
    """Absolute, without symbolic links."""
    name: str | None = field(default=None, compare=False)
    """Where ``name @ file://...`` says it; the wheel must have it."""
    label: str = field(default="", compare=False)
    """What the user typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SdistTarget:
    """A source archive on this machine."""

    path: Path
    name: str | None = field(default=None, compare=False)
    label: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementTarget:
    """A name, maybe with versions, to be found on an index."""

    parsed: Requirement

    @property
    def label(self) -> str:
        """The requirement as text."""
        return str(self.parsed)


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelTarget:
    """A wheel on this machine."""

    path: Path
    name: str | None = field(default=None, compare=False)
    label: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlTarget:
    """An sdist or a wheel at a URL (PEP 508 direct reference, or the bare URL)."""

    url: str
    """Without fragment; may hold credentials."""
    name: str | None = None
    """Where ``name @ url`` or ``#egg=name`` says it."""
    subdirectory: str = ""
    """Where the project is in the archive (``#subdirectory=``)."""
    label: str = field(default="", compare=False)
    """Without credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitTarget:
    """A commit of a git repository (``git+https://host/repo@ref#subdirectory=sub``)."""

    url: str
    """What git clones: without ``git+``, reference and fragment; may hold credentials."""
    reference: str = ""
    """A commit, tag or branch; empty for the default branch."""
    name: str | None = None
    subdirectory: str = ""
    label: str = field(default="", compare=False)
    """Without credentials."""


Target: TypeAlias = (
    TreeTarget | SdistTarget | WheelTarget | RequirementTarget | UrlTarget | GitTarget
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A target, and what was said in the same breath."""

    target: Target
    extras: frozenset[NormalizedName] = frozenset()
    """Of anything but a requirement, which has its own."""
    marker: Marker | None = None
    """Likewise."""
    hashes: frozenset[str] = frozenset()
    """``sha256:<digest>``, from the fragment of a URL."""


# https://..., git+ssh://..., file:..., git@...
_URL = re.compile(r"[A-Za-z][\w+.-]*://|(?:git\+)?file:|(?:git\+)?git@")
# name @ https://..., name[extra]@file:...
_DIRECT = re.compile(rf"[A-Za-z0-9][\w.-]*\s*(?:\[[^]]*\]\s*)?(?:\s@\s|@\s*(?={_URL.pattern}))")
_EXTRAS = re.compile(r"(.+?)\s*\[([^]]*)\]")


def parse_target(text: str, cwd: Path) -> Target:
    """Recognise one target; what is said beside it must hold but is not returned.

    Raises:
        TargetError: as `parse_named` does.
    """
    return parse_named(text, cwd).target


def parse_named(text: str, cwd: Path, *, bare_folders: bool = True) -> Named:
    """Recognise one target, with its extras, marker and hashes.

    Args:
        text: a path, a requirement, a URL, ``name @ URL``; the first and the last two may be
            followed by a marker, a path by extras in brackets.
        cwd: what relative paths are relative to.
        bare_folders: whether a word without a slash may name a project's folder. On a command
            line it may; in a file it is a requirement, as with pip, whatever else is there.

    Raises:
        TargetError: it is nothing that can be built; the message names it.
    """
    text = text.strip()
    if not text:
        raise TargetError("an empty target: name a folder, an sdist or a requirement")
    if _URL.match(text):
        url, marker = _marked(text, r"\s+;|;\s+")
        return replace(_linked(parse_link(url), text, cwd), marker=marker)
    if _DIRECT.match(text):
        return _direct(text, cwd)
    try:
        return _path(text, cwd, bare_folders=bare_folders) or _required(text, cwd)
    except RuntimeError as problem:
        raise TargetError(f"{text}: there is no such user") from problem
    except OSError as problem:
        # A requirement may be longer than a file's name can be.
        if _looks_like_path(text) or problem.errno != errno.ENAMETOOLONG:
            raise TargetError(f"{text}: {os_error_text(problem)}") from problem
    return _required(text, cwd)


def is_project(path: Path) -> bool:
    """Tell whether a directory holds something that can be built."""
    return any((path / name).is_file() for name in ("pyproject.toml", "setup.py"))


def _marked(text: str, separator: str) -> tuple[str, Marker | None]:
    what, *marker = re.split(separator, text, maxsplit=1)
    if not marker or not marker[0].strip():
        return what.strip(), None
    try:
        return what.strip(), Marker(marker[0].strip())
    except InvalidMarker as problem:
        reason = str(problem).splitlines()[0].lower()
        raise TargetError(f"{redact_urls(text)!r}: its marker is none: {reason}") from problem


def _direct(text: str, cwd: Path) -> Named:
    parsed = _requirement(text)
    url = parsed.url or ""
    if _URL.match(url):
        named = _linked(parse_link(url), text, cwd, parsed.name)
    else:
        named = Named(target=local_target(text, cwd / url, parsed.name))
    extras = frozenset(map(canonicalize_name, parsed.extras))
    return replace(named, extras=named.extras | extras, marker=parsed.marker)


def _linked(link: ParsedUrl, text: str, cwd: Path, name: str | None = None) -> Named:
    target: Target
    name, label = name or link.name, redact_urls(text)
    if link.git:
        target = GitTarget(
            url=link.url,
            reference=link.reference,
            name=name,
            subdirectory=link.subdirectory,
            label=label,
        )
    elif link.scheme == "file":
        target = _file_url(link, text, cwd, name)
    else:
        _check_filename(link.filename, text)
        target = UrlTarget(url=link.url, name=name, subdirectory=link.subdirectory, label=label)
    return Named(target=target, extras=link.extras, hashes=link.hashes)


def _file_url(link: ParsedUrl, text: str, cwd: Path, name: str | None) -> Target:
    path = link.local(cwd)
    if path.is_dir():
        return local_target(text, path / link.subdirectory, name)
    target = local_target(text, path, name)
    if not link.subdirectory:
        return target
    return UrlTarget(
        url=path.resolve().as_uri(), name=name, subdirectory=link.subdirectory, label=text
    )


def _check_filename(filename: str, text: str) -> None:
    if filename.endswith(".whl"):
        try:
            parse_wheel_filename(filename)
        except (InvalidWheelFilename, InvalidVersion) as problem:
            raise TargetError(
                f"{redact_urls(text)}: not the name of a wheel: {filename}"
            ) from problem
    if filename.endswith(".git"):
        raise TargetError(
            f"{redact_urls(text)}: a repository, not a file", hint="write git+ before the URL"
        )


def _path(text: str, cwd: Path, *, bare_folders: bool) -> Named | None:
    """Recognise a path; None if it is a requirement."""
    # Brackets and semicolons are allowed in names of files: what is there is meant.
    if _is_path(text, cwd, bare_folders=bare_folders) and (cwd / _expanded(text)).exists():
        return Named(target=local_target(text, cwd / _expanded(text)))
    bare, _, marker = text.partition(";")
    bare, extras = _without_extras(bare.strip())
    if not _is_path(bare, cwd, bare_folders=bare_folders):
        return None
    return Named(
        target=local_target(text, cwd / _expanded(bare)),
        extras=extras,
        marker=_marked(f"{bare};{marker}", ";")[1],
    )


def _is_path(text: str, cwd: Path, *, bare_folders: bool) -> bool:
    if _looks_like_path(text):
        return True
    path = cwd / _expanded(text)
    return bool(text) and (path.is_file() or (bare_folders and is_project(path)))


def _looks_like_path(text: str) -> bool:
    return "/" in text or text.startswith((".", "~")) or text.endswith((*SUFFIXES, ".whl"))


def _expanded(text: str) -> Path:
    return Path(text).expanduser()


def _without_extras(text: str) -> tuple[str, frozenset[NormalizedName]]:
    if (match := _EXTRAS.fullmatch(text)) is None:
        return text, frozenset()
    extras = (extra.strip() for extra in match[2].split(","))
    return match[1], frozenset(canonicalize_name(extra) for extra in extras if extra)


def local_target(
    text: str, path: Path, name: str | None = None
) -> TreeTarget | SdistTarget | WheelTarget:
    """Recognise what is at a path.

    Args:
        text: what it is called in messages and as label.
        path: absolute.
        name: what it is said to be.

    Raises:
        TargetError: it is not there, or nothing that can be built.
    """
    shown = redact_urls(text)
    if path.is_dir():
        if not is_project(path):
            raise TargetError(f"{shown}: not a project: it has no pyproject.toml and no setup.py")
        return TreeTarget(path=path.resolve(), name=name, label=shown)
    if not path.exists():
        raise TargetError(f"{shown}: no such file or directory")
    if not path.is_file():
        raise TargetError(f"{shown}: neither a folder nor a file")
    if path.suffix == ".whl":
        _check_filename(path.name, text)
        return WheelTarget(path=path.resolve(), name=name, label=shown)
    if not path.name.endswith(SUFFIXES):
        raise TargetError(f"{shown}: not a source archive (.tar.gz or .zip)")
    return SdistTarget(path=path.resolve(), name=name, label=shown)


def _required(text: str, cwd: Path) -> Named:
    parsed = _requirement(text)
    # Without spaces around its @ it did not look like a reference.
    return _direct(text, cwd) if parsed.url else Named(target=RequirementTarget(parsed=parsed))


def _requirement(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as problem:
        reason = str(problem).splitlines()[0].lower()
        raise TargetError(
            f"{redact_urls(text)!r}: neither a path that is there nor a requirement: {reason}",
            hint="a path has a slash in it, a requirement looks like name==1.0",
        ) from problem
