"""The set of builds that an event changed. Screens draw only these again."""

from __future__ import annotations

from typing import TypeAlias

from pool.common.model import BuildId

__all__ = ["NO_BUILD", "Dirty", "dirty_build"]

Dirty: TypeAlias = frozenset[BuildId]

NO_BUILD: Dirty = frozenset()


def dirty_build(build: BuildId | None) -> Dirty:
    """Return the set of one build, or of none for an event that is about no build."""
    return NO_BUILD if build is None else frozenset((build,))
