"""Announces builds: gives each an id, a log and what is expected of it, and tells of it.

Deliberately nothing more: when it begins, and what becomes of it, is `pool.run.scheduler`' business.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pool.build.job import (
    BuildJob,
    BuildRequest,
    RetryAttempt,
    ignore_unretrieved,
    infer_identity,
    source_label,
)
from pool.events.types import BuildQueued
from pool.scheduling.history import Estimate

if TYPE_CHECKING:
    from pathlib import Path

    from pool.common.model import BuildId
    from pool.events.bus import EventBus
    from pool.run.registry import JobRegistry
    from pool.scheduling.history import BuildHistory
    from pool.scheduling.memory_ledger import MemoryLedger
    from pool.scheduling.slot import Priority

__all__ = ["Announcer"]

METADATA_PEAK = 96 << 20
"""Bytes that are expected where a backend is only asked for metadata."""


class Announcer:
    """One for a run.

    Args:
        roster: where builds are entered.
        ledger: where what they need is expected.
        history: what they needed before.
        logs: the folder for their logs.
        bus: where they are told of.
    """

    def __init__(
        self,
        *,
        roster: JobRegistry,
        ledger: MemoryLedger[BuildId],
        history: BuildHistory,
        logs: Path,
        bus: EventBus,
    ) -> None:
        self._roster = roster
        self._ledger = ledger
        self._history = history
        self._logs = logs
        self._bus = bus

    def announce(
        self,
        order: BuildRequest,
        priority: Priority,
        *,
        past: Estimate | None = None,
        inside: bool = False,
        needed_by: tuple[BuildId, ...] = (),
        retry_of: BuildId | None = None,
        attempt: RetryAttempt | None = None,
        seen: int = 0,
    ) -> BuildJob:
        """Announce a build.

        Args:
            order: what is to be built.
            priority: at the gate.
            past: what is known of it, where the caller has looked.
            inside: whether only others asked for it.
            needed_by: the builds that did.
            retry_of: the one that it stands for.
            attempt: where that is by itself, which.
            seen: bytes that an earlier try came to in this run.
        """
        build_id, (name, known) = self._roster.next_id(), infer_identity(order.source)
        log = self._logs / self._roster.log_name(f"{name}-{known}" if known else name)
        job = BuildJob(
            id=build_id,
            request=order,
            name=name,
            version=known,
            log=log,
            priority=priority,
            nested=inside,
            result=ignore_unretrieved(asyncio.get_running_loop().create_future()),
            retry_job=asyncio.get_running_loop().create_future(),
            attempt=attempt,
        )
        self._roster.jobs[build_id] = job
        past = past or self._past(job)
        self._ledger.add(build_id, past.peak, seen)
        queued = BuildQueued(
            build=build_id,
            name=name,
            version=known,
            target=source_label(order.source),
            log=log.name,
            origin=order.origin,
            purpose=order.purpose,
            needed_by=needed_by,
            nested=inside,
            retry_of=retry_of,
            expected=past.seconds,
            expected_peak=max(past.peak or 0, seen) or None,
            config_settings=order.redacted_settings,
            priority=priority,
            alone=job.exclusive,
        )
        self._bus.emit(queued)
        return job

    def _past(self, job: BuildJob) -> Estimate:
        if job.purpose == "metadata":
            # Most backends read a file or two for it; building the wheel is another build.
            return Estimate(peak=METADATA_PEAK)
        return self._history.estimate([(job.name, job.version)])[0]
