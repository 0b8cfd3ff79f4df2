"""The memory of a run: a budget that can be changed, who fits into it, and what is told of that.

It stands beside the gate of builds. The gate asks it (by way of the `Ledger`) for whom a free slot
is of use; whoever does not fit is told to wait for memory, without a slot, and is looked at again
whenever somebody leaves, the budget changes, or a sample is taken.

That is why memory is asked for together with the slot, and not before or after it: before, a build
could have memory set aside for which there is no slot; after, a slot would idle under a build that
may not use it. Whoever leaves the slot in the middle gives the memory back as well, for processes
run only with a slot. What a build found in the cache would not need is asked for all the same:
it is not known yet, and given back in a moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pool.events.vocabulary import BuildWaiting, LimitChanged
from pool.limits.memory import Ledger
from pool.limits.pressure import Pressure, stalled
from pool.model import LimitName, WaitFor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Sequence

    from pool.events.bus import Bus
    from pool.events.vocabulary import BuildSample
    from pool.limits.gate import Gate
    from pool.model import BuildId

__all__ = ["Memory"]

_WORTH_TELLING = 0.05
"""By what part of the need a figure has changed before it is told again."""


class Memory:
    """Judges who fits, as the gate's judge; tells who does not.

    Args:
        budget: bytes; None for no end.
        bus: where waiting and changes are told.
        stall: reads how much processes wait for memory, in percent.
    """

    def __init__(self, budget: int | None, bus: Bus, stall: Callable[[], float] = stalled) -> None:
        self.ledger: Ledger[BuildId] = Ledger(budget)
        self._bus = bus
        self._stall = stall
        self._pressure = Pressure()
        self._told: dict[BuildId, tuple[int, int]] = {}
        """Who was told to wait: needs and free."""

    @property
    def budget(self) -> int | None:
        """Bytes; None for no end."""
        return self.ledger.budget

    # As the judge of a gate

    def fits(self, who: Hashable, running: Collection[Hashable]) -> bool:
        """Tell whether a build may run beside others."""
        return self.ledger.fits(cast("BuildId", who), cast("Collection[BuildId]", running))

    def let_in(self, who: Hashable) -> None:
        """Set aside what it needs."""
        self.ledger.let_in(cast("BuildId", who))
        self._told.pop(cast("BuildId", who), None)

    def reserved(self, who: Hashable) -> int:
        """Return what is set aside for a build."""
        return self.ledger.reserved(cast("BuildId", who))

    def refused(self, refused: Sequence[Hashable], running: Collection[Hashable]) -> None:
        """Tell who waits for memory, and for how much."""
        free = max(0, self.ledger.free(cast("Collection[BuildId]", running)))
        for build in cast("Sequence[BuildId]", refused):
            needs = self.ledger.need(build)
            before = self._told.get(build)
            if before is None or _differ(before, (needs, free), needs):
                self._told[build] = (needs, free)
                on = f"needs {_size(needs)}, {_size(free)} free"
                why = BuildWaiting(build=build, for_=WaitFor.MEMORY, on=on, needs=needs, free=free)
                self._bus.emit(why)

    # What it is told

    def saw(self, samples: Sequence[BuildSample]) -> None:
        """Take one look at all running builds."""
        self.ledger.saw({sample.build: sample.rss for sample in samples})

    def forget(self, build: BuildId, *, peak: int, well: bool) -> None:
        """A build has ended; ``peak`` in bytes, ``well`` if it was really built."""
        self._told.pop(build, None)
        self.ledger.forget(build, peak=peak, well=well)

    def resize(self, budget: int | None) -> None:
        """Set another budget; nobody is ended for it."""
        old = self.ledger.budget
        if budget == old:
            return
        self.ledger.budget = budget
        changed = LimitChanged(limit=LimitName.MEMORY, old=old or 0, new=budget or 0, why="user")
        self._bus.emit(changed)
        if budget is None:
            for build in self._told:
                self._bus.emit(BuildWaiting(build=build, for_=WaitFor.SLOT))
            self._told.clear()

    def cap(self, gate: Gate) -> int:
        """Return what the cap of builds should be, for all that memory says."""
        if self.budget is None:
            return gate.cap + 1
        load = self.ledger.used / self.budget
        running = len(gate.running)
        now = self._bus.elapsed
        return self._pressure.cap(now, load, self._stall(), running=running, cap=gate.cap)


def _differ(before: tuple[int, int], now: tuple[int, int], needs: int) -> bool:
    return any(
        abs(new - old) > needs * _WORTH_TELLING for old, new in zip(before, now, strict=True)
    )


def _size(count: int) -> str:
    if count < 1000 << 20:
        return f"{count / (1 << 20):.0f} MiB"
    return f"{count / (1 << 30):.1f} GiB"
