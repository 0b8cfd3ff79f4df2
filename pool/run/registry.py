"""Who is in the pool: every announced build, what became of it, and who waits for whom.

Bookkeeping only: no tasks, no events, no I/O.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from pool.common.model import BuildId, Outcome

if TYPE_CHECKING:
    from pool.build.job import BuildJob
    from pool.events.types import BuildFinished

__all__ = ["JobRegistry"]


class JobRegistry:
    """All builds of one run."""

    def __init__(self) -> None:
        self.jobs: dict[BuildId, BuildJob] = {}
        self.outcomes: dict[BuildId, BuildFinished] = {}
        self.superseded: set[BuildId] = set()
        """Those that were tried again."""
        self._logs: Counter[str] = Counter()

    def next_id(self) -> BuildId:
        """Return the id for the next build."""
        return BuildId(f"b{len(self.jobs) + 1}")

    def log_name(self, label: str) -> str:
        """Return a file name for a log that no other build of the run has."""
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", label).strip(".-")[:100] or "build"
        self._logs[stem] += 1
        return f"{stem}.log" if self._logs[stem] == 1 else f"{stem}.{self._logs[stem]}.log"

    def running(self) -> list[BuildJob]:
        """Return the builds that have not ended."""
        return [job for job in self.jobs.values() if job.id not in self.outcomes]

    def cycle(self, by: BuildJob, needed: BuildJob) -> list[BuildJob]:
        """Return the chain from ``by`` back to itself if waiting for ``needed`` closed one."""
        path: list[BuildJob] = []
        return [by, *path] if self._leads(needed, by.id, path, set()) else []

    def _leads(
        self, job: BuildJob, goal: BuildId, path: list[BuildJob], seen: set[BuildId]
    ) -> bool:
        path.append(job)
        if job.id == goal:
            return True
        seen.add(job.id)
        for build in job.waits_on - seen:
            if self._leads(self.jobs[build], goal, path, seen):
                return True
        path.pop()
        return False

    def wanted(self, job: BuildJob) -> bool:
        """Tell whether a build waits for this one now."""
        return any(job.id in self.jobs[build].waits_on for build in job.needed_by)

    def asked_for(self) -> list[BuildJob]:
        """Return the last tries of what the user asked for."""
        jobs = self.jobs.values()
        return [job for job in jobs if not job.nested and job.id not in self.superseded]

    def totals(self) -> dict[Outcome, int]:
        """Count how what the user asked for has ended."""
        ended = [self.outcomes[job.id] for job in self.asked_for() if job.id in self.outcomes]
        return dict(Counter(event.outcome for event in ended))

    def to_retry(self, job: BuildJob) -> list[BuildJob]:
        """Return what to build again for a build the user wants again.

        That is itself, or, for a nested build, whatever the user asked for and did not get
        for want of it. Good builds, running ones and those tried again already are left alone.
        """
        if not job.nested:
            return [job] if self._went_wrong(job) else []
        above = (self.to_retry(self.jobs[build]) for build in sorted(job.needed_by))
        return list(dict.fromkeys(again for group in above for again in group))

    def _went_wrong(self, job: BuildJob) -> bool:
        ended = self.outcomes.get(job.id)
        return ended is not None and not ended.outcome.good and job.id not in self.superseded
