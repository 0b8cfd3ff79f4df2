"""Index pages as lists of files: PEP 503 HTML and PEP 691 JSON. Pure."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Literal
from urllib.parse import unquote, urljoin

import msgspec
from packaging.utils import (
    InvalidWheelFilename,
    canonicalize_name,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from pool.errors import PackageIndexError
from pool.sources.archive import SUFFIXES

__all__ = ["HTML", "JSON", "IndexFile", "file_of", "parse_page"]

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html"
_HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b")


class IndexFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of one project, on an index or in a folder."""

    filename: str
    url: str
    """Absolute; ``file://`` for local ones; may hold credentials."""
    kind: Literal["wheel", "sdist"]
    version: str
    hashes: dict[str, str] = {}
    """Hexadecimal digests by algorithm."""
    requires_python: str | None = None
    yanked: bool = False
    size: int | None = None
    """Bytes, where the index says."""

    @property
    def sha256(self) -> str | None:
        """The promised digest."""
        return self.hashes.get("sha256")


def parse_page(body: bytes, content_type: str, url: str, project: str) -> list[IndexFile]:
    """Return the wheels and sdists that a project's page lists.

    What is neither, or of another project, is left out (old indexes list eggs and installers).

    Args:
        body: the page.
        content_type: as the server has it; all that is not JSON is taken for HTML.
        url: where the page came from; links are relative to it.
        project: normalised.

    Raises:
        PackageIndexError: the page cannot be read.
    """
    try:
        entries = _from_json(body) if "json" in content_type else _from_html(body)
    except (msgspec.DecodeError, AssertionError) as problem:
        raise PackageIndexError(
            f"the index page of {project} cannot be read: {problem}"
        ) from problem
    base = urljoin(url, entries.base)
    files = (_file(entry, base, project) for entry in entries.entries)
    return [file for file in files if file is not None]


class _Entry(msgspec.Struct, kw_only=True):
    url: str
    filename: str
    hashes: dict[str, str]
    requires_python: str | None
    yanked: bool
    size: int | None = None


class _Page(msgspec.Struct):
    entries: list[_Entry]
    base: str = ""


class _JsonFile(msgspec.Struct, rename="kebab"):
    """PEP 691, PEP 700."""

    url: str
    filename: str
    hashes: dict[str, str] = {}
    requires_python: str | None = None
    yanked: bool | str = False
    size: int | None = None


class _JsonPage(msgspec.Struct):
    files: list[_JsonFile]


def _from_json(body: bytes) -> _Page:
    page = msgspec.json.decode(body, type=_JsonPage)
    return _Page([_json_entry(file) for file in page.files])


def _json_entry(file: _JsonFile) -> _Entry:
    return _Entry(
        url=file.url,
        filename=file.filename,
        hashes={name.lower(): digest.lower() for name, digest in file.hashes.items()},
        requires_python=file.requires_python,
        # PEP 592: the reason may be an empty string; false is not yanked.
        yanked=file.yanked is not False,
        size=file.size,
    )


def _from_html(body: bytes) -> _Page:
    parser = _Links()
    parser.feed(body.decode("utf-8", "replace"))
    parser.close()
    return _Page(parser.entries, parser.base)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.entries: list[_Entry] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        href = (given.get("href") or "").strip()
        if tag == "base" and href and not self.base:
            self.base = href
        elif tag == "a" and href:
            self.entries.append(_html_entry(href, given))


def _html_entry(href: str, given: dict[str, str | None]) -> _Entry:
    url, _, fragment = href.partition("#")
    said = (pair.partition("=") for pair in fragment.split("&"))
    return _Entry(
        url=url,
        filename=unquote(url.partition("?")[0].rpartition("/")[2]),
        hashes={name: digest.lower() for name, _, digest in said if name in _HASHES and digest},
        requires_python=given.get("data-requires-python"),
        yanked="data-yanked" in given,
    )


def _file(entry: _Entry, base: str, project: str) -> IndexFile | None:
    found = file_of(entry.filename, project)
    if found is None:
        return None
    try:
        url = urljoin(base, entry.url)
    except ValueError:
        return None
    return msgspec.structs.replace(
        found,
        url=url,
        hashes=entry.hashes,
        requires_python=entry.requires_python,
        yanked=entry.yanked,
        size=entry.size,
    )


def file_of(filename: str, project: str) -> IndexFile | None:
    """Recognise a wheel or sdist of a project by its name alone; None for anything else."""
    if filename.endswith(".whl"):
        return _wheel(filename, project)
    suffix = next((suffix for suffix in SUFFIXES if filename.endswith(suffix)), None)
    if suffix is None:
        return None
    stem = filename.removesuffix(suffix)
    # Names may have dashes, and so may old versions: the project tells where the name ends.
    for at in (at for at, letter in enumerate(stem) if letter == "-"):
        if canonicalize_name(stem[:at]) == project and (version := _version(stem[at + 1 :])):
            return IndexFile(filename=filename, url="", kind="sdist", version=version)
    return None


def _wheel(filename: str, project: str) -> IndexFile | None:
    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except (InvalidWheelFilename, InvalidVersion):
        return None
    if name != project:
        return None
    return IndexFile(filename=filename, url="", kind="wheel", version=str(version))


def _version(text: str) -> str | None:
    try:
        return str(Version(text))
    except InvalidVersion:
        return None
