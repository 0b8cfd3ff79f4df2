"""Builds that need what the same run installs: it goes into the environment first."""

from __future__ import annotations

from pathlib import Path

import pytest

import pool
from pool.events import types as v
from tests.support.makers import make_sdist, make_tree, make_wheel
from tests.support.sandbox import CommandResult, Sandbox
from tests.support.target import Target

NEEDS_TORCH = """
import torch, symbols
FILES["ext.py"] = f"built_with = {torch.__version__!r}\\n"
"""
"""An extension's backend, wherever it is imported: to build as well as for metadata."""


def pyproject(name: str, requires: str, project: str) -> dict[str, str]:
    """Return a tree's pyproject.toml."""
    text = (
        f'[build-system]\nrequires = [{requires}]\nbuild-backend = "inline_backend"\n'
        f'backend-path = ["."]\n[project]\nname = "{name}"\n{project}\n'
    )
    return {"pyproject.toml": text}


TORCH = pyproject("torch", "", 'version = "1.0"\ndependencies = ["symbols"]')
DYNAMIC_TORCH = pyproject("torch", "", 'dynamic = ["version", "dependencies"]')
DYNAMIC = pyproject("ext", '"torch"', 'dynamic = ["version", "dependencies"]')


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder for ``--find-links``, with what torch needs in turn."""
    make_wheel(tmp_path / "shelf", "symbols")
    return tmp_path / "shelf"


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path / "env")


def put(sandbox: Sandbox, target: Target, *what: str | Path) -> CommandResult:
    shelf = str(sandbox.root / "shelf")
    return sandbox.run("install", *what, "--into", target.path, "--no-index", "--find-links", shelf)


def sets(sandbox: Sandbox) -> list[set[str]]:
    """Return what was put in place, set by set."""
    with pool.JournalReader(sandbox.log) as reader:
        changed = [one for one in reader.read() if isinstance(one, v.EnvironmentChanged)]
    return [{change.name for change in one.changes} for one in changed]


def built_in_order(sandbox: Sandbox, target: Target, done: CommandResult) -> None:
    """See that torch was there with all that it needs before the extension was built."""
    assert done.code == 0, done.err
    assert sets(sandbox) == [{"torch", "symbols"}, {"ext"}]
    assert target.versions() == {"torch": "1.0", "symbols": "1.0", "ext": "1.0"}
    assert target.run("import ext; print(ext.built_with)") == "1.0"
    target.check()


@pytest.mark.parametrize("flags", [["--no-build-isolation"], ["--no-build-isolation-package=ext"]])
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_build_requirements_of_an_extension_are_built_first(
    sandbox: Sandbox, target: Target, shelf: Path, kind: str, flags: list[str]
) -> None:
    make = make_wheel if kind == "wheel" else make_sdist
    make(shelf, "torch", requires=["symbols"])
    make_sdist(shelf, "ext", build_requires=["torch"], requires=["torch"], backend=NEEDS_TORCH)
    built_in_order(sandbox, target, put(sandbox, target, "ext", "torch", *flags))


def test_it_is_there_for_the_metadata_too(sandbox: Sandbox, target: Target, shelf: Path) -> None:
    make_sdist(shelf, "torch", requires=["symbols"])
    make_sdist(shelf, "ext", requires=["torch"], backend=NEEDS_TORCH, files=DYNAMIC)
    done = put(sandbox, target, "ext", "torch", "--no-build-isolation-package=ext")
    built_in_order(sandbox, target, done)


@pytest.mark.parametrize("torch_says", [TORCH, DYNAMIC_TORCH], ids=["static", "dynamic"])
@pytest.mark.parametrize("ext_says", [{}, DYNAMIC], ids=["static", "dynamic"])
def test_both_can_be_trees(
    sandbox: Sandbox,
    target: Target,
    shelf: Path,
    torch_says: dict[str, str],
    ext_says: dict[str, str],
) -> None:
    trees = shelf.with_name("trees")
    torch = make_tree(trees, "torch", requires=["symbols"], files=torch_says)
    ext = make_tree(trees, "ext", build_requires=["torch"], backend=NEEDS_TORCH, files=ext_says)
    done = put(sandbox, target, ext, torch, "--no-build-isolation")
    built_in_order(sandbox, target, done)


def test_a_requirement_may_point_at_a_tree(
    sandbox: Sandbox, target: Target, shelf: Path, tmp_path: Path
) -> None:
    tree = make_tree(tmp_path / "trees", "pointed")
    make_wheel(shelf, "top", requires=[f"pointed @ {tree.as_uri()}"])
    done = put(sandbox, target, "top", "--no-build-isolation")
    assert done.code == 0, done.err
    assert target.versions() == {"top": "1.0", "pointed": "1.0"}


def test_a_build_does_not_wait_for_versions_that_cannot_be_found(
    sandbox: Sandbox, target: Target, shelf: Path, tmp_path: Path
) -> None:
    make_wheel(shelf, "top", requires=["nowhere"])
    ext = make_tree(tmp_path / "trees", "ext", build_requires=["torch"], files=DYNAMIC)
    done = put(sandbox, target, ext, "top", "--no-build-isolation")
    assert done.code == 1
    assert "nowhere" in done.err
    assert done.outcome("ext") is pool.Outcome.SKIPPED
    assert target.versions() == {}


def test_packages_of_the_environment_are_used(
    sandbox: Sandbox, target: Target, shelf: Path
) -> None:
    make_wheel(shelf, "torch", requires=["symbols"])
    assert put(sandbox, target, "torch").code == 0
    make_sdist(shelf, "ext", build_requires=["torch"], backend=NEEDS_TORCH)
    done = put(sandbox, target, "ext", "--no-build-isolation")
    assert done.code == 0, done.err
    assert sets(sandbox) == [{"ext"}]
    assert target.run("import ext; print(ext.built_with)") == "1.0"


def test_a_circle_is_named(sandbox: Sandbox, target: Target, shelf: Path, tmp_path: Path) -> None:
    hen = make_tree(tmp_path / "trees", "hen", build_requires=["egg"])
    egg = make_tree(tmp_path / "trees", "egg", build_requires=["hen"])
    done = put(sandbox, target, hen, egg, "--no-build-isolation")
    assert done.code == 1
    assert "circle" in done.err
    assert "hen needs egg" in done.err or "egg needs hen" in done.err
    assert target.versions() == {}


def test_nothing_is_installed_when_a_build_requirement_fails(
    sandbox: Sandbox, target: Target, shelf: Path
) -> None:
    make_sdist(shelf, "torch", backend="\ndef build_wheel(*_, **__): raise SystemExit('no')\n")
    make_sdist(shelf, "ext", build_requires=["torch"], backend=NEEDS_TORCH)
    done = put(sandbox, target, "ext", "torch", "--no-build-isolation")
    assert done.code == 1
    assert done.outcome("torch") is pool.Outcome.FAILED
    assert done.outcome("ext") is pool.Outcome.SKIPPED
    assert "needs torch" in done.err
    assert target.versions() == {}


def test_a_missing_build_requirement_is_reported(
    sandbox: Sandbox, target: Target, shelf: Path
) -> None:
    make_sdist(shelf, "ext", build_requires=["torch"], backend=NEEDS_TORCH)
    done = put(sandbox, target, "ext", "--no-build-isolation")
    assert done.code == 1
    (build,) = done.state.builds.values()
    assert "No module named 'torch'" in build.message
    assert build.message in done.err
    assert target.versions() == {}


def test_a_version_known_only_after_its_build_fits_until_then(
    sandbox: Sandbox, target: Target, shelf: Path, tmp_path: Path
) -> None:
    dynamic = make_tree(
        tmp_path / "trees", "torch", "2.0", requires=["symbols"], files=DYNAMIC_TORCH
    )
    make_wheel(shelf, "top", requires=["torch>=2"])
    done = put(sandbox, target, dynamic, "top", "--no-build-isolation")
    assert done.code == 0, done.err
    assert target.versions() == {"torch": "2.0", "symbols": "1.0", "top": "1.0"}


def test_an_installed_build_requirement_is_replaced_by_a_fitting_one(
    sandbox: Sandbox, target: Target, shelf: Path, tmp_path: Path
) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(shelf, "torch", version, requires=["symbols"])
    ext = make_tree(
        tmp_path / "trees", "ext", build_requires=["torch"], requires=["torch<2"], files=DYNAMIC
    )
    done = put(sandbox, target, ext, "torch", "--no-build-isolation")
    assert done.code == 0, done.err
    assert target.versions() == {"torch": "1.0", "symbols": "1.0", "ext": "1.0"}
    target.check()


def test_a_direct_url_build_waits_for_no_build_that_waits_for_it(
    sandbox: Sandbox, target: Target, shelf: Path, tmp_path: Path
) -> None:
    torch = make_tree(tmp_path / "trees", "torch", requires=["symbols"], files=DYNAMIC_TORCH)
    ext = make_tree(tmp_path / "trees", "ext", build_requires=["torch"], backend=NEEDS_TORCH)
    make_wheel(shelf, "top", requires=[f"ext @ {ext.as_uri()}"])
    done = put(sandbox, target, torch, "top", "--no-build-isolation")
    assert done.code == 1
    assert "No module named 'torch'" in last_message(done, "ext")


def last_message(done: CommandResult, name: str) -> str:
    """Return what the last build of a name came to."""
    return [build for build in done.state.builds.values() if build.name == name][-1].message
