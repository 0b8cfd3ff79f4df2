"""The builds in table order, updated incrementally: only changed builds are moved.

Sorting ten thousand builds three times a second would take a tenth of a core. Which builds are rows
and which are collapsed into groups is decided by `app.model.grouping`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, TypeAlias

from app.model.grouping import Group, Head, Layout, LayoutOptions
from app.model.sorting import Order, Section, SortKey, assign_numbers, sort_key
from app.text.search import matches_filter
from pool import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pool import BuildId, BuildState, RunState

__all__ = ["RowOrder", "TableQuery"]

_Row: TypeAlias = "tuple[SortKey, int, BuildId]"


class TableQuery(Record, frozen=True, kw_only=True):
    """The filter, sort order and expanded groups that the user has chosen."""

    needle: str = ""
    """Only builds whose row contains this text are shown."""
    by: Order = "state"
    reverse: bool = False
    expanded: frozenset[Section] = frozenset()
    """The expanded groups."""
    heads: bool = False
    """Whether each section has a line above its rows."""

    @property
    def manner(self) -> LayoutOptions:
        """The layout of the list."""
        everything = bool(self.needle)
        return LayoutOptions(
            expanded=self.expanded,
            ungrouped=everything,
            reverse=self.reverse,
            heads=self.heads,
        )

    def has_same_order(self, other: TableQuery) -> bool:
        """Return whether another query has the same sort order."""
        return self.by == other.by and self.newest_first == other.newest_first

    @property
    def newest_first(self) -> bool:
        """Whether the few failures shown are the most recent ones."""
        return Section.FAILED not in self.expanded and not self.needle


class RowOrder:
    """The rows, builds and groups, by line. Initially every build of a state in default order."""

    def __init__(self, state: RunState) -> None:
        self.state = state
        self.wanted = TableQuery()
        self._places: dict[BuildId, SortKey] = {}
        self._numbers: dict[BuildId, int] = {}
        """The order of registration, which decides between equal sort keys."""
        self._all: list[_Row] = []
        self._fill()
        self._rows = self._all
        """The rows that match the filter."""
        self.pin(None)

    def show(self, wanted: TableQuery, kept: BuildId | None) -> None:
        """Apply another query.

        Args:
            wanted: the query.
            kept: a build that stays a row of its own even if its group is collapsed.
        """
        before, self.wanted = self.wanted, wanted
        if before.by != wanted.by:
            self._fill()
        elif not before.has_same_order(wanted):
            self._place_failures()
        self._rows = self._filtered(before)
        self.pin(kept)

    def __len__(self) -> int:
        return len(self._layout)

    def at(self, line: int) -> BuildState | Group | Head:
        """Return the build, the group or the head on a line."""
        there = self._layout.item_at(line)
        return there if isinstance(there, Group | Head) else self.state.builds[self._rows[there][2]]

    def _fill(self) -> None:
        assign_numbers(self._numbers, self.state)
        self._all = []
        for build in self.state.builds.values():
            place = self._places[build.id] = self._place(build)
            self._all.append((place, self._numbers[build.id], build.id))
        self._all.sort()

    def _place_failures(self) -> None:
        """Move the failures to their own order; other sections have one order only."""
        start = bisect_left(self._all, ((Section.FAILED, ()),))
        stop = bisect_left(self._all, ((Section.FAILED + 1, ()),))
        again = []
        for _, count, name in self._all[start:stop]:
            place = self._places[name] = self._place(self.state.builds[name])
            again.append((place, count, name))
        self._all[start:stop] = sorted(again)

    def _place(self, build: BuildState) -> SortKey:
        return sort_key(build, self.wanted.by, newest_first=self.wanted.newest_first)

    def _filtered(self, before: TableQuery) -> list[_Row]:
        """Return the matching rows; a narrower filter searches only the previous matches."""
        if not (needle := self.wanted.needle):
            return self._all
        narrower = before.has_same_order(self.wanted) and before.needle in needle
        rows = self._rows if narrower else self._all
        return [
            row for row in rows if matches_filter(self.state.builds[row[2]], self.state, needle)
        ]

    def update(self, changed: Iterable[BuildId], kept: BuildId | None) -> None:
        """Move the changed builds to their new positions; ``kept`` as in `show`."""
        assign_numbers(self._numbers, self.state)
        for name in changed:
            build = self.state.builds[name]
            old, new = self._places.get(name), self._place(build)
            before = None if old is None else (old, self._numbers[name], name)
            self._places[name] = new
            after = (new, self._numbers[name], name)
            if after != before:
                _move(self._all, before, after)
            if self._rows is not self._all:
                there = before is not None and _has(self._rows, before)
                shown = matches_filter(build, self.state, self.wanted.needle)
                if there != shown or after != before:
                    _move(self._rows, before if there else None, after if shown else None)
        self.pin(kept)

    def pin(self, kept: BuildId | None) -> None:
        """Recompute the lines with another build that stays a row of its own."""
        starts = [bisect_left(self._rows, ((section, ()),)) for section in Section]
        sizes = [
            stop - start for start, stop in zip(starts, [*starts[1:], len(self._rows)], strict=True)
        ]
        self._layout = Layout(sizes, self.wanted.manner, self._index(kept))

    def _index(self, build: BuildId | None) -> int | None:
        if build is None or (place := self._places.get(build)) is None:
            return None
        row = (place, self._numbers[build], build)
        return bisect_left(self._rows, row) if _has(self._rows, row) else None

    def line_of(self, build: BuildId) -> int | None:
        """Return the line of a build; None if it is filtered out or in a collapsed group."""
        index = self._index(build)
        return None if index is None else self._layout.line_of(index)

    def line_of_group(self, section: Section) -> int | None:
        """Return the line of a section's group; None if it has none."""
        return self._layout.line_of_group(section)

    def section(self, build: BuildId) -> Section | None:
        """Return the section of a build; None if it is filtered out."""
        return None if self._index(build) is None else self._places[build][0]


def _has(rows: list[_Row], row: _Row) -> bool:
    at = bisect_left(rows, row)
    return at < len(rows) and rows[at] == row


def _move(rows: list[_Row], old: _Row | None, new: _Row | None) -> None:
    if old is not None:
        del rows[bisect_left(rows, old)]
    if new is not None:
        insort(rows, new)
