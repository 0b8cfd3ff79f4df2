"""The builds of a run as a tree of dependencies.

Pure. Below a build are the builds that its build environment needs. A build that several others
need is drawn once, where it comes first, and named elsewhere. The tree has the last attempt of each
build only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool import Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    import pool

__all__ = ["BRANCHES_TO_ASCII", "TreeRow", "tree_rows"]

BRANCHES_TO_ASCII = str.maketrans({"├": "|", "└": "`", "│": "|", "─": "-", "↑": "^"})
"""Replaces box-drawing characters for terminals that show ASCII only."""


class TreeRow(Record, frozen=True, kw_only=True):
    """One line of the tree."""

    build: pool.BuildId
    branch: str
    """The branch that is drawn before its name."""
    repeated: bool
    """Whether its builds are drawn further up, where it comes first."""
    children: int
    """The number of builds directly below it, shown or not."""
    folded: bool


def tree_rows(state: pool.RunState, folded: Collection[pool.BuildId] = ()) -> list[TreeRow]:
    """Return the rows of the tree, one for each build and each further build that needs it.

    Args:
        state: the run.
        folded: the builds whose dependencies are hidden.
    """
    children = _children(state)
    rows: list[TreeRow] = []
    drawn: set[pool.BuildId] = set()
    for root in _roots(state):
        if root not in drawn:
            rows += _subtree(root, children, drawn, folded)
    return rows


def _roots(state: pool.RunState) -> Iterator[pool.BuildId]:
    """Yield builds that no build needs, then all builds, so that even a cycle is drawn."""
    last = [build for build in state.builds.values() if build.superseded_by is None]
    yield from (build.id for build in last if not build.needed_by)
    yield from (build.id for build in last)


def _children(state: pool.RunState) -> dict[pool.BuildId, list[pool.BuildId]]:
    children: dict[pool.BuildId, list[pool.BuildId]] = {}
    for build in state.builds.values():
        if build.superseded_by is None:
            for parent in dict.fromkeys(_last_attempt(state, one) for one in build.needed_by):
                children.setdefault(parent, []).append(build.id)
    return children


def _last_attempt(state: pool.RunState, build: pool.BuildId) -> pool.BuildId:
    while (one := state.builds.get(build)) is not None and one.superseded_by is not None:
        build = one.superseded_by
    return build


def _subtree(
    root: pool.BuildId,
    children: Mapping[pool.BuildId, list[pool.BuildId]],
    drawn: set[pool.BuildId],
    folded: Collection[pool.BuildId],
) -> Iterator[TreeRow]:
    """Yield a build and the builds below it; without recursion, as a tree may be very deep."""
    stack = [(root, "", "", True)]
    while stack:
        build, branch, indent, shown = stack.pop()
        repeated = build in drawn
        drawn.add(build)
        below = [] if repeated else children.get(build, [])
        if shown:
            yield TreeRow(
                build=build,
                branch=branch,
                repeated=repeated,
                children=len(below),
                folded=bool(below) and build in folded,
            )
        unfolded = shown and build not in folded
        for number, child in reversed([*enumerate(below, 1)]):
            corner, line = ("└─ ", "   ") if number == len(below) else ("├─ ", "│  ")
            stack.append((child, indent + corner, indent + line, unfolded))
