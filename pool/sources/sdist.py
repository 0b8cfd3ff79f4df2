"""Metadata of sources without building them: where they promise that a build would say the same.

An sdist promises it in PKG-INFO (PEP 643), a tree in ``[project]`` (PEP 621). Where anything that
counts is dynamic, or only a legacy build knows it, the answer is None, and somebody has to build.
Deliberately no code of the project is run, and nothing is written.
"""

from __future__ import annotations

import tarfile
import tomllib
import zipfile
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Any

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pool.sources.archive import damage_named, decompressed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["MOST_BYTES", "MOST_METADATA", "static_metadata", "static_tree_metadata"]

MOST_BYTES = 128 << 20
"""So much of an archive is looked through, unpacked; most backends put PKG-INFO last."""
MOST_METADATA = 4 << 20
"""Bytes; a longer PKG-INFO is left to the backend."""

_STATIC_SINCE = Version("2.2")
_COUNTS = {"name", "version", "requires-python", "requires-dist", "provides-extra"}
"""What has to be static; a description may be anything."""
_FIELDS = {"version", "requires-python", "dependencies", "optional-dependencies"}
"""The same, as ``[project]`` calls it."""


def static_metadata(sdist: Path) -> str | None:
    """Return an sdist's PKG-INFO, if every wheel built from it says the same; else None.

    Raises:
        ArchiveError: it is damaged.
        OSError: it cannot be read.
    """
    with damage_named(sdist), sdist.open("rb") as file:
        found = _in_zip(file) if sdist.name.endswith(".zip") else _in_tar(file)
    try:
        text = (found or b"").decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if _is_static(HeaderParser().parsestr(text)) else None


def _is_static(headers: Message) -> bool:
    try:
        since = Version(headers.get("Metadata-Version", "0"))
    except InvalidVersion:
        return False
    dynamic = {str(field).strip().lower() for field in headers.get_all("Dynamic", [])}
    known = "Name" in headers and "Version" in headers
    return known and since >= _STATIC_SINCE and not dynamic & _COUNTS


def _is_pkg_info(name: str) -> bool:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return len(parts) == 2 and parts[1] == "PKG-INFO"


def _in_zip(file: BinaryIO) -> bytes | None:
    with zipfile.ZipFile(file) as zipped:
        for member in zipped.infolist():
            if _is_pkg_info(member.filename):
                small = member.file_size <= MOST_METADATA
                return zipped.read(member) if small else None
    return None


def _in_tar(file: BinaryIO) -> bytes | None:
    with decompressed(file) as source:
        try:
            return _in_members(_Beginning(source))
        except _EnoughError:
            return None


def _in_members(beginning: _Beginning) -> bytes | None:
    with tarfile.open(fileobj=beginning, mode="r:") as tar:  # type: ignore[call-overload] # it needs no more than these three methods
        for member in tar:
            if _is_pkg_info(member.name):
                small = member.isreg() and member.size <= MOST_METADATA
                beginning.seek(member.offset_data)
                return beginning.all_of(member.size) if small else None
    return None


class _EnoughError(Exception):
    """What is looked for is not near enough to the beginning."""


class _Beginning:
    """The beginning of what a compressed file unpacks to, read once from front to back."""

    def __init__(self, source: Any) -> None:  # noqa: ANN401 - one of four kinds of file, or a plain one
        self._source = source
        self._at = 0

    def tell(self) -> int:
        return self._at

    def read(self, size: int) -> bytes:
        # Before reading: a header can claim any size for itself.
        if self._at + size > MOST_BYTES:
            raise _EnoughError
        data: bytes = self._source.read(size)
        self._at += len(data)
        return data

    def all_of(self, size: int) -> bytes:
        if len(data := self.read(size)) < size:
            raise EOFError("it breaks off")
        return data

    def seek(self, position: int) -> None:
        while self._at < position and self.read(min(position - self._at, 1 << 20)):
            pass


# Trees


def static_tree_metadata(tree: Path) -> str | None:
    """Return METADATA made from a tree's ``[project]``, if all that counts is static; else None.

    Raises:
        OSError: pyproject.toml is there but cannot be read.
    """
    try:
        table = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
        lines = list(_lines(table))
    except (FileNotFoundError, _NotStaticError, *_WRONG):
        return None  # Whoever builds it says what is wrong.
    return "\n".join([*lines, "", ""])


_WRONG = (
    # Anything may stand there instead of what should.
    tomllib.TOMLDecodeError,
    UnicodeDecodeError,
    AttributeError,
    KeyError,
    TypeError,
    InvalidRequirement,
    InvalidSpecifier,
    InvalidVersion,
)


class _NotStaticError(Exception):
    """Only a build can tell."""


def _lines(table: dict[str, Any]) -> Iterator[str]:
    project = table["project"]
    poetrys = "dependencies" in table.get("tool", {}).get("poetry", {})
    if _FIELDS & set(project.get("dynamic", ())) or (poetrys and "dependencies" not in project):
        raise _NotStaticError
    yield "Metadata-Version: 2.2"
    yield f"Name: {_named(project['name'])}"
    yield f"Version: {Version(project['version'])}"
    if python := project.get("requires-python"):
        yield f"Requires-Python: {SpecifierSet(python)}"
    for text in _strings(project.get("dependencies", [])):
        yield f"Requires-Dist: {Requirement(text)}"
    for extra, texts in project.get("optional-dependencies", {}).items():
        yield from _extra(canonicalize_name(extra), _strings(texts))


def _extra(extra: str, texts: list[str]) -> Iterator[str]:
    yield f"Provides-Extra: {extra}"
    for text in texts:
        requirement = Requirement(text)
        condition = f'extra == "{extra}"'
        if requirement.marker is not None:
            condition = f"({requirement.marker}) and {condition}"
        requirement.marker = Marker(condition)
        yield f"Requires-Dist: {requirement}"


def _named(name: str) -> str:
    """Return a name, which must be one: a line break in it would be further fields."""
    return Requirement(name).name


def _strings(texts: object) -> list[str]:
    if not isinstance(texts, list):
        raise TypeError(texts)
    return texts
