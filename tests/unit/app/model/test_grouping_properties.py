"""Properties of lists of builds: complete, running builds first, every order total."""

from __future__ import annotations

from itertools import count

import msgspec
from hypothesis import given
from hypothesis import strategies as st

import pool
from app.model.grouping import SHOWN_FAILURES, Group, Head, Layout, LayoutOptions
from app.model.queue import SlotQueue
from app.model.sorting import ORDERS, Order, Section, section_of, sort_key
from app.text.search import matches_filter
from app.tui.table.order import RowOrder, TableQuery
from pool.common.model import BuildId
from pool.events import types as v
from tests.support.event_strategies import journals

sizes = st.lists(st.integers(0, 9), min_size=len(Section), max_size=len(Section))
manners = st.builds(
    lambda **fields: LayoutOptions(**fields),  # noqa: PLW0108 - hypothesis would read its annotations
    expanded=st.frozensets(st.sampled_from(Section)), ungrouped=st.booleans(), reverse=st.booleans(),
    heads=st.booleans(),
)  # fmt: skip
wants = st.builds(
    lambda **fields: TableQuery(**fields),  # noqa: PLW0108 - hypothesis would read its annotations
    needle=st.sampled_from(["", "b", "b1", "fail", "zz"]), by=st.sampled_from(ORDERS),
    reverse=st.booleans(), expanded=st.frozensets(st.sampled_from(Section)), heads=st.booleans(),
)  # fmt: skip


@given(sizes, manners, st.none() | st.integers(0, 44))
def test_every_entry_has_a_line_or_is_counted_by_a_group(
    sizes: list[int], manner: LayoutOptions, kept: int | None
) -> None:
    layout = Layout(sizes, manner, kept)
    lines = [layout.item_at(line) for line in range(len(layout))]
    rows = [line for line in lines if isinstance(line, int)]
    hidden = sum(line.hidden for line in lines if isinstance(line, Group))
    assert len(set(rows)) == len(rows)
    assert len(rows) + hidden == sum(sizes)
    assert [layout.line_of(index) for index in rows] == [
        line for line, there in enumerate(lines) if isinstance(there, int)
    ]
    assert kept is None or kept >= sum(sizes) or layout.line_of(kept) is not None


@given(sizes, manners)
def test_each_section_with_heads_starts_with_a_head_or_a_group(
    sizes: list[int], manner: LayoutOptions
) -> None:
    layout = Layout(sizes, msgspec.structs.replace(manner, heads=True))
    lines = [layout.item_at(line) for line in range(len(layout))]
    told = [line for line in lines if not isinstance(line, int)]
    sections = list(dict.fromkeys(line.section for line in told))
    assert sections == [section for section in Section if sizes[section]]
    heads = [line for line in told if isinstance(line, Head)]
    assert all(head.count == sizes[head.section] for head in heads)
    assert not lines or not isinstance(lines[-1], Head)


@given(sizes, manners)
def test_running_builds_come_first_and_a_few_failures_next(
    sizes: list[int], manner: LayoutOptions
) -> None:
    layout = Layout(sizes, msgspec.structs.replace(manner, heads=False))
    running, failed = sizes[Section.RUNNING], sizes[Section.FAILED]
    first = [layout.item_at(line) for line in range(running)]
    assert sorted(first, key=str) == sorted(range(running), key=str)
    to_come = layout.line_of(running + failed) if sizes[Section.WAITING] else None
    if to_come is not None and not manner.expanded and not manner.ungrouped:
        assert to_come - running <= SHOWN_FAILURES + sizes[Section.WAITING], "failures are bounded"


@given(journals(), wants, st.data())
def test_an_updated_order_equals_a_new_one(
    journal: list[v.KnownEvent], wanted: TableQuery, data: st.DataObject
) -> None:
    state = pool.RunState()
    kept = RowOrder(state)
    for event in journal:
        dirty = pool.apply(state, event)
        kept.update(dirty, None)
        if data.draw(st.booleans()):
            kept.show(wanted, None)
    kept.show(wanted, None)
    anew = RowOrder(state)
    anew.show(wanted, None)
    assert [kept.at(line) for line in range(len(kept))] == [
        anew.at(line) for line in range(len(anew))
    ]


@given(journals(), st.sampled_from(ORDERS), st.booleans())
def test_running_builds_are_the_first_rows_in_every_order(
    journal: list[v.KnownEvent], by: Order, backwards: bool
) -> None:
    state = pool.RunState()
    pool.apply_all(state, journal)
    arrangement = RowOrder(state)
    arrangement.show(TableQuery(by=by, reverse=backwards), None)
    first = [arrangement.at(line) for line in range(len(state.slots))]
    assert {there.id for there in first if isinstance(there, pool.BuildState)} == set(
        state.slots.values()
    )


@given(journals(), st.sampled_from(ORDERS))
def test_sort_keys_of_one_order_compare(journal: list[v.KnownEvent], by: Order) -> None:
    state = pool.RunState()
    pool.apply_all(state, journal)
    placed = sorted((sort_key(b, by), number) for number, b in enumerate(state.builds.values()))
    builds = list(state.builds.values())
    sections = [section_of(builds[number]) for _, number in placed]
    assert sections == sorted(sections)


@given(journals(), st.text("bfailed 12", max_size=4), st.text("bfailed 12", max_size=2))
def test_a_longer_filter_never_matches_more(
    journal: list[v.KnownEvent], needle: str, more: str
) -> None:
    state = pool.RunState()
    pool.apply_all(state, journal)
    for build in state.builds.values():
        assert matches_filter(build, state, needle) or not matches_filter(
            build, state, needle + more
        )


@given(journals())
def test_an_updated_queue_equals_the_queue_of_the_state(journal: list[v.KnownEvent]) -> None:
    state, line = pool.RunState(), SlotQueue()
    for event in journal:
        line.update(state, pool.apply(state, event))
    whole = SlotQueue.of(state)
    stands = [line[place] for place in range(len(line))]
    assert stands == [whole[place] for place in range(len(whole))]
    assert [line.position(build) for build in stands] == list(range(len(stands)))
    gone = BuildId(next(f"b{n}" for n in count(90)))
    assert line.position(gone) is None
