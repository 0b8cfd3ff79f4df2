"""The lines of a list: rows, groups that stand for hidden rows, and heads of sections.

Pure arithmetic over the sizes of sections; it knows no builds. Hidden rows are counted, so rows and
groups together are always the whole list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from app.model.sorting import Section
from pool import Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

__all__ = ["SHOWN_FAILURES", "Group", "Head", "Layout", "LayoutOptions"]

SHOWN_FAILURES = 3
"""The number of failures that are always shown."""
_UNFINISHED = (Section.RUNNING, Section.WAITING)


class Group(Record, frozen=True, kw_only=True):
    """One row that stands for several."""

    section: Section
    hidden: int
    """The number of hidden rows; 0 if they are shown below it."""
    count: int


class Head(Record, frozen=True, kw_only=True):
    """The line above the rows of a section."""

    section: Section
    count: int


class LayoutOptions(Record, frozen=True, kw_only=True):
    """The options of a layout."""

    expanded: Collection[Section] = ()
    """The sections whose groups show their rows."""
    ungrouped: bool = False
    """Whether there are no groups at all, as in the result of a filter."""
    reverse: bool = False
    heads: bool = False
    """Whether each section has a line above its rows."""


class _Rows(Record, frozen=True, kw_only=True):
    """A slice of the sorted list."""

    start: int
    stop: int
    reverse: bool = False

    def __len__(self) -> int:
        return self.stop - self.start


_Segment: TypeAlias = "Group | Head | _Rows"


class Layout:
    """The lines of a list that is sorted by section.

    Args:
        sizes: the number of entries in each section, in the order of `Section`.
        options: the options of the layout.
        selected: the index of an entry that is shown even if its group is closed.
    """

    def __init__(
        self, sizes: Sequence[int], options: LayoutOptions, selected: int | None = None
    ) -> None:
        self._segments: list[_Segment] = []
        self._lines = 0
        start = 0
        # Groups keep room for unfinished builds; without any there is room for all rows.
        ungrouped = options.ungrouped or not any(sizes[section] for section in _UNFINISHED)
        for section in Section:
            stop = start + sizes[section]
            if ungrouped or section in _UNFINISHED:
                segments: list[_Segment] = [_Rows(start=start, stop=stop, reverse=options.reverse)]
            else:
                segments = list(_grouped(section, start, stop, options, selected))
            shown = [segment for segment in segments if _height(segment)]
            # A group at the top tells the section itself.
            if options.heads and shown and not isinstance(shown[0], Group):
                self._add(Head(section=section, count=stop - start))
            for segment in shown:
                self._add(segment)
            start = stop

    def _add(self, segment: _Segment) -> None:
        self._segments.append(segment)
        self._lines += _height(segment)

    def __len__(self) -> int:
        return self._lines

    def item_at(self, line: int) -> int | Group | Head:
        """Return the entry on a line, as an index of the sorted list, or the group or head.

        Raises:
            IndexError: there is no such line.
        """
        for segment in self._segments:
            if line < (height := _height(segment)):
                if not isinstance(segment, _Rows):
                    return segment
                return segment.stop - 1 - line if segment.reverse else segment.start + line
            line -= height
        raise IndexError(line)

    def line_of(self, index: int) -> int | None:
        """Return the line of an entry of the sorted list; None if a group hides it."""
        top = 0
        for segment in self._segments:
            if isinstance(segment, _Rows) and segment.start <= index < segment.stop:
                return top + (
                    segment.stop - 1 - index if segment.reverse else index - segment.start
                )
            top += _height(segment)
        return None

    def line_of_group(self, section: Section) -> int | None:
        """Return the line of a section's group; None if it has none."""
        top = 0
        for segment in self._segments:
            if isinstance(segment, Group) and segment.section is section:
                return top
            top += _height(segment)
        return None


def _grouped(
    section: Section, start: int, stop: int, options: LayoutOptions, selected: int | None
) -> Iterator[_Segment]:
    """Yield the newest failures as rows, and one group for the rest of the section."""
    shown = min(SHOWN_FAILURES, stop - start) if section is Section.FAILED else 0
    if stop - start - shown <= 1:
        # A group for one row takes as much room as the row.
        yield _Rows(start=start, stop=stop)
        return
    rest = start + shown
    yield _Rows(start=start, stop=rest)
    if section in options.expanded:
        yield Group(section=section, hidden=0, count=stop - rest)
        yield _Rows(start=rest, stop=stop, reverse=options.reverse)
        return
    inside = selected is not None and rest <= selected < stop
    yield Group(section=section, hidden=stop - rest - inside, count=stop - rest)
    if selected is not None and inside:
        yield _Rows(start=selected, stop=selected + 1)


def _height(segment: _Segment) -> int:
    return len(segment) if isinstance(segment, _Rows) else 1
