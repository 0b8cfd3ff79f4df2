"""Events of file locks: of source trees, cached wheels and environments."""

from __future__ import annotations

from typing import TypeAlias

from pool.common.model import BuildId, Holder
from pool.events.types.base import BaseEvent


class LockWaiting(BaseEvent, frozen=True, tag="lock.waiting"):
    """Another process or build holds the lock of a tree, a cached wheel or an environment."""

    lock: str
    holder: Holder | None = None
    build: BuildId | None = None
    """The build that needs the lock; None if no single build does."""


class LockAcquired(BaseEvent, frozen=True, tag="lock.acquired"):
    """This run holds the lock."""

    lock: str
    build: BuildId | None = None
    """The build that needs the lock; None if no single build does."""


class LockReleased(BaseEvent, frozen=True, tag="lock.released"):
    """The lock is free again."""

    lock: str
    build: BuildId | None = None
    """The build that needed the lock; None if no single build did."""


LockEvent: TypeAlias = LockWaiting | LockAcquired | LockReleased
