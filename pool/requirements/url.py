"""The parts of a URL that pip gives a meaning: the fragment, and the reference in a git URL.

Text only, no lookups. The parts are pip's conventions (``#subdirectory=``, ``#egg=``, ``#sha256=``,
``git+https://host/repo@reference``), partly specified by PEP 610.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from packaging.requirements import InvalidRequirement
from packaging.utils import canonicalize_name

from pool.common.errors import TargetError
from pool.common.pep508 import strict_requirement
from pool.common.record import Record
from pool.common.redaction import redact_urls

if TYPE_CHECKING:
    from packaging.utils import NormalizedName

__all__ = ["ParsedUrl", "normalize_file_url", "parse_url"]

_HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
_GIT = ("http", "https", "ssh", "git", "file")
_OTHER_VCS = ("hg", "svn", "bzr")
_HEX = re.compile(r"[0-9a-fA-F]+")


class ParsedUrl(Record, frozen=True, kw_only=True):
    """A URL with its parts."""

    scheme: str
    """``https``, ``file``, ``git+ssh`` and so on, in lower case."""
    url: str
    """Without ``git+``, reference and fragment; may hold credentials."""
    path: str
    """The path of the URL, decoded."""
    reference: str = ""
    """A commit, tag or branch of a git URL."""
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
    def is_git(self) -> bool:
        """Whether it is the URL of a git repository."""
        return self.scheme.startswith("git+")

    def local_path(self, cwd: Path) -> Path:
        """Return the path of a ``file:`` URL; a relative one is relative to ``cwd``."""
        return cwd / self.path


def normalize_file_url(url: str) -> str:
    """Return a ``file:`` URL as that of the file it leads to, without ``..`` and links.

    Other URLs, and the URLs of folders in archives, are returned unchanged.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    path = unquote(parts.path)
    local = parts.scheme == "file" and parts.netloc in ("", "localhost") and path.startswith("/")
    if not local or "\0" in path or "subdirectory=" in parts.fragment:
        return url
    return Path(path).resolve().as_uri()


def parse_url(text: str) -> ParsedUrl:
    """Parse a URL.

    Raises:
        TargetError: not a URL, or of a kind that cannot be built from.
    """
    if text.startswith(("git@", "git+git@")):
        raise _scp_style_error(text)
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
    return _to_parsed_url(parts, text)


def _check_scheme(scheme: str, text: str) -> None:
    tool, _, transport = scheme.rpartition("+")
    if tool in _OTHER_VCS or scheme in _OTHER_VCS:
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


def _scp_style_error(text: str) -> TargetError:
    host, _, path = text.removeprefix("git+").partition(":")
    return TargetError(
        f"{redact_urls(text)}: not a URL", hint=f"write git+ssh://{host}/{path.lstrip('/')}"
    )


def _to_parsed_url(parts: SplitResult, text: str) -> ParsedUrl:
    fragment = dict(pair.partition("=")[::2] for pair in parts.fragment.split("&"))
    name, extras = _parse_egg(fragment.get("egg", ""), text)
    reference = ""
    if parts.scheme.startswith("git+"):
        parts, reference = _split_reference(parts, text)
    return ParsedUrl(
        scheme=parts.scheme,
        url=urlunsplit(parts._replace(scheme=parts.scheme.removeprefix("git+"), fragment="")),
        path=unquote(parts.path),
        reference=reference,
        name=name,
        extras=extras,
        subdirectory=_check_subdirectory(unquote(fragment.get("subdirectory", "")), text),
        hashes=frozenset(
            _parse_hash(kind, fragment[kind], text) for kind in _HASHES if kind in fragment
        ),
    )


def _split_reference(parts: SplitResult, text: str) -> tuple[SplitResult, str]:
    path, at, reference = parts.path.rpartition("@")
    if not at:
        return parts, ""
    reference = unquote(reference)
    # git would parse a leading dash as an option.
    if not reference or reference.startswith("-"):
        raise TargetError(f"{redact_urls(text)}: no commit, tag or branch behind the @")
    return parts._replace(path=path), reference


def _parse_egg(text: str, whole: str) -> tuple[str | None, frozenset[NormalizedName]]:
    if not text:
        return None, frozenset()
    try:
        parsed = strict_requirement(unquote(text))
    except InvalidRequirement as problem:
        raise TargetError(f"{redact_urls(whole)}: {text!r} is not a name") from problem
    return parsed.name, frozenset(map(canonicalize_name, parsed.extras))


def _check_subdirectory(folder: str, text: str) -> str:
    path = PurePosixPath(folder)
    if path.is_absolute() or ".." in path.parts:
        raise TargetError(f"{redact_urls(text)}: the subdirectory leads out of the source")
    return "" if str(path) == "." else str(path)


def _parse_hash(kind: str, digest: str, text: str) -> str:
    if not _HEX.fullmatch(digest):
        raise TargetError(f"{redact_urls(text)}: {kind} must be a hexadecimal digest")
    return f"{kind}:{digest.lower()}"
