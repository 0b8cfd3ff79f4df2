"""The limits that the user can change: builds, downloads, installs and jobs at once, and memory.

`Limits` are those of a pool and hold for all its runs together. `RunLimits` are the limits as one
run sees them: a run may have a lower cap of builds of its own. Each change is emitted in the
journal of each run that it concerns, before it takes effect, so a journal on its own tells at most
how many builds of its run are running.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pool.common.model import LimitName
from pool.common.once_map import Lazy
from pool.events.controls import Resize
from pool.events.types import LimitChanged
from pool.scheduling.gate import Gate
from pool.scheduling.job_tokens import JobTokens
from pool.scheduling.memory_policy import MemoryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pool.common.clock import Clock
    from pool.common.model import BuildKey, RunId
    from pool.events.bus import EventBus
    from pool.events.router import EventRouter
    from pool.scheduling.jobserver import Jobserver

__all__ = ["Limits", "RunLimits"]


class _BuildsCap(NamedTuple):
    """The cap of builds that holds for a run."""

    cap: int
    paused: bool


class _JobsCap(NamedTuple):
    """The cap of jobs, which is changed through the jobserver once there is one."""

    tokens: JobTokens[BuildKey]
    jobserver: Lazy[Jobserver[BuildKey]]

    @property
    def cap(self) -> int:
        return self.tokens.cap

    def resize(self, cap: int) -> None:
        if self.jobserver.existing is None:
            self.tokens.cap = cap
        else:
            self.jobserver.existing.resize(cap)


class Limits:
    """The limits of a pool: one gate for each kind of work.

    Args:
        router: the runs in whose journals changes and waits for memory are emitted.
        clock: the time of memory samples.
        builds: the cap of builds.
        downloads: the cap of downloads.
        installs: the cap of wheels that are unpacked, checked and compiled at once.
        jobs: the cap of jobs (compilers and the like) of all builds together.
        jobs_follow: whether a raised cap of builds raises the cap of jobs; each build needs one.
        memory: bytes for all builds together; None for no limit.
        max_cap: the highest value that a cap can be set to.
        maxima: lower highest values of single caps, for what the process limits allow.
        create_jobserver: makes the jobserver, with the first hook.
    """

    def __init__(
        self,
        *,
        router: EventRouter,
        clock: Clock,
        builds: int,
        downloads: int,
        installs: int,
        jobs: int,
        jobs_follow: bool,
        memory: int | None,
        max_cap: int,
        create_jobserver: Callable[[JobTokens[BuildKey]], Jobserver[BuildKey]],
        maxima: Mapping[LimitName, int] | None = None,
    ) -> None:
        self._router = router
        self.max_cap = max_cap
        self._maxima = maxima or {}
        self.memory = MemoryPolicy(memory, router, clock)
        self.builds = Gate(builds, self.memory)
        self._requested_builds = builds
        """The cap of builds that the user wants; lack of memory may have lowered the real one."""
        self.downloads = Gate(downloads)
        self.installs = Gate(installs)
        self._jobs_follow = jobs_follow
        self.job_tokens: JobTokens[BuildKey] = JobTokens(jobs)
        self.jobs = Lazy(lambda: create_jobserver(self.job_tokens))
        self._runs: dict[RunId, RunLimits] = {}

    @property
    def _gates(self) -> dict[LimitName, Gate | _JobsCap]:
        return {
            LimitName.BUILDS: self.builds,
            LimitName.DOWNLOADS: self.downloads,
            LimitName.INSTALLS: self.installs,
            LimitName.JOBS: _JobsCap(self.job_tokens, self.jobs),
        }

    def add_run(self, run: RunId, bus: EventBus, builds: int | None) -> RunLimits:
        """Add a run; ``builds`` is its own cap, None for the cap of the pool alone."""
        view = self._runs[run] = RunLimits(self, run, bus, builds)
        self.builds.resize_group(run, builds)
        return view

    def remove_run(self, run: RunId) -> None:
        """Remove a run, none of whose builds, downloads and installs waits or holds a slot."""
        view = self._runs.pop(run)
        for gate in (self.builds, self.downloads, self.installs):
            gate.remove_group(run)
        if view.has_paused_pool:
            # No other run may know that the pool is paused, and resume it.
            self.resume()

    def values(self) -> dict[LimitName, int]:
        """Return the caps by name, and the memory budget if there is one."""
        caps = {name: gate.cap for name, gate in self._gates.items()}
        return (
            caps if self.memory.budget is None else {**caps, LimitName.MEMORY: self.memory.budget}
        )

    @property
    def builds_at_work(self) -> int:
        """The number of builds that can hold a slot now, at most the cap."""
        return min(self.builds.cap, len(self.memory.ledger))

    def resize(self, control: Resize) -> None:
        """Set a cap, between 1 and the maximum, or the memory budget, for which 0 is no limit."""
        if (gate := self._gates.get(control.limit)) is None:
            old = self.memory.budget or 0
            budget = control.value if control.value is not None else old + control.by
            self.memory.resize(budget if budget > 0 else None)
            self.builds.reconsider()
            return
        new, old = self.clamp(control, gate.cap), gate.cap
        if gate is self.builds:
            self._requested_builds = new
        if new == old:
            return
        if gate is self.builds:
            self._emit_builds(new, paused=self.builds.paused, reason="user")
        else:
            changed = LimitChanged(limit=control.limit, old=old, new=new, why="user")
            self._router.broadcast(changed)
        gate.resize(new)
        if gate is self.builds and self._jobs_follow and new > self.job_tokens.cap:
            self.resize(Resize(limit=LimitName.JOBS, value=new))

    def clamp(self, control: Resize, cap: int) -> int:
        """Return the cap that a control sets, given the present one."""
        wanted = control.value if control.value is not None else cap + control.by
        return max(1, min(wanted, self._maxima.get(control.limit, self.max_cap)))

    def on_sample(self, usage: Mapping[BuildKey, int]) -> str:
        """Apply one sample of all builds: lower or raise the cap, and admit builds that fit.

        Args:
            usage: the bytes that each running build uses.

        Returns:
            Why one of the builds has to end to free memory; empty if none has to.
        """
        self.memory.on_sample(usage)
        if not self.builds.paused:
            new = min(self.memory.recommend_cap(self.builds), self._requested_builds)
            if new != self.builds.cap:
                self._emit_builds(new, paused=False, reason="memory")
                self.builds.resize(new)
        self.builds.reconsider()
        return self.memory.eviction_reason()

    def pause(self) -> None:
        """Stop admitting builds; builds that hold a slot go on."""
        if not self.builds.paused:
            self._emit_builds(self.builds.cap, paused=True, reason="pause")
            self.builds.pause()

    def resume(self) -> None:
        """Admit builds again."""
        if self.builds.paused:
            self._emit_builds(self.builds.cap, paused=False, reason="resume")
            self.builds.resume()

    def _emit_builds(self, cap: int, *, paused: bool, reason: str) -> None:
        """Emit in each run the change of its cap, before the pool's cap is changed."""
        for run in self._runs.values():
            run.emit_builds(_BuildsCap(cap, paused), reason=reason)


class RunLimits:
    """The limits as one run sees them.

    Its cap of builds is the lower one of the pool's and its own. Without a cap of its own, resizing
    and pausing change the pool's: so does the command line, whose pool has one run. All other
    limits are the pool's.

    Args:
        pool: the limits of the pool.
        run: the group of the run at the gates.
        bus: the bus of the run.
        builds: the run's own cap; None for none.
    """

    def __init__(self, pool: Limits, run: RunId, bus: EventBus, builds: int | None) -> None:
        self._pool = pool
        self._run = run
        self._bus = bus
        self._builds = builds
        self._paused = False
        self.has_paused_pool = False
        """Whether the pool is paused because of this run."""

    def values(self) -> dict[LimitName, int]:
        """Return the caps by name, and the memory budget if there is one."""
        return {**self._pool.values(), LimitName.BUILDS: self._effective(self._pool_cap).cap}

    def resize(self, control: Resize) -> None:
        """Set the run's own cap of builds if it has one, else the pool's limit."""
        if control.limit is not LimitName.BUILDS or self._builds is None:
            self._pool.resize(control)
            return
        self._change(self._pool.clamp(control, self._builds), paused=self._paused, reason="user")

    def pause(self) -> None:
        """Stop admitting builds of the run, or of the pool if the run has no cap of its own."""
        if self._builds is None:
            self.has_paused_pool = self.has_paused_pool or not self._pool.builds.paused
            self._pool.pause()
        else:
            self._change(self._builds, paused=True, reason="pause")

    def resume(self) -> None:
        """Undo `pause`."""
        if self._builds is None:
            self.has_paused_pool = False
            self._pool.resume()
        else:
            self._change(self._builds, paused=False, reason="resume")

    def emit_builds(self, pool: _BuildsCap, *, reason: str) -> None:
        """Emit the change of the run's cap that a change of the pool's cap brings about."""
        self._emit(self._effective(self._pool_cap), self._effective(pool), reason)

    @property
    def _pool_cap(self) -> _BuildsCap:
        return _BuildsCap(self._pool.builds.cap, self._pool.builds.paused)

    def _effective(self, pool: _BuildsCap) -> _BuildsCap:
        cap = pool.cap if self._builds is None else min(pool.cap, self._builds)
        return _BuildsCap(cap, pool.paused or self._paused)

    def _change(self, builds: int, *, paused: bool, reason: str) -> None:
        before = self._effective(self._pool_cap)
        self._builds, self._paused = builds, paused
        self._emit(before, self._effective(self._pool_cap), reason)
        self._pool.builds.resize_group(self._run, 0 if paused else builds)

    def _emit(self, before: _BuildsCap, after: _BuildsCap, reason: str) -> None:
        if before == after:
            return
        if after.paused:
            # The old value is the one that resuming restores.
            old, new, reason = after.cap, 0, "pause"
        elif before.paused:
            old, new, reason = 0, after.cap, "resume"
        else:
            old, new = before.cap, after.cap
        self._bus.emit(LimitChanged(limit=LimitName.BUILDS, old=old, new=new, why=reason))
