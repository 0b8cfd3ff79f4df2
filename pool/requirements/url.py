"""What a URL says about what it points at: the fragment, and the reference behind a git URL.

Text only: nothing is looked up. What the parts mean is pip's convention (``#subdirectory=``,
``#egg=``, ``#sha256=``, ``git+https://host/repo@reference``), partly written down in PEP 610.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pool.common.errors import TargetError
from pool.common.redaction import redact_urls

if TYPE_CHECKING:
    from packaging.utils import NormalizedName

__all__ = ["ParsedUrl", "parse_link"]

_HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
_GIT = ("http", "https", "ssh", "git", "file")
_OTHERS = ("hg", "svn", "bzr")
_HEX = re.compile(r"[0-9a-fA-F]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedUrl:
    """A URL, taken apart."""

    scheme: str
    """``https``, ``file``, ``git+ssh`` and so on, in lower case."""
    url: str
    """Without ``git+``, reference and fragment; may hold credentials."""
    path: str
    """The path of the URL, decoded."""
    reference: str = ""
    """A commit, tag or branch, where it is a git URL."""
    name: str | None = None
    """``#egg=``"""
    extras: frozenset[NormalizedName] = frozenset()
    """``#egg=name[extra]``, an old habit."""
    subdirectory: str = ""
    hashes: frozenset[str] = frozenset()
    """``sha256:<digest>``"""

    @property
    def filename(self) -> str:
        """The last part of the path."""
        return self.path.rstrip("/").rpartition("/")[2]

    @property
    def git(self) -> bool:
        """Whether it is a repository."""
        return self.scheme.startswith("git+")

    def local(self, cwd: Path) -> Path:
        """Return the path that a ``file:`` URL means; a relative one is relative to a folder."""
        return cwd / self.path


def parse_link(text: str) -> ParsedUrl:
    """Take a URL apart.

    Raises:
        TargetError: it is no URL, or one of a kind that nothing can be built from.
    """
    if text.startswith(("git@", "git+git@")):
        raise _scp_like(text)
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError as problem:
        raise TargetError(f"{redact_urls(text)}: not a URL: {str(problem).lower()}") from problem
    scheme = parts.scheme
    _check_scheme(scheme, text)
    if scheme.endswith("file"):
        if host not in ("", "localhost"):
            raise TargetError(f"{redact_urls(text)}: a file: URL names a file of this machine")
        parts = parts._replace(netloc="")
    elif not host:
        raise TargetError(f"{redact_urls(text)}: not a URL: it names no host")
    return _link(parts, text)


def _check_scheme(scheme: str, text: str) -> None:
    tool, _, transport = scheme.rpartition("+")
    if tool in _OTHERS or scheme in _OTHERS:
        raise TargetError(
            f"{redact_urls(text)}: {tool or scheme} repositories cannot be built from",
            hint="check it out and name the folder",
        )
    if tool == "git" and transport in _GIT:
        return
    if scheme in ("git", "ssh"):
        raise TargetError(
            f"{redact_urls(text)}: not a URL of a file",
            hint=f"a repository is named git+{scheme}://...",
        )
    if not scheme:
        raise TargetError(f"{redact_urls(text)}: not a URL")
    if scheme not in ("http", "https", "file"):
        raise TargetError(
            f"{redact_urls(text)}: {scheme}: is not a kind of URL that can be built from",
            hint="https://, file:// and git+https:// are",
        )


def _scp_like(text: str) -> TargetError:
    host, _, path = text.removeprefix("git+").partition(":")
    return TargetError(
        f"{redact_urls(text)}: not a URL", hint=f"write git+ssh://{host}/{path.lstrip('/')}"
    )


def _link(parts: SplitResult, text: str) -> ParsedUrl:
    said = dict(pair.partition("=")[::2] for pair in parts.fragment.split("&"))
    name, extras = _egg(said.get("egg", ""), text)
    reference = ""
    if parts.scheme.startswith("git+"):
        parts, reference = _without_reference(parts, text)
    return ParsedUrl(
        scheme=parts.scheme,
        url=urlunsplit(parts._replace(scheme=parts.scheme.removeprefix("git+"), fragment="")),
        path=unquote(parts.path),
        reference=reference,
        name=name,
        extras=extras,
        subdirectory=_subdirectory(unquote(said.get("subdirectory", "")), text),
        hashes=frozenset(_hash(kind, said[kind], text) for kind in _HASHES if kind in said),
    )


def _without_reference(parts: SplitResult, text: str) -> tuple[SplitResult, str]:
    path, at, reference = parts.path.rpartition("@")
    if not at:
        return parts, ""
    reference = unquote(reference)
    # A leading dash would be an option of git.
    if not reference or reference.startswith("-"):
        raise TargetError(f"{redact_urls(text)}: no commit, tag or branch behind the @")
    return parts._replace(path=path), reference


def _egg(text: str, whole: str) -> tuple[str | None, frozenset[NormalizedName]]:
    if not text:
        return None, frozenset()
    try:
        parsed = Requirement(unquote(text))
    except InvalidRequirement as problem:
        raise TargetError(f"{redact_urls(whole)}: {text!r} is not a name") from problem
    return parsed.name, frozenset(map(canonicalize_name, parsed.extras))


def _subdirectory(folder: str, text: str) -> str:
    path = PurePosixPath(folder)
    if path.is_absolute() or ".." in path.parts:
        raise TargetError(f"{redact_urls(text)}: the subdirectory leads out of the source")
    return "" if str(path) == "." else str(path)


def _hash(kind: str, digest: str, text: str) -> str:
    if not _HEX.fullmatch(digest):
        raise TargetError(f"{redact_urls(text)}: {kind} must be a hexadecimal digest")
    return f"{kind}:{digest.lower()}"
