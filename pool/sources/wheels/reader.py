"""Wheel files: their structure is checked and their metadata read, whatever made them.

One reader for wheels that were built, cached, downloaded or named by the user, so that one rule
holds for all: the file name, the ``.dist-info`` folder and METADATA agree on name and version, and
no member would be written outside of an environment. Deliberately lenient about RECORD
(`pool.sources.wheels.record`): pip and uv install wheels whose RECORD is wrong.
"""

from __future__ import annotations

import errno
import lzma
import re
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from pool.common.errors import ArchiveError, os_error_text
from pool.common.files import open_regular
from pool.common.record import Record
from pool.common.text import clean_text
from pool.sources.bounded_zip import open_zip
from pool.sources.core_metadata import parse_headers
from pool.sources.wheels.zip_limits import MAX_DIRECTORY_BYTES, MAX_MEMBERS, check_content

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from email.message import Message
    from pathlib import Path

__all__ = [
    "SCHEMES",
    "WheelArchive",
    "WheelMetadata",
    "check_filename",
    "check_info_dir",
    "normalize_path",
    "open_wheel",
    "read_facts",
    "read_wheel",
]

SCHEMES = ("purelib", "platlib", "scripts", "data", "headers")
"""The folders that a ``.data`` folder may have."""

_MAX_BYTES = {"METADATA": 16 << 20, "RECORD": 64 << 20}
_MAX_OTHER = 4 << 20
_MAX_DEPTH = 100
_MAJOR = 1
"""The major Wheel-Version that is understood (PEP 427)."""
_NO_FILE = (None, errno.EINVAL, errno.EISDIR, errno.ELOOP, errno.ENOENT, errno.ENXIO)
"""Errors of a path that is not a regular file, and of damaged bz2 data, which has no number."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DAMAGE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    LookupError,
    MemoryError,
    OverflowError,
    RuntimeError,  # encrypted, or compressed in an unknown way
    ValueError,  # malformed names, numbers or text
)


class WheelMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """Name and version of a wheel, and its METADATA."""

    name: str
    version: str
    metadata: str
    """The text of METADATA."""
    metadata_version: str | None = None
    """Metadata-Version; None if it is missing."""


class WheelArchive(Record, frozen=True, kw_only=True):
    """An open wheel whose structure was checked."""

    zip: zipfile.ZipFile
    info_dir: str
    """``t-1.0.dist-info``, as spelled in the archive; the file's name may be spelled otherwise."""
    members: Mapping[str, zipfile.ZipInfo]
    """The files, without folders, by their path in the archive."""
    facts: WheelMetadata
    root_is_purelib: bool

    @property
    def data_dir(self) -> str:
        """The folder of the other schemes: ``t-1.0.data``."""
        return self.info_dir.removesuffix(".dist-info") + ".data"

    def has_info(self, name: str) -> bool:
        """Return whether the ``.dist-info`` folder has a file."""
        return f"{self.info_dir}/{name}" in self.members

    def read_info(self, name: str) -> str:
        """Return the text of a file in the ``.dist-info`` folder."""
        return _read_text(self.zip, self.members, f"{self.info_dir}/{name}")


def read_wheel(wheel: Path) -> WheelMetadata:
    """Check a wheel and read its metadata.

    Raises:
        ArchiveError: name, structure or metadata is not that of a wheel.
    """
    with open_wheel(wheel) as archive:
        return archive.facts


@contextmanager
def open_wheel(wheel: Path) -> Iterator[WheelArchive]:
    """Open and check a wheel; damage that is found in the block is reported, too.

    Raises:
        ArchiveError: it is no regular file or no wheel, it is damaged, or it has a member that is
            refused. The message begins with its name.
    """
    label = clean_text(wheel.name)
    try:
        name, version = _parse_filename(wheel.name)
        with (
            open_regular(wheel) as file,
            open_zip(
                file, max_directory_bytes=MAX_DIRECTORY_BYTES, max_members=MAX_MEMBERS
            ) as archive,
        ):
            check_content(archive, wheel.stat().st_size)
            yield _check_structure(archive, name, version)
    except ArchiveError as problem:
        raise ArchiveError(f"{label}: not a valid wheel: {problem}") from problem
    except _DAMAGE_ERRORS as problem:
        reason = clean_text(str(problem)) or type(problem).__name__
        raise ArchiveError(f"{label}: not a valid wheel: {reason}") from problem
    except OSError as problem:
        if problem.errno not in _NO_FILE:
            raise
        reason = os_error_text(problem)
        raise ArchiveError(f"{label}: not a valid wheel: {reason}") from problem


def _parse_filename(filename: str) -> tuple[str, Version]:
    """Return the normalized name and the version of a wheel's file name."""
    if not filename.isprintable() or " " in filename:
        raise ArchiveError(f"its name has spaces or control characters: {filename!a}")
    name, version, _, _ = parse_wheel_filename(filename)
    return name, version


def _check_structure(archive: zipfile.ZipFile, name: str, version: Version) -> WheelArchive:
    members = _check_members(archive)
    info_dir = _find_info_dir(members)
    check_info_dir(info_dir, name, version)
    for required in ("METADATA", "WHEEL", "RECORD"):
        if f"{info_dir}/{required}" not in members:
            raise ArchiveError(f"it has no {info_dir}/{required}")
    _check_schemes(members, info_dir)
    metadata = _read_text(archive, members, f"{info_dir}/METADATA")
    headers = parse_headers(metadata)
    _check_same("METADATA", headers, name, version)
    return WheelArchive(
        zip=archive,
        info_dir=info_dir,
        members=members,
        facts=read_facts(metadata, str(version)),
        root_is_purelib=_read_root(_read_text(archive, members, f"{info_dir}/WHEEL")),
    )


def read_facts(metadata: str, version: str) -> WheelMetadata:
    """Return name and version of a wheel that was checked, with its METADATA."""
    headers = parse_headers(metadata)
    return WheelMetadata(
        name=str(headers["Name"]).strip(),
        version=version,
        metadata=metadata,
        metadata_version=headers["Metadata-Version"],
    )


def check_filename(wheel: Path, facts: WheelMetadata) -> None:
    """Compare the name of a wheel's file with what was read from another file of this content.

    Raises:
        ArchiveError: it is no name of a wheel, or that of another project or version.
    """
    label = clean_text(wheel.name)
    try:
        name, version = _parse_filename(wheel.name)
        headers = {"Name": facts.name, "Version": facts.version}
        _check_same("METADATA", headers, name, version)
    except (ArchiveError, ValueError) as problem:
        raise ArchiveError(f"{label}: not a valid wheel: {problem}") from problem


def _check_members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the files of a wheel; refuse those that no environment may have."""
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        if member.filename.endswith("/"):
            continue
        _check_path(member.filename)
        path = normalize_path(member.filename)
        if member.flag_bits & 1:
            raise ArchiveError(f"{path} is encrypted")
        other = members.setdefault(path, member)
        if (other.CRC, other.file_size) != (member.CRC, member.file_size):
            raise ArchiveError(f"it has two different files {path}")
    for path in members:
        if (folder := next((one for one in _parents(path) if one in members), None)) is not None:
            raise ArchiveError(f"{folder} is both a file and a folder")
    return members


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _check_path(path: str) -> None:
    parts = path.split("/")
    if path[:1] == "/" or ".." in parts or "\\" in path:
        raise ArchiveError(f"{path!a} would be written outside of the environment")
    if parts[-1] == "." or _CONTROLS.search(path) or len(parts) > _MAX_DEPTH:
        raise ArchiveError(f"{path!a} is not a valid path")


def normalize_path(path: str) -> str:
    """Return a relative path as it is installed: ``./a//b`` is ``a/b``."""
    if "//" not in path and "./" not in path:
        return path
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _find_info_dir(members: Mapping[str, zipfile.ZipInfo]) -> str:
    tops = {path.partition("/")[0] for path in members}
    found = sorted(top for top in tops if top.endswith(".dist-info"))
    if not found:
        raise ArchiveError("it has no .dist-info folder")
    if len(found) > 1:
        raise ArchiveError(f"it has several .dist-info folders: {', '.join(found[:3])}")
    return found[0]


def _check_schemes(members: Mapping[str, zipfile.ZipInfo], info_dir: str) -> None:
    data_dir = info_dir.removesuffix(".dist-info") + ".data"
    for path in members:
        top, _, rest = path.partition("/")
        scheme, _, name = rest.partition("/")
        if top == data_dir and not (name and scheme in SCHEMES):
            raise ArchiveError(f"{path!a} is in an unknown scheme")


def check_info_dir(info_dir: str, name: str, version: Version) -> None:
    """Check the name of a ``.dist-info`` folder.

    Raises:
        ArchiveError: it is that of another project or version.
    """
    folder_name, _, folder_version = info_dir.removesuffix(".dist-info").rpartition("-")
    headers = {"Name": folder_name, "Version": folder_version}
    _check_same(f"the folder {info_dir}", headers, name, version)


def _check_same(
    title: str, headers: Message | Mapping[str, str], name: str, version: Version
) -> None:
    if canonicalize_name(str(headers["Name"]).strip()) != name:
        raise ArchiveError(f"{title} has the name {headers['Name']}, not {name}")
    try:
        found = Version(str(headers["Version"]))
    except ValueError:
        found = None
    if found != version:
        raise ArchiveError(f"{title} has the version {headers['Version']}, not {version}")


def _read_text(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], path: str) -> str:
    member = members[path]
    limit = _MAX_BYTES.get(path.rpartition("/")[2], _MAX_OTHER)
    if member.file_size > limit:
        raise ArchiveError(f"{path} is larger than {limit >> 20} MiB")
    try:
        # Old wheels have authors in latin-1; names, versions and requirements are ASCII.
        errors = "replace" if path.endswith("/METADATA") else "strict"
        return archive.read(member).decode("utf-8", errors)
    except UnicodeDecodeError as problem:
        raise ArchiveError(f"{path} is not UTF-8") from problem


def _read_root(wheel: str) -> bool:
    """Return Root-Is-Purelib of a WHEEL file, whose format must be a known one (PEP 427)."""
    headers = parse_headers(wheel)
    number = str(headers["Wheel-Version"] or "").strip()
    major = number.partition(".")[0]
    if not (major.isascii() and major.isdecimal()):
        raise ArchiveError(f"WHEEL has no valid Wheel-Version: {number!a:.40}")
    if major.lstrip("0") not in ("", str(_MAJOR)):
        raise ArchiveError(f"its format, Wheel-Version {number:.40}, is newer than {_MAJOR}.x")
    return str(headers["Root-Is-Purelib"]).strip().lower() == "true"
