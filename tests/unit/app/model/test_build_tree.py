"""The tree of dependencies: each build once, in any order, with cycles, too."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

import pool
from app.model.build_tree import tree_rows
from pool.common.model import BuildId, Outcome
from pool.events import types as v


def state(**needed_by: str) -> pool.RunState:
    """Return a run whose builds are needed by others: ``b="a"`` says that a needs b."""
    made = pool.RunState()
    for name, by in needed_by.items():
        parents = tuple(BuildId(one) for one in by.split())
        build = BuildId(name)
        pool.apply(
            made, v.BuildQueued(build=build, name=name, target=name, log="", needed_by=parents)
        )
    return made


def drawn(made: pool.RunState, *folded: str) -> list[str]:
    return [
        f"{twig.branch}{twig.build}{' again' * twig.repeated}{' folded' * twig.folded}"
        for twig in tree_rows(made, {BuildId(one) for one in folded})
    ]


def test_nested_builds_are_under_those_that_need_them_and_drawn_once() -> None:
    made = state(a="", b="", c="a b", d="c", e="a")
    assert drawn(made) == ["a", "├─ c", "│  └─ d", "└─ e", "b", "└─ c again"]


def test_folded_builds_are_not_drawn_elsewhere() -> None:
    made = state(a="", b="", c="a b", d="c")
    assert drawn(made, "a") == ["a folded", "b", "└─ c again"]


def test_of_several_tries_the_last_is_in_the_tree() -> None:
    made = state(a="", c="a")
    pool.apply(made, v.BuildFinished(build=BuildId("a"), outcome=Outcome.FAILED))
    again = v.BuildQueued(build=BuildId("z"), name="z", target="", log="", retry_of=BuildId("a"))
    pool.apply(made, again)
    assert drawn(made) == ["z", "└─ c"]


def test_a_circle_is_drawn_and_ends() -> None:
    assert drawn(state(a="b", b="a")) == ["a", "└─ b", "   └─ a again"]


@given(st.lists(st.sets(st.integers(0, 11), max_size=4), max_size=12))
def test_every_build_is_drawn_exactly_once(edges: list[set[int]]) -> None:
    names = [f"n{n}" for n in range(len(edges))]
    made = state(**{
        name: " ".join(names[by] for by in sorted(bys) if by < len(names))
        for name, bys in zip(names, edges, strict=True)
    })  # fmt: skip
    first = [twig.build for twig in tree_rows(made) if not twig.repeated]
    assert sorted(first) == sorted(names)
