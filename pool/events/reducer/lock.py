"""How events of file locks change the state.

A lock that belongs to no build is the one of the environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.events.reducer.dirty import Dirty, dirty_build

if TYPE_CHECKING:
    from pool.events.state import RunState
    from pool.events.types import LockAcquired, LockReleased, LockWaiting

__all__ = ["apply_lock_acquired", "apply_lock_released", "apply_lock_waiting"]


def apply_lock_waiting(state: RunState, event: LockWaiting) -> Dirty:
    """Set the holder of the lock."""
    if event.build is not None:
        state.builds[event.build].holder = event.holder
    elif (env := state.environment) is not None:
        env.waiting_since = event.t if env.waiting_since is None else env.waiting_since
        env.staging = False
        env.holder = event.holder
    return dirty_build(event.build)


def apply_lock_acquired(state: RunState, event: LockAcquired) -> Dirty:
    """End the wait for the lock."""
    if event.build is not None:
        state.builds[event.build].lock = event.lock
    elif (env := state.environment) is not None:
        env.waiting_since, env.holder = None, None
        env.staging, env.locked = False, True
    return dirty_build(event.build)


def apply_lock_released(state: RunState, event: LockReleased) -> Dirty:
    """Forget the lock."""
    if event.build is not None:
        state.builds[event.build].lock = None
    elif (env := state.environment) is not None:
        env.locked = False
    return dirty_build(event.build)
