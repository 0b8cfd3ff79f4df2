"""Thirty sdists of the past with odd packaging: wheelpool and pip make the same wheels of them.

All are pure Python, and small. They are built in groups, each by one command of wheelpool and one of
pip. The wheels are compared by their files and their metadata.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support.home import WHEELPOOL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.public, pytest.mark.timeout(900)]

SDISTS = {
    "hexdump==3.3": "a zip without a top folder; a __main__.py; data files beside the modules",
    "wget==3.2": "a zip made on Windows; setup.py reads the version as text",
    "simplegeneric==0.8.1": "a zip; setup.py reads classifiers from a file",
    "prettytable==0.7.2": "a tar.bz2; setup.py imports the module for its version",
    "docopt==0.6.2": "setup.py imports the module for its version",
    "termcolor==1.1.0": "distutils.core; setup.py imports the module; a tuple as the version",
    "argparse==1.4.0": "setup.py imports the module, which has the name of one of Python's own",
    "ordereddict==1.1": "distutils.core; a setup.py of five lines, no README",
    "enum34==1.1.10": "a wheel without modules: the package is for Python before 3.4",
    "ipaddress==1.0.23": "the name of a module of Python; a setup.py without setuptools",
    "singledispatch==3.4.0.3": "a version of four parts; modules in a tuple; not ASCII",
    "Unidecode==0.04.21": "a version with a leading zero",
    "sgmllib3k==1.0.0": "a name that is not its module's; an empty list of scripts",
    "pyperclip==1.7.0": "setup.py reads its version by a regular expression; lines of Windows; src",
    "configobj==5.0.6": "distutils.core with install_requires; imports a module for its version",
    "blessings==1.7": "imports multiprocessing first; tests_require; excludes versions of Python",
    "zope.event==4.4": "a namespace package of pkg_resources; src",
    "repoze.lru==0.7": "a namespace package; empty entry points; misses a file that it reads",
    "PasteDeploy==2.1.1": "a namespace package; an entry point with an extra; a folder +package+",
    "backports.functools_lru_cache==1.6.1": "setuptools_scm, a namespace of pkgutil; setup.cfg",
    "backports.tempfile==1.0": "setup_requires setuptools_scm; a namespace of pkgutil; src",
    "mccabe==0.6.1": "setup_requires pytest-runner; evaluates a line for its version",
    "extras==1.0.0": "imports itself for its version; a pbr.json in its egg-info",
    "tabulate==0.8.2": "a single module and a command; options in variables",
    "texttable==1.6.2": "a single module; Markdown",
    "ptyprocess==0.7.0": "flit; a setup.py of distutils beside pyproject.toml",
    "flit_core==2.3.0": "a backend that builds itself; backend-path is a text",
    "jaraco.context==4.3.0": "setup.cfg and pyproject.toml without setup.py; find_namespace",
    "polib==1.0.8": "an __init__.py beside setup.py; reads README and CHANGELOG",
}
"""Requirements, and what is odd about each."""
if sys.version_info < (3, 12):
    SDISTS["pathtools==0.1.2"] = "loads its version by imp, which Python 3.12 does not have"
GROUPS = [list(SDISTS)[start::6] for start in range(6)]
CONSTRAINT = "setuptools<81\n"
"""pkg_resources, which namespace packages of the past import, is in no later setuptools."""
TOOL_FILES = (".dist-info/RECORD", ".dist-info/WHEEL")
"""They name the tool."""
UNPREPARED = {"extras-1.0.0-py2.py3-none-any.whl": {"extras-1.0.0.dist-info/pbr.json"}}
"""Files that setuptools copies from the egg-info of a tree, unless `prepare_metadata_for_build_wheel`
made the metadata before. pip calls that hook, which is optional (PEP 517); wheelpool, uv and build do
not. The contents of the wheels are the same otherwise."""


def _contents(wheel: Path) -> dict[str, str]:
    """Return the digests of a wheel's files by name, except those that the tool's name is in."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if not name.endswith((*TOOL_FILES, "/"))
        }


def _run(*words: str | Path, folder: Path, cache: Path) -> str:
    """Run a command; return the end of its output if it fails."""
    done = subprocess.run(
        [str(word) for word in words],
        env={
            **os.environ,
            "PIP_CONSTRAINT": str(folder / "constraint.txt"),
            "PIP_CACHE_DIR": str(cache),
            **{f"XDG_{name}_HOME": str(folder / name) for name in ("CACHE", "STATE")},
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr[-3000:] or f"exit code {done.returncode}" if done.returncode else ""


def _build_with_pip(group: Sequence[str], folder: Path, cache: Path) -> str:
    names = ",".join(requirement.partition("==")[0] for requirement in group)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-binary", names]
    faster = ["--use-feature", "inprocess-build-deps"]
    return _run(*pip, *faster, "--wheel-dir", folder / "theirs", *group, folder=folder, cache=cache)


def _build_with_wheelpool(group: Sequence[str], folder: Path, cache: Path) -> str:
    flags: list[str | Path] = ["--no-ui", "--no-binary", ":all:", "--out-dir", folder / "ours"]
    return _run(WHEELPOOL, "build", *group, *flags, folder=folder, cache=cache)


def _shared_cache(factory: pytest.TempPathFactory) -> Path:
    """Return the folder of pip's cache for all workers of this run."""
    base = factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "pip-of-past-sdists"


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group[0])
def test_sdists_of_the_past_give_the_same_wheels_as_with_pip(
    group: list[str], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (tmp_path / "constraint.txt").write_text(CONSTRAINT)
    cache = _shared_cache(tmp_path_factory)
    refused = _build_with_pip(group, tmp_path, cache)
    assert not refused
    failed = _build_with_wheelpool(group, tmp_path, cache)
    assert not failed
    ours, theirs = (
        {wheel.name: _contents(wheel) for wheel in (tmp_path / name).iterdir()}
        for name in ("ours", "theirs")
    )
    assert len(theirs) == len(group)
    assert sorted(ours) == sorted(theirs)
    for name, files in theirs.items():
        more = ours[name].keys() - files.keys()
        assert more == UNPREPARED.get(name, set())
        assert {path: ours[name][path] for path in ours[name].keys() - more} == files
