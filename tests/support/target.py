"""An environment to install into, and what tests want to know about it afterwards."""

from __future__ import annotations

import base64
import csv
import hashlib
import subprocess
import sys
import venv
from importlib.metadata import Distribution, distributions
from pathlib import Path

__all__ = ["Target"]


class Target:
    """A virtual environment with nothing in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.python = path / "bin" / "python"
        venv.EnvBuilder(with_pip=False, symlinks=True).create(path)

    @property
    def site(self) -> Path:
        """Where its modules are."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.path / "lib" / version / "site-packages"

    def distributions(self) -> list[Distribution]:
        """Return what it has."""
        return list(distributions(path=[str(self.site)]))

    def versions(self) -> dict[str, str]:
        """Return what it has, by name."""
        return {one.metadata["Name"]: one.version for one in self.distributions()}

    def read_metadata(self, name: str, file: str) -> str | None:
        """Return a file of a distribution's metadata."""
        (one,) = (one for one in self.distributions() if one.metadata["Name"] == name)
        return one.read_text(file)

    def run(self, code: str) -> str:
        """Run Python in it, without writing bytecode, and return what it prints."""
        done = subprocess.run(
            [self.python, "-I", "-B", "-c", code], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def command(self, name: str, *arguments: str) -> str:
        """Run one of its scripts and return what that prints."""
        argv = [str(self.path / "bin" / name), *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    def check(self) -> None:
        """See that pip finds nothing broken, RECORDs are true, and nobody left anything."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "check"]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.find_faults() == []

    def find_faults(self) -> list[str]:
        """Say what is wrong with RECORDs, and which files are nobody's, or of a dead process."""
        found: list[str] = []
        known: dict[Path, str] = {}
        for one in self.distributions():
            for path, digest, size in csv.reader((one.read_text("RECORD") or "").splitlines()):
                place = Path(str(one.locate_file(path))).resolve()
                found += _record_faults(one, place, digest, size)
                if place in known:
                    found.append(f"{path} belongs to {known[place]} and {one.name}")
                known[place] = one.name
        remains = (path for path in self.site.rglob("*") if path.is_file())
        found += [f"{path} is nobody's" for path in remains if path.resolve() not in known]
        if (self.path / ".wheelpool").exists():
            found.append("there is a .wheelpool")
        return found


def _record_faults(one: Distribution, place: Path, digest: str, size: str) -> list[str]:
    if not place.is_file():
        return [f"{one.name}: {place} is not there"]
    if not digest:
        return []
    name, _, value = digest.partition("=")
    data = place.read_bytes()
    own = base64.urlsafe_b64encode(hashlib.new(name, data).digest()).rstrip(b"=").decode()
    same = own == value and size in ("", str(len(data)))
    return [] if same else [f"{one.name}: {place} is not what RECORD says"]
