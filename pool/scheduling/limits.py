"""The limits that the user can change: builds, downloads, installs and jobs at once, and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.common.controls import Resize
from pool.common.model import LimitName
from pool.events.types import LimitChanged
from pool.scheduling.gate import Gate
from pool.scheduling.job_tokens import JobTokens
from pool.scheduling.jobserver import Jobserver, OuterJobserver
from pool.scheduling.memory_policy import MemoryPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pool.events.bus import EventBus
    from pool.events.types import BuildSample

__all__ = ["Limits"]


class Limits:
    """One gate for each kind of work; every change is emitted before it takes effect.

    Args:
        bus: the bus for changes of limits and waits for memory.
        builds: the cap of builds.
        downloads: the cap of downloads.
        installs: the cap of wheels that are unpacked, checked and compiled at once.
        jobs: the cap of jobs (compilers and the like) of all builds together.
        jobs_follow: whether a raised cap of builds raises the cap of jobs; each build needs one.
        memory: bytes for all builds together; None for no limit.
        max_cap: the highest value that a cap can be set to.
        outer_jobserver: the jobserver of the make that runs this process.
    """

    def __init__(
        self,
        *,
        bus: EventBus,
        builds: int,
        downloads: int,
        installs: int,
        jobs: int,
        jobs_follow: bool,
        memory: int | None,
        max_cap: int,
        outer_jobserver: OuterJobserver | None,
    ) -> None:
        self._bus = bus
        self._max_cap = max_cap
        self.memory = MemoryPolicy(memory, bus)
        self.builds = Gate(builds, self.memory)
        self._requested_builds = builds
        """The cap of builds that the user wants; lack of memory may have lowered the real one."""
        self.downloads = Gate(downloads)
        self.installs = Gate(installs)
        self._jobs_follow = jobs_follow
        self.jobs = Jobserver(JobTokens(jobs), outer_jobserver)

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
        """Set a cap, between 1 and the maximum, or the memory budget, for which 0 is no limit."""
        if (gate := self._gates.get(control.limit)) is None:
            old = self.memory.budget or 0
            budget = control.value if control.value is not None else old + control.by
            self.memory.resize(budget if budget > 0 else None)
            self.builds.reconsider()
            return
        wanted = control.value if control.value is not None else gate.cap + control.by
        new, old = max(1, min(wanted, self._max_cap)), gate.cap
        if gate is self.builds:
            self._requested_builds = new
        if new == old:
            return
        # While the gate is paused, the old value is the one that resuming restores.
        if gate.paused:
            self._emit_change(control.limit, new, 0, "pause")
        else:
            self._emit_change(control.limit, old, new, "user")
        gate.resize(new)
        if gate is self.builds and self._jobs_follow and new > self.jobs.cap:
            self.resize(Resize(limit=LimitName.JOBS, value=new))

    def on_sample(self, samples: Sequence[BuildSample]) -> str:
        """Apply one sample of all builds: lower or raise the cap, and admit builds that fit.

        Returns:
            Why one of the builds has to end to free memory; empty if none has to.
        """
        self.memory.on_sample(samples)
        if not self.builds.paused:
            new = min(self.memory.recommend_cap(self.builds), self._requested_builds)
            old = self.builds.cap
            if new != old:
                self._emit_change(LimitName.BUILDS, old, new, "memory")
                self.builds.resize(new)
        self.builds.reconsider()
        return self.memory.eviction_reason()

    def pause(self) -> None:
        """Stop admitting builds; builds that hold a slot go on."""
        if not self.builds.paused:
            self._emit_change(LimitName.BUILDS, self.builds.cap, 0, "pause")
            self.builds.pause()

    def resume(self) -> None:
        """Admit builds again."""
        if self.builds.paused:
            self._emit_change(LimitName.BUILDS, 0, self.builds.cap, "resume")
            self.builds.resume()

    def _emit_change(self, limit: LimitName, old: int, new: int, reason: str) -> None:
        self._bus.emit(LimitChanged(limit=limit, old=old, new=new, why=reason))
