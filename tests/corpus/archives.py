"""Source archives: odd ones that pip or uv build, and hostile ones."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import stat
import struct
import zipfile
import zlib
from functools import partial
from typing import TYPE_CHECKING

from tests.corpus.archive_makers import (
    BACKEND,
    COMPRESSIONS,
    END,
    PROJECT,
    link_info,
    long_name,
    member,
    pax,
    project,
    write,
    zip_info,
    zip_of,
    zip_project,
)
from tests.corpus.case import Case, built, failed, refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WHEEL = "t-1-py3-none-any.whl"
LINKED = bytes("ü" * 60, "utf-8")


def checked(code: str, prefix: str = "t-1/") -> bytes:
    """Return a project whose build fails unless this expression is true in its tree."""
    check = f"\ndef check():\n    import pathlib\n    assert {code}\n"
    return project(prefix, b_py=BACKEND + check.encode())


def has_file(name: str) -> bytes:
    """Return a project that needs a file ``name`` with the content ``data``."""
    return checked(f"pathlib.Path({name!r}).read_bytes() == b'data'")


def noise(size: int) -> bytes:
    """Return bytes that do not get smaller by compression."""
    return random.Random(1).randbytes(size)


def numbers(*parts: tuple[int, int]) -> bytes:
    """Return offsets and sizes as in headers of sparse files in the old GNU format."""
    return b"".join(b"%011o\0" % number for part in parts for number in part)


def old_sparse(parts: bytes, size: int, content: bytes, extended: bytes = b"") -> bytes:
    """Return a sparse file in the old GNU format, whose map may go on in ``extended``."""
    rest = bytes(386 - 265) + parts.ljust(96, b"\0") + bytes([bool(extended)]) + b"%011o\0" % size
    header = member(
        "t-1/sparse", kind=b"S", magic=b"ustar  ", size=b"%011o" % len(content), rest=rest
    )
    return header + extended + content + bytes(-len(content) % 512)


def new_sparse(content_map: bytes, size: int, content: bytes) -> bytes:
    """Return a sparse file in the pax format 1.0."""
    records = pax(
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"t-1/sparse"),
        ("GNU.sparse.realsize", b"%d" % size),
    )
    padded = content_map.ljust(-(-len(content_map) // 512) * 512, b"\0")
    return records + member("t-1/GNUSparseFile.0/sparse", padded + content)


SPARSE = checked("pathlib.Path('sparse').read_bytes() == b'data' + bytes(1996) + b'more'")
ODD_NAMES = (
    "CON",
    "nul.txt",
    "dot.",
    "space ",
    "a:b",
    "back\\slash",
    "-rf",
    "~",
    "*",
    "ü",
    "\u202e",
)

# Tars that are built, by name: the content before compression.
TARS: dict[str, bytes] = {
    "one-folder": project(),
    "dot-slash": project("./t-1/"),
    "double-slashes": project(".//t-1//./"),
    "folder-of-another-name": project("src/"),
    "flat": project(""),
    "flat-dot-slash": project("./"),
    "flat-beside-folders": member("t-1/x") + member("docs/setup.py") + project(""),
    "apple-double-file": member("._t-1", b"x") + project(),
    "macosx-folder": member("__MACOSX/t-1/._setup.py") + project(),
    "pax-global-header-file": member("pax_global_header", b"52 comment=x\n") + project(),
    "ds-store": member(".DS_Store") + project(),
    "readme-beside": member("README", b"x") + project(),
    "folder-beside": member("docs/index.rst") + project(),
    "project-beside-that-has-no-name": member("examples/setup.py") + project(),
    "metadata-beside": member("PKG-INFO", b"Metadata-Version: 1.0\n") + project(),
    "no-end-blocks": project(),
    "one-end-block": project() + bytes(512),
    "bytes-after-the-end": project() + END + b"rubbish" * 300,
    "no-padding-at-the-end": (project() + member("t-1/last", b"x"))[:-511],
    "folder-members": member("t-1/", kind=b"5") + member("t-1/sub", kind=b"5") + project(),
    "folder-after-its-files": project() + member("t-1", kind=b"5"),
    "old-folder-type": member("t-1/", kind=b"\0") + project(),
    "folder-with-a-size": member("t-1", kind=b"5", size=b"00000001000") + project(),
    "root-member": member("./", kind=b"5") + project(),
    "v7-type": has_file("x") + member("t-1/x", b"data", kind=b"\0", magic=b""),
    "contiguous-type": has_file("x") + member("t-1/x", b"data", kind=b"7"),
    "volume-label": member("backup", kind=b"V") + project(),
    "dump-folder": member("t-1/", b"Yx\0\0", kind=b"D") + project(),
    "signed-checksum": has_file("ü") + member("t-1/ü", b"data", signed=True),
    "prefix-field": has_file("x")
    + member("x", b"data", rest=bytes(345 - 265) + b"t-1"),
    "gnu-times-in-the-prefix-field": has_file("x")
    + member("t-1/x", b"data", magic=b"ustar  ", rest=bytes(345 - 265) + b"14000000000\0"),
    "base-256-size": has_file("x") + member("t-1/x", b"data", size=b"\x80" + b"\4".rjust(11, b"\0")),
    "size-with-spaces": has_file("x") + member("t-1/x", b"data", size=b"         4 "),
    "negative-time": project() + member("t-1/x", mtime=b"\xff" * 12),
    "time-0": b"".join(member(f"t-1/{k}", v, mtime=b"0") for k, v in PROJECT.items()),
    "time-in-year-2242": project() + member("t-1/x", mtime=b"77777777777"),
    "mode-0": has_file("x") + member("t-1/x", b"data", mode=b"0000000"),
    "setuid": has_file("x") + member("t-1/x", b"data", mode=b"0006755"),
    "long-name": has_file("y" * 150) + long_name(b"t-1/" + b"y" * 150) + member("t-1/y", b"data"),
    "pax-path": has_file("y" * 150)
    + pax(("path", b"t-1/" + b"y" * 150)) + member("t-1/y", b"data"),
    "pax-size": has_file("x")
    + pax(("size", b"4")) + member("t-1/x", b"data", size=b"0"),
    "pax-time": project() + pax(("mtime", b"1600000000.123456789")) + member("t-1/x"),
    "pax-time-0": pax(("mtime", b"0"), kind=b"g") + project(),
    "pax-time-nan": project() + pax(("mtime", b"nan")) + member("t-1/x"),
    "pax-global-comment": pax(("comment", b"a" * 40), kind=b"g") + project(),
    "pax-xattr": project() + pax(("SCHILY.xattr.user.x", noise(900))) + member("t-1/x"),
    "pax-solaris": project() + pax(("path", b"t-1/x"), kind=b"X") + member("y"),
    "pax-empty-value": project() + pax(("path", b"")) + member("t-1/x"),
    "duplicated-file": has_file("x") + member("t-1/x", b"old") + member("t-1/x", b"data"),
    "file-instead-of-a-link": checked("not pathlib.Path('x').is_symlink()")
    + member("t-1/x", kind=b"2", link=b"b.py") + member("t-1/x", b"data"),
    "duplicated-link": has_file("x") + member("t-1/d", b"data")
    + member("t-1/x", kind=b"2", link=b"d") * 2,
    "case-collision": checked("pathlib.Path('A').exists()") + member("t-1/A") + member("t-1/a"),
    "not-utf-8-name": checked("__import__('os').path.exists(b'\\xff')") + member(b"t-1/\xff"),
    "control-characters": project() + member("t-1/a\x1b[31m\nb\x07"),
    **{
        f"odd-name-{number}": has_file(name) + member(f"t-1/{name}", b"data")
        for number, name in enumerate(ODD_NAMES)
    },
    "symlink": has_file("x") + member("t-1/d", b"data") + member("t-1/x", kind=b"2", link=b"d"),
    "symlink-to-a-folder": has_file("l/x")
    + member("t-1/d/x", b"data") + member("t-1/l", kind=b"2", link=b"d/"),
    "symlink-up": has_file("sub/x")
    + member("t-1/d", b"data") + member("t-1/sub/x", kind=b"2", link=b".././sub/../d"),
    "symlink-dangling": project() + member("t-1/x", kind=b"2", link=b"missing"),
    "symlink-loop": project() + member("t-1/x", kind=b"2", link=b"y")
    + member("t-1/y", kind=b"2", link=b"x"),
    "symlink-to-itself": project() + member("t-1/x", kind=b"2", link=b"x"),
    "symlink-to-the-root": project() + member("t-1/x", kind=b"2", link=b"."),
    "long-link": has_file("l") + member(b"t-1/" + LINKED[:90], b"data")
    + long_name(LINKED[:90], b"K") + member("t-1/l", kind=b"2", link=b"x"),
    "hard-link": has_file("x") + member("t-1/d", b"data")
    + member("t-1/x", kind=b"1", link=b"t-1/d"),
    "hard-link-with-a-size": has_file("x") + member("t-1/d", b"data")
    + member("t-1/x", kind=b"1", link=b"t-1/d", size=b"00000001000"),
    "hard-link-to-a-link": has_file("y") + member("t-1/d", b"data")
    + member("t-1/x", kind=b"2", link=b"d") + member("t-1/y", kind=b"1", link=b"t-1/x"),
    "hard-link-to-itself": has_file("d") + member("t-1/d", b"data")
    + member("t-1/d", kind=b"1", link=b"t-1/d"),
    "sparse-old": SPARSE + old_sparse(numbers((0, 4), (2000, 4)), 2004, b"datamore"),
    "sparse-old-extended": SPARSE + old_sparse(
        numbers((0, 4)), 2004, b"datamore", numbers((2000, 4), (2004, 0)).ljust(512, b"\0")
    ),
    "sparse-pax-0.0": SPARSE + pax(
        ("GNU.sparse.size", b"2004"), ("GNU.sparse.numblocks", b"2"),
        ("GNU.sparse.offset", b"0"), ("GNU.sparse.numbytes", b"4"),
        ("GNU.sparse.offset", b"2000"), ("GNU.sparse.numbytes", b"4"),
    ) + member("t-1/sparse", b"datamore"),
    "sparse-pax-0.1": SPARSE + pax(
        ("GNU.sparse.size", b"2004"), ("GNU.sparse.name", b"t-1/sparse"),
        ("GNU.sparse.map", b"0,4,2000,4"),
    ) + member("t-1/GNUSparseFile.1/sparse", b"datamore"),
    "sparse-pax-1.0": SPARSE + new_sparse(b"2\n0\n4\n2000\n4\n", 2004, b"datamore"),
    "sparse-without-content": checked("pathlib.Path('sparse').stat().st_size == 4096")
    + new_sparse(b"0\n", 4096, b""),
    "depth-of-90": project() + long_name(b"t-1/" + b"d/" * 90 + b"x") + member("x"),
    "large-text": project() + member("t-1/x", b"some words\n" * 400_000),
}  # fmt: skip

# Tars that are refused, by name: the content before compression, and words of the message.
BAD_TARS: dict[str, tuple[bytes | Callable[[], bytes], str]] = {
    "empty": (b"", "damaged"),
    "only-end-blocks": (END, "not an sdist"),
    "no-project": (member("a/x") + member("b/x"), "no pyproject.toml or setup.py"),
    "two-projects": (project("a/") + project("b/"), "several projects: a, b"),
    "only-files": (member("x") + member("y"), "no pyproject.toml or setup.py"),
    "text": (b"this is no archive\n" * 100, "damaged"),
    "html": (b"<!DOCTYPE html><html>not found</html>".ljust(600), "damaged"),
    "parent": (project() + member("../evil"), "leads out of the archive"),
    "parent-inside": (project() + member("t-1/../t-1/x"), "leads out of the archive"),
    "parent-folder": (project() + member("../evil", kind=b"5"), "leads out of the archive"),
    "absolute": (project() + member("/tmp/evil"), "is an absolute path"),
    "absolute-slashes": (project() + member("//tmp/evil"), "is an absolute path"),
    "pax-path-parent": (project() + pax(("path", b"../e")) + member("x"), "leads out"),
    "long-name-parent": (project() + long_name(b"../e") + member("x"), "leads out"),
    "prefix-parent": (project() + member("e", rest=bytes(80) + b".."), "leads out"),
    "link-absolute": (project() + member("t-1/x", kind=b"2", link=b"/etc"), "an absolute path"),
    "link-out": (project() + member("t-1/x", kind=b"2", link=b"../../e"), "outside"),
    "link-out-late": (project() + member("t-1/x", kind=b"2", link=b"a/../../../e"), "outside"),
    "link-empty": (project() + member("t-1/x", kind=b"2"), "no valid path"),
    "link-out-at-the-root": (project() + member("x", kind=b"2", link=b".."), "outside"),
    "write-through-link": (
        project() + member("t-1/l", kind=b"2", link=b".") + member("t-1/l/x"),
        "goes through a link",
    ),
    "write-through-file": (
        project() + member("t-1/f") + member("t-1/f/x"), "goes through a link or a file",
    ),
    "folder-is-a-file": (
        project() + member("t-1/f") + member("t-1/f", kind=b"5"), "goes through a link or a file",
    ),
    "file-is-a-folder": (project() + member("t-1"), "is a folder as well"),
    "file-without-a-name": (project() + member(""), "is a folder as well"),
    "hard-link-out": (project() + member("t-1/x", kind=b"1", link=b"../e"), "leads out"),
    "hard-link-absolute": (project() + member("t-1/x", kind=b"1", link=b"/etc/passwd"), "absolute"),
    "hard-link-forward": (
        project() + member("t-1/x", kind=b"1", link=b"t-1/y") + member("t-1/y"),
        "not an earlier file",
    ),
    "hard-link-to-a-link-elsewhere": (
        project() + member("t-1/a/b/x", kind=b"2", link=b"../../b.py")
        + member("t-1/y", kind=b"1", link=b"t-1/a/b/x") + member("y", kind=b"1", link=b"t-1/y"),
        "outside",
    ),
    "character-device": (project() + member("t-1/null", kind=b"3"), "device"),
    "block-device": (project() + member("t-1/sda", kind=b"4"), "device"),
    "pipe": (project() + member("t-1/pipe", kind=b"6"), "pipe"),
    "unknown-type": (project() + member("t-1/x", kind=b"Q"), "that an sdist must not have"),
    "multi-volume": (project() + member("t-1/x", kind=b"M"), "that an sdist must not have"),
    "zero-in-pax-path": (project() + pax(("path", b"t-1/a\0b")) + member("x"), "zero byte"),
    "long-component": (project() + long_name(b"t-1/" + b"y" * 300) + member("x"), "does not accept"),
    "long-path": (project() + long_name(b"t-1/" + b"yyyyyyyyy/" * 300) + member("x"), "too long"),
    "depth-of-1500": (project() + long_name(b"t-1/" + b"d/" * 1500) + member("x"), "too long"),
    "wrong-checksum": (project() + member("t-1/x", checksum=7), "wrong checksum"),
    "garbage-between": (project() + b"x" * 512 + project(), "damaged"),
    "size-not-octal": (project() + member("t-1/x", size=b"0000000009x"), "invalid number"),
    "size-negative": (project() + member("t-1/x", size=b"\xff" * 12), "negative number"),
    "size-huge": (project() + member("t-1/x", size=b"\x80" + b"\xff" * 11), "more than is allowed"),
    "size-of-a-terabyte": (project() + member("t-1/x", size=b"\x80\0\0\0\0\0\1" + bytes(5)), "more than is allowed"),
    "pax-size-digits": (project() + pax(("size", b"9" * 5000)) + member("t-1/x"), "invalid number"),
    "pax-quadratic": (
        lambda: project() + member("P", b"1" * 400_000, kind=b"x") + member("t-1/x"),
        "invalid length",
    ),
    "pax-no-equals": (project() + member("P", b"6 abc\n", kind=b"x") + member("x"), "pax record"),
    "pax-length-0": (project() + member("P", b"0 a=b\n", kind=b"x") + member("x"), "pax record"),
    "pax-length-too-long": (
        project() + member("P", b"99 a=b\n", kind=b"x") + member("x"), "pax record",
    ),
    "pax-of-a-gigabyte": (
        project() + member("P", kind=b"x", size=b"10000000000"), "more than is allowed",
    ),
    "long-name-of-a-gigabyte": (
        project() + member("L", kind=b"L", size=b"10000000000"), "more than is allowed",
    ),
    "pax-chain": (
        lambda: project() + pax(("comment", b"x")) * 3000 + member("t-1/x"), "more than is allowed",
    ),
    "pax-at-the-end": (project() + pax(("path", b"t-1/x")), "truncated"),
    "sparse-of-a-terabyte": (
        project() + new_sparse(b"1\n0\n4\n", 1 << 40, b"data"), "more than is allowed",
    ),
    "sparse-overlap": (
        project() + new_sparse(b"2\n0\n4\n2\n4\n", 99, b"datamore"), "map of a sparse file",
    ),
    "sparse-beyond": (
        project() + new_sparse(b"1\n90\n20\n", 99, bytes(20)), "map of a sparse file",
    ),
    "sparse-endless-map": (project() + new_sparse(b"9999999999\n", 99, b""), "truncated"),
    "sparse-bad-number": (project() + new_sparse(b"1\nx\n4\n", 99, b""), "invalid number"),
    "sparse-short-content": (project() + new_sparse(b"1\n0\n900\n", 999, b"data"), "truncated"),
}  # fmt: skip


def truncated(suffix: str, part: float) -> bytes:
    """Return a compressed project without its end."""
    whole = COMPRESSIONS[suffix](project() + member("t-1/x", noise(20_000)))
    return whole[: int(len(whole) * part)]


def xz_with_dictionary() -> bytes:
    """Return a small xz file that asks for a dictionary of 1 GiB."""
    data = bytearray(lzma.compress(project()))
    size = 4 * data[12] + 4
    assert data[14:16] == b"\x21\x01", "the filter is LZMA2"
    data[16] = 36
    struct.pack_into("<L", data, 12 + size - 4, zlib.crc32(data[12 : 12 + size - 4]))
    return bytes(data)


def many_zeros(compress: Callable[[bytes], bytes], count: int) -> bytes:
    """Return files of ten megabytes of zeros, as streams one after the other."""
    return compress(project()) + compress(member("t-1/x", bytes(10 << 20))) * count


def encrypted_zip() -> bytes:
    """Return a zip with a member whose flags say that it is encrypted."""
    data = bytearray(zip_project())
    for magic, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.rindex(magic)
        data[at + offset] |= 1
    return bytes(data)


def zip_with_method(method: int) -> bytes:
    """Return a zip with a member whose compression method is not known."""
    data = bytearray(zip_project())
    for magic, offset in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        struct.pack_into("<H", data, data.rindex(magic) + offset, method)
    return bytes(data)


def overlapping_zip() -> bytes:
    """Return a zip in which 3,000 members have the same content of 1 GB."""
    packed = zip_of(("t-1/x", bytes(1 << 20)))
    entry = packed[packed.index(b"PK\1\2") : packed.index(b"PK\5\6")]
    entry = entry[:24] + struct.pack("<L", 1 << 30) + entry[28:]
    content = packed[: packed.index(b"PK\1\2")]
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 3000, 3000, len(entry) * 3000, len(content), 0)
    return content + entry * 3000 + end


def zip_with_many_members() -> bytes:
    """Return a zip with an empty member 250,000 times."""
    packed = zip_of(("t-1/x", b""))
    entry = packed[packed.index(b"PK\1\2") : packed.index(b"PK\5\6")]
    content = packed[: packed.index(b"PK\1\2")]
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, len(entry) * 250_000, len(content), 0
    )
    return content + entry * 250_000 + end


def zip_with_comment() -> bytes:
    """Return a zip with bytes before its start and a comment at its end."""
    file = io.BytesIO(b"#!/bin/sh\n" * 3 + zip_project())
    with zipfile.ZipFile(file, "a") as packed:
        packed.comment = b"comment" * 100
    return file.getvalue()


# Other files that are built, by their name and that of the case.
FILES: dict[tuple[str, str], bytes | Callable[[], bytes]] = {
    ("t-1.tar.gz", "plain-tar-as-gz"): project() + END,
    ("t-1.tar.gz", "bz2-as-gz"): bz2.compress(project() + END),
    ("t-1.tar.bz2", "xz-as-bz2"): lzma.compress(project() + END),
    ("t-1.tar.xz", "gz-as-xz"): gzip.compress(project() + END),
    ("t-1.tar.gz", "zip-as-gz"): zip_project(),
    ("t-1.tar", "gz-as-tar"): gzip.compress(project() + END),
    ("T-1.TAR.GZ", "upper-case"): gzip.compress(project() + END),
    ("t-1.tar.gz", "two-gzip-streams"): gzip.compress(project()) + gzip.compress(END),
    ("t-1.tar.gz", "zeros-after-gzip"): gzip.compress(project()) + bytes(900),
    ("t-1.tar.gz", "bytes-after-gzip"): gzip.compress(project() + END) + b"signature" * 99,
    ("t-1.tar.bz2", "bytes-after-bz2"): bz2.compress(project() + END) + b"signature" * 99,
    ("t-1.tar.xz", "bytes-after-xz"): lzma.compress(project() + END) + b"signature" * 99,
    ("t-1.tar.gz", "empty-gzip-streams"): gzip.compress(b"") * 500 + gzip.compress(project() + END),
    ("t-1.zip", "one-folder"): zip_project(),
    ("t-1.zip", "stored"): zip_of(*((f"t-1/{k}", v) for k, v in PROJECT.items()), method=0),
    ("t-1.zip", "bzip2"): zip_of(*((f"t-1/{k}", v) for k, v in PROJECT.items()), method=12),
    ("t-1.zip", "lzma"): zip_of(*((f"t-1/{k}", v) for k, v in PROJECT.items()), method=14),
    ("t-1.zip", "flat"): zip_project(prefix=""),
    ("t-1.zip", "macosx"): zip_project(("__MACOSX/t-1/._b.py", b"x"), (".DS_Store", b"x")),
    ("t-1.zip", "folder-members"): zip_project(("t-1/", b""), ("t-1/sub/", b"")),
    ("t-1.zip", "link"): zip_project((link_info("t-1/l"), b"b.py")),
    ("t-1.zip", "link-dangling"): zip_project((link_info("t-1/l"), b"missing/x")),
    ("t-1.zip", "other-system"): zip_project((zip_info("t-1/x", mode=0o20000, system=0), b"x")),
    ("t-1.zip", "duplicated"): zip_project(("t-1/x", b"1"), (zip_info("t-1/X"), b"2")),
    ("t-1.zip", "utf-8-name"): zip_project(("t-1/ü", b"")),
    ("t-1.zip", "old-name"): zip_project(("t-1/u", b"")).replace(b"t-1/u", b"t-1/\x81"),
    ("t-1.zip", "month-0"): zip_project(
        (zip_info("t-1/x"), b"")
    ).replace(struct.pack("<H", (40 << 9) | 33), struct.pack("<H", 40 << 9)),
    ("t-1.zip", "before-and-after"): zip_with_comment,
}  # fmt: skip

# Other files that are refused, with words of the message.
BAD_FILES: dict[tuple[str, str], tuple[bytes | Callable[[], bytes], str]] = {
    **{
        (f"t-1{suffix}", f"truncated-{part}"): (partial(truncated, suffix, part), "damaged")
        for suffix in (".tar.gz", ".tar.bz2", ".tar.xz", ".tar")
        for part in (0.0005, 0.5, 0.97)
    },
    ("t-1.zip", "truncated"): (lambda: zip_project()[:-30], "damaged"),
    ("t-1.zip", "empty-file"): (b"", "damaged"),
    ("t-1.zip", "no-members"): (zip_of(), "not an sdist"),
    ("t-1.zip", "tar-as-zip"): (gzip.compress(project()), "damaged"),
    ("t-1.tar.gz", "wrong-crc"): (
        lambda: gzip.compress(project())[:-8] + bytes(8), "damaged",
    ),
    ("t-1.tar.gz", "wrong-block"): (b"\x1f\x8b\x08\0\0\0\0\0\0\0\xff\xff\xff", "damaged"),
    ("t-1.tar.gz", "zeros-of-10-gb"): (
        partial(many_zeros, gzip.compress, 1000), "unpacks to more than is allowed",
    ),
    ("t-1.tar.bz2", "zeros-of-300-mb"): (
        partial(many_zeros, bz2.compress, 30), "if you trust it, unpack it yourself",
    ),
    ("t-1.tar.xz", "huge-dictionary"): (xz_with_dictionary, "emory usage limit"),
    ("t-1.zip", "parent"): (zip_project(("../evil", b"")), "leads out"),
    ("t-1.zip", "absolute"): (zip_project(("/evil", b"")), "absolute"),
    ("t-1.zip", "link-absolute"): (zip_project((link_info("t-1/l"), b"/etc/passwd")), "absolute"),
    ("t-1.zip", "link-out"): (zip_project((link_info("t-1/l"), b"../../x")), "outside"),
    ("t-1.zip", "link-of-a-megabyte"): (
        zip_project((link_info("t-1/l"), b"x/" * 500_000)), "no valid path",
    ),
    ("t-1.zip", "through-link"): (
        zip_project((link_info("t-1/l"), b"."), ("t-1/l/x", b"")), "goes through a link",
    ),
    ("t-1.zip", "device"): (
        zip_project((zip_info("t-1/null", mode=stat.S_IFCHR | 0o666), b"")), "device",
    ),
    ("t-1.zip", "pipe"): (zip_project((zip_info("t-1/p", mode=stat.S_IFIFO), b"")), "pipe"),
    ("t-1.zip", "encrypted"): (encrypted_zip, "is encrypted"),
    ("t-1.zip", "unknown-method"): (partial(zip_with_method, 77), "compression"),
    ("t-1.zip", "wrong-crc"): (
        lambda: zip_of(("t-1/x", b"data"), *((f"t-1/{k}", v) for k, v in PROJECT.items()), method=0)
        .replace(b"data", b"data".swapcase()),
        "damaged",
    ),
    ("t-1.zip", "other-name-in-header"): (
        lambda: zip_project(("t-1/x", b"")).replace(b"t-1/x", b"t-1/y", 1), "damaged",
    ),
    ("t-1.zip", "overlapping"): (overlapping_zip, "unpacks to more than is allowed"),
    ("t-1.zip", "many-members"): (zip_with_many_members, "200,000"),
    ("t-1.zip", "depth-of-1500"): (zip_project(("t-1/" + "d/" * 1500 + "x", b"")), "too long"),
}  # fmt: skip


def make(data: bytes | Callable[[], bytes], name: str, folder: Path) -> list[str]:
    """Write a file as it is; return the arguments to build it."""
    (folder / name).write_bytes(data if isinstance(data, bytes) else data())
    return ["build", f"./{name}"]


ENDLESS = (
    *("no-end-blocks", "one-end-block", "bytes-after-the-end", "no-padding-at-the-end"),
    *("empty", "text", "html", "pax-at-the-end", "sparse-endless-map", "sparse-short-content"),
)
"""Tars that have no end, or another one. uv refuses these, so other faults need an end."""


def compressed(name: str, data: bytes | Callable[[], bytes], folder: Path) -> list[str]:
    """Write a tar as .tar.gz; return the arguments to build it."""
    content = data if isinstance(data, bytes) else data()
    return write(folder, content if name in ENDLESS else content + END)


CASES = [
    *(
        Case(f"tar-{name}", "C1", partial(compressed, name, data), built(WHEEL))
        for name, data in TARS.items()
    ),
    *(
        Case(f"tar-{name}", "E1", partial(compressed, name, data), failed("t-1.tar.gz: ", words))
        for name, (data, words) in BAD_TARS.items()
    ),
    *(
        Case(f"file-{name}-{case}", "C1", partial(make, data, name), built(WHEEL))
        for (name, case), data in FILES.items()
    ),
    *(
        Case(f"file-{name}-{case}", "E1", partial(make, data, name), failed(f"{name}: ", words))
        for (name, case), (data, words) in BAD_FILES.items()
    ),
    *(
        Case(
            f"suffix{suffix}",
            "C1",
            partial(write, data=project() + END, name=f"t-1{suffix}"),
            built(WHEEL),
        )
        for suffix in COMPRESSIONS
    ),
    Case(
        "suffix-unknown", "E2", partial(make, project(), "t-1.rar"), refused("not a source archive")
    ),
]
