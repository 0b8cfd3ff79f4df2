"""Wheels with odd and hostile content, built by a backend and installed as files.

Each wheel is tried at both exits, so that one rule holds for what is published and what is
installed, except for what only an installation reads.
"""

from __future__ import annotations

import struct
import zipfile
from typing import TYPE_CHECKING

from tests.corpus.case import Case, Expected, built, failed, installed
from tests.corpus.wheel_makers import METADATA, NAME, WHEEL, Wheel, build_wheel, install_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

INFO = "t-1.dist-info"
FILES = {"t.py": "value = 1\n"}
POINTS = f"{INFO}/entry_points.txt"


def points(text: str) -> Wheel:
    return Wheel(files={**FILES, POINTS: text})


def member(path: str, content: str = "x\n") -> Wheel:
    return Wheel(files={**FILES, path: content})


def encrypt(data: bytes) -> bytes:
    """Set the flag of encryption in both headers of each member."""
    out = bytearray(data)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = out.find(signature)
        while start >= 0:
            out[start + offset] |= 1
            start = out.find(signature, start + 4)
    return bytes(out)


def claim_size(data: bytes) -> bytes:
    """Let the first member claim to unpack to 4 GiB."""
    out = bytearray(data)
    start = out.find(b"PK\x01\x02")
    struct.pack_into("<L", out, start + 24, 0xFFFFFFF0)
    return bytes(out)


def claim_directory(data: bytes) -> bytes:
    """Let the end record claim a directory of 3 GiB."""
    out = bytearray(data)
    struct.pack_into("<L", out, out.rfind(b"PK\x05\x06") + 12, 3 << 30)
    return bytes(out)


def flip(data: bytes) -> bytes:
    """Damage the content of the first file."""
    return data.replace(b"value = 1\n", b"value = 2\n", 1)


REFUSED: dict[str, tuple[Wheel, str]] = {
    # Name and version: file name, folder, METADATA
    "metadata-version-differs": (
        Wheel(metadata=METADATA.replace("Version: 1", "Version: 7.7")),
        "METADATA has the version 7.7, not 1",
    ),
    "metadata-name-differs": (
        Wheel(metadata=METADATA.replace("Name: t", "Name: other")),
        "METADATA has the name other, not t",
    ),
    "metadata-without-name": (Wheel(metadata="Metadata-Version: 2.1\nVersion: 1\n"), "the name"),
    "metadata-without-version": (Wheel(metadata="Metadata-Version: 2.1\nName: t\n"), "the version"),
    "metadata-version-no-version": (
        Wheel(metadata=METADATA.replace("Version: 1\n", "Version: new\n")),
        "METADATA has the version new",
    ),
    "metadata-version-huge": (
        Wheel(metadata=METADATA.replace("Version: 1\n", f"Version: {'9' * 5000}\n")),
        "METADATA has the version",
    ),
    "metadata-empty": (Wheel(metadata=""), "METADATA has the name"),
    "metadata-utf-16": (Wheel(metadata=METADATA.encode("utf-16")), "METADATA has the name"),
    "metadata-missing": (Wheel(metadata=None), f"it has no {INFO}/METADATA"),
    "metadata-large": (
        Wheel(metadata=METADATA + "\n" + "x" * (17 << 20), compression=zipfile.ZIP_DEFLATED),
        "is larger than 16 MiB",
    ),
    "folder-of-another-name": (Wheel(info="other-1.dist-info"), "has the name other, not t"),
    "folder-of-another-version": (Wheel(info="t-2.dist-info"), "has the version 2, not 1"),
    "folder-without-version": (Wheel(info="t.dist-info"), "the folder t.dist-info has"),
    "folder-missing": (Wheel(info="t-1.info"), "it has no .dist-info folder"),
    "folder-nested": (Wheel(info="t/t-1.dist-info"), "it has no .dist-info folder"),
    "folders-two": (
        member("u-1.dist-info/METADATA"),
        "several .dist-info folders: t-1.dist-info, u-1.dist-info",
    ),
    # WHEEL and RECORD
    "wheel-missing": (Wheel(wheel=None), f"it has no {INFO}/WHEEL"),
    "wheel-empty": (Wheel(wheel=""), "WHEEL has no valid Wheel-Version"),
    "wheel-version-2": (
        Wheel(wheel=WHEEL.replace("Wheel-Version: 1.0", "Wheel-Version: 2.0")),
        "Wheel-Version 2.0, is newer",
    ),
    "wheel-version-no-number": (
        Wheel(wheel=WHEEL.replace("Wheel-Version: 1.0", "Wheel-Version: one")),
        "WHEEL has no valid Wheel-Version: 'one'",
    ),
    "wheel-version-huge": (
        Wheel(wheel=WHEEL.replace("Wheel-Version: 1.0", f"Wheel-Version: {'9' * 5000}")),
        "is newer",
    ),
    "wheel-latin-1": (Wheel(wheel=WHEEL.encode() + b"X: \xe9\n"), "is not UTF-8"),
    "record-missing": (Wheel(record=None), f"it has no {INFO}/RECORD"),
    "record-latin-1": (Wheel(record=b"\xe9,,\n"), "is not UTF-8"),
    # Members
    "member-above": (member("../evil.py"), "would be written outside"),
    "member-above-in-package": (member("t/../../evil.py"), "would be written outside"),
    "member-absolute": (member("/evil.py"), "would be written outside"),
    "member-backslash": (member("..\\evil.py"), "would be written outside"),
    "member-with-newline": (member("a\nb.py"), "is not a valid path"),
    "member-with-escape": (member("a\x1b[2Jb.py"), "is not a valid path"),
    "member-of-two-names": (
        Wheel(files={"a.py": "x\n", "./a.py": "y\n"}),
        "it has two different files a.py",
    ),
    "member-file-and-folder-of-two-names": (
        Wheel(files={"a": "x\n", "a//b.py": "y\n"}),
        "a is both a file and a folder",
    ),
    "member-above-with-dots": (member(".//../evil.py"), "would be written outside"),
    "member-deep": (member("a/" * 150 + "b.py"), "is not a valid path"),
    "member-file-and-folder": (
        Wheel(files={"a": "x", "a/b.py": "y"}),
        "a is both a file and a folder",
    ),
    "member-unknown-scheme": (member("t-1.data/odd/x"), "is in an unknown scheme"),
    "member-scheme-alone": (member("t-1.data/scripts"), "is in an unknown scheme"),
    "member-script-above": (member("t-1.data/scripts/../../x"), "would be written outside"),
    "encrypted": (Wheel(change=encrypt), "is encrypted"),
    # The archive
    "empty-file": (Wheel(change=lambda _: b""), "not a valid wheel"),
    "text-file": (Wheel(change=lambda _: b"<html>404</html>"), "not a valid wheel"),
    "truncated": (Wheel(change=lambda data: data[:-30]), "not a valid wheel"),
    "truncated-half": (Wheel(change=lambda data: data[: len(data) // 2]), "not a valid wheel"),
    "damaged-content": (Wheel(change=flip), "Bad CRC-32"),
    "bomb-claimed": (Wheel(change=claim_size), "it unpacks to more than is allowed"),
    "directory-claimed": (Wheel(change=claim_directory), "its list of files is too long"),
}
"""Wheels that neither `build` nor `install` takes, and the reason."""

ACCEPTED: dict[str, tuple[Wheel, str]] = {
    "plain": (Wheel(), ""),
    "folder-spelled-otherwise": (Wheel(info="T-1.dist-info"), ""),
    "folder-version-equal": (Wheel(info="t-1.0.0.dist-info"), ""),
    "metadata-version-equal": (
        Wheel(metadata=METADATA.replace("Version: 1\n", "Version: 1.0\n")),
        "",
    ),
    "metadata-name-spelled-otherwise": (Wheel(metadata=METADATA.replace("Name: t", "Name: T")), ""),
    "metadata-newer-format": (
        Wheel(metadata=METADATA.replace("Metadata-Version: 2.1", "Metadata-Version: 3.0")),
        "",
    ),
    "metadata-fields-unknown": (Wheel(metadata=METADATA + "Colour: blue\n"), ""),
    "metadata-latin-1": (Wheel(metadata=METADATA.encode() + b"Author: \xe9\n"), ""),
    "metadata-crlf": (Wheel(metadata=METADATA.replace("\n", "\r\n")), ""),
    "wheel-version-1-9": (
        Wheel(wheel=WHEEL.replace("Wheel-Version: 1.0", "Wheel-Version: 1.9")),
        "",
    ),
    "wheel-platlib": (Wheel(wheel=WHEEL.replace("Purelib: true", "Purelib: false")), ""),
    "deflated": (Wheel(compression=zipfile.ZIP_DEFLATED), ""),
    "lzma": (Wheel(compression=zipfile.ZIP_LZMA), ""),
    "comment-of-the-zip": (Wheel(change=lambda data: data[:-2] + b"\x03\x00abc"), ""),
    "bytes-before-the-zip": (Wheel(change=lambda data: b"#!/bin/sh\n" + data), ""),
    "folders-as-members": (member("t/", ""), ""),
    "member-with-empty-part": (member("a//b.py"), ""),
    "member-with-dot": (member("./a/./b.py"), ""),
    "member-twice-with-dot": (Wheel(files={"a.py": "x\n", "./a.py": "x\n"}), ""),
    "name-with-spaces": (member("t/with space.txt"), ""),
    "name-not-ascii": (member("t/é.txt"), ""),
    "record-empty": (Wheel(record=""), "its RECORD does not match its files"),
    "record-of-another-digest": (
        Wheel(record=f"t.py,sha256=x,10\n{INFO}/METADATA,,\n{INFO}/WHEEL,,\n{INFO}/RECORD,,\n"),
        "t.py has another digest",
    ),
    "record-of-another-size": (Wheel(record="t.py,sha256=x,11\n"), "t.py has 10 bytes, not 11"),
    "record-with-more-rows": (Wheel(record="gone.py,,\n"), "it lists gone.py, which is missing"),
    "record-path-outside": (Wheel(record="../../x,,\n"), "it lists ../../x, which is missing"),
    "record-md5": (Wheel(record="t.py,md5=x,10\n"), "t.py has another digest"),
    "record-quote-open": (Wheel(record='"t.py,sha256=x,10\n'), "its RECORD does not match"),
    "record-huge-size": (Wheel(record=f"t.py,sha256=x,{'9' * 5000}\n"), "t.py has 10 bytes"),
    "record-nul": (Wheel(record="\0\n"), "its RECORD does not match"),
    "points-none": (points(""), ""),
    "points-comment": (points("# none\n; none\n"), ""),
    "points-of-others": (points("[other.group]\na = b\nno value\n"), ""),
    "points-before-section": (points("a = b\n[console_scripts]\nt = t:main\n"), ""),
    "points-twice": (points("[console_scripts]\nt = t:a\nt = t:b\n"), ""),
    "points-with-extra": (points("[console_scripts]\nt = t:main [fast]\n"), ""),
    "points-attribute-of-class": (points("[console_scripts]\nt = t.sub : A.main\n"), ""),
}
"""Wheels that pip installs, so both commands take them, and the note about them."""

NOT_INSTALLED: dict[str, tuple[Wheel, str]] = {
    "points-without-function": (points("[console_scripts]\nt = t\n"), "t = t names no function"),
    "points-without-value": (points("[console_scripts]\nt\n"), "has no '='"),
    "points-empty": (points("[console_scripts]\nt =\n"), "is not a valid function"),
    "points-code": (points("[console_scripts]\nt = os;x():f\n"), "is not a valid function"),
    "points-path": (points("[console_scripts]\n../../t = t:main\n"), "is not a valid command"),
    "points-dots": (points("[console_scripts]\n.. = t:main\n"), "is not a valid command"),
    "points-escape": (points("[console_scripts]\na\x1bb = t:main\n"), "is not a valid command"),
    "points-gui": (points("[gui_scripts]\nt = t\n"), "t = t names no function"),
    "points-latin-1": (Wheel(files={POINTS: b"[console_scripts]\n\xe9 = t:m\n"}), "not UTF-8"),
}
"""Wheels that `build` publishes, as pip does, and `install` refuses."""

NAMES: dict[str, tuple[str, str]] = {
    "no-version": ("t.whl", "not a valid wheel"),
    "no-tags": ("t-1.whl", "not a valid wheel"),
    "version-invalid": ("t-new-py3-none-any.whl", "not a valid wheel"),
    "version-huge": (f"t-{'9' * 200}-py3-none-any.whl", "not 9999"),
    "other-project": ("u-1-py3-none-any.whl", "has the name t, not u"),
    "other-version": ("t-2-py3-none-any.whl", "has the version 1, not 2"),
    "newline": ("t-1\n-py3-none-any.whl", "its name has spaces or control characters"),
    "escape": ("t-1-py3-none-a\x1b[2Jny.whl", "its name has spaces or control characters"),
    "space": ("t-1-py3-none-a ny.whl", "its name has spaces or control characters"),
    "no-utf-8": ("t-1-py3-none-\udcff.whl", "its name has spaces or control characters"),
    "direction": ("t-1-py3-none-a\u202eny.whl", "its name has spaces or control characters"),
    "no-wheel-at-all": ("t-1.tar.gz", "not a valid wheel"),
}
"""File names that a backend gives its wheel."""


def _cases() -> Iterator[Case]:
    for name, (wheel, reason) in REFUSED.items():
        yield Case(f"build-{name}", "E7", build_wheel(wheel), failed(reason))
        yield Case(f"install-{name}", "E7", install_wheel(wheel), Expected(1, (reason,)))
    for name, (wheel, note) in ACCEPTED.items():
        yield Case(f"build-{name}", "C5", build_wheel(wheel), built(NAME, words=(note,)))
        yield Case(f"install-{name}", "C5", install_wheel(wheel), installed(note))
    for name, (wheel, reason) in NOT_INSTALLED.items():
        yield Case(f"build-{name}", "D", build_wheel(wheel), built(NAME))
        yield Case(f"install-{name}", "D", install_wheel(wheel), Expected(1, (reason,)))
    for name, (filename, reason) in NAMES.items():
        yield Case(f"build-name-{name}", "E7", build_wheel(Wheel(name=filename)), failed(reason))


CASES = [*_cases()]
