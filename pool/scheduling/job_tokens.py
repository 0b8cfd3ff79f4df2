"""The account of job tokens: one number of jobs (compilers and the like) for all builds.

Pure, as `Limiter` is. It takes the number of unread bytes in each build's FIFO and returns how many
bytes to write and to read; `pool.scheduling.jobserver` does that. Each admitted build has one job
of its own. Each byte that it was granted, and each token leased to it, is one more.

The rules, each a property test: all jobs together never exceed the cap, unless it was just lowered;
a waiting build is admitted before any build gets its next token; no token stays free, or unused for
long, while a build may want it; a build with fewer jobs gets a token before one with more; all
tokens of a build are free again when it is removed.

A tool that writes a token back reads the next one microseconds later, and so would keep all tokens
that it ever had. `reclaimable` returns the builds whose tokens are needed elsewhere: a byte that
such a build writes back is read at once, which succeeds about every other time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from pool.common.record import MutableRecord, Record

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

__all__ = ["JobTokens"]

K = TypeVar("K", bound="Hashable")

IDLE_LOOKS = 3
"""Looks at which a byte may stay unread before it goes to a build without an unread byte."""
COOLDOWN_LOOKS = 8
"""Looks after which a build that left a byte unread may want one again; doubled each time."""
_MAX_DOUBLINGS = 4


class _Share(MutableRecord, kw_only=True):
    """The tokens of one build beside its own job."""

    max_jobs: int
    leased: int = 0
    granted: int = 0
    """Bytes written to its FIFO and not read back: unread, or held by its processes."""
    unread: int = 0
    idle_looks: int = 0
    """Looks since it last read a byte while there was one."""
    cooldown: int = 0
    """Looks until it counts as wanting a token again."""
    unread_takes: int = 0
    """How often in a row a byte that it left unread was given to another build."""

    @property
    def jobs(self) -> int:
        return 1 + self.leased + self.granted

    @property
    def wants(self) -> bool:
        return not self.cooldown and self.unread == 0 and self.may_get_more

    @property
    def may_get_more(self) -> bool:
        return self.jobs < self.max_jobs


class _Request(Record, frozen=True, kw_only=True):
    max_jobs: int
    lease: int


class JobTokens(Generic[K]):
    """The jobs of each build.

    Attributes:
        cap: the most jobs of all builds together, at least 1.
        borrowed: tokens that an outer jobserver has lent; None if there is none. The first job
            needs no token: the outer make counts this process as one of its own jobs.
    """

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.borrowed: int | None = None
        # Ordered by the last grant, the longest ago first.
        self._shares: dict[K, _Share] = {}
        self._waiting: dict[K, _Request] = {}

    @property
    def max_jobs(self) -> int:
        """The most jobs that there may be now."""
        return self.cap if self.borrowed is None else min(self.cap, 1 + self.borrowed)

    @property
    def used(self) -> int:
        """All jobs that are given out, unread bytes among them."""
        return sum(share.jobs for share in self._shares.values())

    @property
    def free(self) -> int:
        """The number of jobs that can still be given out; negative after the cap was lowered."""
        return self.max_jobs - self.used

    @property
    def wanted(self) -> int:
        """The number of builds that wait, or may want a token and have none to read."""
        return len(self._waiting) + sum(share.wants for share in self._shares.values())

    def held(self, build: K) -> int:
        """Return the tokens that a build has read or leased; 0 if it is not admitted."""
        share = self._shares.get(build)
        return share.leased + share.granted - share.unread if share else 0

    def allowed(self, build: K) -> int:
        """Return the jobs that a build may run before the next look; 0 if it is not admitted."""
        share = self._shares.get(build)
        return share.jobs if share else 0

    def leased_to(self, build: K) -> int:
        """Return the tokens that are set aside for an admitted build."""
        return self._shares[build].leased

    def expected_unread(self) -> dict[K, int]:
        """Return the unread bytes of each FIFO if none was read or written since the last look."""
        return {build: share.unread for build, share in self._shares.items()}

    def request(self, build: K, *, max_jobs: int, lease: int = 0) -> None:
        """Queue a build for a job of its own.

        Args:
            build: neither admitted nor waiting.
            max_jobs: the most jobs that it may have at once, at least 1.
            lease: tokens to set aside for it when it is admitted, as far as there are any.
        """
        self._waiting[build] = _Request(max_jobs=max_jobs, lease=lease)

    def remove(self, build: K) -> None:
        """Remove a build that is admitted or waits; all its tokens are free again."""
        self._shares.pop(build, None)
        self._waiting.pop(build, None)

    def admit(self) -> list[K]:
        """Admit waiting builds while there are free jobs, first come first served."""
        admitted = []
        for build, request in list(self._waiting.items()):
            if self.free < 1:
                break
            del self._waiting[build]
            leased = max(0, min(request.lease, self.free - 1, request.max_jobs - 1))
            self._shares[build] = _Share(max_jobs=request.max_jobs, leased=leased)
            admitted.append(build)
        return admitted

    def find_surplus(self, unread: Mapping[K, int]) -> dict[K, int]:
        """Record the unread bytes of each FIFO; return how many bytes to read back from which."""
        for build, share in self._shares.items():
            _update_unread(share, unread[build])
        must_reclaim, is_short = self._must_reclaim, self._is_short
        surplus = {}
        for build, share in self._shares.items():
            idle = share.idle_looks > IDLE_LOOKS and (is_short or self.borrowed is not None)
            excess = max(0, share.jobs - share.max_jobs)
            keep = 0 if must_reclaim or idle else 1 if is_short else share.unread - excess
            if share.unread > keep:
                surplus[build] = share.unread - max(0, keep)
        return surplus

    def record_taken(self, build: K, count: int) -> None:
        """Record the number of bytes that were read back from a build's FIFO."""
        share = self._shares[build]
        # A tool may write more bytes than it has read: the surplus is no token of ours.
        share.granted = max(0, share.granted - count)
        share.unread = max(0, share.unread - count)
        if share.idle_looks > IDLE_LOOKS and share.unread == 0:
            share.cooldown = COOLDOWN_LOOKS << min(share.unread_takes, _MAX_DOUBLINGS)
            share.unread_takes += 1

    def grant(self) -> list[K]:
        """Return the builds that get a byte, once for each byte; the bytes are counted already."""
        granted: list[K] = []
        while not self._waiting and self.free > 0 and (build := self._next_recipient()) is not None:
            share = self._shares.pop(build)
            share.granted += 1
            share.unread += 1
            share.idle_looks = 0
            self._shares[build] = share
            granted.append(build)
        return granted

    def reclaimable(self) -> list[K]:
        """Return the builds whose bytes are read back as soon as they are written back."""
        if self._must_reclaim:
            return [build for build, share in self._shares.items() if share.granted]
        wanting = [share.jobs for share in self._shares.values() if share.wants]
        if not wanting or self.free > 0:
            return []
        fair = min(wanting) + 1
        return [
            build for build, share in self._shares.items() if share.granted and share.jobs > fair
        ]

    @property
    def _must_reclaim(self) -> bool:
        return bool(self._waiting) or self.free < 0

    @property
    def _is_short(self) -> bool:
        return self.free <= 0 and self.wanted > 0

    def _next_recipient(self) -> K | None:
        """Return the build that gets the next byte.

        That is the build that wants one and has the fewest jobs, else the one with the fewest
        unread bytes.
        """
        wanting = [build for build, share in self._shares.items() if share.wants]
        if wanting:
            return min(wanting, key=lambda build: self._shares[build].jobs)
        if self.borrowed is not None:
            return None
        # Own tokens may as well lie in a FIFO (ninja reads when one of its jobs ends, and then as
        # many as it can use). Borrowed ones may not: the outer jobserver has other clients.
        able = [build for build, share in self._shares.items() if share.may_get_more]
        return min(able, key=self._unread_order, default=None)

    def _unread_order(self, build: K) -> tuple[int, bool]:
        share = self._shares[build]
        return share.unread, bool(share.cooldown)


def _update_unread(share: _Share, unread: int) -> None:
    """Record whether a build has read a byte since the last look."""
    if unread < share.unread:
        share.idle_looks = share.cooldown = share.unread_takes = 0
    else:
        share.cooldown = max(0, share.cooldown - 1)
        share.idle_looks = share.idle_looks + 1 if unread else 0
    share.unread = unread
    # A byte that the pool never wrote can be read like any other.
    share.granted = max(share.granted, unread)
