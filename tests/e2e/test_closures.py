"""--deps: what is asked for and all that it requires, chosen together, in words where it cannot be."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

import pool
from tests.support.makers import make_sdist, make_tree, make_wheel
from tests.support.sandbox import (
    CommandResult,
    Sandbox,
    make_setuptools_tree,
    most_at_once,
    pack_sdist,
)

DYNAMIC = """
import os, time

def tell(what):
    with open(os.environ["TIMES"], "a") as times:
        times.write(f"{what} {os.getpid()} {time.monotonic()}\\n")

_wheel = build_wheel

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    tell("start")
    time.sleep(0.05)
    made = _wheel(wheel_directory)
    tell("end")
    return made

def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    tell("start")
    time.sleep(0.05)
    info = next(name for name in FILES if name.endswith("/METADATA"))
    os.mkdir(os.path.join(metadata_directory, os.path.dirname(info)))
    with open(os.path.join(metadata_directory, info), "w") as file:
        file.write(FILES[info])
    tell("end")
    return os.path.dirname(info)
"""
"""A backend that tells when it works."""


@pytest.fixture
def links(sandbox: Sandbox) -> Path:
    """A folder instead of an index."""
    folder = sandbox.root / "links"
    folder.mkdir()
    sandbox.environ["PIP_FIND_LINKS"] = str(folder)
    return folder


def static(name: str, version: str = "1.0", requires: Sequence[str] = ()) -> dict[str, str]:
    """Return a PKG-INFO that promises to be what every wheel says (PEP 643)."""
    lines = ["Metadata-Version: 2.2", f"Name: {name}", f"Version: {version}"]
    text = "\n".join([*lines, *(f"Requires-Dist: {one}" for one in requires), "", ""])
    return {"PKG-INFO": text}


def wheels(sandbox: Sandbox) -> list[str]:
    return sorted("-".join(path.name.split("-")[:2]) for path in sandbox.out.glob("*.whl"))


def purposes(done: CommandResult) -> list[tuple[str, str]]:
    return sorted((build.name, build.purpose) for build in done.state.builds.values())


def check_success(done: CommandResult) -> CommandResult:
    assert done.code == 0, done.err + str(done.state.resolve)
    return done


def lines_of(sandbox: Sandbox, *arguments: str) -> str:
    """Return what a run says to people."""
    argv = [word for word in sandbox.argv("build", *arguments) if word != "--json"]
    done = subprocess.run(
        argv, env=sandbox.environ, cwd=sandbox.root, capture_output=True, text=True, check=False
    )
    return done.stderr


def test_static_metadata_is_read_without_any_build(sandbox: Sandbox, links: Path) -> None:
    make_sdist(links, "app", requires=["lib"], files=static("app", requires=["lib"]))
    make_sdist(links, "lib", files=static("lib"))
    done = check_success(sandbox.run("build", "app", "--deps"))
    assert wheels(sandbox) == ["app-1.0", "lib-1.0"]
    assert purposes(done) == [("app", "wheel"), ("lib", "wheel")]


@pytest.mark.parametrize("cap", [1, 3])
def test_dynamic_metadata_is_a_build_under_the_cap(sandbox: Sandbox, links: Path, cap: int) -> None:
    names = [f"lib{number}" for number in range(4)]
    make_sdist(links, "app", requires=names, backend=DYNAMIC)
    for name in names:
        make_sdist(links, name, backend=DYNAMIC)
    done = check_success(sandbox.run("build", "app", "--deps", "-j", str(cap)))
    assert wheels(sandbox) == ["app-1.0", *(f"{name}-1.0" for name in names)]
    wanted = [(name, what) for name in ("app", *names) for what in ("metadata", "wheel")]
    assert purposes(done) == wanted
    assert most_at_once(sandbox.times) <= cap
    sandbox.times.unlink()
    done = check_success(sandbox.run("build", "app", "--deps"))
    assert {build.outcome for build in done.state.builds.values()} == {pool.Outcome.CACHED}
    assert not sandbox.times.exists(), "a wheel that was built before tells its metadata"


def test_metadata_of_a_real_backend_is_built_with_its_build_requirements(
    sandbox: Sandbox, links: Path
) -> None:
    """Neither the helper nor setuptools are at hand: both come through the same pool."""
    sandbox.environ["PIP_FIND_LINKS"] = f"{links} {sandbox.wheels}"
    script = "import helper\nfrom setuptools import setup\nsetup(name=NAME, version='1.0', install_requires=['lib'], py_modules=[NAME])\n"
    make_sdist(links, "helper")
    make_wheel(links, "lib")
    tree = make_setuptools_tree(sandbox.root / "src" / "app", "app", script, requires=("helper",))
    pack_sdist(links, tree)
    check_success(sandbox.run("build", "app", "--deps", "-j", "1"))
    assert wheels(sandbox) == ["app-1.0", "lib-1.0"]


def test_older_versions_are_taken_where_the_newest_do_not_go_together(
    sandbox: Sandbox, links: Path
) -> None:
    make_wheel(links, "app", requires=["lib", "base"])
    make_wheel(links, "lib", "1.0", requires=["base>=2"])
    make_wheel(links, "lib", "2.0", requires=["base<2"])
    make_wheel(links, "lib", "3.0", requires=["base<1"])
    make_wheel(links, "base", "1.0")
    make_wheel(links, "base", "2.0")
    make_wheel(links, "base", "2.1rc1")
    said = lines_of(sandbox, "app", "base>=2", "--deps", "-v")
    assert wheels(sandbox) == ["app-1.0", "base-2.0", "lib-1.0"]
    selection = said[said.index("Selected") :]
    for words in (
        "base 2.0",
        "you requested base>=2",
        "lib 1.0 needs base>=2",
        "not 2.1rc1: a pre-release",
        "app 1.0 needs lib",
        "not 3.0: it does not go together with the others",
    ):
        assert words in selection, said


def test_extras_of_requirements_count(sandbox: Sandbox, links: Path) -> None:
    make_wheel(links, "app", requires=["lib[fast]"])
    headers = ["Provides-Extra: fast", "Provides-Extra: slow"]
    needs = ["turbo; extra == 'fast'", "snail; extra == 'slow'"]
    make_wheel(links, "lib", requires=needs, headers=headers)
    for name in ("turbo", "snail"):
        make_wheel(links, name)
    check_success(sandbox.run("build", "app", "--deps"))
    assert wheels(sandbox) == ["app-1.0", "lib-1.0", "turbo-1.0"]
    check_success(sandbox.run("build", "lib[slow]", "--deps"))
    assert "snail-1.0" in wheels(sandbox)


def test_conflicts_name_requirements_and_parents(sandbox: Sandbox, links: Path) -> None:
    make_wheel(links, "app", requires=["lib>=2"])
    make_wheel(links, "other", requires=["lib<2"])
    for version in ("1.0", "2.0"):
        make_wheel(links, "lib", version)
    done = sandbox.run("build", "app", "other", "--deps")
    assert done.code == 1
    assert done.state.resolve
    assert "app 1.0 needs lib>=2" in done.state.resolve.message
    assert "other 1.0 needs lib<2" in done.state.resolve.message
    assert not wheels(sandbox)
    (sandbox.root / "c.txt").write_text("# limits\nlib<2\n")
    said = lines_of(sandbox, "app", "--deps", "-c", "c.txt")
    assert "app 1.0 needs lib>=2" in said
    assert "c.txt:2 allows only lib<2" in said
    done = sandbox.run("build", "app", "--deps", "--no-binary", "lib")
    assert done.code == 1
    assert done.state.resolve
    assert "--no-binary" in done.state.resolve.message


def test_a_missing_project_is_named_with_its_parent(sandbox: Sandbox, links: Path) -> None:
    make_wheel(links, "app", requires=["nowhere-to-be-found>=1"])
    done = sandbox.run("build", "app", "--deps")
    assert done.code == 1
    assert done.state.resolve
    assert "app 1.0 needs nowhere-to-be-found>=1" in done.state.resolve.message
    assert str(links) in done.state.resolve.hint


def test_fail_fast_ends_builds_when_resolving_fails(sandbox: Sandbox, links: Path) -> None:
    slow = "import time\nbuild_wheel = lambda *args: time.sleep(600)\n"
    make_sdist(sandbox.root, "slow", files=static("slow", requires=["nowhere"]), backend=slow)
    done = sandbox.run("build", "slow-1.0.tar.gz", "--deps", "--fail-fast")
    assert done.code == 1
    assert done.state.resolve
    assert "slow 1.0 needs nowhere" in done.state.resolve.message
    assert done.outcome("slow") is pool.Outcome.CANCELLED


def test_a_url_in_the_metadata_of_a_dependency_is_built(sandbox: Sandbox, links: Path) -> None:
    tree = make_tree(sandbox.root / "trees", "lib", "7.0", requires=["base"])
    packed = make_sdist(sandbox.root, "other", "3.0")
    make_wheel(links, "base")
    make_wheel(links, "lib", "9.0")
    requires = [f"lib @ {tree.as_uri()}", f"other @ {packed.as_uri()}"]
    make_wheel(links, "app", requires=requires)
    check_success(sandbox.run("build", "app", "--deps"))
    assert wheels(sandbox) == ["app-1.0", "base-1.0", "lib-7.0", "other-3.0"]


def test_a_dependency_without_metadata_fails_with_a_message(sandbox: Sandbox, links: Path) -> None:
    breaks = (
        "\ndef prepare_metadata_for_build_wheel(*_):\n    raise ValueError('no metadata today')\n"
    )
    make_wheel(links, "app", requires=["lib"])
    make_sdist(links, "lib", backend=breaks)
    done = sandbox.run("build", "app", "--deps")
    assert done.code == 1
    (bad,) = [b for b in done.state.builds.values() if b.outcome is pool.Outcome.FAILED]
    assert (bad.name, bad.purpose) == ("lib", "metadata")
    assert "no metadata today" in bad.message
    assert done.state.resolve
    assert "lib" in done.state.resolve.message
