"""The Simple API: index pages as lists of files, PEP 503 HTML and PEP 691 JSON. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from html.parser import HTMLParser
from typing import Literal, TypeAlias
from urllib.parse import unquote, urljoin

import msgspec
from packaging.utils import (
    NormalizedName,
    canonicalize_name,
)
from packaging.version import InvalidVersion, Version

from pool.common.errors import PackageIndexError
from pool.sources.archive import SUFFIXES

__all__ = ["HTML", "JSON", "IndexFile", "parse_filename", "parse_page"]

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html"
_HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b")


class IndexFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of one project, on an index or in a folder."""

    filename: str
    project: NormalizedName
    url: str
    """Absolute; ``file://`` for local ones; may hold credentials."""
    kind: Literal["wheel", "sdist"]
    version: str
    hashes: dict[str, str] = {}
    """Hexadecimal digests by algorithm."""
    requires_python: str | None = None
    yanked: bool = False
    size: int | None = None
    """Bytes, if the index lists them."""
    metadata_hashes: dict[str, str] | None = None
    """Hashes of the METADATA that the index serves beside the wheel (PEP 658, PEP 714).

    Empty if it lists none; None if it serves no METADATA.
    """

    @property
    def sha256(self) -> str | None:
        """The sha256 that the index lists."""
        return self.hashes.get("sha256")


def parse_page(
    body: bytes, content_type: str, url: str, project: NormalizedName
) -> list[IndexFile]:
    """Return the wheels and sdists that a project's page lists.

    Other files are left out (old indexes list eggs and installers), and so are files of other
    projects.

    Args:
        body: the page.
        content_type: the Content-Type of the response; everything but JSON is parsed as HTML.
        url: the URL of the page; links are relative to it.
        project: the normalized name.

    Raises:
        PackageIndexError: the page cannot be parsed.
    """
    try:
        entries = _from_json(body) if "json" in content_type else _from_html(body)
    except (msgspec.DecodeError, AssertionError) as problem:
        raise PackageIndexError(
            f"the index page of {project} cannot be read: {problem}"
        ) from problem
    base = urljoin(url, entries.base)
    files = (_to_index_file(entry, base, project) for entry in entries.entries)
    return [file for file in files if file is not None]


class _Entry(msgspec.Struct, kw_only=True):
    url: str
    filename: str
    hashes: dict[str, str]
    requires_python: str | None
    yanked: bool
    size: int | None = None
    metadata_hashes: dict[str, str] | None = None


class _Page(msgspec.Struct):
    entries: list[_Entry]
    base: str = ""


_CoreMetadata: TypeAlias = bool | str | dict[str, str] | None
"""The ``core-metadata`` value of a wheel: whether METADATA is served, and its hashes."""


class _JsonFile(msgspec.Struct, rename="kebab"):
    """PEP 691, PEP 700, PEP 714."""

    url: str
    filename: str
    hashes: dict[str, str] = {}
    requires_python: str | None = None
    yanked: bool | str = False
    size: int | None = None
    core_metadata: _CoreMetadata = None
    dist_info_metadata: _CoreMetadata = None


class _JsonPage(msgspec.Struct):
    files: list[_JsonFile]


def _from_json(body: bytes) -> _Page:
    page = msgspec.json.decode(body, type=_JsonPage)
    return _Page([_json_entry(file) for file in page.files])


def _json_entry(file: _JsonFile) -> _Entry:
    return _Entry(
        url=file.url,
        filename=file.filename,
        hashes=_lowercase(file.hashes),
        requires_python=file.requires_python,
        # PEP 592: the reason may be an empty string; only false means not yanked.
        yanked=file.yanked is not False,
        size=file.size,
        metadata_hashes=_metadata_hashes(file.core_metadata, file.dist_info_metadata),
    )


def _lowercase(hashes: dict[str, str]) -> dict[str, str]:
    return {name.lower(): digest.lower() for name, digest in hashes.items()}


def _metadata_hashes(value: _CoreMetadata, older: _CoreMetadata) -> dict[str, str] | None:
    """Return the hashes of METADATA; the older key is used if the newer one is missing."""
    match older if value is None else value:
        case dict(hashes):
            return _lowercase(hashes)
        case str(text) if text.lower() != "false":
            return _parse_hashes(text)
        case True:
            return {}
        case _:
            return None


def _parse_hashes(text: str) -> dict[str, str]:
    """Return the hashes in a fragment or an attribute: ``sha256=...``."""
    pairs = (pair.partition("=") for pair in text.split("&"))
    return {name: digest.lower() for name, _, digest in pairs if name in _HASHES and digest}


def _from_html(body: bytes) -> _Page:
    parser = _LinkParser()
    parser.feed(body.decode("utf-8", "replace"))
    parser.close()
    return _Page(parser.entries, parser.base)


class _LinkParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.entries: list[_Entry] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        href = (attributes.get("href") or "").strip()
        if tag == "base" and href and not self.base:
            self.base = href
        elif tag == "a" and href:
            self.entries.append(_html_entry(href, attributes))


def _html_entry(href: str, attributes: dict[str, str | None]) -> _Entry:
    url, _, fragment = href.partition("#")
    return _Entry(
        url=url,
        filename=unquote(url.partition("?")[0].rpartition("/")[2]),
        hashes=_parse_hashes(fragment),
        requires_python=attributes.get("data-requires-python"),
        yanked="data-yanked" in attributes,
        metadata_hashes=_metadata_hashes(
            attributes.get("data-core-metadata"), attributes.get("data-dist-info-metadata")
        ),
    )


def _to_index_file(entry: _Entry, base: str, project: NormalizedName) -> IndexFile | None:
    parsed = parse_filename(entry.filename, project)
    if parsed is None:
        return None
    try:
        url = _join_url(base, entry.url)
    except ValueError:
        return None
    return msgspec.structs.replace(
        parsed,
        url=url,
        hashes=entry.hashes,
        requires_python=entry.requires_python,
        yanked=entry.yanked,
        size=entry.size,
        metadata_hashes=entry.metadata_hashes if parsed.kind == "wheel" else None,
    )


def _join_url(base: str, link: str) -> str:
    """Join URLs as `urljoin` does, but faster: the few prefixes of a page's links are cached."""
    if link.startswith(("http://", "https://")) and "[" not in link:
        return link
    climb = len(link) - len(link.lstrip("./"))
    rest = link[climb:]
    if not climb or link[climb - 1] != "/" or link.startswith("//") or _UNUSUAL.search(rest):
        return urljoin(base, link)
    return _join_prefix(base, link[:climb]) + rest


_UNUSUAL = re.compile(r"(^|/)(\.\.?)?(?=/|$)|[?;]")
"""Empty and dot segments, queries and parameters: left to `urljoin`."""


@lru_cache(maxsize=1 << 10)
def _join_prefix(base: str, climb: str) -> str:
    return urljoin(base, climb)


def parse_filename(filename: str, project: NormalizedName) -> IndexFile | None:
    """Parse the name of a wheel or sdist of a project; None for anything else."""
    if filename.endswith(".whl"):
        return _parse_wheel_filename(filename, project)
    suffix = next((suffix for suffix in SUFFIXES if filename.endswith(suffix)), None)
    if suffix is None:
        return None
    stem = filename.removesuffix(suffix)
    # Names and old versions may have dashes: the project name shows where the version starts.
    for at in (at for at, letter in enumerate(stem) if letter == "-"):
        if _canonicalize(stem[:at]) == project and (version := _normalize_version(stem[at + 1 :])):
            return IndexFile(
                filename=filename, project=project, url="", kind="sdist", version=version
            )
    return None


def _parse_wheel_filename(filename: str, project: NormalizedName) -> IndexFile | None:
    """Parse the name of a wheel (PEP 427) without its tags.

    `packaging` would parse the tags as well, which is slow for pages with thousands of files.
    """
    name, *parts = filename.removesuffix(".whl").split("-")
    if len(parts) not in (4, 5) or "/" in filename or _canonicalize(name) != project:
        return None
    if len(parts) == 5 and not parts[1][:1].isdigit():
        return None
    if (version := _normalize_version(parts[0])) is None:
        return None
    return IndexFile(filename=filename, project=project, url="", kind="wheel", version=version)


_canonicalize = lru_cache(maxsize=1 << 10)(canonicalize_name)


@lru_cache(maxsize=1 << 14)
def _normalize_version(text: str) -> str | None:
    try:
        return str(Version(text))
    except InvalidVersion:
        return None
