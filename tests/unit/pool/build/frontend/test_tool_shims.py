"""Shims wrap an old make or ninja, keep their paths, and only run the tool outside of a run."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pool.build.frontend.build_env import BuildEnvironment
from pool.build.frontend.tool_shims import ToolShims
from pool.system.interpreter import probe

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """#!/bin/sh
if [ "$1" = --version ]; then echo "{says}"; exit; fi
[ -p /dev/fd/8 ] && [ -p /dev/fd/9 ] && echo "8 and 9 are open"
echo "{name} $* MAKEFLAGS=$MAKEFLAGS"
"""


def program(folder: Path, name: str, says: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(PROGRAM.format(name=name, says=says))
    (folder / name).chmod(0o755)


@pytest.fixture
def env(tmp_path: Path) -> BuildEnvironment:
    interpreter = probe(None, {"PATH": os.defpath})
    env = BuildEnvironment(path=tmp_path / "env", interpreter=interpreter)
    env.bin.mkdir(parents=True)
    (env.path / interpreter.site).mkdir(parents=True)
    return env


def has(env: BuildEnvironment, *names: str) -> None:
    for name in names:
        (env.path / env.interpreter.site / f"{name}.dist-info").mkdir()


def run(argv: list[str], environ: dict[str, str]) -> str:
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=True).stdout


def test_an_old_make_gets_descriptors_and_a_new_one_no_shim(
    tmp_path: Path, env: BuildEnvironment
) -> None:
    tools = tmp_path / "it's $odd"
    program(tools, "make", "GNU Make 4.3")
    program(tools, "gmake", "GNU Make 4.4.1")
    environ = {"PATH": f"{tools}:{os.defpath}"}
    shims = ToolShims(environ, tmp_path / "cache dir")
    (folder,) = shims.find_tools(env).shim_dirs
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    keeper = os.open(fifo, os.O_RDWR)
    flags = f"k -j4 --jobserver-auth=fifo:{fifo} -- V=1"
    output = run(
        ["make", "a b"],
        {
            "PATH": f"{folder}:{environ['PATH']}",
            "MAKEFLAGS": flags,
            "WHEELPOOL_JOBSERVER": str(fifo),
        },
    )
    os.close(keeper)
    assert output == "8 and 9 are open\nmake a b MAKEFLAGS=k -j4 --jobserver-auth=8,9 -- V=1\n"
    assert ToolShims(environ, tmp_path / "cache dir").find_tools(env).shim_dirs == (folder,)
    assert [path.name for path in folder.iterdir()] == ["make"]


def test_the_make_of_an_old_gccs_link_uses_the_jobserver(
    tmp_path: Path, env: BuildEnvironment
) -> None:
    """As lto-wrapper of gcc 10 to 12 calls it: MAKEFLAGS emptied, every processor used."""
    program(tmp_path / "bin", "make", "GNU Make 4.3")
    program(tmp_path / "bin", "gmake", "GNU Make 4.4.1")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    environ = {"PATH": f"{tmp_path / 'bin'}:{os.defpath}", "MAKEFLAGS": ""}
    (folder,) = ToolShims(environ, tmp_path / "shims").find_tools(env).shim_dirs
    call = [f"{folder}/make", "-f", "/tmp dir/ccAb0wZj.mk", "-j16", "all"]
    keeper = os.open(fifo, os.O_RDWR)
    output = run(call, environ | {"WHEELPOOL_JOBSERVER": str(fifo)})
    mine = run([*call[:2], "build.mk", *call[3:]], environ | {"WHEELPOOL_JOBSERVER": str(fifo)})
    os.close(keeper)
    assert output == (
        "8 and 9 are open\nmake -f /tmp dir/ccAb0wZj.mk all MAKEFLAGS= --jobserver-auth=8,9\n"
    )
    assert mine == "make -f build.mk -j16 all MAKEFLAGS=\n"
    assert run(call, environ) == "make -f /tmp dir/ccAb0wZj.mk -j16 all MAKEFLAGS=\n"


@pytest.mark.parametrize("flags", ["", " -j --jobserver-auth=3,4", " --jobserver-auth=fifo:/other"])
def test_with_another_jobserver_or_none_the_shim_only_runs_make(
    tmp_path: Path, env: BuildEnvironment, flags: str
) -> None:
    program(tmp_path / "bin", "make", "GNU Make 4.2.1")
    program(tmp_path / "bin", "gmake", "GNU Make 4.4.1")
    environ = {"PATH": f"{tmp_path / 'bin'}:{os.defpath}"}
    (folder,) = ToolShims(environ, tmp_path / "shims").find_tools(env).shim_dirs
    assert run([f"{folder}/make", "x"], environ | {"MAKEFLAGS": flags}) == (
        f"make x MAKEFLAGS={flags}\n"
    )


def test_a_make_of_the_build_requirements_gets_no_shim(
    tmp_path: Path, env: BuildEnvironment
) -> None:
    program(tmp_path / "bin", "make", "GNU Make 4.3")
    program(tmp_path / "bin", "gmake", "GNU Make 4.3")
    program(env.bin, "make", "GNU Make 4.4.1")
    shims = ToolShims({"PATH": str(tmp_path / "bin")}, tmp_path / "shims")
    assert [
        [one.name for one in folder.iterdir()] for folder in shims.find_tools(env).shim_dirs
    ] == [["gmake"]]


def test_an_old_ninja_gets_its_lease_as_a_number(tmp_path: Path, env: BuildEnvironment) -> None:
    program(tmp_path / "bin", "ninja", "1.11.1")
    environ = {"PATH": f"{tmp_path / 'bin'}:{os.defpath}"}
    assert not ToolShims(environ, tmp_path / "shims").find_tools(env).needs_lease, (
        "no tool would call it"
    )
    has(env, "scikit_build_core-0.11")
    tools = ToolShims(environ, tmp_path / "shims").find_tools(env)
    assert tools.needs_lease
    assert run(["ninja", "all"], tools.environ(environ, 3)).startswith("ninja -j3 all ")


def test_a_ninja_of_the_build_requirements_has_the_version_of_its_distribution(
    tmp_path: Path, env: BuildEnvironment
) -> None:
    program(tmp_path / "bin", "ninja", "1.11.1")
    program(env.bin, "ninja", "not queried")
    has(env, "meson_python-0.18.0", "ninja-1.13.0")
    assert (
        not ToolShims({"PATH": str(tmp_path / "bin")}, tmp_path / "shims")
        .find_tools(env)
        .needs_lease
    )


@pytest.mark.parametrize(("ninja", "leased"), [("1.13.0", True), (None, False)])
def test_an_extension_of_torch_with_ninja_needs_a_lease(
    tmp_path: Path, env: BuildEnvironment, ninja: str | None, *, leased: bool
) -> None:
    if ninja is not None:
        program(tmp_path / "bin", "ninja", ninja)
    has(env, "torch-2.9.0", "setuptools-80.0")
    tools = ToolShims({"PATH": str(tmp_path / "bin")}, tmp_path / "shims").find_tools(env)
    assert tools.needs_lease == leased
    assert tools.ninja is None, "it needs no shim"
