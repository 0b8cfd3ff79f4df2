"""An installation that is killed: all can be used at once, and the next one mends it and says so."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.support.makers import make_sdist, make_wheel
from tests.support.sandbox import CommandResult, Sandbox
from tests.support.target import Target
from tests.support.terminal import wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

STRESS = int(os.environ.get("WHEELPOOL_STRESS", "1"))
KILLS = max(4, 50 * STRESS // 20)
"""With twenty, the fifty that a release wants to see."""
PARTS = 300
"""Files in one folder; in that of a namespace each has to be put in place by itself."""
MODULES = {
    "many": ("many",),
    "ns-one": ("space.one", *(f"space.one{part}" for part in range(PARTS))),
    "ns-two": ("space.two", *(f"space.two{part}" for part in range(PARTS))),
    "tools": ("tools", "helper"),
    "built": ("built",),
}
LOOK = f"""
import importlib, importlib.metadata, json, pkgutil, space.stays
found = {{}}
for name, modules in {MODULES!r}.items():
    seen = found[name] = []
    for module in map(importlib.import_module, modules):
        parts = pkgutil.iter_modules(getattr(module, "__path__", []), module.__name__ + ".")
        here = {{module.v, *(importlib.import_module(part.name).v for part in parts)}}
        assert len(here) == 1, (module.__name__, here)
        seen += here
for one in importlib.metadata.distributions():
    found.setdefault(one.metadata["Name"], []).append(int(one.version[0]))
assert found.pop("stays") == [1]
print(json.dumps(found))
"""


def make_versions(folder: Path, number: int) -> None:
    """Make one version of each: many files, a namespace of two, scripts and data, an sdist."""
    version, v = f"{number}.0", f"v = {number}\n"
    many = {f"many/part{part}.py": v for part in range(PARTS)}
    make_wheel(folder, "many", version, files={"many/__init__.py": v, **many})
    for name in ("one", "two"):
        files = {f"space/{name}{part}.py": v for part in range(PARTS)}
        files |= {f"space/{name}/__init__.py": v, f"space/{name}/more.py": v}
        make_wheel(folder, f"ns-{name}", version, files=files)
    files = {
        "tools.py": f"{v}def main(): print(v)\n",
        "helper/__init__.py": v,
        f"tools-{version}.dist-info/entry_points.txt": "[console_scripts]\ntools = tools:main\n",
        f"tools-{version}.data/data/share/tools{number}.txt": version,
    }
    make_wheel(folder, "tools", version, files=files)
    make_sdist(folder, "built", version, backend=f"\nFILES['built.py'] = {v!r}\n")


class Scene:
    """An environment with old versions of everything; new ones are on the shelf."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.target = Target(sandbox.root / "env")
        self.shelf = sandbox.root / "shelf"
        make_versions(self.shelf, 1)
        # As long as somebody else is in the namespace too, its folder cannot be put in as a whole.
        make_wheel(self.shelf, "stays", files={"space/stays.py": ""})
        self.finish(self.start("stays"))
        shutil.copytree(self.target.path, sandbox.root / "before", symlinks=True)
        make_versions(self.shelf, 2)
        begun = time.monotonic()
        self.finish(self.start())
        self.seconds = time.monotonic() - begun
        """How long an upgrade of everything takes."""

    def start(self, *flags: str) -> subprocess.Popen[str]:
        where = ("--into", self.target.path, "--no-index", "--find-links", self.shelf)
        return self.sandbox.start("install", "-U", *MODULES, *where, *flags)

    def finish(self, process: subprocess.Popen[str]) -> CommandResult:
        done = self.sandbox.finish(process)
        assert done.code == 0, done.err
        return done

    def restore(self) -> None:
        """Put the old versions back, at the same place."""
        shutil.rmtree(self.target.path)
        shutil.copytree(self.sandbox.root / "before", self.target.path, symlinks=True)

    def look(self) -> dict[str, set[int]]:
        """Import everything; return for each which versions its modules and metadata are."""
        found = json.loads(self.target.run(LOOK))
        assert self.target.command("tools") in {"1", "2"}
        return {name: set(versions) for name, versions in found.items()}

    def working(self) -> bool:
        """Return whether a process still works in this sandbox."""
        lines = (process.info["cmdline"] or () for process in psutil.process_iter(["cmdline"]))
        return any(str(self.sandbox.root) in word for line in lines for word in line)

    def wait(self, process: subprocess.Popen[str], chance: random.Random, round_: int) -> None:
        """Wait for a random moment: of the run, of its end, of the few ms that count."""
        begun, seconds = [
            ("", self.seconds),
            (".wheelpool/*", 0.3),
            (".wheelpool/*/plan.json", 0.08),
        ][round_ % 3]
        while process.poll() is None and begun and not any(self.target.path.glob(begun)):
            time.sleep(0.0002)
        time.sleep(chance.uniform(0, seconds))


@pytest.mark.stress
@pytest.mark.timeout(3600)
def test_killed_at_any_moment_all_is_old_or_new_and_the_next_run_mends_it(sandbox: Sandbox) -> None:
    scene = Scene(sandbox)
    ends: Counter[str] = Counter()
    for round_ in range(KILLS):
        scene.restore()
        process = scene.start(*(["--no-cache"] if round_ % 4 > 1 else []))
        scene.wait(process, random.Random(round_), round_)
        process.kill()
        process.communicate()
        wait_until(lambda: not scene.working())

        halfway = any(scene.target.path.glob(".wheelpool/*/plan.json"))
        found = scene.look()
        between = [name for name, versions in found.items() if len(versions) > 1]
        assert len(between) <= 1, found
        assert halfway or len(set().union(*found.values())) == 1, found
        ends["halfway" if halfway else f"all {found['many']}"] += 1

        done = scene.finish(scene.start())
        assert scene.look() == {name: {2} for name in MODULES}
        said = any("finished an interrupted installation" in text for text in done.state.notes)
        assert said == halfway
        assert not halfway or "finished an interrupted installation" in done.err
        scene.target.check()
        assert not scene.working()
        assert not any((sandbox.root / "cache" / "wheelpool" / "builds").iterdir())
    assert KILLS < 50 or ends["halfway"], ends
