"""The distributions that are installed in an environment, found by their metadata folders.

A scan reads folder names only; the files are read on access. Deliberately without import paths:
distributions that ``.pth`` files add are not part of the environment.
"""

from __future__ import annotations

import csv
import os
import re
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from pool.common.files import open_regular
from pool.common.json import decode_json
from pool.sources.wheels.entry_points import entry_point_pairs, is_command_name
from pool.system.process_limits import reraise_shortage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pool.install.environment import TargetEnvironment
    from pool.system.interpreter import Layout

__all__ = ["InstalledDistribution", "installed_distributions", "scan_distributions"]

Kind = Literal["dist-info", "egg-info", "egg-link"]
_KINDS: tuple[Kind, ...] = ("dist-info", "egg-info", "egg-link")
_PACKAGE = re.compile(r"[^\W.][^/\0]*")
_VERSION = re.compile(r"^Version: *(\S+)", re.MULTILINE)


class InstalledDistribution(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """An installed distribution. Files are read on first access and cached."""

    name: NormalizedName
    version: str
    """The version in the folder name; empty for an ``.egg-link``."""
    kind: Kind
    info_dir: Path
    """``x-1.0.dist-info``; a file for an ``.egg-link`` and for some ``.egg-info``."""

    @cached_property
    def metadata(self) -> str:
        """The text of METADATA or PKG-INFO; empty if there is neither."""
        for file in (self.info_dir / "METADATA", self.info_dir / "PKG-INFO", self.info_dir):
            if (text := _read_text(file)) is not None:
                return text
        return ""

    @property
    def record_file(self) -> Path:
        """The file that lists its files; an ``.egg-link`` has no files beside itself."""
        names = {"dist-info": "RECORD", "egg-info": "installed-files.txt", "egg-link": ""}
        return self.info_dir / names[self.kind]

    @cached_property
    def record(self) -> tuple[str, ...] | None:
        """Its files, relative to the folder that has its metadata; None if they are unknown."""
        if (text := _read_text(self.record_file)) is None:
            return None
        match self.kind:
            case "dist-info":
                return tuple(record_paths(text))
            case "egg-info":  # setuptools and pip before 10 wrote the list.
                return tuple(f"{self.info_dir.name}/{line}" for line in text.splitlines() if line)
            case "egg-link":
                return (self.info_dir.name,)

    @property
    def top_level(self) -> set[str]:
        """The names of its modules and packages, without namespaces; for an ``.egg-info``.

        pip removes them if there is no list of files (setup.py install --record elsewhere).
        """
        names, namespaces = (
            set((_read_text(self.info_dir / name) or "").split())
            for name in ("top_level.txt", "namespace_packages.txt")
        )
        return {name for name in names - namespaces if _PACKAGE.fullmatch(name)}

    @property
    def scripts(self) -> Iterator[str]:
        """The names of its commands, which lists of files of older installers leave out."""
        for folder in [self.info_dir, *self._linked_metadata()]:
            with suppress(OSError):
                yield from os.listdir(folder / "scripts")
            text = _read_text(folder / "entry_points.txt") or ""
            yield from (name for name, _ in entry_point_pairs(text) if is_command_name(name))

    def _linked_metadata(self) -> Iterator[Path]:
        """Yield the metadata folder in the tree of an ``.egg-link``."""
        with suppress(OSError):
            for name in os.listdir(self.linked_tree) if self.linked_tree[:1] == "/" else ():
                stem, _, suffix = name.rpartition(".")
                if suffix == "egg-info" and canonicalize_name(stem) == self.name:
                    yield Path(self.linked_tree, name)

    @property
    def linked_tree(self) -> str:
        """The tree of an ``.egg-link``: its line in easy-install.pth; else empty."""
        text = _read_text(self.info_dir) if self.kind == "egg-link" else None
        return (text or "").partition("\n")[0].replace("\0", "").strip()

    @cached_property
    def direct_url(self) -> dict[str, Any] | None:
        """The contents of direct_url.json (PEP 610); None if there is none."""
        try:
            with open_regular(self.info_dir / "direct_url.json") as file:
                content: dict[str, Any] = decode_json(file.read(), dict)
        except (OSError, ValueError) as problem:
            reraise_shortage(problem)
            return None
        return content

    @property
    def editable(self) -> bool:
        """Whether it is a link to a source tree."""
        dir_info = (self.direct_url or {}).get("dir_info")
        editable = isinstance(dir_info, dict) and bool(dir_info.get("editable"))
        return self.kind == "egg-link" or editable

    @property
    def requested(self) -> bool:
        """Whether the user named it (REQUESTED, PEP 376)."""
        return (self.info_dir / "REQUESTED").exists()

    @property
    def installer(self) -> str:
        """The tool that installed it; empty if there is no INSTALLER."""
        return (_read_text(self.info_dir / "INSTALLER") or "").strip()


def installed_distributions(env: TargetEnvironment) -> dict[NormalizedName, InstalledDistribution]:
    """Return the distributions of an environment; of two with the same name the newer one.

    Raises:
        OSError: the environment cannot be read.
    """
    by_name: dict[NormalizedName, InstalledDistribution] = {}
    for dist in scan_distributions(env.layout):
        other = by_name.get(dist.name)
        if other is None or _version_key(other) < _version_key(dist):
            by_name[dist.name] = dist
    return by_name


def scan_distributions(layout: Layout) -> list[InstalledDistribution]:
    """Return all distributions, including several of the same name."""
    folders = {os.path.realpath(layout.purelib): None, os.path.realpath(layout.platlib): None}
    return [dist for folder in folders for dist in _scan(folder)]


def record_paths(text: str) -> Iterator[str]:
    """Yield the first field of each line of a RECORD; what is no row is left out."""
    for line in text.splitlines():
        if not line.startswith('"'):
            yield line.partition(",")[0]
        else:
            with suppress(csv.Error, StopIteration):
                yield next(csv.reader([line]))[0]


def _scan(folder: str) -> Iterator[InstalledDistribution]:
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    for name in names:
        stem, _, suffix = name.rpartition(".")
        if suffix not in _KINDS or not stem or stem[0] in ".~-":
            continue  # pip renames a distribution to ~name before it removes it.
        # A folder without METADATA is a leftover.
        if suffix == "dist-info" and not os.path.exists(os.path.join(folder, name, "METADATA")):
            continue
        yield _parse_entry(Path(folder, name), stem, suffix)


def _parse_entry(info_dir: Path, stem: str, kind: Kind) -> InstalledDistribution:
    match kind:
        case "dist-info":
            name, _, version = stem.rpartition("-")
        case "egg-info":  # x-1.0-py3.11, or x alone
            name, version, *_ = [*stem.split("-"), ""]
            version = version or _read_version(info_dir)
        case "egg-link":
            name, version = stem, ""
    return InstalledDistribution(
        name=canonicalize_name(name or stem), version=version, kind=kind, info_dir=info_dir
    )


def _read_version(info_dir: Path) -> str:
    match = _VERSION.search(_read_text(info_dir / "PKG-INFO") or "")
    return match[1] if match else ""


def _read_text(path: Path) -> str | None:
    try:
        with open_regular(path) as file:
            return file.read().decode("utf-8", "replace")
    except OSError as problem:
        reraise_shortage(problem)
        return None


def _version_key(dist: InstalledDistribution) -> tuple[bool, Version]:
    try:
        return True, Version(dist.version)
    except ValueError:
        return False, Version("0")
