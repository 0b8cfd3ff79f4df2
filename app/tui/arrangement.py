"""The builds in the order of the table, kept while they change: only what moved is moved.

Sorting ten thousand builds three times a second would take a tenth of a core.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from app.view import Place, matches, place_of, usual_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pool import BuildId, BuildState, State

__all__ = ["Arrangement"]


class Arrangement:
    """Builds by their place; filtered by a text."""

    def __init__(self, state: State, needle: str = "") -> None:
        self.state = state
        self.needle = needle
        self._usual = usual_seconds(state)
        self._places: dict[BuildId, Place] = {}
        self._rows: list[tuple[Place, int, BuildId]] = []
        self._numbers: dict[BuildId, int] = {}
        """The order of announcement, which decides between equal places."""
        self.update(state.builds)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> BuildState:
        return self.state.builds[self._rows[index][2]]

    def update(self, changed: Iterable[BuildId]) -> None:
        """Put the builds that have changed where they belong now."""
        for build in changed:
            state = self.state.builds[build]
            number = self._numbers.setdefault(build, len(self._numbers))
            place = (
                place_of(state, self._usual) if matches(state, self.state, self.needle) else None
            )
            if place != (old := self._places.get(build)):
                if old is not None:
                    del self._rows[bisect_left(self._rows, (old, number, build))]
                    del self._places[build]
                if place is not None:
                    insort(self._rows, (place, number, build))
                    self._places[build] = place

    def index(self, build: BuildId) -> int | None:
        """Return the row of a build; None where the filter hides it."""
        place = self._places.get(build)
        if place is None:
            return None
        return bisect_left(self._rows, (place, self._numbers[build], build))

    def first(self, rank: int) -> int:
        """Return the first row of a rank of `app.view`, or where it would be."""
        return bisect_left(self._rows, ((rank, False, float("-inf")),))
