"""Fixtures: a folder of real backends, and a sandbox for the command."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.compilers import Compilers, build_wrapper
from tests.support.sandbox import Sandbox, repack_installed
from tests.support.template_process import TemplateProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BACKENDS = (
    "setuptools",
    "flit-core",
    "hatchling",
    "packaging",
    "pathspec",
    "pluggy",
    "trove-classifiers",
)


@pytest.fixture(scope="session")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels of real backends, made from what is installed beside the tests."""
    folder = tmp_path_factory.mktemp("backends")
    for name in BACKENDS:
        repack_installed(name, folder)
    return folder


@pytest.fixture(scope="session")
def template() -> Iterator[TemplateProcess]:
    """A process that has imported the program, and runs its commands in forks."""
    with TemplateProcess() as process:
        yield process


@pytest.fixture
def sandbox(tmp_path: Path, backends: Path, template: TemplateProcess) -> Sandbox:
    """A home, caches and an index for one test."""
    return Sandbox(root=tmp_path, wheels=backends, template=template)


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


@pytest.fixture
def compilers(tmp_path: Path) -> Compilers:
    """A wrapper that stands for the compiler."""
    return build_wrapper(tmp_path)
