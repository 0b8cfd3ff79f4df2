"""Hooks of real backends, called warm and cold in environments of their own; no network."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pool.build.frontend import build_env
from pool.build.frontend.hooks import HookCall, HookRunner
from pool.build.frontend.warm.plan import plan_warm_hook
from pool.cache.unpacked_wheels import UnpackedWheels
from pool.system.interpreter import Interpreter, probe
from tests.support.build_keys import build_key
from tests.support.sandbox import repack_installed
from tests.support.wheels import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pool.build.frontend.build_env import BuildEnvironment
    from pool.build.frontend.hook_result import Hook
    from pool.cache.unpacked_wheels import UnpackedWheel

__all__ = ["BACKENDS", "PROJECT", "WarmBuilds"]

BACKENDS = {
    "setuptools.build_meta": ("setuptools",),
    "setuptools.build_meta:__legacy__": ("setuptools",),
    "flit_core.buildapi": ("flit-core",),
    "hatchling.build": ("hatchling", "packaging", "pathspec", "pluggy", "trove-classifiers"),
}
"""The backends that are installed beside the tests, with the distributions that they need."""
PROJECT = '[project]\nname = "thing"\nversion = "1.0"\ndescription = "a thing"\n'


@dataclass
class WarmBuilds:
    """Builds of one tree with hooks that are warm or cold.

    Args:
        root: the folder of all.
        hooks: runs the hooks.
        interpreter: runs the backends.
    """

    root: Path
    hooks: HookRunner
    interpreter: Interpreter

    @classmethod
    def create(cls, root: Path, python: Path | None = None) -> WarmBuilds:
        """Create a runner of hooks with templates; `close` ends it."""
        # The watchdog of a killed pool ends all processes with its id.
        hooks = HookRunner(f"warm-{os.getpid()}", workers=4, template_dir=root / "templates")
        return cls(root, hooks, probe(python, os.environ))

    def close(self) -> None:
        """End all processes."""
        self.hooks.close()

    def wheels(self, *names: str) -> list[UnpackedWheel]:
        """Return installed distributions as unpacked wheels."""
        store = UnpackedWheels(self.root / "store")
        repacked = [repack_installed(name, self.root) for name in names]
        return [store.add(wheel, sha256(wheel), self.interpreter) for wheel in repacked]

    def tree(self, name: str = "tree", files: Mapping[str, str] | None = None) -> Path:
        """Make a tree of one module; ``files`` has more, or replacements."""
        tree = self.root / name
        all_files = {"pyproject.toml": PROJECT, "thing.py": '"""A thing."""\n', **(files or {})}
        for path, text in all_files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text)
        return tree

    def env(self, wheels: Sequence[UnpackedWheel], name: str = "env") -> BuildEnvironment:
        """Create a build environment."""
        return build_env.create(self.root / name, self.interpreter, wheels)

    def environ(self, env: BuildEnvironment, **more: str) -> dict[str, str]:
        """Return the environment of hooks; archives have a fixed time."""
        return {**env.environ(os.environ), "SOURCE_DATE_EPOCH": "1700000000", **more}

    async def call(
        self,
        env: BuildEnvironment,
        tree: Path,
        backend: str,
        hook: Hook = "build_wheel",
        *,
        warm: bool,
        fds: tuple[int, ...] = (),
        more_environ: Mapping[str, str] | None = None,
        build: str = "b1",
        notes: list[str] | None = None,
    ) -> object:
        """Call a hook and return its value."""
        plan = plan_warm_hook(env, backend, ()) if warm else None
        assert (plan is not None) == warm
        (self.root / "out").mkdir(exist_ok=True)
        call = HookCall(
            build=build_key(build),
            tree=tree,
            python=env.python,
            backend=backend,
            backend_path=(),
            hook=hook,
            config_settings={},
            output=self.root / "out",
            log=self.root / f"{build}.log",
            fds=fds,
            environ=self.environ(env, **(more_environ or {})),
            warm=plan,
        )
        result = await self.hooks.call(
            call,
            on_start=lambda _: None,
            on_note=(notes if notes is not None else []).append,
        )
        return result.value

    async def build(self, env: BuildEnvironment, tree: Path, backend: str, *, warm: bool) -> bytes:
        """Build a wheel in a fresh copy of a tree; return the content of its file."""
        copy = self.root / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(tree, copy, symlinks=True)
        await self.call(env, copy, backend, "get_requires_for_build_wheel", warm=warm)
        name = await self.call(env, copy, backend, warm=warm)
        wheel = self.root / "out" / str(name)
        content = wheel.read_bytes()
        wheel.unlink()
        return content

    @property
    def template_pids(self) -> Iterator[int]:
        """Yield the pids of the templates that run."""
        templates = self.hooks._templates
        assert templates is not None
        yield from (one.pid for one in list(templates._templates.values()) if one.pid)
