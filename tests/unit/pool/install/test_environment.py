"""Target environments: found, and refused."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from pool.common.errors import EnvironmentTargetError
from pool.install.environment import find_environment

VERSIONS = Path.home() / ".pyenv" / "versions"


@pytest.fixture
def env(tmp_path: Path) -> Path:
    venv.EnvBuilder(with_pip=False, symlinks=True).create(tmp_path / "env")
    return tmp_path / "env"


def refused(into: Path | None, environ: dict[str, str]) -> EnvironmentTargetError:
    with pytest.raises(EnvironmentTargetError) as caught:
        find_environment(into, environ)
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize("path", ["", "bin/python", "bin/python3", "lib/.."])
def test_a_folder_or_its_python_is_an_environment(env: Path, path: str) -> None:
    found = find_environment(env / path, os.environ)
    assert found.prefix == Path(os.path.normpath(env))
    assert found.python == found.prefix / "bin/python"
    assert found.lock_path == found.prefix / ".lock"


def test_paths_are_those_of_the_environments_own_python(env: Path) -> None:
    script = (
        "import sys, sysconfig, json; print(json.dumps([sys.prefix, "
        "*(sysconfig.get_path(name) for name in ('purelib', 'platlib', 'scripts', 'data'))]))"
    )
    said = subprocess.run([env / "bin/python", "-c", script], capture_output=True, check=True)
    layout = find_environment(env, os.environ).layout
    paths = (layout.prefix, layout.purelib, layout.platlib, layout.scripts, layout.data)
    assert list(map(str, paths)) == eval(said.stdout)
    version = "python{}.{}".format(*sys.version_info)
    assert layout.headers == env / "include/site" / version


def test_another_python_has_its_own_paths(tmp_path: Path) -> None:
    others = [path for path in sorted(VERSIONS.glob("3.*/bin/python")) if "/3.11" not in str(path)]
    if not others:
        pytest.skip("no other Python here")
    subprocess.run([others[-1], "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    found = find_environment(tmp_path / "env", os.environ)
    short = ".".join(found.interpreter.version.split(".")[:2])
    assert found.layout.purelib == tmp_path / f"env/lib/python{short}/site-packages"
    assert found.layout.purelib.is_dir()


@pytest.mark.parametrize("name", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_the_active_environment_is_the_default(env: Path, name: str) -> None:
    assert find_environment(None, {**bare(), name: str(env)}).prefix == env


def test_without_an_active_environment_there_is_an_error() -> None:
    problem = refused(None, bare())
    assert (problem.exit_code, problem.reference) == (2, "bad-environment")
    assert "--into .venv" in problem.hint


def test_code_of_the_environment_does_not_run(env: Path, tmp_path: Path) -> None:
    site = find_environment(env, os.environ).layout.purelib
    (site / "loud.pth").write_text(
        f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()"
    )
    find_environment(env, os.environ)
    assert not (tmp_path / "ran").exists()


def test_paths_without_an_environment_are_refused(tmp_path: Path) -> None:
    assert "there is no such folder" in refused(tmp_path / "none", bare()).message
    assert "not an environment" in refused(tmp_path, bare()).message
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to("/bin/false")
    assert "not a Python that can be used" in refused(tmp_path, bare()).message


def test_wheelpools_own_environment_is_refused() -> None:
    assert "wheelpool itself" in refused(Path(sys.prefix), bare()).message
    assert "wheelpool itself" in refused(None, {**bare(), "VIRTUAL_ENV": sys.prefix}).message


def test_a_managed_python_is_refused(env: Path, tmp_path: Path) -> None:
    """A minimal copy of a Python with the marker of PEP 668 in its standard library."""
    found = find_environment(env, os.environ)
    home = found.interpreter.executable.resolve().parents[1]
    library = f"lib/python{sys.version_info.major}.{sys.version_info.minor}"
    (tmp_path / "usr" / library).mkdir(parents=True)
    for path in (home / library).iterdir():
        if path.name != "site-packages":
            (tmp_path / "usr" / library / path.name).symlink_to(path)
    (tmp_path / "usr/bin").mkdir()
    python = tmp_path / "usr/bin/python"
    python.symlink_to(found.interpreter.executable.resolve())
    (tmp_path / "usr" / library / "EXTERNALLY-MANAGED").touch()
    launcher = tmp_path / "python"
    # Without -I, which would ignore the variable.
    launcher.write_text(f'#!/bin/sh\nshift\nPYTHONHOME={tmp_path}/usr exec {python} "$@"\n')
    launcher.chmod(0o755)
    problem = refused(launcher, bare())
    assert "PEP 668" in problem.message
    assert "venv" in problem.hint


def bare() -> dict[str, str]:
    return {"PATH": os.environ["PATH"]}
