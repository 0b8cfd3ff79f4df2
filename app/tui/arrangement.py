"""The builds in the order of the table, kept while they change: only what moved is moved.

Sorting ten thousand builds three times a second would take a tenth of a core. What of the order is
shown as rows, and what is grouped away, is `app.grouping`'s.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.grouping import Group, Layout, Manner
from app.sorting import Order, Place, Section, matches, number, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pool import BuildId, BuildState, State

__all__ = ["Arrangement", "Wanted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user wants to see, and in which order."""

    needle: str = ""
    """Only builds that have it."""
    by: Order = "state"
    backwards: bool = False
    opened: frozenset[Section] = frozenset()
    """The groups whose builds are shown."""

    @property
    def manner(self) -> Manner:
        """How the list is laid out."""
        everything = bool(self.needle)
        return Manner(opened=self.opened, everything=everything, backwards=self.backwards)

    @property
    def newest_first(self) -> bool:
        """Whether a few failures are shown: then those of the last minutes."""
        return Section.FAILED not in self.opened and not self.needle


class Arrangement:
    """Builds and groups by their line."""

    def __init__(
        self, state: State, wanted: Wanted | None = None, kept: BuildId | None = None
    ) -> None:
        self.state = state
        self.wanted = wanted or Wanted()
        self._places: dict[BuildId, Place] = {}
        self._numbers: dict[BuildId, int] = {}
        """The order of announcement, which decides between equal places."""
        self._rows: list[tuple[Place, int, BuildId]] = []
        self._fill()
        self.keep(kept)

    def __len__(self) -> int:
        return len(self._layout)

    def at(self, line: int) -> BuildState | Group:
        """Return what is on a line."""
        there = self._layout.at(line)
        return there if isinstance(there, Group) else self.state.builds[self._rows[there][2]]

    def _fill(self) -> None:
        number(self._numbers, self.state)
        for build in self.state.builds.values():
            if (place := self._place(build)) is not None:
                self._places[build.id] = place
                self._rows.append((place, self._numbers[build.id], build.id))
        self._rows.sort()

    def _place(self, build: BuildState) -> Place | None:
        if not matches(build, self.state, self.wanted.needle):
            return None
        return place_of(build, self.wanted.by, newest_first=self.wanted.newest_first)

    def update(self, changed: Iterable[BuildId], kept: BuildId | None) -> None:
        """Put the builds that have changed where they belong now.

        Args:
            changed: those.
            kept: one that stays a row of its own whatever becomes of it.
        """
        number(self._numbers, self.state)
        for build in changed:
            place = self._place(self.state.builds[build])
            if place != (old := self._places.get(build)):
                if old is not None:
                    del self._rows[bisect_left(self._rows, (old, self._numbers[build], build))]
                    del self._places[build]
                if place is not None:
                    insort(self._rows, (place, self._numbers[build], build))
                    self._places[build] = place
        self.keep(kept)

    def keep(self, kept: BuildId | None) -> None:
        """Lay the lines out anew, with one build a row of its own."""
        starts = [bisect_left(self._rows, ((section, ()),)) for section in Section]
        sizes = [
            stop - start for start, stop in zip(starts, [*starts[1:], len(self._rows)], strict=True)
        ]
        self._layout = Layout(sizes, self.wanted.manner, self._index(kept))

    def _index(self, build: BuildId | None) -> int | None:
        if build is None or (place := self._places.get(build)) is None:
            return None
        return bisect_left(self._rows, (place, self._numbers[build], build))

    def line_of(self, build: BuildId) -> int | None:
        """Return the line of a build; None where the filter or a group hides it."""
        index = self._index(build)
        return None if index is None else self._layout.line_of(index)

    def line_of_group(self, section: Section) -> int | None:
        """Return the line of a section's group, where it has one."""
        return self._layout.line_of_group(section)

    def section(self, build: BuildId) -> Section | None:
        """Return the section of a build; None where the filter hides it."""
        place = self._places.get(build)
        return None if place is None else place[0]
