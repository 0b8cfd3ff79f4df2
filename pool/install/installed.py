"""The distributions that an environment has, as their metadata folders tell.

A scan reads folder names only; what is in the files is read when it is asked for. Deliberately
without import paths: what ``.pth`` files bring in is not part of the environment.
"""

from __future__ import annotations

import csv
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pool.install.environment import TargetEnvironment
    from pool.system.interpreter import Layout

__all__ = ["Installed", "all_installed", "installed"]

Kind = Literal["dist-info", "egg-info", "egg-link"]
_KINDS: tuple[Kind, ...] = ("dist-info", "egg-info", "egg-link")


class Installed(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A distribution of an environment. What is lazy is read once, then kept."""

    name: NormalizedName
    version: str
    """As its folder spells it; empty for an ``.egg-link``."""
    kind: Kind
    info_dir: Path
    """``x-1.0.dist-info``; a file for an ``.egg-link`` and for some ``.egg-info``."""

    @cached_property
    def metadata(self) -> str:
        """The text of METADATA (or PKG-INFO); empty where there is none."""
        for file in (self.info_dir / "METADATA", self.info_dir / "PKG-INFO", self.info_dir):
            if (text := _read(file)) is not None:
                return text
        return ""

    @cached_property
    def record(self) -> tuple[str, ...] | None:
        """The paths that RECORD lists, as written there; None where there is no RECORD."""
        text = _read(self.info_dir / "RECORD") if self.kind == "dist-info" else None
        return None if text is None else tuple(record_paths(text))

    @cached_property
    def direct_url(self) -> dict[str, Any] | None:
        """Where it came from, if not from an index (PEP 610)."""
        try:
            said = msgspec.json.decode((self.info_dir / "direct_url.json").read_bytes())
        except (OSError, msgspec.DecodeError):
            return None
        return said if isinstance(said, dict) else None

    @property
    def editable(self) -> bool:
        """Whether it is a link to a source tree."""
        facts = (self.direct_url or {}).get("dir_info")
        return self.kind == "egg-link" or bool(isinstance(facts, dict) and facts.get("editable"))

    @property
    def requested(self) -> bool:
        """Whether a user asked for it by name (PEP 376)."""
        return (self.info_dir / "REQUESTED").exists()

    @property
    def installer(self) -> str:
        """What put it there; empty if it does not say."""
        return (_read(self.info_dir / "INSTALLER") or "").strip()


def installed(env: TargetEnvironment) -> dict[NormalizedName, Installed]:
    """Return the distributions of an environment; of two with one name the newer one.

    Raises:
        OSError: it cannot be read.
    """
    found: dict[NormalizedName, Installed] = {}
    for one in all_installed(env.layout):
        other = found.get(one.name)
        if other is None or _order(other) < _order(one):
            found[one.name] = one
    return found


def all_installed(layout: Layout) -> list[Installed]:
    """Return every distribution, those included that are there twice."""
    folders = {os.path.realpath(layout.purelib): None, os.path.realpath(layout.platlib): None}
    return [one for folder in folders for one in _scan(folder)]


def record_paths(text: str) -> Iterator[str]:
    """Yield the first field of each line of a RECORD."""
    for line in text.splitlines():
        if not line.startswith('"'):
            yield line.partition(",")[0]
        elif row := next(csv.reader([line]), None):
            yield row[0]


def _scan(folder: str) -> Iterator[Installed]:
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    for name in names:
        stem, _, suffix = name.rpartition(".")
        if suffix not in _KINDS or not stem or stem[0] in ".~-":
            continue  # pip calls what it is about to remove ~name
        # Without METADATA it is the remains of one.
        if suffix == "dist-info" and not os.path.exists(os.path.join(folder, name, "METADATA")):
            continue
        yield _one(Path(folder, name), stem, suffix)


def _one(info_dir: Path, stem: str, kind: Kind) -> Installed:
    match kind:
        case "dist-info":
            name, _, version = stem.rpartition("-")
        case "egg-info":  # x-1.0-py3.11, or x alone
            name, version, *_ = [*stem.split("-"), ""]
        case "egg-link":
            name, version = stem, ""
    return Installed(
        name=canonicalize_name(name or stem), version=version, kind=kind, info_dir=info_dir
    )


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return None


def _order(one: Installed) -> tuple[bool, Version]:
    try:
        return True, Version(one.version)
    except InvalidVersion:
        return False, Version("0")
