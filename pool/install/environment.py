"""The environment to install into: found, asked about itself, and refused where it must be.

Deliberately never the tool's own, and none that the system's package manager looks after.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pool.common.errors import EnvironmentTargetError
from pool.system.interpreter import Interpreter, Layout, UnusablePythonError, probe_layout

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TargetEnvironment", "find_environment"]

_ACTIVE = ("VIRTUAL_ENV", "CONDA_PREFIX")
_MAKE_ONE = "make one first: python -m venv .venv"


class TargetEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """An environment that packages can be put into."""

    python: Path
    """Its own executable, as scripts name it in their first line."""
    interpreter: Interpreter
    layout: Layout

    @property
    def prefix(self) -> Path:
        """Its folder; absolute, links are not followed."""
        return self.layout.prefix

    @property
    def lock_path(self) -> Path:
        """The file whose ``flock`` keeps installers out, the one that uv takes (uv #15335).

        For a Python that is no virtual environment uv takes another one.
        """
        return self.prefix / ".lock"


def find_environment(into: Path | None, environ: Mapping[str, str]) -> TargetEnvironment:
    """Return the environment that is meant.

    Args:
        into: the folder of an environment, or its Python; None is the active one.
        environ: tells which one is active: ``VIRTUAL_ENV``, else ``CONDA_PREFIX``.

    Raises:
        EnvironmentTargetError: there is none, it does not work, or it must not be touched.
    """
    named, path = _named(into, environ)
    python = _python(named, path)
    try:
        interpreter, layout = probe_layout(python, environ)
    except UnusablePythonError as problem:
        raise EnvironmentTargetError(
            f"{named}: {python} is not a Python that can be used: {problem.why}", hint=_MAKE_ONE
        ) from problem
    _refuse(named, layout)
    own = layout.scripts / "python"
    return TargetEnvironment(
        python=own if own.exists() else python, interpreter=interpreter, layout=layout
    )


def _named(into: Path | None, environ: Mapping[str, str]) -> tuple[str, Path]:
    """Return how the user named it, and the path."""
    if into is not None:
        return f"--into {into}", into.absolute()
    for name in _ACTIVE:
        if environ.get(name):
            return f"{name}={environ[name]}", Path(environ[name]).absolute()
    raise EnvironmentTargetError(
        "no environment to install into: none is active", hint="name one: --into .venv"
    )


def _python(named: str, path: Path) -> Path:
    if not path.exists():
        raise EnvironmentTargetError(f"{named}: there is no such folder", hint=_MAKE_ONE)
    if not path.is_dir():
        return path
    for name in ("python", "python3"):
        if (path / "bin" / name).exists():
            return path / "bin" / name
    raise EnvironmentTargetError(
        f"{named}: not an environment: it has no bin/python", hint=_MAKE_ONE
    )


def _refuse(named: str, layout: Layout) -> None:
    if layout.prefix.resolve() == Path(sys.prefix).resolve():
        raise EnvironmentTargetError(
            f"{named}: wheelpool itself is installed there", hint="name another: --into .venv"
        )
    if layout.managed:
        raise EnvironmentTargetError(
            f"{named}: this Python belongs to the system's package manager (PEP 668)",
            hint="make an environment with it: python -m venv .venv, then --into .venv",
        )
    root = layout.prefix.resolve()
    for folder in (layout.purelib, layout.platlib, layout.scripts, layout.data, layout.headers):
        if not folder.resolve().is_relative_to(root):
            raise EnvironmentTargetError(
                f"{named}: its packages are kept outside of it, in {folder}",
                hint="make a virtual environment: python -m venv .venv, then --into .venv",
            )
