"""Finds a build of a run by what a user calls it: its name, name and version, target or id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pool
from app.text.rows import build_title

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["find_build"]


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
            hint = "use a name, a name and version, or an id such as b3"
            raise pool.RunError(f"no build named {name}", hint=hint)
        case several:
            hint = _list_builds(several)
            raise pool.RunError(f"{name}: {len(several)} builds have this name", hint=hint)


def _names(build: pool.BuildState) -> set[str]:
    names = build.name, build.label, build.label.replace(" ", "=="), build.target
    return set(map(_normalize, names))


def _normalize(name: str) -> str:
    return name.lower().replace("_", "-")


def _list_builds(builds: Sequence[pool.BuildState]) -> str:
    return ", ".join(f"{build.id} is {build_title(build)} ({build.target})" for build in builds)
