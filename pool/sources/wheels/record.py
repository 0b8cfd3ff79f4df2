"""RECORD of a wheel, compared with the files that the wheel has.

pip and uv install a wheel whose RECORD is wrong: the digest of the whole file is known from its
index or its build. So does this: the differences become one sentence for the user, and the rows are
made anew from the files.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from typing import IO, TYPE_CHECKING

from pool.common.cancellation import check_cancelled
from pool.common.text import clean_text
from pool.sources.wheels.reader import normalize_path

if TYPE_CHECKING:
    from pool.sources.wheels.reader import WheelArchive

__all__ = ["RecordVerifier", "format_digest", "parse_record", "verify_record"]

_CHUNK = 1 << 20
_ALGORITHMS = ("sha256", "sha384", "sha512")
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")
Row = tuple[str, str]
"""Digest and size, as written: ``sha256=...``, ``123``."""


def parse_record(text: str) -> dict[str, Row]:
    """Return the rows of a RECORD by path; what is no row is left out."""
    rows: dict[str, Row] = {}
    # Line by line: a quotation mark that is not closed spoils one row, not all.
    for line in text.splitlines():
        try:
            fields = next(csv.reader([line]), [])
        except csv.Error:
            continue
        if fields:
            path, digest, size, *_ = [*fields, "", ""]
            rows[normalize_path(path)] = digest, size
    return rows


def verify_record(archive: WheelArchive) -> str:
    """Read all files of a wheel and compare them with its RECORD.

    Returns:
        A sentence about the differences; empty if there are none.

    Raises:
        zipfile.BadZipFile: a file is damaged (`pool.sources.wheels.reader.open_wheel` reports it).
    """
    verifier = RecordVerifier(archive)
    for path, member in archive.members.items():
        with archive.zip.open(member) as stream:
            verifier.copy(path, stream, None)
    return verifier.note()


class RecordVerifier:
    """Compares the files of one wheel with its RECORD while they are read."""

    def __init__(self, archive: WheelArchive) -> None:
        self._info_dir = archive.info_dir
        self._rows = parse_record(archive.read_info("RECORD"))
        self._actual: dict[str, Row] = {}
        self._issues = [
            f"it lists {path}, which is missing"
            for path in self._rows
            if path not in archive.members
        ]

    def copy(self, path: str, stream: IO[bytes], into: IO[bytes] | None) -> None:
        """Read one file, copy it if there is a place, and compare it with its row."""
        digest, size = self._rows.get(path, ("", ""))
        algorithm = digest.partition("=")[0]
        hashers = {"sha256": hashlib.sha256()}
        if algorithm in _ALGORITHMS:
            hashers.setdefault(algorithm, hashlib.new(algorithm))
        count = 0
        while chunk := stream.read(_CHUNK):
            check_cancelled()
            count += len(chunk)
            for hasher in hashers.values():
                hasher.update(chunk)
            if into is not None:
                into.write(chunk)
        found = {name: format_digest(name, one.digest()) for name, one in hashers.items()}
        self._actual[path] = found["sha256"], str(count)
        if not self._is_unlisted(path) and (digest, size) != (found.get(algorithm), str(count)):
            self._issues.append(self._describe(path, size, count))

    def _is_unlisted(self, path: str) -> bool:
        """Tell whether RECORD has no digest for a file: of itself and of signatures."""
        folder, _, name = path.rpartition("/")
        return folder == self._info_dir and name in ("RECORD", *_SIGNATURES)

    def _describe(self, path: str, size: str, count: int) -> str:
        if path not in self._rows:
            return f"it does not list {path}"
        if size != str(count):
            return f"{path} has {count} bytes, not {size or 'an unknown number'}"
        return f"{path} has another digest"

    def note(self) -> str:
        """Return a sentence about the differences; empty if there are none."""
        if not self._issues:
            return ""
        more = f" (and {len(self._issues) - 1} more)" if len(self._issues) > 1 else ""
        return clean_text(f"its RECORD does not match its files: {self._issues[0]}{more}")

    def corrected(self) -> str:
        """Return the text of a RECORD that matches the files that were read."""
        text = io.StringIO(newline="")
        record = f"{self._info_dir}/RECORD"
        rows = [(path, *row) for path, row in self._actual.items() if path != record]
        csv.writer(text, lineterminator="\n").writerows([*rows, (record, "", "")])
        return text.getvalue()


def format_digest(name: str, digest: bytes) -> str:
    """Return a digest as RECORD has it, without the padding of base64: ``sha256=...``."""
    return f"{name}={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
