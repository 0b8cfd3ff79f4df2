"""The files of one wheel in an environment, in their final shape: where, from what, in RECORD.

As pip lays them out; only who installed it and the text of launchers differ. Pure but for reading
the wheel's own RECORD and scripts.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pool.cache.unpacked_wheels import UnpackedWheel
from pool.common.errors import InstallError
from pool.install.scripts import launcher, launchers, rewritten, superseded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pool.install.env_paths import EnvPaths
    from pool.install.environment import TargetEnvironment

__all__ = ["File", "WheelLayout", "WheelToInstall", "lay_out"]

_INSTALLER = b"wheelpool\n"


class WheelToInstall(msgspec.Struct, frozen=True, kw_only=True):
    """A wheel to install."""

    wheel: UnpackedWheel
    """Unpacked and compiled, on the environment's file system if it is to be linked."""
    requested: bool = False
    """Whether a user named it (PEP 376: REQUESTED)."""
    direct_url: dict[str, Any] | None = None
    """Where it is from, if not from an index (PEP 610)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file to be: another one, or some bytes."""

    source: str = ""
    content: bytes | None = None
    mode: int = 0
    """The permissions, where not those of ``source`` or the usual ones."""
    row: tuple[str, str] = ("", "")
    """Its digest and its size, as RECORD has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelLayout:
    """A wheel as it will be; paths are those of `EnvPaths`."""

    info_dir: str
    files: dict[str, File]


def lay_out(item: WheelToInstall, env: TargetEnvironment, root: EnvPaths) -> WheelLayout:
    """Return all files that a wheel has in an environment.

    Raises:
        InstallError: it would write outside of the environment, or has no RECORD.
        OSError: its files cannot be read.
    """
    wheel = item.wheel
    scheme, info = _info(wheel)
    library = root.schemes[scheme]
    files: dict[str, File] = {}
    for path, file in (*_brought(wheel, scheme, info, env, root), *_commands(wheel, env, root)):
        if (place := root.file(path)) is None:
            raise InstallError(
                f"{wheel.name} {wheel.version}: {path} would be written outside of the environment"
            )
        files[place] = file
    for name, content in _facts(item):
        files[f"{library}/{info}/{name}"] = _made(content)
    record = f"{library}/{info}/RECORD"
    files[record] = File()
    files[record] = File(content=_record_text(files, library))
    return WheelLayout(info_dir=f"{library}/{info}", files=files)


def _info(wheel: UnpackedWheel) -> tuple[str, str]:
    """Return the scheme of the wheel's root, and the name of its ``.dist-info`` there."""
    for name in wheel.files:
        if name.endswith(".dist-info/RECORD") and name.count("/") == 2:
            scheme, info, _ = name.split("/")
            return scheme, info
    raise InstallError(f"{wheel.name} {wheel.version}: the wheel has no RECORD")


def _brought(
    wheel: UnpackedWheel, scheme: str, info: str, env: TargetEnvironment, root: EnvPaths
) -> Iterator[tuple[str, File]]:
    """Yield where each file of the wheel goes; scripts with their first line as it must be."""
    rows = _rows(wheel.path / scheme / info / "RECORD")
    bases = {**root.schemes, "headers": f"{root.schemes['headers']}/{_spelled(wheel)}"}
    data = info.removesuffix(".dist-info") + ".data"
    for name in wheel.files:
        kind, _, rest = name.partition("/")
        row = (rows.get(rest) if kind == scheme else None) or rows.get(f"{data}/{name}", ("", ""))
        file = File(source=f"{wheel.path}/{name}", row=row)
        if kind == "scripts":
            if superseded(posixpath.basename(rest), wheel.entry_points):
                continue
            file = _script(file, env.python)
        yield f"{bases[kind]}/{rest}".lstrip("/"), file


def _spelled(wheel: UnpackedWheel) -> str:
    """Return a distribution's name as its author writes it: that of its folder of headers."""
    for line in wheel.metadata.splitlines():
        if line.lower().startswith("name:"):
            return line.partition(":")[2].strip()
    return wheel.name


def _rows(record: Path) -> dict[str, tuple[str, str]]:
    with record.open(encoding="utf-8", newline="") as file:
        return {row[0]: (row[1], row[2]) for row in csv.reader(file) if len(row) >= 3}


def _script(file: File, python: Path) -> File:
    script = Path(file.source)
    content = rewritten(script.read_bytes(), python)
    if content is None:
        return file
    return _made(content, mode=script.stat().st_mode & 0o7777)


def _commands(
    wheel: UnpackedWheel, env: TargetEnvironment, root: EnvPaths
) -> Iterator[tuple[str, File]]:
    for name, point in launchers(wheel.entry_points, env.interpreter.version):
        content = launcher(point, env.python)
        yield f"{root.schemes['scripts']}/{name}", _made(content, mode=0o755)


def _facts(item: WheelToInstall) -> Iterator[tuple[str, bytes]]:
    yield "INSTALLER", _INSTALLER
    if item.requested:
        yield "REQUESTED", b""
    if item.direct_url is not None:
        yield "direct_url.json", json.dumps(item.direct_url, sort_keys=True).encode()


def _made(content: bytes, mode: int = 0) -> File:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return File(content=content, mode=mode, row=(f"sha256={digest}", str(len(content))))


def _record_text(files: dict[str, File], library: str) -> bytes:
    inside = f"{library}/"
    rows = sorted(
        (
            path[len(inside) :] if path.startswith(inside) else posixpath.relpath(path, library),
            *file.row,
        )
        for path, file in files.items()
    )
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
