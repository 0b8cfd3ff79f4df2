"""What of a sorted list is shown as rows, and what is grouped away behind one row.

Pure arithmetic over the sizes of sections: it knows no builds. Whatever is grouped away is counted,
so that rows and groups together are always the whole list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from app.model.sorting import Section

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

__all__ = ["SHOWN_FAILURES", "Group", "Layout", "LayoutOptions"]

SHOWN_FAILURES = 3
"""So many failures are always shown."""
_RUNS_ON = (Section.RUNNING, Section.WAITING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One row in the place of some."""

    section: Section
    hidden: int
    """How many it stands for; 0 where they are shown below it."""
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutOptions:
    """How a list is laid out."""

    opened: Collection[Section] = ()
    """The groups whose rows are shown."""
    everything: bool = False
    """Whether there are no groups at all: somebody looks for something."""
    backwards: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Some of the sorted list, one after the other."""

    start: int
    stop: int
    backwards: bool = False

    def __len__(self) -> int:
        return self.stop - self.start


_Segment: TypeAlias = "Group | _Rows"


class Layout:
    """The lines of a list that is sorted by section.

    Args:
        sizes: how many are in each section, in the order of `Section`.
        manner: how to lay them out.
        kept: the index of one that is a row of its own even if its group is closed.
    """

    def __init__(
        self, sizes: Sequence[int], manner: LayoutOptions, kept: int | None = None
    ) -> None:
        self._segments: list[_Segment] = []
        self._lines = 0
        start = 0
        # Groups hold the screen for what goes on: when nothing does, there is room for all.
        everything = manner.everything or not any(sizes[section] for section in _RUNS_ON)
        for section in Section:
            stop = start + sizes[section]
            if everything or section in _RUNS_ON:
                self._add(_Rows(start=start, stop=stop, backwards=manner.backwards))
            else:
                for segment in _grouped(section, start, stop, manner, kept):
                    self._add(segment)
            start = stop

    def _add(self, segment: _Segment) -> None:
        self._segments.append(segment)
        self._lines += _height(segment)

    def __len__(self) -> int:
        return self._lines

    def at(self, line: int) -> int | Group:
        """Return what is on a line: an index of the sorted list, or a group.

        Raises:
            IndexError: there is no such line.
        """
        for segment in self._segments:
            if line < (height := _height(segment)):
                if isinstance(segment, Group):
                    return segment
                return segment.stop - 1 - line if segment.backwards else segment.start + line
            line -= height
        raise IndexError(line)

    def line_of(self, index: int) -> int | None:
        """Return the line of one of the sorted list; None where a group hides it."""
        top = 0
        for segment in self._segments:
            if isinstance(segment, _Rows) and segment.start <= index < segment.stop:
                return top + (
                    segment.stop - 1 - index if segment.backwards else index - segment.start
                )
            top += _height(segment)
        return None

    def line_of_group(self, section: Section) -> int | None:
        """Return the line of a section's group, where it has one."""
        top = 0
        for segment in self._segments:
            if isinstance(segment, Group) and segment.section is section:
                return top
            top += _height(segment)
        return None


def _grouped(
    section: Section, start: int, stop: int, manner: LayoutOptions, kept: int | None
) -> Iterator[_Segment]:
    """Yield the newest few failures, and one row for the rest, or for all that has ended."""
    shown = min(SHOWN_FAILURES, stop - start) if section is Section.FAILED else 0
    if stop - start - shown <= 1:
        # A row that says there is one more takes as much room as that one.
        yield _Rows(start=start, stop=stop)
        return
    rest = start + shown
    yield _Rows(start=start, stop=rest)
    if section in manner.opened:
        yield Group(section=section, hidden=0, count=stop - rest)
        yield _Rows(start=rest, stop=stop, backwards=manner.backwards)
        return
    inside = kept is not None and rest <= kept < stop
    yield Group(section=section, hidden=stop - rest - inside, count=stop - rest)
    if kept is not None and inside:
        yield _Rows(start=kept, stop=kept + 1)


def _height(segment: _Segment) -> int:
    return 1 if isinstance(segment, Group) else len(segment)
