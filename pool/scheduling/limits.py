"""The caps of a run: how many builds, downloads and installs go on at once, changed by the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.common.controls import Resize
from pool.common.model import LimitName
from pool.events.types import LimitChanged
from pool.scheduling.gate import Gate
from pool.scheduling.job_tokens import JobTokens
from pool.scheduling.jobserver import Jobserver, Outer
from pool.scheduling.memory_policy import MemoryPolicy
from pool.settings import MAX_BUILDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pool.events.bus import EventBus
    from pool.events.types import BuildSample
    from pool.settings import Settings

__all__ = ["Limits"]


class Limits:
    """One gate for each kind of work; every change is told before it takes effect."""

    def __init__(self, settings: Settings, bus: EventBus) -> None:
        self._bus = bus
        self.memory = MemoryPolicy(settings.memory, bus)
        self.builds = Gate(settings.builds, self.memory)
        self._asked = settings.builds
        """The cap of builds that the user wants; want of memory may have lowered it."""
        self.downloads = Gate(settings.downloads)
        self.installs = Gate(settings.installs)
        self._jobs_follow = settings.jobs_follow
        self.jobs = Jobserver(JobTokens(settings.jobs), Outer.found(settings.environ))

    @property
    def _gates(self) -> dict[LimitName, Gate | Jobserver]:
        return {
            LimitName.BUILDS: self.builds,
            LimitName.DOWNLOADS: self.downloads,
            LimitName.INSTALLS: self.installs,
            LimitName.JOBS: self.jobs,
        }

    def values(self) -> dict[LimitName, int]:
        """Return the caps by name, and the memory budget if there is one."""
        caps = {name: gate.cap for name, gate in self._gates.items()}
        return (
            caps if self.memory.budget is None else {**caps, LimitName.MEMORY: self.memory.budget}
        )

    def resize(self, control: Resize) -> None:
        """Set a cap between 1 and the hard maximum, or the memory budget, where 0 is no end."""
        if (gate := self._gates.get(control.limit)) is None:
            old = self.memory.budget or 0
            budget = control.value if control.value is not None else old + control.by
            self.memory.resize(budget if budget > 0 else None)
            self.builds.reconsider()
            return
        wanted = control.value if control.value is not None else gate.cap + control.by
        new, old = max(1, min(wanted, MAX_BUILDS)), gate.cap
        if gate is self.builds:
            self._asked = new
        if new == old:
            return
        # While paused, the old value is what resuming brings back.
        if gate.paused:
            self._tell(control.limit, new, 0, "pause")
        else:
            self._tell(control.limit, old, new, "user")
        gate.resize(new)
        if gate is self.builds and self._jobs_follow and new > self.jobs.cap:
            self.resize(Resize(limit=LimitName.JOBS, value=new))

    def sampled(self, samples: Sequence[BuildSample]) -> str:
        """See what builds use now: step back for want of memory, or let in who fits.

        Returns:
            Why one of them has to end to make room; empty if none has to.
        """
        self.memory.saw(samples)
        if not self.builds.paused:
            new, old = min(self.memory.cap(self.builds), self._asked), self.builds.cap
            if new != old:
                self._tell(LimitName.BUILDS, old, new, "memory")
                self.builds.resize(new)
        self.builds.reconsider()
        return self.memory.shortage()

    def pause(self) -> None:
        """Let no build begin or go on from a wait; what holds a slot goes on."""
        if not self.builds.paused:
            self._tell(LimitName.BUILDS, self.builds.cap, 0, "pause")
            self.builds.pause()

    def resume(self) -> None:
        """Let builds in again."""
        if self.builds.paused:
            self._tell(LimitName.BUILDS, 0, self.builds.cap, "resume")
            self.builds.resume()

    def _tell(self, limit: LimitName, old: int, new: int, why: str) -> None:
        self._bus.emit(LimitChanged(limit=limit, old=old, new=new, why=why))
