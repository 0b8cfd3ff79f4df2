"""Shims wrap an old make or ninja, keep their paths, and only run the tool outside of a run."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pool.build.frontend.build_env import BuildEnvironment
from pool.build.frontend.tool_shims import ToolShims, wrapped_program
from pool.system.interpreter import probe

if TYPE_CHECKING:
    from collections.abc import Iterator
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


def shim_of(shims: ToolShims, env: BuildEnvironment, name: str) -> Path:
    """Return the shim of a tool."""
    folders = shims.find_tools(env).shim_dirs
    (shim,) = [folder / name for folder in folders if (folder / name).exists()]
    return shim


def run(argv: list[str], environ: dict[str, str]) -> str:
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Path]:
    """A jobserver's FIFO, open as in a run."""
    os.mkfifo(tmp_path / "fifo")
    descriptor = os.open(tmp_path / "fifo", os.O_RDWR)
    yield tmp_path / "fifo"
    os.close(descriptor)


@pytest.mark.parametrize(
    ("version", "flags", "expected"),
    [
        ("4.3", "k -j4 --jobserver-auth={} -- V=1", "k -j4 --jobserver-auth=8,9 -- V=1"),
        ("4.3", " -- --jobserver-auth={}", " --jobserver-auth=8,9"),
        ("4.3", "k -- --jobserver-auth={} V=1", "k --jobserver-auth=8,9 -- V=1"),
        ("4.1", " -- --jobserver-auth={} V=1", " --jobserver-fds=8,9 -- V=1"),
        ("4.4.1", "k -- --jobserver-auth={} V=1", "k --jobserver-auth={} -- V=1"),
    ],
)
def test_shims_of_make_show_it_the_jobserver(
    tmp_path: Path, env: BuildEnvironment, fifo: Path, *, version: str, flags: str, expected: str
) -> None:
    tools = tmp_path / "it's $odd"
    program(tools, "make", f"GNU Make {version}")
    program(tools, "gmake", "GNU Make 4.3")
    environ = {"PATH": f"{tools}:{os.defpath}"}
    shim = shim_of(ToolShims(environ, tmp_path / "cache dir"), env, "make")
    name = f"fifo:{fifo}"
    output = run(
        [str(shim), "a b"],
        environ | {"MAKEFLAGS": flags.format(name), "WHEELPOOL_JOBSERVER": str(fifo)},
    )
    opened = "" if version == "4.4.1" else "8 and 9 are open\n"
    assert output == f"{opened}make a b MAKEFLAGS={expected.format(name)}\n"
    assert shim_of(ToolShims(environ, tmp_path / "cache dir"), env, "make") == shim
    assert wrapped_program(shim) == str(tools / "make")


@pytest.mark.parametrize(
    ("words", "expected", "held"),
    [
        ("-j8 x", "x", "-j8"),
        ("-j 8 x", "x", "-j8"),
        ("-j x", "x", "-j"),
        ("x -j", "x", "-j"),
        ("--jobs=8 -k", "-k", "-j8"),
        ("--jobs 0", "", "-j0"),
        ("-j99999999999999999999 x", "x", "-j99999999999999999999"),
        ("-j1 x", "-j1 x", ""),
        ("-j 1 x", "-j1 x", ""),
        ("yes1 -C j8", "yes1 -C j8", ""),
    ],
)
def test_make_with_a_number_of_jobs_is_held(
    tmp_path: Path, env: BuildEnvironment, fifo: Path, *, words: str, expected: str, held: str
) -> None:
    program(tmp_path / "bin", "make", "GNU Make 4.3")
    environ = {"PATH": f"{tmp_path / 'bin'}:{os.defpath}"}
    shim = shim_of(ToolShims(environ, tmp_path / "shims"), env, "make")
    flags = {"MAKEFLAGS": f" -- --jobserver-auth=fifo:{fifo}", "WHEELPOOL_JOBSERVER": str(fifo)}
    done = subprocess.run(
        [str(shim), *words.split()], env=environ | flags, capture_output=True, text=True, check=True
    )
    _, _, line = done.stdout.partition("\n")
    assert line.partition(" MAKEFLAGS")[0] == f"make {expected}"
    note = f"wheelpool: make {held} is held to the jobs of this build\n"
    assert done.stderr == (note if held else "")


def test_make_before_4_4_hides_the_fifo(tmp_path: Path, env: BuildEnvironment) -> None:
    program(tmp_path / "bin", "make", "GNU Make 4.4.1")
    program(tmp_path / "usr", "make", "GNU Make 4.3")
    environ = {"PATH": str(tmp_path / "bin")}
    new = ToolShims(environ, tmp_path / "shims", standard_folders=())
    assert not new.find_tools(env).hides_fifo
    assert not new.find_tools(env).shim_dirs
    old = ToolShims(environ, tmp_path / "shims", standard_folders=(str(tmp_path / "usr"),))
    assert old.find_tools(env).hides_fifo
    assert shim_of(old, env, "make")


def test_find_tools_damaged_shim_is_written_again(tmp_path: Path, env: BuildEnvironment) -> None:
    program(tmp_path / "tools", "make", "GNU Make 4.3")
    environ = {"PATH": f"{tmp_path}/tools:{os.defpath}"}
    folders = ToolShims(environ, tmp_path / "cache").find_tools(env).shim_dirs
    shim = next(folder / "make" for folder in folders if (folder / "make").exists())
    script = shim.read_text()
    shim.write_text("damaged")
    ToolShims(environ, tmp_path / "cache").find_tools(env)
    assert shim.read_text() == script


def test_the_make_of_an_old_gccs_link_uses_the_jobserver(
    tmp_path: Path, env: BuildEnvironment, fifo: Path
) -> None:
    """As lto-wrapper of gcc 10 to 12 calls it: MAKEFLAGS emptied, every processor used."""
    program(tmp_path / "bin", "make", "GNU Make 4.3")
    program(tmp_path / "bin", "gmake", "GNU Make 4.4.1")
    environ = {"PATH": f"{tmp_path / 'bin'}:{os.defpath}", "MAKEFLAGS": ""}
    shim = shim_of(ToolShims(environ, tmp_path / "shims"), env, "make")
    call = [str(shim), "-f", "/tmp dir/ccAb0wZj.mk", "-j16", "all"]
    output = run(call, environ | {"WHEELPOOL_JOBSERVER": str(fifo)})
    mine = run([*call[:2], "build.mk", *call[3:]], environ | {"WHEELPOOL_JOBSERVER": str(fifo)})
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
    shim = shim_of(ToolShims(environ, tmp_path / "shims"), env, "make")
    assert run([str(shim), "x"], environ | {"MAKEFLAGS": flags}) == (f"make x MAKEFLAGS={flags}\n")


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


@pytest.mark.parametrize(
    ("version", "lease", "words", "expected"),
    [
        ("1.11.1", "3", "-j8 x", "-j3 x"),
        ("1.11.1", "3", "-j 2 x", "-j3 -j2 x"),
        ("1.11.1", "3", "-j1 x", "-j3 -j1 x"),
        ("1.13.0", None, "-v -j8 x", "-v x"),
        ("1.13.0", None, "-j1", "-j1"),
        ("1.13.0", None, "x", "x"),
    ],
)
def test_ninja_with_a_number_of_jobs_is_held(
    tmp_path: Path,
    env: BuildEnvironment,
    *,
    version: str,
    lease: str | None,
    words: str,
    expected: str,
) -> None:
    program(tmp_path / "bin", "ninja", version)
    has(env, "meson_python-0.18.0")
    environ = {"PATH": f"{tmp_path / 'bin'}:{os.defpath}"}
    tools = ToolShims(environ, tmp_path / "shims").find_tools(env)
    output = run(["ninja", *words.split()], tools.environ(environ, int(lease or 1)))
    assert output.startswith(f"ninja {expected} MAKEFLAGS")


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
    assert not tools.leased_ninja
