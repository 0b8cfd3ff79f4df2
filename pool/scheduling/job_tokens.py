"""The account of jobs: one number for the compilers of all builds.

Pure, as `Limiter` is: it is told what lies unread in each build's pipe and answers what to put in
and what to take out; `pool.scheduling.jobserver` does it. Every build that is inside has one job of
its own; each byte it was granted, and each token leased to it, is one more.

The rules, each a property test: all jobs together are never more than the cap, unless it was just
lowered; who waits to come in goes before anybody's next token; no token stays free, or idle for
long, while somebody may want it; who has fewer comes before who has more; all that a build holds
is free again when it leaves.

A tool that writes a token back reads the next one microseconds later, and so would keep all that
it ever had. Whose tokens are needed elsewhere is `greedy`: what such a one writes back is taken
the moment it is there, which comes first about every other time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

__all__ = ["JobTokens"]

K = TypeVar("K", bound="Hashable")

PATIENCE = 3
"""Looks at which a byte may lie unread before it goes to somebody who has none."""
REST = 8
"""Looks after which somebody who left a byte unread may want one again; twice as many each time."""
_MOST_DOUBLED = 4


@dataclass(slots=True, kw_only=True)
class _Holding:
    """What one build has beside its own job."""

    most: int
    leased: int = 0
    granted: int = 0
    """Bytes put into its pipe and not taken out by us: unread, or with its processes."""
    unread: int = 0
    idle: int = 0
    """Looks since it last read something, while there is something to read."""
    resting: int = 0
    """Looks until it counts as wanting again."""
    refused: int = 0
    """How often in a row it left a byte that somebody else wanted."""

    @property
    def jobs(self) -> int:
        return 1 + self.leased + self.granted

    @property
    def wants(self) -> bool:
        return not self.resting and self.unread == 0 and self.may_have

    @property
    def may_have(self) -> bool:
        return self.jobs < self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    most: int
    lease: int


class JobTokens(Generic[K]):
    """Who may run how many jobs.

    Attributes:
        cap: the most jobs of all together, at least 1.
        backed: tokens that an outer jobserver has lent us; None where there is none. The first
            job is paid by whoever started us.
    """

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.backed: int | None = None
        # Whose last byte is the longest ago comes first.
        self._inside: dict[K, _Holding] = {}
        self._waiting: dict[K, _Request] = {}

    @property
    def ceiling(self) -> int:
        """The most jobs there may be now."""
        return self.cap if self.backed is None else min(self.cap, 1 + self.backed)

    @property
    def used(self) -> int:
        """All jobs that are given out, unread bytes among them."""
        return sum(holding.jobs for holding in self._inside.values())

    @property
    def free(self) -> int:
        """How many more could be given out; negative when the cap was lowered."""
        return self.ceiling - self.used

    @property
    def wanted(self) -> int:
        """How many wait to come in, or may want a token and have none to read."""
        return len(self._waiting) + sum(holding.wants for holding in self._inside.values())

    def held(self, who: K) -> int:
        """Return how many tokens somebody has taken or leased; 0 for one who is not inside."""
        holding = self._inside.get(who)
        return holding.leased + holding.granted - holding.unread if holding else 0

    def allowed(self, who: K) -> int:
        """Return how many jobs somebody may run before the next look; 0 if not inside."""
        holding = self._inside.get(who)
        return holding.jobs if holding else 0

    def leased(self, who: K) -> int:
        """Return how many tokens are set aside for somebody inside."""
        return self._inside[who].leased

    def unread(self) -> dict[K, int]:
        """Return what should lie in the pipes if nobody has touched them since the last look."""
        return {who: holding.unread for who, holding in self._inside.items()}

    def request(self, who: K, *, most: int, lease: int = 0) -> None:
        """Queue somebody for a job of its own.

        Args:
            who: neither inside nor waiting.
            most: how many jobs it may ever have at once, at least 1.
            lease: tokens to set aside for it when it comes in, as far as there are any.
        """
        self._waiting[who] = _Request(most=most, lease=lease)

    def leave(self, who: K) -> None:
        """Take somebody out, inside or waiting; all its tokens are free again."""
        self._inside.pop(who, None)
        self._waiting.pop(who, None)

    def admit(self) -> list[K]:
        """Let in who can be let in, first come first served."""
        admitted = []
        for who, wish in list(self._waiting.items()):
            if self.free < 1:
                break
            del self._waiting[who]
            leased = max(0, min(wish.lease, self.free - 1, wish.most - 1))
            self._inside[who] = _Holding(most=wish.most, leased=leased)
            admitted.append(who)
        return admitted

    def look(self, unread: Mapping[K, int]) -> dict[K, int]:
        """Take note of what lies in the pipes; return how many bytes to take out of which."""
        for who, holding in self._inside.items():
            _note(holding, unread[who])
        pressed, starving = self._pressed, self._starving
        surplus = {}
        for who, holding in self._inside.items():
            bored = holding.idle > PATIENCE and (starving or self.backed is not None)
            above = max(0, holding.jobs - holding.most)
            keep = 0 if pressed or bored else 1 if starving else holding.unread - above
            if holding.unread > keep:
                surplus[who] = holding.unread - max(0, keep)
        return surplus

    def took(self, who: K, count: int) -> None:
        """So many bytes were taken out of somebody's pipe."""
        holding = self._inside[who]
        # More than it had are none of ours: somebody wrote back what was never read.
        holding.granted = max(0, holding.granted - count)
        holding.unread = max(0, holding.unread - count)
        if holding.idle > PATIENCE and holding.unread == 0:
            holding.resting = REST << min(holding.refused, _MOST_DOUBLED)
            holding.refused += 1

    def grant(self) -> list[K]:
        """Return whose pipes get a byte, once for each, counted as theirs already."""
        granted: list[K] = []
        while not self._waiting and self.free > 0 and (who := self._next()) is not None:
            holding = self._inside.pop(who)
            holding.granted += 1
            holding.unread += 1
            holding.idle = 0
            self._inside[who] = holding
            granted.append(who)
        return granted

    def greedy(self) -> list[K]:
        """Return whose bytes should be taken as soon as they are written back."""
        if self._pressed:
            return [who for who, holding in self._inside.items() if holding.granted]
        wanting = [holding.jobs for holding in self._inside.values() if holding.wants]
        if not wanting or self.free > 0:
            return []
        fair = min(wanting) + 1
        return [
            who for who, holding in self._inside.items() if holding.granted and holding.jobs > fair
        ]

    @property
    def _pressed(self) -> bool:
        return bool(self._waiting) or self.free < 0

    @property
    def _starving(self) -> bool:
        return self.free <= 0 and self.wanted > 0

    def _next(self) -> K | None:
        """Return who comes first: who wants with the fewest jobs, else who has least to read."""
        wanting = [who for who, holding in self._inside.items() if holding.wants]
        if wanting:
            return min(wanting, key=lambda who: self._inside[who].jobs)
        if self.backed is not None:
            return None
        # Our own may as well lie where they may be wanted (ninja reads when one of its own jobs
        # ends, and then as many as it can use); what is borrowed may not.
        able = [who for who, holding in self._inside.items() if holding.may_have]
        return min(able, key=self._ease, default=None)

    def _ease(self, who: K) -> tuple[int, bool]:
        holding = self._inside[who]
        return holding.unread, bool(holding.resting)


def _note(holding: _Holding, unread: int) -> None:
    """See whether somebody has read what it was offered."""
    if unread < holding.unread:
        holding.idle = holding.resting = holding.refused = 0
    else:
        holding.resting = max(0, holding.resting - 1)
        holding.idle = holding.idle + 1 if unread else 0
    holding.unread = unread
    # A byte that we never put there can be read like any other.
    holding.granted = max(holding.granted, unread)
