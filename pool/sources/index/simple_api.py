"""The Simple API: index pages as lists of files, PEP 503 HTML and PEP 691 JSON. Pure.

Pages are other people's: an entry that is not valid is left out, and only what is no page at all is
an error. A link leads to a server, or, from a page on this machine, to a file.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urljoin, urlsplit

import msgspec
from packaging.utils import NormalizedName, canonicalize_name

from pool.common.cancellation import check_cancelled
from pool.common.errors import PackageIndexError
from pool.common.pep508 import strict_version
from pool.common.text import clean_text
from pool.sources.archives import SUFFIXES
from pool.sources.index.charset import find_charset
from pool.sources.index.html_tags import iterate_tags

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HTML", "JSON", "MAX_PAGE", "IndexFile", "file_url_path", "parse_filename", "parse_page"]

MAX_PAGE = 64 << 20
"""Bytes of a page, compressed and decompressed; the largest of public indexes have some 20 MB."""

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html"
_MAX_TAGS = 1_000_000
"""Tags of an HTML page; the largest projects have some ten thousand files."""
_MAX_COMMAS = 4_000_000
"""Commas in a JSON page: they bound the number of its values before it is parsed."""
_MAX_FILENAME = 255
"""Bytes, as in all common file systems."""
_MAX_SIZE = 1 << 50
"""Bytes of a file; a larger number is not a size."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b")


def file_url_path(url: str) -> Path | None:
    """Return the path of a file URL; None for any other URL, and for a path."""
    if url[:5].lower() != "file:":
        return None
    return Path(unquote(urlsplit(url).path, errors="surrogateescape"))


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

    @property
    def local_path(self) -> Path | None:
        """The file itself if it is on this machine; None for one on a server."""
        return file_url_path(self.url)


def parse_page(
    body: bytes, content_type: str, url: str, project: NormalizedName
) -> list[IndexFile]:
    """Return the wheels and sdists that a project's page lists.

    Other files are left out (old indexes list eggs and installers), and so are files of other
    projects.

    Args:
        body: the page.
        content_type: the Content-Type of the response; everything but JSON is parsed as HTML, in
            its charset if that is one.
        url: the URL of the page; links are relative to it.
        project: the normalized name.

    Raises:
        PackageIndexError: the page cannot be parsed, or is of a later version of the API.
    """
    try:
        if "json" in content_type.lower():
            page = _from_json(body)
        else:
            page = _from_html(_decode_html(body, content_type))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as problem:
        raise PackageIndexError(
            f"the index page of {project} cannot be read: {problem}"
        ) from problem
    if page.version.strip().partition(".")[0] not in ("", "1"):
        raise PackageIndexError(
            f"the index page of {project} has version {clean_text(page.version, 20)} of the"
            " Simple API, of which only 1 is known (PEP 629)"
        )
    base = _base_url(url, page.base)
    files = (_to_index_file(entry, base, url, project) for entry in page.entries)
    return [file for file in files if file is not None]


def _base_url(url: str, base: str) -> str:
    try:
        return urljoin(url, base)
    except ValueError:
        return url


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
    version: str = ""
    """The version of the API; empty if the page does not have it."""


class _JsonFile(msgspec.Struct, rename="kebab"):
    """PEP 691, PEP 700, PEP 714. Values that are not needed to use a file may have any type."""

    url: str
    filename: str
    hashes: dict[str, str] = {}
    requires_python: str | None = None
    yanked: Any = False
    size: Any = None
    core_metadata: Any = None
    dist_info_metadata: Any = None


class _JsonPage(msgspec.Struct):
    files: list[msgspec.Raw]
    meta: Any = None


_decode_file = msgspec.json.Decoder(_JsonFile).decode


def _from_json(body: bytes) -> _Page:
    if body.count(b",") > _MAX_COMMAS:
        raise OverflowError("it has too many values")
    page = msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8), type=_JsonPage)
    version = page.meta.get("api-version") if isinstance(page.meta, dict) else None
    entries = (_json_entry(row) for row in page.files)
    return _Page(
        [entry for entry in entries if entry is not None],
        version=version if isinstance(version, str) else "",
    )


def _json_entry(row: msgspec.Raw) -> _Entry | None:
    """Return an entry of a page; None if it is not valid."""
    check_cancelled()
    try:
        file = _decode_file(row)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    size = file.size
    return _Entry(
        url=file.url,
        filename=file.filename,
        hashes=_lowercase(file.hashes),
        requires_python=file.requires_python,
        # PEP 592: the reason may be an empty string; only false means not yanked.
        yanked=file.yanked is not False and file.yanked is not None,
        size=size if type(size) is int and 0 <= size <= _MAX_SIZE else None,
        metadata_hashes=_metadata_hashes(file.core_metadata, file.dist_info_metadata),
    )


def _lowercase(hashes: dict[str, str]) -> dict[str, str]:
    return {name.lower(): digest.lower() for name, digest in hashes.items()}


def _metadata_hashes(value: object, older: object) -> dict[str, str] | None:
    """Return the hashes of METADATA; the older key is used if the newer one is missing."""
    match older if value is None else value:
        case dict(hashes):
            # A digest that is no string makes the METADATA useless, not the wheel.
            strings = all(isinstance(digest, str) for digest in hashes.values())
            return _lowercase(hashes) if strings else None
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


def _decode_html(body: bytes, content_type: str) -> str:
    """Decode a page by its mark, the charset of its Content-Type, or as UTF-8, as browsers do."""
    charset = find_charset(content_type)
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            charset = encoding
    return body.decode(charset, "replace")


def _from_html(text: str) -> _Page:
    page = _Page([])
    for number, tag in enumerate(iterate_tags(text)):
        check_cancelled()
        if number >= _MAX_TAGS:
            raise OverflowError("it has too many tags")
        href = (tag.attributes.get("href") or "").strip()
        if tag.name == "a" and href:
            page.entries.append(_html_entry(href, tag.attributes))
        elif tag.name == "base" and href and not page.base:
            page.base = href
        elif tag.name == "meta" and tag.attributes.get("name") == "pypi:repository-version":
            page.version = tag.attributes.get("content") or ""
    return page


def _html_entry(href: str, attributes: Mapping[str, str | None]) -> _Entry:
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


def _to_index_file(
    entry: _Entry, base: str, page_url: str, project: NormalizedName
) -> IndexFile | None:
    check_cancelled()
    parsed = parse_filename(entry.filename, project)
    if parsed is None or not entry.url.isprintable():
        return None
    try:
        url = _join_url(base, entry.url)
        usable = url.startswith(("https://", "http://")) or _may_lead_to(url, page_url)
    except ValueError:
        return None
    if not usable:
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


def _may_lead_to(url: str, page_url: str) -> bool:
    """Return whether a page may have a link: one on a server never leads to a local file."""
    scheme = urlsplit(url).scheme
    return scheme in ("http", "https") or (scheme == "file" and page_url.startswith("file:"))


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
    """Parse the name of a wheel or sdist of a project; None for anything else.

    A name with control characters or a slash, or one that is too long for a file, is nothing else.
    """
    printable = "/" not in filename and filename.isprintable()
    if not printable or len(filename.encode()) > _MAX_FILENAME:
        return None
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
    if len(parts) not in (4, 5) or _canonicalize(name) != project:
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
        return str(strict_version(text))
    except ValueError:
        return None
