"""Thirty sdists of the past with odd packaging: wheelpool and pip make the same wheels of them.

All are pure Python, and small. wheelpool builds them in one run; pip builds them one by one, in as
many threads as there are processors. The wheels are compared by their files and their metadata.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support.home import WHEELPOOL

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.public, pytest.mark.timeout(900)]

SDISTS = {
    "hexdump==3.3": "a zip without a top folder",
    "wget==3.2": "a zip; setup.py imports the module",
    "simplegeneric==0.8.1": "a zip; test_suite",
    "prettytable==0.7.2": "setup.py without a name in setup.cfg; a BOM-less old layout",
    "docopt==0.6.2": "setup.py that imports the module for its version",
    "termcolor==1.1.0": "distutils.core",
    "argparse==1.4.0": "shadows a module of the standard library",
    "ordereddict==1.1": "distutils with a single module",
    "enum34==1.1.10": "a package named enum; Python 2 sources beside",
    "ipaddress==1.0.23": "shadows a module of the standard library",
    "singledispatch==3.4.0.3": "a version of four parts; two modules",
    "Unidecode==0.04.21": "a version with a leading zero",
    "pathtools==0.1.2": "imports version by imp or execfile",
    "sgmllib3k==1.0.0": "a name that is not its module's",
    "pyperclip==1.7.0": "reads its version by a regular expression",
    "configobj==5.0.6": "modules at the top, a package beside",
    "blessings==1.7": "use_2to3 left behind",
    "zope.event==4.4": "a namespace package of pkg_resources, src layout",
    "repoze.lru==0.7": "a namespace package with nspkg.pth",
    "PasteDeploy==2.1.1": "a namespace package, setup_requires pytest-runner",
    "backports.functools_lru_cache==1.6.1": "setup_requires setuptools_scm, pkgutil namespace",
    "backports.tempfile==1.0": "setuptools_scm, src layout",
    "mccabe==0.6.1": "setup_requires pytest-runner",
    "extras==1.0.0": "a name of PEP 508's grammar",
    "tabulate==0.8.2": "a single module and an entry point",
    "texttable==1.6.2": "a single module",
    "ptyprocess==0.7.0": "flit, pyproject.toml beside setup.py",
    "flit_core==2.3.0": "a backend that builds itself",
    "jaraco.context==4.3.0": "setup.cfg and pyproject.toml without setup.py, setuptools_scm",
    "polib==1.0.8": "METADATA 1.1 in PKG-INFO",
}
"""Requirements, and what is odd about each."""
CONSTRAINT = "setuptools<81\n"
"""pkg_resources, which namespace packages of the past import, is in no later setuptools."""
TOOL_FILES = (".dist-info/RECORD", ".dist-info/WHEEL", ".dist-info/pbr.json")
"""They name the tool. pbr.json is copied from an sdist unless metadata is prepared first (pip)."""
PIP_THREADS = os.cpu_count() or 2


def _contents(wheel: Path) -> dict[str, str]:
    """Return the digests of a wheel's files by name, except those that the tool's name is in."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if not name.endswith((*TOOL_FILES, "/"))
        }


def _build_with_pip(requirement: str, folder: Path) -> str:
    """Build with pip; return the end of its output if it fails."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-cache-dir"),
            *("--no-binary", requirement.partition("==")[0], "--wheel-dir", str(folder)),
            requirement,
        ],
        env={**os.environ, "PIP_CONSTRAINT": str(folder.parent / "constraint.txt")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr[-1000:] if done.returncode else ""


def _build_with_wheelpool(folder: Path) -> str:
    root = folder.parent
    done = subprocess.run(
        [
            *(str(WHEELPOOL), "build", *SDISTS, "--no-binary", ":all:", "--no-ui"),
            *("--out-dir", str(folder)),
        ],
        env={
            **os.environ,
            "PIP_CONSTRAINT": str(root / "constraint.txt"),
            **{f"XDG_{name}_HOME": str(root / name) for name in ("CACHE", "STATE", "CONFIG")},
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


def test_sdists_of_the_past_give_the_same_wheels_as_with_pip(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    (tmp_path / "constraint.txt").write_text(CONSTRAINT)
    theirs.mkdir()
    output = _build_with_wheelpool(ours)
    with ThreadPoolExecutor(PIP_THREADS) as threads:
        failures = list(threads.map(lambda one: _build_with_pip(one, theirs), SDISTS))
    refused = [name for name, failure in zip(SDISTS, failures, strict=True) if failure]
    names = {wheel.name for wheel in theirs.iterdir()}
    assert len(names) >= len(SDISTS) - len(refused)
    missing = names - {wheel.name for wheel in ours.iterdir()}
    assert not missing, output
    different = {
        name: sorted(set(_contents(ours / name).items()) ^ set(_contents(theirs / name).items()))
        for name in names
        if _contents(ours / name) != _contents(theirs / name)
    }
    assert not different
    assert not refused, failures
