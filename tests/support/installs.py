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
from pool.install.layout import WheelToInstall
from pool.install.staging import STAGING_DIR, StagedSet, discard, stage
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
        other.env = relocate(self.env, prefix)
        return other


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
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.partition("/")[0] == STAGING_DIR or path.is_symlink():
            continue
        if path.is_file():
            found[name] = path.read_bytes()
        elif not any(path.iterdir()):
            found[f"{name}/"] = b""
    return found


def leftovers(env: TargetEnvironment) -> list[str]:
    """Return what is in the folder of installations."""
    home = env.prefix / STAGING_DIR
    return sorted(path.name for path in home.iterdir()) if home.exists() else []


def run(env: TargetEnvironment, code: str) -> str:
    """Run Python in an environment, without writing bytecode, and return what it prints."""
    done = subprocess.run(
        [env.python, "-I", "-B", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
