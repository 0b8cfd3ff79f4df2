"""Tar and zip files made byte by byte: any header, valid or not."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = [
    "COMPRESSIONS",
    "END",
    "PROJECT",
    "link_info",
    "long_name",
    "member",
    "pax",
    "project",
    "write",
    "zip_info",
    "zip_of",
    "zip_project",
]

BACKEND = b"""
import os, zipfile

WHEEL = "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "t-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.write("b.py", "t.py")
        wheel.writestr("t-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: t\\nVersion: 1\\n")
        wheel.writestr("t-1.dist-info/WHEEL", WHEEL)
        wheel.writestr("t-1.dist-info/RECORD", "")
    check()
    return name

def check():
    pass
"""
"""Fails with the times of its own file that a zip cannot hold; `check` can be replaced."""
PYPROJECT = b'[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n'
PROJECT = {"pyproject.toml": PYPROJECT, "b.py": BACKEND}
"""A project that builds ``t-1-py3-none-any.whl`` with its own backend."""
END = bytes(1024)
"""The end of a tar."""
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    ".tar": bytes,
    ".tar.gz": gzip.compress,
    ".tgz": gzip.compress,
    ".tar.bz2": bz2.compress,
    ".tbz": bz2.compress,
    ".tar.xz": lzma.compress,
    ".txz": lzma.compress,
}


def member(
    name: str | bytes,
    content: bytes = b"",
    *,
    kind: bytes = b"0",
    link: bytes = b"",
    size: bytes | None = None,
    mtime: bytes = b"13727000000",
    mode: bytes = b"0000644",
    checksum: int | None = None,
    signed: bool = False,
    magic: bytes = b"ustar\x0000",
    rest: bytes = b"",
) -> bytes:
    """Return a header and its content; each field can be any bytes.

    ``signed`` adds signed bytes for the checksum, as some old programs did.
    """
    raw = name if isinstance(name, bytes) else name.encode()
    fields = (
        raw.ljust(100, b"\0"),
        mode.ljust(8, b"\0"),
        bytes(16),
        (b"%011o" % len(content) if size is None else size).ljust(12, b"\0"),
        mtime.ljust(12, b"\0"),
        b" " * 8,
        kind,
        link.ljust(100, b"\0"),
        magic.ljust(8, b"\0"),
        rest,
    )
    block = b"".join(fields).ljust(512, b"\0")
    total = sum(byte - 256 if signed and byte > 127 else byte for byte in block)
    total = total if checksum is None else checksum
    return block[:148] + b"%06o\0 " % total + block[156:] + content + bytes(-len(content) % 512)


def pax(*records: tuple[str, bytes], kind: bytes = b"x") -> bytes:
    """Return an extension header with these records."""
    data = b""
    for key, value in records:
        body = b" " + key.encode() + b"=" + value + b"\n"
        length = len(body) + 1
        while len(str(length)) + len(body) != length:
            length += 1
        data += str(length).encode() + body
    return member("PaxHeader", data, kind=kind)


def long_name(name: bytes, kind: bytes = b"L") -> bytes:
    """Return GNU's header for a long name (L) or a long link (K)."""
    return member("././@LongLink", name + b"\0", kind=kind, magic=b"ustar  ")


def project(prefix: str = "t-1/", **replaced: bytes) -> bytes:
    """Return the members of a project in a folder."""
    files = {**PROJECT, **{name.replace("_", "."): data for name, data in replaced.items()}}
    return b"".join(member(prefix + name, data) for name, data in files.items())


def write(folder: Path, data: bytes, name: str = "t-1.tar.gz") -> list[str]:
    """Write a tar or another file, compressed as its name says; return the arguments to build it."""
    suffix = next((one for one in COMPRESSIONS if name.endswith(one)), None)
    (folder / name).write_bytes(COMPRESSIONS[suffix](data) if suffix else data)
    return ["build", f"./{name}"]


def zip_info(name: str, *, mode: int = 0, year: int = 2020, system: int = 3) -> zipfile.ZipInfo:
    """Return the description of a member of a zip."""
    info = zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0))
    info.external_attr, info.create_system = mode << 16, system
    return info


def link_info(name: str) -> zipfile.ZipInfo:
    """Return the description of a symbolic link, whose content is its target."""
    return zip_info(name, mode=stat.S_IFLNK | 0o777)


def zip_of(*members: tuple[zipfile.ZipInfo | str, bytes], method: int = 8) -> bytes:
    """Return a zip with these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as packed:
        for info, data in members:
            packed.writestr(info, data, method)
    return file.getvalue()


def zip_project(*members: tuple[zipfile.ZipInfo | str, bytes], prefix: str = "t-1/") -> bytes:
    """Return a zip with a project in a folder, and more members."""
    return zip_of(*((prefix + name, data) for name, data in PROJECT.items()), *members)
