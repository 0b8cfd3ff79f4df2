"""The child processes that tests have started or adopted."""

from __future__ import annotations

from multiprocessing import resource_tracker

import psutil

__all__ = ["child_processes"]


def child_processes() -> list[psutil.Process]:
    """Return this process's children, without the tracker that `multiprocessing` never ends."""
    tracker = resource_tracker._resource_tracker._pid  # type: ignore[attr-defined]
    return [child for child in psutil.Process().children() if child.pid != tracker]
