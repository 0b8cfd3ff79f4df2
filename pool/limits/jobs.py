"""The account of jobs: one number for the compilers of all builds.

Pure, as `Limiter` is: it is told what lies unread in each build's pipe and answers what to put in
and what to take out; `pool.backend.jobserver` does it. Every build that is inside has one job of
its own; each byte it was granted, and each token leased to it, is one more.

The rules, each a property test: all jobs together are never more than the cap, unless it was just
lowered; who waits to come in goes before anybody's next token; a build has at most one byte that
it has not read; no token stays free, or idle for long, while somebody may want it; all that a
build holds is free again when it leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

__all__ = ["Jobs"]

K = TypeVar("K", bound="Hashable")

PATIENCE = 3
"""Looks at which a byte may lie unread before it goes to somebody who has none."""
REST = 8
"""Looks after which somebody who left a byte unread may want one again."""


@dataclass(slots=True, kw_only=True)
class _Holding:
    """What one build has beside its own job."""

    most: int
    leased: int = 0
    granted: int = 0
    """Bytes put into its pipe and not taken out by us: unread, or with its processes."""
    unread: int = 0
    idle: int = 0
    """Looks since its unread byte was put there."""
    resting: int = 0
    """Looks until it counts as wanting again."""

    @property
    def jobs(self) -> int:
        return 1 + self.leased + self.granted

    @property
    def wants(self) -> bool:
        return not self.resting and self.may_have

    @property
    def may_have(self) -> bool:
        return self.unread == 0 and self.jobs < self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    most: int
    lease: int


class Jobs(Generic[K]):
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
        pressed = bool(self._waiting) or self.free < 0
        starving = self.free <= 0 and self.wanted > 0
        surplus = {}
        for who, holding in self._inside.items():
            bored = holding.idle > PATIENCE and (starving or self.backed is not None)
            keep = 0 if pressed or bored or holding.jobs > holding.most else 1
            if holding.unread > keep:
                surplus[who] = holding.unread - keep
        return surplus

    def took(self, who: K, count: int) -> None:
        """So many bytes were taken out of somebody's pipe."""
        holding = self._inside[who]
        holding.granted -= count
        holding.unread = max(0, holding.unread - count)
        if holding.idle > PATIENCE and holding.unread == 0:
            holding.resting = REST

    def grant(self) -> list[K]:
        """Return whose pipes get a byte each, counted as theirs already."""
        wanting = [who for who, holding in self._inside.items() if holding.wants]
        # Our own tokens may as well lie where they may be wanted; borrowed ones may not.
        resting = [
            who
            for who, holding in self._inside.items()
            if holding.resting and holding.may_have and self.backed is None
        ]
        granted = [] if self._waiting else [*wanting, *resting][: max(0, self.free)]
        for who in granted:
            holding = self._inside.pop(who)
            holding.granted += 1
            holding.unread = 1
            holding.idle = 0
            self._inside[who] = holding
        return granted


def _note(holding: _Holding, unread: int) -> None:
    """See whether somebody has read what it was offered."""
    if unread < holding.unread:
        holding.resting = 0
    holding.resting = max(0, holding.resting - 1)
    holding.idle = holding.idle + 1 if unread else 0
    holding.unread = unread
