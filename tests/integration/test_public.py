"""Real sdists of the public index: every common backend, C, Cython, another interpreter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import pool
from tests.integration.sandbox import Sandbox

pytestmark = pytest.mark.public

SDISTS = [
    "six",
    "idna",
    "attrs",
    "click",
    "packaging",
    "rich",
    "urllib3",
    "pluggy",
    "pytest",
    "tqdm",
    "markupsafe",
    "pyyaml",
    "frozenlist",
]


@pytest.fixture
def public(sandbox: Sandbox) -> Sandbox:
    """The sandbox with pip's configuration of this machine instead of the local folder."""
    for name in ("PIP_CONFIG_FILE", "PIP_NO_INDEX", "PIP_FIND_LINKS"):
        del sandbox.environ[name]
    ours = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PIP_", "UV_", "XDG_CONFIG"))
    }
    sandbox.environ.update(ours)
    return sandbox


def test_sdists_of_all_common_backends_build(public: Sandbox) -> None:
    done = public.run("build", *SDISTS, "-j", "2")
    outcomes = {
        build.name: build.outcome for build in done.state.builds.values() if not build.nested
    }
    assert outcomes == dict.fromkeys(SDISTS, pool.Outcome.BUILT), done.err
    assert done.code == 0
    wheels = sorted(public.out.glob("*.whl"))
    assert len(wheels) == len(SDISTS)
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            assert archive.testzip() is None
    target = public.root / "installed"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(target),
    ]
    subprocess.run([*pip, *map(str, wheels)], check=True, env=public.environ)
    code = "import six, idna, attr, click, packaging, rich, urllib3, tqdm, markupsafe._speedups, yaml._yaml, frozenlist._frozenlist"
    subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(target)!r}); {code}"],
        check=True,
    )


def other_python() -> str | None:
    """Return an interpreter of another version that has headers to compile with."""
    mine = f"{sys.version_info.major}.{sys.version_info.minor}"
    versions = Path.home() / ".pyenv" / "versions"
    found = [str(path) for path in sorted(versions.glob("3.*/bin/python3"), reverse=True)]
    found += [path for minor in range(9, 16) if (path := shutil.which(f"python3.{minor}"))]
    for python in found:
        ask = "import sys, sysconfig, os; print('%d.%d' % sys.version_info[:2], os.path.exists(sysconfig.get_paths()['include'] + '/Python.h'))"
        told = subprocess.run(
            [python, "-I", "-c", ask], capture_output=True, text=True, check=False
        ).stdout.split()
        if told and told[0] != mine and told[1] == "True" and int(told[0].split(".")[1]) >= 9:
            return python
    return None


def test_a_compiled_package_for_another_interpreter(public: Sandbox) -> None:
    python = other_python()
    if python is None:
        pytest.skip("this machine has no other Python with headers")
    done = public.run("build", "markupsafe==3.0.3", "--python", python)
    assert done.code == 0, done.err
    (wheel,) = public.out.glob("*.whl")
    ask = "import sys; print('cp%d%d' % sys.version_info[:2])"
    tag = subprocess.run(
        [python, "-I", "-c", ask], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert f"-{tag}-{tag}-" in wheel.name
    code = f"import sys; sys.path.insert(0, {str(wheel)!r}); import markupsafe; print(markupsafe.__file__)"
    subprocess.run([python, "-I", "-c", code], check=True)
    unpacked = public.root / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    code = f"import sys; sys.path.insert(0, {str(unpacked)!r}); import markupsafe._speedups"
    subprocess.run([python, "-I", "-c", code], check=True)
