"""The memory of a run: a budget that can be changed, who fits into it, and what is told of that.

It stands beside the gate of builds. The gate asks it (by way of the `MemoryLedger`) for whom a free slot
is of use; whoever does not fit is told to wait for memory, without a slot, and is looked at again
whenever somebody leaves, the budget changes, or a sample is taken.

That is why memory is asked for together with the slot, and not before or after it: before, a build
could have memory set aside for which there is no slot; after, a slot would idle under a build that
may not use it. Whoever leaves the slot in the middle gives the memory back as well, for processes
run only with a slot. What a build found in the cache would not need is asked for all the same:
it is not known yet, and given back in a moment.

The budget is what was asked for, and less while the machine offers less: others count as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pool.common.model import LimitName, WaitFor
from pool.common.units import in_units
from pool.events.types import BuildWaiting, LimitChanged
from pool.scheduling.memory_budget import MemoryBudget
from pool.scheduling.memory_ledger import MemoryLedger
from pool.scheduling.memory_pressure import Pressure, PressureReading
from pool.system.memory import read_available

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Sequence

    from pool.common.model import BuildId
    from pool.events.bus import EventBus
    from pool.events.types import BuildSample
    from pool.scheduling.gate import Gate
    from pool.system.memory import AvailableMemory

__all__ = ["MemoryPolicy"]

_AHEAD_SECONDS = 2.0
"""If at the pace of builds nothing is left by then, it is too late at the next look or after it."""
_WORTH_TELLING = 0.05
"""By what part of the need a figure has changed before it is told again."""


class MemoryPolicy:
    """Judges who fits, as the gate's judge; tells who does not.

    Args:
        asked: the most bytes for all builds; None for no end.
        bus: where waiting and changes are told.
        look: sees what the machine offers.
    """

    def __init__(
        self, asked: int | None, bus: EventBus, look: Callable[[], AvailableMemory] = read_available
    ) -> None:
        self._bus = bus
        self._look = look
        self._offer = look()
        self._allowance = None if asked is None else MemoryBudget(asked, self._offer.free)
        self.ledger: MemoryLedger[BuildId] = MemoryLedger(_now(self._allowance))
        self._pressure = Pressure()
        self._seen_at = bus.elapsed
        self._pace = 0.0
        """Bytes a second by which builds have grown."""
        self._told: dict[BuildId, tuple[int, int]] = {}
        """Who was told to wait: needs and free."""

    @property
    def budget(self) -> int | None:
        """Bytes, as it is now; None for no end."""
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
                on = f"needs {in_units(needs)}, {in_units(free)} free"
                why = BuildWaiting(build=build, for_=WaitFor.MEMORY, on=on, needs=needs, free=free)
                self._bus.emit(why)

    # What it is told

    def saw(self, samples: Sequence[BuildSample]) -> None:
        """Take one look at all running builds, and at the machine."""
        before, at = self.ledger.used, self._bus.elapsed
        self.ledger.saw({sample.build: sample.rss for sample in samples})
        if at > self._seen_at:
            self._pace = (self.ledger.used - before) / (at - self._seen_at)
        self._seen_at = at
        self._offer = self._look()
        if self._allowance is not None:
            free, used = self._offer.free, self.ledger.used
            self._set(self._allowance.saw(at, free, used), "machine")

    def forget(self, build: BuildId, *, peak: int, well: bool) -> None:
        """A build has ended; ``peak`` in bytes, ``well`` if it was really built."""
        self._told.pop(build, None)
        self.ledger.forget(build, peak=peak, well=well)

    def resize(self, asked: int | None) -> None:
        """Set another budget; what uses too much for it has time to end (`Pressure`)."""
        there = self._look().free + self.ledger.used
        self._allowance = None if asked is None else MemoryBudget(asked, there)
        self._set(_now(self._allowance), "user")
        if asked is None:
            for build in self._told:
                self._bus.emit(BuildWaiting(build=build, for_=WaitFor.SLOT))
            self._told.clear()

    def _set(self, budget: int | None, why: str) -> None:
        old = self.ledger.budget
        if budget != old:
            self.ledger.budget = budget
            changed = LimitChanged(limit=LimitName.MEMORY, old=old or 0, new=budget or 0, why=why)
            self._bus.emit(changed)

    # What it answers

    def cap(self, gate: Gate) -> int:
        """Return what the cap of builds should be, for all that memory says."""
        if (strain := self._strain()) is None:
            return gate.cap + 1
        running = len(gate.running)
        return self._pressure.cap(self._bus.elapsed, strain, running=running, cap=gate.cap)

    def shortage(self) -> str:
        """Say why a build has to end to make room; empty if none has to."""
        strain = self._strain()
        if strain is None or not self._pressure.ends(self._bus.elapsed, strain):
            return ""
        if strain.over > 1 and self._allowance:
            return f"memory {in_units(self.ledger.used)} of {in_units(self._allowance.asked)}"
        if strain.scarce:
            return f"{in_units(self._offer.free)} of memory left"
        return f"processes waited for memory {strain.stall:.0f} % of the time"

    def _strain(self) -> PressureReading | None:
        if self._allowance is None:
            return None
        used, offer, budget = self.ledger.used, self._offer, self._allowance.now
        soon_gone = used > budget and offer.free < self._pace * _AHEAD_SECONDS
        return PressureReading(
            load=used / budget,
            over=used / self._allowance.asked,
            scarce=offer.scarce or soon_gone,
            stall=offer.stall,
        )


def _now(allowance: MemoryBudget | None) -> int | None:
    return allowance.now if allowance else None


def _differ(before: tuple[int, int], now: tuple[int, int], needs: int) -> bool:
    return any(
        abs(new - old) > needs * _WORTH_TELLING for old, new in zip(before, now, strict=True)
    )
