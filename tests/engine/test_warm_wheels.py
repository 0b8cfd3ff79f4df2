"""Wheels of warm and cold hooks are the same byte for byte; templates end with their pool."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from pool.system.process import ProcessSupervisor
from tests.support.child_processes import child_processes
from tests.support.hook_backend import wait_until
from tests.support.interpreters import find_python
from tests.support.pool_runs import make_settings, run_pool
from tests.support.sandbox import pack_sdist, repack_installed
from tests.support.warm_hooks import BACKENDS, PROJECT, WarmBuilds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="templates need a subreaper")

STRESS = int(os.environ.get("WHEELPOOL_STRESS", "1"))
EXTENSION = """
from setuptools import Extension, setup
setup(ext_modules=[Extension("thing_c", ["thing.c"])])
"""
SOURCE = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "thing_c", 0, -1, 0};
PyMODINIT_FUNC PyInit_thing_c(void) { return PyModule_Create(&module); }
"""
ENTRY_POINTS = '[project.scripts]\nthing = "thing:main"\n'
TREES: dict[str, tuple[str, dict[str, str]]] = {
    "setuptools": ("setuptools.build_meta", {}),
    "setuptools with an extension": (
        "setuptools.build_meta",
        {"setup.py": EXTENSION, "thing.c": SOURCE},
    ),
    "setuptools with setup.cfg": (
        "setuptools.build_meta:__legacy__",
        {
            "pyproject.toml": "",
            "setup.py": "import os, setuptools; from distutils.core import setup; setup()",
            "setup.cfg": "[metadata]\nname = thing\nversion = 1.0\n"
            "[options]\npackages = find:\npy_modules = thing\n",
            "pack/__init__.py": "",
            "pack/data.txt": "data",
        },
    ),
    "setuptools with a command": (
        "setuptools.build_meta",
        {
            "setup.py": "from setuptools import setup\n"
            "from setuptools.command.build_py import build_py\n"
            "class B(build_py):\n"
            "    def run(self):\n"
            "        super().run()\n"
            "        open(self.build_lib + '/made.py', 'w').write('1')\n"
            "setup(cmdclass={'build_py': B})\n"
        },
    ),
    "setuptools with a replaced class of distutils": (
        "setuptools.build_meta",
        {
            "setup.py": "import setuptools, distutils.command.build_py as orig\n"
            "class B(orig.build_py):\n"
            "    def run(self):\n"
            "        super().run()\n"
            "        open(self.build_lib + '/made.py', 'w').write('1')\n"
            "orig.build_py = B\n"
            "setuptools.setup()\n"
        },
    ),
    "flit": ("flit_core.buildapi", {"pyproject.toml": PROJECT + ENTRY_POINTS}),
    "hatchling": (
        "hatchling.build",
        {
            "pyproject.toml": PROJECT
            + ENTRY_POINTS
            + '[tool.hatch.build]\npackages = ["thing.py"]\n'
        },
    ),
    "hatchling with a hook": (
        "hatchling.build",
        {
            "pyproject.toml": PROJECT
            + "[tool.hatch.build.hooks.custom]\n[tool.hatch.build]\ninclude = ['*.py']\n",
            "hatch_build.py": "from hatchling.builders.hooks.plugin.interface import"
            " BuildHookInterface\n"
            "class H(BuildHookInterface):\n"
            "    def initialize(self, version, data):\n"
            "        open('made.py', 'w').write('1')\n"
            "        data['artifacts'].append('made.py')\n",
        },
    ),
}


@pytest.fixture
def earlier_children() -> set[psutil.Process]:
    """The processes that other tests have left: this process adopts orphans."""
    return set(child_processes())


@pytest.fixture
def builds(tmp_path: Path, earlier_children: set[psutil.Process]) -> Iterator[WarmBuilds]:
    builds = WarmBuilds.create(tmp_path)
    yield builds
    builds.close()
    assert set(child_processes()) <= earlier_children, "processes left behind, or not reaped"


@pytest.mark.slow
@pytest.mark.parametrize("name", TREES)
async def test_wheel_of_warm_hooks_is_that_of_cold_hooks(builds: WarmBuilds, name: str) -> None:
    backend, files = TREES[name]
    tree = builds.tree(files=files)
    env = builds.env(builds.wheels(*BACKENDS[backend]))
    cold = await builds.build(env, tree, backend, warm=False)
    assert await builds.build(env, tree, backend, warm=True) == cold
    assert await builds.build(env, tree, backend, warm=True) == cold
    assert len(list(builds.template_pids)) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "backend"),
    [
        *((version, "setuptools.build_meta") for version in ("3.10", "3.12", "3.13")),
        *((version, "flit_core.buildapi") for version in ("3.9", "3.13")),
    ],
)
async def test_wheel_of_warm_hooks_of_another_python_is_that_of_cold_hooks(
    tmp_path: Path, version: str, backend: str
) -> None:
    builds = WarmBuilds.create(tmp_path, find_python(version))
    try:
        env = builds.env(builds.wheels(*BACKENDS[backend]))
        cold = await builds.build(env, builds.tree(), backend, warm=False)
        assert await builds.build(env, builds.tree(), backend, warm=True) == cold
        assert len(list(builds.template_pids)) == 1
    finally:
        builds.close()


@pytest.mark.slow
async def test_builds_of_a_run_share_a_template_and_leave_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier_children: set[psutil.Process]
) -> None:
    templates: list[int] = []
    start = ProcessSupervisor.start_template

    def start_template(self: ProcessSupervisor, *args: Any) -> int:
        templates.append(start(self, *args))
        return templates[-1]

    monkeypatch.setattr(ProcessSupervisor, "start_template", start_template)
    links = tmp_path / "links"
    links.mkdir()
    repack_installed("flit-core", links)
    requires = '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
    sdists = []
    for number in range(3):
        tree = tmp_path / f"thing{number}"
        tree.mkdir()
        project = PROJECT.replace("thing", tree.name)
        (tree / "pyproject.toml").write_text(requires + project)
        (tree / f"{tree.name}.py").write_text('"""A thing."""\n')
        sdists.append(pack_sdist(tmp_path / "sdists", tree))
    wheels: dict[bool, list[bytes]] = {}
    for warm in (True, False):
        settings = make_settings(tmp_path, warm=warm, cache=False)
        templates.clear()
        code, state = await run_pool(settings, *sdists)
        assert code == 0
        assert not [note for note in state.notes if "template" in str(note)]
        assert len(templates) == (1 if warm else 0)
        files = sorted((tmp_path / "out").glob("*.whl"))
        wheels[warm] = [file.read_bytes() for file in files]
        assert len(files) == 3
        shutil.rmtree(tmp_path / "out")
        assert set(child_processes()) <= earlier_children
    assert wheels[True] == wheels[False]


DRIVER = """
import asyncio, sys
from pathlib import Path
from tests.support.warm_hooks import WarmBuilds

async def main():
    builds = WarmBuilds.create(Path(sys.argv[1]))
    env = builds.env(builds.wheels("setuptools"))
    tree = builds.tree(files={"setup.py": "import os, time\\nopen(os.environ['READY'], 'w').close()\\ntime.sleep(600)"})
    await builds.call(
        env, tree, "setuptools.build_meta", warm=True, more_environ={"READY": sys.argv[1] + "/ready"}
    )

asyncio.run(main())
"""


@pytest.mark.slow
async def test_template_and_hook_of_a_killed_pool_end(tmp_path: Path) -> None:
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path)])
    await wait_until((tmp_path / "ready").exists, "the hook runs")
    children = psutil.Process(driver.pid).children()
    assert len(children) == 3, "the watchdog, the template, and the hook"
    driver.kill()
    driver.wait()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []


@pytest.mark.slow
@pytest.mark.stress
async def test_template_that_is_killed_at_random_loses_no_hook(builds: WarmBuilds) -> None:
    env, tree = builds.env(builds.wheels("flit-core")), builds.tree()
    chance = random.Random(1)
    notes: list[str] = []
    registry = builds.hooks._templates
    assert registry is not None
    usage: list[tuple[int, int]] = []
    count = 40 * STRESS

    async def worker(number: int) -> None:
        for _ in range(count // 4):
            call = builds.call(
                env,
                tree,
                "flit_core.buildapi",
                "get_requires_for_build_wheel",
                warm=True,
                build=f"b{number}",
                notes=notes,
            )
            assert await call == []

    async def killer() -> None:
        while True:
            await asyncio.sleep(chance.uniform(0.05, 1.0))
            for template in registry._templates.values():
                template.failures = 0
                if template.pid and template.names is not None:
                    process = psutil.Process(template.pid)
                    usage.append((process.num_fds(), process.memory_info().rss))
                    if chance.random() < 0.3:
                        os.kill(template.pid, signal.SIGKILL)

    fds = psutil.Process().num_fds()
    killing = asyncio.create_task(killer())
    await asyncio.gather(*map(worker, range(4)))
    killing.cancel()
    print(f"{count} hooks, {len(notes)} failures, usage {usage[:3]} to {usage[-3:]}")
    assert psutil.Process().num_fds() <= fds + 2
    assert len({fd for fd, _ in usage}) <= 3
