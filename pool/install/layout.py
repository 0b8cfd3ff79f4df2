"""The files of one wheel in an environment: final path, content, mode, row of RECORD.

The layout is pip's, except for the text of INSTALLER and of launchers. Deliberately read-only: it
reads the wheel's RECORD and scripts, and resolves the environment's links.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import posixpath
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from pool.cache.unpacked_wheels import UnpackedWheel
from pool.common.errors import InstallError
from pool.common.files import executable_mode
from pool.common.record import Record
from pool.install.environment_files import STAGING_DIR, is_environment_file
from pool.install.scripts import (
    format_launcher,
    is_legacy_launcher,
    launcher_names,
    rewrite_shebang,
)
from pool.sources.wheels.record import format_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pool.install.environment import TargetEnvironment
    from pool.system.interpreter import Layout

__all__ = ["EnvPaths", "LayoutFile", "WheelLayout", "WheelToInstall", "lay_out"]

_INSTALLER = b"wheelpool\n"
_NO_NAMES = ("", ".", "..")
"""Names that no file can have."""


class EnvPaths:
    """Paths in one environment: relative to its prefix, links resolved, never outside of it.

    So a file has one path, however a wheel or a RECORD spells it (``lib64`` is a link to ``lib``).
    One kind of link is not resolved: the folder of a scheme, or one above it, that the user has
    moved elsewhere (``site-packages`` as a link to another volume); pip writes through it, too.
    Resolved links are cached: create one instance per operation.

    Args:
        layout: the folders of the environment.
    """

    def __init__(self, layout: Layout) -> None:
        self.prefix = os.path.realpath(layout.prefix)
        self.linked_folders: dict[str, str] = {}
        """Links of schemes that lead out of the environment; each with its real folder."""
        self._resolved = {"": ""}
        self.schemes = {
            name: self._scheme_folder(getattr(layout, name), layout.prefix)
            for name in ("purelib", "platlib", "scripts", "data", "headers")
        }
        """The folder of each installation scheme."""
        own_folders = [self.schemes[name] for name in ("purelib", "platlib", "scripts")]
        self.fixed_folders = frozenset(
            "/".join(folder.split("/")[:depth])
            for folder in [*own_folders, "include"]
            for depth in range(folder.count("/") + 2)
        )
        """Folders of the environment itself: they are never renamed or removed."""

    def relative(self, path: Path | str) -> str:
        """Return a folder relative to the prefix; ``..`` begins it if it is outside."""
        return self.relative_to_prefix(os.path.realpath(path))

    def relative_to_prefix(self, path: str) -> str:
        """Return a real path relative to the prefix; ``..`` begins it if it is outside."""
        for name, folder in self.linked_folders.items():
            if path == folder or path.startswith(f"{folder}/"):
                return name + path[len(folder) :]
        relative = os.path.relpath(path, self.prefix)
        return "" if relative == "." else relative

    def absolute(self, path: str) -> str:
        """Return a relative path as an absolute one."""
        return f"{self.prefix}/{path}"

    def normalize(self, path: str, base: str = "") -> str | None:
        """Return the one relative path of a file; None if it is outside of the environment.

        Args:
            path: a path of a RECORD: relative to ``base``, or absolute.
            base: a folder, relative to the prefix.
        """
        if path[:1] == "/":
            path = self.relative_to_prefix(path)
        elif base:
            path = f"{base}/{path}"
        if ".." in path or "//" in path or "./" in path:
            path = posixpath.normpath(path)
        folder, _, name = path.rpartition("/")
        if name in _NO_NAMES or path.startswith("../") or "\0" in path:
            return None
        resolved = self._resolve_folder(folder)
        return None if resolved is None else f"{resolved}/{name}".lstrip("/")

    def _scheme_folder(self, folder: Path, prefix: Path) -> str:
        """Resolve the folder of a scheme, and record links to other places."""
        if not folder.is_relative_to(prefix):
            return self.relative(folder)
        path = ""
        for name in folder.relative_to(prefix).parts:
            path = f"{path}/{name}".lstrip("/")
            resolved = self._resolve_folder(path)
            if resolved is None:
                self.linked_folders[path] = os.path.realpath(self.absolute(path))
                resolved = self._resolved[path] = path
            path = resolved
        return path

    def _resolve_folder(self, folder: str) -> str | None:
        """Resolve the links of a folder; None if one leads out of the environment."""
        if folder not in self._resolved:
            parent, _, name = folder.rpartition("/")
            resolved_parent = self._resolve_folder(parent)
            if resolved_parent is None:
                return None
            path = f"{resolved_parent}/{name}".lstrip("/")
            if path not in self.linked_folders and os.path.islink(self.absolute(path)):
                path = self.relative(self.absolute(path))
                if path == ".." or path.startswith("../"):
                    return None
            self._resolved[folder] = path
        return self._resolved[folder]


class WheelToInstall(msgspec.Struct, frozen=True, kw_only=True):
    """An unpacked wheel, and the metadata that its installation adds."""

    wheel: UnpackedWheel
    """Its files can be hardlinked only on the environment's file system."""
    requested: bool = False
    """Whether the user named it (REQUESTED, PEP 376)."""
    direct_url: dict[str, Any] | None = None
    """The contents of direct_url.json (PEP 610); None for a wheel from an index."""
    overwrites: bool = False
    """Whether it may replace files of other distributions (--allow-overwrite)."""


class LayoutFile(Record, frozen=True, kw_only=True):
    """One file to create: a copy or link of ``source``, or ``content``."""

    source: str = ""
    content: bytes | None = None
    mode: int = 0
    """The permissions; 0 for those of ``source``, or the default of new files."""
    record_row: tuple[str, str] = ("", "")
    """Digest and size as in RECORD."""


class WheelLayout(Record, frozen=True, kw_only=True):
    """The files of an installed wheel, by their path in `EnvPaths`."""

    info_dir: str
    files: dict[str, LayoutFile]


def lay_out(item: WheelToInstall, env: TargetEnvironment, paths: EnvPaths) -> WheelLayout:
    """Return all files of a wheel in an environment.

    Raises:
        InstallError: the wheel would write outside of the environment, or has no RECORD.
        OSError: the wheel's files cannot be read.
    """
    wheel = item.wheel
    scheme, info = _find_info_dir(wheel)
    library = paths.schemes[scheme]
    files: dict[str, LayoutFile] = {}
    targets = _Targets(wheel, paths)
    for path, file in (
        *_wheel_files(wheel, scheme, info, env, paths),
        *_launcher_files(wheel, env, paths),
    ):
        files[targets.find(path)] = file
    for name, content in _metadata_files(item):
        files[f"{library}/{info}/{name}"] = _generated_file(content)
    record = f"{library}/{info}/RECORD"
    files[record] = LayoutFile()
    files[record] = LayoutFile(content=_format_record(files, library))
    return WheelLayout(info_dir=f"{library}/{info}", files=files)


class _Targets:
    """The paths in an environment to which one wheel may write; folders are resolved once."""

    def __init__(self, wheel: UnpackedWheel, paths: EnvPaths) -> None:
        self._wheel = wheel
        self._paths = paths
        self._folders: dict[str, str] = {}
        """By folder, as the wheel has it: the one in the environment, with a slash."""

    def find(self, path: str) -> str:
        """Return the normalized path of a file.

        Raises:
            InstallError: it is outside of the environment, or one of the environment's own files.
        """
        folder, _, name = path.rpartition("/")
        resolved = self._folders.get(folder)
        if resolved is None or name in _NO_NAMES or "\0" in name:
            resolved = self._folders[folder] = self._resolve(path)[: -len(name)]
        target = f"{resolved}{name}"
        scripts = self._paths.schemes["scripts"]
        # Most files are in folders that have none of the environment's own files.
        may_be_own = resolved in ("", f"{scripts}/") or STAGING_DIR in target
        if may_be_own and is_environment_file(target, scripts):
            raise InstallError(
                f"{self._wheel.name} {self._wheel.version} would replace {target},"
                " a file of the environment",
                hint="leave it out; no distribution may bring such a file",
            )
        return target

    def _resolve(self, path: str) -> str:
        if (target := self._paths.normalize(path)) is None:
            raise InstallError(
                f"{self._wheel.name} {self._wheel.version}: {path} would be written outside of the"
                " environment",
                hint=self._describe_link(path),
            )
        return target

    def _describe_link(self, path: str) -> str:
        """Return a hint if a link of the environment leads to another place."""
        folder = PurePosixPath(path).parent
        for one in (*reversed(folder.parents), folder):
            absolute = self._paths.absolute(str(one))
            if one.name and os.path.islink(absolute):
                return f"{absolute} is a link to {os.readlink(absolute)}: replace it by a directory"
        return "leave it out; no distribution may write there"


def _find_info_dir(wheel: UnpackedWheel) -> tuple[str, str]:
    """Return the scheme of the wheel's root, and the name of its ``.dist-info`` there."""
    for name in wheel.files:
        if name.endswith(".dist-info/RECORD") and name.count("/") == 2:
            scheme, info, _ = name.split("/")
            return scheme, info
    raise InstallError(f"{wheel.name} {wheel.version}: the wheel has no RECORD")


def _wheel_files(
    wheel: UnpackedWheel, scheme: str, info: str, env: TargetEnvironment, paths: EnvPaths
) -> Iterator[tuple[str, LayoutFile]]:
    """Yield the target of each file of the wheel; scripts get the environment's shebang."""
    record = _read_record(wheel.path / scheme / info / "RECORD")
    bases = {**paths.schemes, "headers": f"{paths.schemes['headers']}/{_display_name(wheel)}"}
    data = info.removesuffix(".dist-info") + ".data"
    for name in wheel.files:
        kind, _, rest = name.partition("/")
        row = (record.get(rest) if kind == scheme else None) or record.get(
            f"{data}/{name}", ("", "")
        )
        file = LayoutFile(source=f"{wheel.path}/{name}", record_row=row)
        if kind == "scripts":
            if is_legacy_launcher(posixpath.basename(rest), wheel.entry_points):
                continue
            file = _rewritten_script(file, env.python)
        yield f"{bases[kind]}/{rest}".lstrip("/"), file


def _display_name(wheel: UnpackedWheel) -> str:
    """Return the Name of METADATA as its author spells it; the header folder has that name."""
    for line in wheel.metadata.splitlines():
        if line.lower().startswith("name:"):
            return line.partition(":")[2].strip()
    return wheel.name


def _read_record(record: Path) -> dict[str, tuple[str, str]]:
    with record.open(encoding="utf-8", newline="") as file:
        return {row[0]: (row[1], row[2]) for row in csv.reader(file) if len(row) >= 3}


def _rewritten_script(file: LayoutFile, python: Path) -> LayoutFile:
    script = Path(file.source)
    content = rewrite_shebang(script.read_bytes(), python)
    if content is None:
        return file
    return _generated_file(content, mode=script.stat().st_mode & 0o7777)


def _launcher_files(
    wheel: UnpackedWheel, env: TargetEnvironment, paths: EnvPaths
) -> Iterator[tuple[str, LayoutFile]]:
    for name, point in launcher_names(wheel.entry_points, env.interpreter.version):
        content = format_launcher(point, env.python)
        yield f"{paths.schemes['scripts']}/{name}", _generated_file(content, mode=executable_mode())


def _metadata_files(item: WheelToInstall) -> Iterator[tuple[str, bytes]]:
    yield "INSTALLER", _INSTALLER
    if item.requested:
        yield "REQUESTED", b""
    if item.direct_url is not None:
        yield "direct_url.json", json.dumps(item.direct_url, sort_keys=True).encode()


def _generated_file(content: bytes, mode: int = 0) -> LayoutFile:
    digest = format_digest("sha256", hashlib.sha256(content).digest())
    return LayoutFile(content=content, mode=mode, record_row=(digest, str(len(content))))


def _format_record(files: dict[str, LayoutFile], library: str) -> bytes:
    inside = f"{library}/"
    rows = sorted(
        (
            path[len(inside) :] if path.startswith(inside) else posixpath.relpath(path, library),
            *file.record_row,
        )
        for path, file in files.items()
    )
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
