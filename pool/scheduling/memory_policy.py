"""The admission policy for memory: a budget that can be changed, and the events about it.

The gate of builds asks this policy (and so the `MemoryLedger`) which build fits when a slot is
free. A build that does not fit waits for memory without a slot. It is examined again whenever a
build releases its slot, the budget changes, or a sample is taken.

Slot and memory are granted in one decision. Reserving memory first could hold memory without a
slot; taking the slot first could idle a slot that lacks memory. A build that releases its slot
releases the memory as well, for processes run only with a slot. A build whose wheel turns out to be
cached reserves memory all the same: that is not known yet, and the memory is free again in a
moment.

The budget is the user's limit, or less while the machine has less to offer, for other programs use
memory, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pool.common.model import LimitName, WaitFor
from pool.common.units import format_size
from pool.events.types import BuildWaiting, LimitChanged
from pool.scheduling.memory_budget import MemoryBudget
from pool.scheduling.memory_ledger import MemoryLedger
from pool.scheduling.memory_pressure import Pressure, PressureReading
from pool.system.memory import read_available

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Mapping, Sequence

    from pool.common.clock import Clock
    from pool.common.model import BuildKey
    from pool.events.router import EventRouter
    from pool.scheduling.gate import Gate
    from pool.system.memory import AvailableMemory

__all__ = ["MemoryPolicy"]

_FORECAST_SECONDS = 2.0
"""If builds use all memory by then, waiting for the next sample is too late."""
_SIGNIFICANT_CHANGE = 0.05
"""A wait for memory is emitted again if a figure changed by this part of the bytes needed."""


class MemoryPolicy:
    """Decides which builds fit into memory; emits the waits of those that do not.

    Args:
        limit: the most bytes for all builds; None for no limit.
        router: a wait is emitted in the run of the build, a change of the budget in all runs.
        clock: the time of samples.
        read_memory: reads what the machine has available.
    """

    def __init__(
        self,
        limit: int | None,
        router: EventRouter,
        clock: Clock,
        read_memory: Callable[[], AvailableMemory] = read_available,
    ) -> None:
        self._router = router
        self._clock = clock
        self._read_memory = read_memory
        self._available = read_memory()
        self._budget = None if limit is None else MemoryBudget(limit, self._available.free)
        self.ledger: MemoryLedger[BuildKey] = MemoryLedger(_current_bytes(self._budget))
        self._pressure = Pressure()
        self._sampled_at = self._clock.monotonic()
        self._growth = 0.0
        """Bytes a second by which the usage of all builds grew between the last two samples."""
        self._announced: dict[BuildKey, tuple[int, int]] = {}
        """The builds that wait for memory, with the bytes needed and free that were emitted."""

    @property
    def budget(self) -> int | None:
        """The current budget in bytes; None for no limit."""
        return self.ledger.budget

    # As the admission policy of a gate

    def fits(self, key: Hashable, running: Collection[Hashable]) -> bool:
        """Return whether a build may run beside others."""
        return self.ledger.fits(cast("BuildKey", key), cast("Collection[BuildKey]", running))

    def on_admit(self, key: Hashable) -> None:
        """Reserve the memory that the build needs."""
        self.ledger.on_admit(cast("BuildKey", key))
        self._announced.pop(cast("BuildKey", key), None)

    def reserved_bytes(self, key: Hashable) -> int:
        """Return the bytes reserved for a build."""
        return self.ledger.reserved_bytes(cast("BuildKey", key))

    def on_refuse(self, refused: Sequence[Hashable], running: Collection[Hashable]) -> None:
        """Emit for each refused build that it waits for memory, and for how much."""
        free = max(0, self.ledger.free_bytes(cast("Collection[BuildKey]", running)))
        for build in cast("Sequence[BuildKey]", refused):
            needs = self.ledger.expected_peak(build)
            before = self._announced.get(build)
            if before is None or _differs(before, (needs, free), needs):
                self._announced[build] = (needs, free)
                on = f"needs {format_size(needs)}, {format_size(free)} free"
                event = BuildWaiting(
                    build=build.build, for_=WaitFor.MEMORY, on=on, needs=needs, free=free
                )
                self._router.emit(build.run, event)

    # Changes

    def on_sample(self, usage: Mapping[BuildKey, int]) -> None:
        """Record the bytes that each running build uses, and read the machine's memory."""
        before, now = self.ledger.total_usage, self._clock.monotonic()
        self.ledger.record_sample(usage)
        if now > self._sampled_at:
            self._growth = (self.ledger.total_usage - before) / (now - self._sampled_at)
        self._sampled_at = now
        self._available = self._read_memory()
        if self._budget is not None:
            free, used = self._available.free, self.ledger.total_usage
            self._set_budget(self._budget.update(now, free, used), "machine")

    def on_build_end(self, build: BuildKey, *, peak: int, succeeded: bool) -> None:
        """Remove a build; ``peak`` in bytes, ``succeeded`` if a wheel was built from source."""
        self._announced.pop(build, None)
        self.ledger.remove(build, peak=peak, succeeded=succeeded)

    def resize(self, limit: int | None) -> None:
        """Set another limit; builds that use too much for it have time to end (`Pressure`)."""
        usable = self._read_memory().free + self.ledger.total_usage
        self._budget = None if limit is None else MemoryBudget(limit, usable)
        self._set_budget(_current_bytes(self._budget), "user")
        if limit is None:
            for build in self._announced:
                self._router.emit(build.run, BuildWaiting(build=build.build, for_=WaitFor.SLOT))
            self._announced.clear()

    def _set_budget(self, budget: int | None, reason: str) -> None:
        old, new = self.ledger.budget, budget
        if new != old:
            self.ledger.budget = new
            event = LimitChanged(limit=LimitName.MEMORY, old=old or 0, new=new or 0, why=reason)
            self._router.broadcast(event)

    # Decisions

    def recommend_cap(self, gate: Gate) -> int:
        """Return the cap of builds that the state of memory allows."""
        if (reading := self._pressure_reading()) is None:
            return gate.cap + 1
        running, now = len(gate.running), self._clock.monotonic()
        return self._pressure.recommend_cap(now, reading, running=running, cap=gate.cap)

    def eviction_reason(self) -> str:
        """Return why a build has to end to free memory; empty if none has to."""
        reading = self._pressure_reading()
        if reading is None or not self._pressure.must_evict(self._clock.monotonic(), reading):
            return ""
        if reading.overuse > 1 and self._budget:
            used, limit = self.ledger.total_usage, self._budget.limit
            return f"memory {format_size(used)} of {format_size(limit)}"
        if reading.scarce:
            return f"{format_size(self._available.free)} of memory left"
        return f"processes waited for memory {reading.stall:.0f} % of the time"

    def _pressure_reading(self) -> PressureReading | None:
        if self._budget is None:
            return None
        used, available, budget = self.ledger.total_usage, self._available, self._budget.current
        soon_gone = used > budget and available.free < self._growth * _FORECAST_SECONDS
        return PressureReading(
            load=used / budget,
            overuse=used / self._budget.limit,
            scarce=available.scarce or soon_gone,
            stall=available.stall,
        )


def _current_bytes(budget: MemoryBudget | None) -> int | None:
    return budget.current if budget else None


def _differs(before: tuple[int, int], now: tuple[int, int], needs: int) -> bool:
    return any(
        abs(new - old) > needs * _SIGNIFICANT_CHANGE for old, new in zip(before, now, strict=True)
    )
