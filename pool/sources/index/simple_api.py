"""Index pages as lists of files: PEP 503 HTML and PEP 691 JSON. Pure."""

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

__all__ = ["HTML", "JSON", "IndexFile", "file_of", "parse_page"]

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
    """Bytes, where the index says."""
    metadata_hashes: dict[str, str] | None = None
    """Digests of the METADATA that the index has beside the wheel (PEP 658, PEP 714).

    Empty where it promises none; None where it has no such file.
    """

    @property
    def sha256(self) -> str | None:
        """The promised digest."""
        return self.hashes.get("sha256")


def parse_page(
    body: bytes, content_type: str, url: str, project: NormalizedName
) -> list[IndexFile]:
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
    metadata_hashes: dict[str, str] | None = None


class _Page(msgspec.Struct):
    entries: list[_Entry]
    base: str = ""


_Offer: TypeAlias = bool | str | dict[str, str] | None
"""How a page tells that it has the metadata of a wheel, and what digests that has."""


class _JsonFile(msgspec.Struct, rename="kebab"):
    """PEP 691, PEP 700, PEP 714."""

    url: str
    filename: str
    hashes: dict[str, str] = {}
    requires_python: str | None = None
    yanked: bool | str = False
    size: int | None = None
    core_metadata: _Offer = None
    dist_info_metadata: _Offer = None


class _JsonPage(msgspec.Struct):
    files: list[_JsonFile]


def _from_json(body: bytes) -> _Page:
    page = msgspec.json.decode(body, type=_JsonPage)
    return _Page([_json_entry(file) for file in page.files])


def _json_entry(file: _JsonFile) -> _Entry:
    return _Entry(
        url=file.url,
        filename=file.filename,
        hashes=_lowered(file.hashes),
        requires_python=file.requires_python,
        # PEP 592: the reason may be an empty string; false is not yanked.
        yanked=file.yanked is not False,
        size=file.size,
        metadata_hashes=_offered(file.core_metadata, file.dist_info_metadata),
    )


def _lowered(hashes: dict[str, str]) -> dict[str, str]:
    return {name.lower(): digest.lower() for name, digest in hashes.items()}


def _offered(offer: _Offer, older: _Offer) -> dict[str, str] | None:
    """Return the digests of metadata; where the newer key is missing, the older one counts."""
    match older if offer is None else offer:
        case dict(hashes):
            return _lowered(hashes)
        case str(text) if text.lower() != "false":
            return _said(text)
        case True:
            return {}
        case _:
            return None


def _said(text: str) -> dict[str, str]:
    """Return the digests in a fragment or an attribute: ``sha256=...``."""
    said = (pair.partition("=") for pair in text.split("&"))
    return {name: digest.lower() for name, _, digest in said if name in _HASHES and digest}


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
    return _Entry(
        url=url,
        filename=unquote(url.partition("?")[0].rpartition("/")[2]),
        hashes=_said(fragment),
        requires_python=given.get("data-requires-python"),
        yanked="data-yanked" in given,
        metadata_hashes=_offered(
            given.get("data-core-metadata"), given.get("data-dist-info-metadata")
        ),
    )


def _file(entry: _Entry, base: str, project: NormalizedName) -> IndexFile | None:
    found = file_of(entry.filename, project)
    if found is None:
        return None
    try:
        url = _joined(base, entry.url)
    except ValueError:
        return None
    return msgspec.structs.replace(
        found,
        url=url,
        hashes=entry.hashes,
        requires_python=entry.requires_python,
        yanked=entry.yanked,
        size=entry.size,
        metadata_hashes=entry.metadata_hashes if found.kind == "wheel" else None,
    )


def _joined(base: str, link: str) -> str:
    """Return what `urljoin` does; the links of a page begin in few ways, which are remembered."""
    if link.startswith(("http://", "https://")) and "[" not in link:
        return link
    climb = len(link) - len(link.lstrip("./"))
    rest = link[climb:]
    if not climb or link[climb - 1] != "/" or link.startswith("//") or _ODD.search(rest):
        return urljoin(base, link)
    return _beginning(base, link[:climb]) + rest


_ODD = re.compile(r"(^|/)(\.\.?)?(?=/|$)|[?;]")
"""Steps in a path that are no folders, and what is no path."""


@lru_cache(maxsize=1 << 10)
def _beginning(base: str, climb: str) -> str:
    return urljoin(base, climb)


def file_of(filename: str, project: NormalizedName) -> IndexFile | None:
    """Recognise a wheel or sdist of a project by its name alone; None for anything else."""
    if filename.endswith(".whl"):
        return _wheel(filename, project)
    suffix = next((suffix for suffix in SUFFIXES if filename.endswith(suffix)), None)
    if suffix is None:
        return None
    stem = filename.removesuffix(suffix)
    # Names may have dashes, and so may old versions: the project tells where the name ends.
    for at in (at for at, letter in enumerate(stem) if letter == "-"):
        if _name(stem[:at]) == project and (version := _version(stem[at + 1 :])):
            return IndexFile(
                filename=filename, project=project, url="", kind="sdist", version=version
            )
    return None


def _wheel(filename: str, project: NormalizedName) -> IndexFile | None:
    """Recognise a wheel (PEP 427); its tags are looked at by those who choose.

    By hand: `packaging` takes the tags apart as well, and pages have thousands of files.
    """
    name, *parts = filename.removesuffix(".whl").split("-")
    if len(parts) not in (4, 5) or "/" in filename or _name(name) != project:
        return None
    if len(parts) == 5 and not parts[1][:1].isdigit():
        return None
    if (version := _version(parts[0])) is None:
        return None
    return IndexFile(filename=filename, project=project, url="", kind="wheel", version=version)


_name = lru_cache(maxsize=1 << 10)(canonicalize_name)


@lru_cache(maxsize=1 << 14)
def _version(text: str) -> str | None:
    try:
        return str(Version(text))
    except InvalidVersion:
        return None
