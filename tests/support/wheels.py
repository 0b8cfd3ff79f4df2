"""Tiny wheels, good ones and bad ones."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

INFO = "tiny-1.0.dist-info"
METADATA = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def record_row(name: str, data: bytes) -> str:
    """Return a line of RECORD."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def tiny_wheel(
    folder: Path,
    files: Mapping[str, str],
    *,
    record: str | None = None,
    executable: str = "",
    info: str = INFO,
    filename: str = "tiny-1.0-py3-none-any.whl",
) -> Path:
    """Make a wheel; ``record`` is its RECORD in place of the right one."""
    contents = {f"{info}/METADATA": METADATA, f"{info}/WHEEL": WHEEL, **files}
    right = (
        "".join(record_row(name, text.encode()) for name, text in contents.items())
        + f"{info}/RECORD,,\n"
    )
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / filename, "w") as archive:
        for name, text in {
            **contents,
            f"{info}/RECORD": right if record is None else record,
        }.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = (0o100755 if name == executable else 0o100644) << 16
            archive.writestr(member, text)
    return folder / filename


def sha256(path: Path) -> str:
    """Return the digest by which the store knows a wheel."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
