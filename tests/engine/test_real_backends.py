"""Real backends, from store to wheel: repacked from what is installed here, no network."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pool.build.frontend import build_env as environment
from pool.build.frontend.hooks import HookCall, HookRunner
from pool.cache.unpacked_wheels import UnpackedWheels
from pool.common.model import RunId
from pool.system.interpreter import probe
from tests.support.build_keys import build_key
from tests.support.interpreters import find_python
from tests.support.sandbox import repack_installed
from tests.support.wheels import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pool.build.frontend.hook_result import Hook

PROJECT = '[project]\nname = "thing"\nversion = "1.0"\ndescription = "a thing"\n'
BACKENDS = {
    "setuptools.build_meta": ("setuptools",),
    "setuptools.build_meta:__legacy__": ("setuptools",),
    "flit_core.buildapi": ("flit-core",),
    "hatchling.build": ("hatchling", "packaging", "pathspec", "pluggy", "trove-classifiers"),
}


@pytest.fixture
def hooks() -> Iterator[HookRunner]:
    hooks = HookRunner(RunId("real-run"), workers=1)
    yield hooks
    hooks.close()


@pytest.mark.parametrize("version", ["own", "3.13"])
@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_wheel_comes_out(
    hooks: HookRunner, tmp_path: Path, backend: str, version: str
) -> None:
    target = probe(None if version == "own" else find_python(version), os.environ)
    store = UnpackedWheels(tmp_path / "store")
    wheels = [repack_installed(name, tmp_path) for name in BACKENDS[backend]]
    stored = [store.add(wheel, sha256(wheel), target) for wheel in wheels]
    env = environment.create(tmp_path / "env", target, stored)
    tree, out = tmp_path / "tree", tmp_path / "out"
    tree.mkdir()
    out.mkdir()
    (tree / "pyproject.toml").write_text(PROJECT)
    (tree / "thing.py").write_text('"""A thing."""\n')
    results = []
    hook: Hook
    for hook in ("get_requires_for_build_wheel", "build_wheel"):
        call = HookCall(
            build=build_key(),
            tree=tree,
            python=env.python,
            backend=backend,
            backend_path=(),
            hook=hook,
            config_settings={},
            output=out,
            log=tmp_path / "log",
            fds=(),
            environ=env.environ(os.environ),
        )
        results.append((await hooks.call(call, on_start=lambda pid: None)).value)
    assert results[0] == []
    assert results[1] in ("thing-1.0-py3-none-any.whl", "thing-1.0-py2.py3-none-any.whl")
