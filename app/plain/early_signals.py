"""SIGUSR1 and SIGUSR2 outside of a run: recorded before it, ignored after it, never fatal.

Their default effect ends the process, so a signal in the first moments or at the very end would
kill the command. The standard library only: it is imported before anything that takes time. Other
signals keep their effect until a run handles them.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["ignore_signals", "record_signals", "take_recorded"]

_NUMBERS = (signal.SIGUSR1, signal.SIGUSR2)
_recorded: list[int] = []


def record_signals() -> None:
    """Record the signals from now on, until a run handles them; those that are ignored stay so."""
    # Not SIG_IGN: hooks would inherit that.
    for number in _NUMBERS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _record)


def take_recorded() -> list[int]:
    """Return the signals that were recorded and forget them, the oldest first."""
    taken = _recorded.copy()
    del _recorded[: len(taken)]
    return taken


def ignore_signals() -> None:
    """Ignore the signals until the process ends; it starts no other process any more.

    Python's finalization gives signals with a Python handler their default effect, but not ignored
    ones.
    """
    for number in _NUMBERS:
        signal.signal(number, signal.SIG_IGN)


def _record(number: int, _frame: FrameType | None) -> None:
    _recorded.append(number)
