"""Finds a build of a run by what a user calls it: its name, name and version, target or id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pool
from app.text.rows import build_title

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["find_build"]

_LISTED = 5
"""Names of builds in a hint."""


def find_build(
    state: pool.RunState, name: str, applies: Callable[[pool.BuildState], bool]
) -> pool.BuildState:
    """Return the build of a name; of several, the one for which `applies` is true, or the last.

    Raises:
        RunError: there is no such build, or `applies` is true for several.
    """
    if (build := state.builds.get(pool.BuildId(name))) is not None:
        return build
    wanted = _normalize(name)
    found = [build for build in state.builds.values() if wanted in _names(build)]
    match [build for build in found if applies(build)] or found[-1:]:
        case [one]:
            return one
        case []:
            run = f" in run {state.header.run}" if state.header else ""
            raise pool.RunError(f"no build named {name}{run}", hint=_hint(state))
        case several:
            hint = _list_builds(several)
            raise pool.RunError(f"{name}: {len(several)} builds have this name", hint=hint)


def _hint(state: pool.RunState) -> str:
    names = sorted({build.name for build in state.builds.values()})
    listed = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
    known = f"it has {listed}; " if names else ""
    return f"{known}wheelpool runs lists other runs"


def _names(build: pool.BuildState) -> set[str]:
    names = build.name, build.label, build.label.replace(" ", "=="), build.target
    return set(map(_normalize, names))


def _normalize(name: str) -> str:
    return name.lower().replace("_", "-")


def _list_builds(builds: Sequence[pool.BuildState]) -> str:
    return ", ".join(f"{build.id} is {build_title(build)} ({build.target})" for build in builds)
