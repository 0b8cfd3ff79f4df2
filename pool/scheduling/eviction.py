"""Whom to end where memory does not suffice: decided from figures alone.

The rules, each a property test: who has worked longest goes on, so something always comes to an
end; who is alone goes on; who has little goes on, for its end makes no room. Of the others it is
the youngest, whose end loses least, and one that others wait for only where there is no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["EvictionCandidate", "choose_victim"]

K = TypeVar("K", bound="Hashable")

_LOW_SHARE = 0.5
"""So small a part of what those who may be ended have on average is little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictionCandidate(Generic[K]):
    """A build whose processes run."""

    key: K
    active_seconds: float
    """Seconds with a slot; lost if it is ended."""
    usage: int
    """Bytes."""
    nested: bool = False
    """Whether it is there for others only."""
    awaited: bool = False
    """Whether others wait for it now."""


def choose_victim(candidates: Sequence[EvictionCandidate[K]]) -> K | None:
    """Return who is to be ended; None if nobody may be."""
    may = sorted(candidates, key=lambda one: one.active_seconds)[:-1]
    if not may:
        return None
    little = _LOW_SHARE * sum(one.usage for one in may) / len(may)
    much = [one for one in may if one.usage >= little]
    return min(much, key=lambda one: (one.awaited, one.nested, one.active_seconds)).key
