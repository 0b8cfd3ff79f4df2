"""The target environment: found, queried for its layout, and refused if it must not be changed.

Refused are wheelpool's own environment, externally managed ones (PEP 668), and those whose
packages lie outside of their folder, other than by a link in it.
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

_ACTIVE_VARIABLES = ("VIRTUAL_ENV", "CONDA_PREFIX")
_VENV_HINT = "create one first: python -m venv .venv"


class TargetEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """An environment into which packages can be installed."""

    python: Path
    """Its executable, which goes into the shebang of scripts."""
    interpreter: Interpreter
    layout: Layout

    @property
    def prefix(self) -> Path:
        """Its folder; absolute, links are not resolved."""
        return self.layout.prefix

    @property
    def lock_path(self) -> Path:
        """The file whose ``flock`` excludes other installers; uv locks the same one (uv #15335).

        uv locks another file for a Python that is no virtual environment.
        """
        return self.prefix / ".lock"


def find_environment(into: Path | None, environ: Mapping[str, str]) -> TargetEnvironment:
    """Return the target environment.

    Args:
        into: the folder of an environment, or its Python; None for the active one.
        environ: names the active one: ``VIRTUAL_ENV``, else ``CONDA_PREFIX``.

    Raises:
        EnvironmentTargetError: there is none, it is unusable, or it must not be changed.
    """
    label, path = _resolve_target(into, environ)
    python = _find_python(label, path)
    try:
        interpreter, layout = probe_layout(python, environ)
    except UnusablePythonError as problem:
        raise EnvironmentTargetError(
            f"{label}: {python} is not a Python that can be used: {problem.why}", hint=_VENV_HINT
        ) from problem
    _check_usable(label, layout)
    env_python = layout.scripts / "python"
    return TargetEnvironment(
        python=env_python if env_python.exists() else python, interpreter=interpreter, layout=layout
    )


def _resolve_target(into: Path | None, environ: Mapping[str, str]) -> tuple[str, Path]:
    """Return a label for messages, and the path."""
    if into is not None:
        return f"--into {into}", into.absolute()
    for name in _ACTIVE_VARIABLES:
        if environ.get(name):
            return f"{name}={environ[name]}", Path(environ[name]).absolute()
    raise EnvironmentTargetError(
        "no environment to install into: none is active", hint="name one: --into .venv"
    )


def _find_python(label: str, path: Path) -> Path:
    if not path.exists():
        raise EnvironmentTargetError(f"{label}: there is no such folder", hint=_VENV_HINT)
    if not path.is_dir():
        return path
    for name in ("python", "python3"):
        if (path / "bin" / name).exists():
            return path / "bin" / name
    raise EnvironmentTargetError(
        f"{label}: not an environment: it has no bin/python", hint=_VENV_HINT
    )


def _check_usable(label: str, layout: Layout) -> None:
    if layout.prefix.resolve() == Path(sys.prefix).resolve():
        raise EnvironmentTargetError(
            f"{label}: wheelpool itself is installed there", hint="name another: --into .venv"
        )
    if layout.managed:
        raise EnvironmentTargetError(
            f"{label}: this Python is managed by the system's package manager (PEP 668)",
            hint="create a virtual environment: python -m venv .venv, then --into .venv",
        )
    root = layout.prefix.resolve()
    for folder in (layout.purelib, layout.platlib, layout.scripts, layout.data, layout.headers):
        # A folder in the environment may be a link to another volume.
        if not (folder.is_relative_to(layout.prefix) or folder.resolve().is_relative_to(root)):
            raise EnvironmentTargetError(
                f"{label}: its packages are outside of it, in {folder}",
                hint="create a virtual environment: python -m venv .venv, then --into .venv",
            )
