"""Real environments, wheels made on the spot, and what is in an environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pool.cache.unpacked_wheels import UnpackedWheel, unpack
from pool.install.environment import TargetEnvironment, find_environment
from pool.install.environment_files import STAGING_DIR
from pool.install.layout import WheelToInstall
from pool.install.staging import StagedSet, discard, stage
from pool.install.transaction import CommitResult, commit
from tests.support.makers import make_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packaging.utils import NormalizedName

__all__ = ["Yard", "content", "leftovers", "run"]


class Yard:
    """A folder with an environment and the wheels for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.EnvBuilder(with_pip=False, symlinks=True).create(folder / "env")
        self.env = find_environment(folder / "env", os.environ)

    @property
    def site(self) -> Path:
        return self.env.layout.purelib

    @property
    def bin(self) -> Path:
        return self.env.layout.scripts

    def wheel(
        self, name: str, version: str = "1.0", files: Mapping[str, str] | None = None, **more: Any
    ) -> UnpackedWheel:
        """Make a wheel and unpack it; files of its .data and .dist-info: ``DATA/``, ``INFO/``."""
        stem = f"{name.replace('-', '_').replace('.', '_')}-{version}"
        if files is not None:
            files = {
                path.replace("DATA/", f"{stem}.data/").replace("INFO/", f"{stem}.dist-info/"): text
                for path, text in files.items()
            }
        scratch = Path(tempfile.mkdtemp(dir=self.folder))
        made = make_wheel(scratch, name, version, files=files, **more)
        return unpack(made, scratch / "unpacked", self.env.interpreter)

    def put(
        self, *wheels: UnpackedWheel, remove: Sequence[NormalizedName] = (), **more: Any
    ) -> CommitResult:
        """Install without being asked for by name."""
        staged = self.stage(*wheels, remove=remove)
        try:
            return commit(staged, **more)
        finally:
            discard(staged)

    def stage(self, *wheels: UnpackedWheel, remove: Sequence[NormalizedName] = ()) -> StagedSet:
        return stage(self.env, [WheelToInstall(wheel=wheel) for wheel in wheels], remove=remove)

    def copy_to(self, name: str) -> Yard:
        """Return a yard whose environment is a copy."""
        other = Yard.__new__(Yard)
        other.folder = self.folder
        prefix = self.folder / name
        shutil.copytree(self.env.prefix, prefix, symlinks=True)
        for link in _links_to_elsewhere(prefix):
            copy = Path(tempfile.mkdtemp(dir=link.resolve().parent), link.name)
            shutil.copytree(link, copy, symlinks=True)
            link.unlink()
            link.symlink_to(copy)
        other.env = relocate(self.env, prefix)
        return other

    def move_out(self, path: Path, folder: Path) -> None:
        """Move a folder of the environment elsewhere, and leave a link to it."""
        shutil.move(path, folder / path.name)
        path.symlink_to(folder / path.name)


def relocate(env: TargetEnvironment, prefix: Path) -> TargetEnvironment:
    """Return an environment that is a copy of one in another place."""
    folders = {
        name: prefix / getattr(env.layout, name).relative_to(env.prefix)
        for name in ("purelib", "platlib", "scripts", "data", "headers")
    }
    return msgspec.structs.replace(
        env,
        python=prefix / "bin/python",
        layout=msgspec.structs.replace(env.layout, prefix=prefix, **folders),
    )


def content(folder: Path) -> dict[str, bytes]:
    """Return all files of an environment and what is in them, empty folders too."""
    found: dict[str, bytes] = {}
    for link in _links_to_elsewhere(folder):
        inside = link.relative_to(folder).as_posix()
        found |= {f"{inside}/{name}": data for name, data in content(link.resolve()).items()}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if STAGING_DIR in name.split("/") or path.is_symlink():
            continue
        if path.is_file():
            found[name] = path.read_bytes()
        elif not any(path.iterdir()):
            found[f"{name}/"] = b""
    return found


def leftovers(env: TargetEnvironment) -> list[str]:
    """Return what is in the folders of installations, those of other volumes, too."""
    folders = (env.prefix, env.layout.purelib, env.layout.scripts)
    return sorted(path.name for folder in folders for path in (folder / STAGING_DIR).glob("*"))


def _links_to_elsewhere(folder: Path) -> list[Path]:
    links = [path for path in folder.rglob("*") if path.is_symlink() and path.is_dir()]
    return [link for link in links if not link.resolve().is_relative_to(folder.resolve())]


def run(env: TargetEnvironment, code: str) -> str:
    """Run Python in an environment, without writing bytecode, and return what it prints."""
    done = subprocess.run(
        [env.python, "-I", "-B", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
