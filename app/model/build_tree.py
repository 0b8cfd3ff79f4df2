"""What needs what: the builds of a run as a tree, each of them drawn once.

Pure. Under a build is what was built for its environment; whatever is needed more than once is
drawn where it is met first and named elsewhere. Of several tries only the last is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    import pool

__all__ = ["BRANCHES_TO_ASCII", "TreeRow", "tree_rows"]

BRANCHES_TO_ASCII = str.maketrans({"├": "|", "└": "`", "│": "|", "─": "-", "↑": "^"})
"""For terminals that have no more than ASCII."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRow:
    """One line of the tree."""

    build: pool.BuildId
    branch: str
    """What is drawn before its name, to show under which one it is."""
    again: bool
    """Whether it is only named here, and drawn above."""
    needs: int
    """How many builds are right under it, shown or not."""
    folded: bool


def tree_rows(state: pool.RunState, folded: Collection[pool.BuildId] = ()) -> list[TreeRow]:
    """Return the tree, a line for each build and for each time it is needed again.

    Args:
        state: the run.
        folded: the builds under which nothing is to be shown.
    """
    under = _under(state)
    found: list[TreeRow] = []
    drawn: set[pool.BuildId] = set()
    for root in _roots(state):
        if root not in drawn:
            found += _drawn(root, under, drawn, folded)
    return found


def _roots(state: pool.RunState) -> Iterator[pool.BuildId]:
    """Yield what nobody needs, then all: were there a circle, it would still be drawn."""
    last = [build for build in state.builds.values() if build.superseded_by is None]
    yield from (build.id for build in last if not build.needed_by)
    yield from (build.id for build in last)


def _under(state: pool.RunState) -> dict[pool.BuildId, list[pool.BuildId]]:
    under: dict[pool.BuildId, list[pool.BuildId]] = {}
    for build in state.builds.values():
        if build.superseded_by is None:
            for by in dict.fromkeys(_last_try(state, by) for by in build.needed_by):
                under.setdefault(by, []).append(build.id)
    return under


def _last_try(state: pool.RunState, build: pool.BuildId) -> pool.BuildId:
    while (one := state.builds.get(build)) is not None and one.superseded_by is not None:
        build = one.superseded_by
    return build


def _drawn(
    root: pool.BuildId,
    under: Mapping[pool.BuildId, list[pool.BuildId]],
    drawn: set[pool.BuildId],
    folded: Collection[pool.BuildId],
) -> Iterator[TreeRow]:
    """Yield a build and what is under it; without recursion, however deep that goes."""
    left = [(root, "", "", True)]
    while left:
        build, branch, below, shown = left.pop()
        again = build in drawn
        drawn.add(build)
        needs = [] if again else under.get(build, [])
        if shown:
            yield TreeRow(
                build=build,
                branch=branch,
                again=again,
                needs=len(needs),
                folded=bool(needs) and build in folded,
            )
        open_ = shown and build not in folded
        for place, need in reversed([*enumerate(needs, 1)]):
            last = place == len(needs)
            left.append(
                (
                    need,
                    below + ("└─ " if last else "├─ "),
                    below + ("   " if last else "│  "),
                    open_,
                )
            )
