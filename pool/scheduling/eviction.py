"""Which build to evict when memory is short: decided from figures alone.

Never evicted are, each a property test: the longest-running build (so some build always ends), the
only build, and builds that use less than half of the average (their end frees little). Of the
others the youngest is evicted, whose end loses the least work, preferring builds that no other
build waits for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from pool.common.record import Record

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["EvictionCandidate", "choose_victim"]

K = TypeVar("K", bound="Hashable")

_LOW_SHARE = 0.5
"""A candidate that uses less than this part of the candidates' average is not evicted."""


class EvictionCandidate(Record, Generic[K], frozen=True, kw_only=True):
    """A build whose processes run."""

    key: K
    active_seconds: float
    """Seconds with a slot; this work is lost if the build is evicted."""
    usage: int
    """Bytes."""
    nested: bool = False
    """Whether only other builds need it."""
    awaited: bool = False
    """Whether other builds wait for it now."""


def choose_victim(candidates: Sequence[EvictionCandidate[K]]) -> K | None:
    """Return the build to evict; None if none may be."""
    evictable = sorted(candidates, key=lambda one: one.active_seconds)[:-1]
    if not evictable:
        return None
    low = _LOW_SHARE * sum(one.usage for one in evictable) / len(evictable)
    large = [one for one in evictable if one.usage >= low]
    return min(large, key=lambda one: (one.awaited, one.nested, one.active_seconds)).key
