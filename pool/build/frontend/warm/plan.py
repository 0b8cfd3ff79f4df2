"""Decides whether a hook can be a fork of a template process, and of which one.

Deliberately pure. A template has imported a backend from unpacked wheels of the cache. A build may
use it if its environment has these very wheels, and no other wheel with a module that the backend
has imported, or has looked for in vain. All other builds start their hooks cold.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from pool.common.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pool.build.frontend.build_env import BuildEnvironment
    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.system.interpreter import Interpreter

__all__ = ["WarmPlan", "plan_warm_hook"]

_MODULES: dict[str, tuple[str, ...]] = {
    # None of setuptools.command: a setup.py may replace a class of distutils before these inherit
    # from it. None that a name of distutils stands for: it would be loaded twice.
    "setuptools.build_meta": (
        "decimal",
        "email.generator",
        "tarfile",
        "tomllib",
        "unicodedata",
        "wheel.wheelfile",
        "setuptools.config._validate_pyproject",
        "setuptools.glob",
        "setuptools.unicode_utils",
    ),
    "flit_core.buildapi": (),
    "hatchling.build": (
        "hatchling.bridge.app",
        "hatchling.builders.wheel",
        "hatchling.metadata.core",
        "hatchling.metadata.spec",
        "hatchling.plugin.manager",
        "packaging.requirements",
        "packaging.tags",
        "email.headerregistry",
        "trove_classifiers",
    ),
    "poetry.core.masonry.api": (
        "importlib.readers",
        "tomllib",
        "poetry.core.factory",
        "poetry.core.json",
        "poetry.core.masonry.builders.wheel",
        "poetry.core.masonry.metadata",
        "poetry.core.masonry.utils.module",
        "poetry.core.packages.project_package",
        "poetry.core.pyproject.toml",
        "poetry.core.spdx.helpers",
        "poetry.core.utils._compat",
        "poetry.core.vcs.git",
        "poetry.core.version.pep440.parser",
    ),
    "pdm.backend": ("pdm.backend.wheel", "email.generator", "email.parser", "tomllib"),
    "scikit_build_core.build": (
        "tomllib",
        "scikit_build_core.build.wheel",
        "scikit_build_core.builder.get_requires",
    ),
    "mesonpy": (),
}
"""By backend: modules that its hooks import in every case before any code of a project runs."""
_STARTUP_MODULES = frozenset(("sitecustomize", "usercustomize"))
_VENDORED = "_vendor"


class WarmPlan(Record, frozen=True, kw_only=True):
    """A hook that can be a fork of a template, if the template agrees."""

    interpreter: Interpreter
    modules: tuple[str, ...]
    """Modules to import, the backend first."""
    wheels: tuple[UnpackedWheel, ...]
    """The wheels that the template imports from, in the order of installation."""
    other_names: frozenset[str]
    """The top-level modules of the other wheels in the build environment."""
    prefix: Path
    """The build environment."""

    @property
    def roots(self) -> Iterator[str]:
        """Yield the folders of modules of the wheels, which a template has on ``sys.path``."""
        for wheel in self.wheels:
            yield from (
                str(wheel.path / scheme)
                for scheme in ("purelib", "platlib")
                if scheme in wheel.folders
            )

    def is_unchanged(self) -> bool:
        """Tell whether the environment still has the wheels; blocks for some microseconds.

        A backend may install into its environment, or an earlier hook may have.
        """
        site = self.prefix / self.interpreter.site
        for wheel in self.wheels:
            for name in _sentinels(wheel):
                try:
                    status = (site / name.partition("/")[2]).stat()
                except OSError:
                    return False
                if (status.st_size, status.st_mtime_ns) != wheel.files[name]:
                    return False
        return True


def plan_warm_hook(
    env: BuildEnvironment, backend: str, backend_path: Sequence[str]
) -> WarmPlan | None:
    """Return how a hook can start warm; None if it cannot."""
    module = backend.partition(":")[0]
    extra = _MODULES.get(module)
    if extra is None or backend_path or not env.wheels:
        return None
    if not env.interpreter.cache_tag.startswith("cpython-"):
        return None
    wheels = _closure(module, env.wheels)
    others = [wheel for wheel in env.wheels if wheel not in wheels]
    other_names = frozenset(name for wheel in others for name in _top_level_names(wheel))
    own_names = [name for wheel in wheels for name in _top_level_names(wheel)]
    if not wheels or len(own_names) != len(set(own_names)):
        return None
    if other_names & _STARTUP_MODULES or any(map(_has_startup_lines, others)):
        return None
    return WarmPlan(
        interpreter=env.interpreter,
        modules=(module, *extra),
        wheels=tuple(wheels),
        other_names=other_names,
        prefix=env.path,
    )


def _closure(module: str, wheels: Iterable[UnpackedWheel]) -> list[UnpackedWheel]:
    """Return the wheel of a backend with those that it imports from, in the given order.

    These are its requirements, and replacements of what it vendors: setuptools prefers a module
    of the environment to its own copy.
    """
    by_name = {canonicalize_name(wheel.name): wheel for wheel in wheels}
    folder = module.replace(".", "/")
    waiting = [
        name
        for name, wheel in by_name.items()
        if any(f"{scheme}/{folder}" in wheel.folders for scheme in ("purelib", "platlib"))
        or any(f"{scheme}/{folder}.py" in wheel.files for scheme in ("purelib", "platlib"))
    ]
    found: set[str] = set()
    while waiting:
        if (name := waiting.pop()) in found or name not in by_name:
            continue
        found.add(name)
        vendored = _vendored_names(by_name[name])
        waiting += map(canonicalize_name, _required_names(by_name[name]))
        waiting += [
            other
            for other, wheel in by_name.items()
            if vendored and not vendored.isdisjoint(_top_level_names(wheel))
        ]
    return [wheel for name, wheel in by_name.items() if name in found]


def _required_names(wheel: UnpackedWheel) -> Iterator[str]:
    """Yield the names of the requirements of a wheel, whatever their markers say."""
    for line in wheel.metadata.partition("\n\n")[0].splitlines():
        field, _, value = line.partition(":")
        if field.lower() == "requires-dist" and (name := re.match(r"\s*([\w.-]+)", value)):
            yield name[1]


def _top_level_names(wheel: UnpackedWheel) -> Iterator[str]:
    """Yield the names of the modules and packages of a wheel."""
    for path in wheel.folders:
        scheme, _, name = path.partition("/")
        if name.isidentifier() and name != "__pycache__" and scheme in ("purelib", "platlib"):
            yield name
    for path in wheel.files:
        scheme, _, name = path.partition("/")
        if scheme in ("purelib", "platlib") and name.endswith((".py", ".so")) and "/" not in name:
            yield name.partition(".")[0]


def _vendored_names(wheel: UnpackedWheel) -> set[str]:
    """Return the names of the modules that a wheel has copies of."""
    paths = (*wheel.folders, *wheel.files)
    parts = (path.split("/") for path in paths if f"/{_VENDORED}/" in path)
    return {part[part.index(_VENDORED) + 1].partition(".")[0] for part in parts}


def _has_startup_lines(wheel: UnpackedWheel) -> bool:
    """Tell whether a wheel has a ``.pth`` file, which may run code when Python starts."""
    return any(path.endswith(".pth") and path.count("/") == 1 for path in wheel.files)


def _sentinels(wheel: UnpackedWheel) -> Iterator[str]:
    """Yield the files of a wheel that are compared: of each package, its first module."""
    for path in wheel.files:
        scheme, _, name = path.partition("/")
        if scheme in ("purelib", "platlib") and (
            (name.endswith((".dist-info/METADATA", "/__init__.py")) and name.count("/") == 1)
            or (name.endswith(".py") and "/" not in name)
        ):
            yield path
