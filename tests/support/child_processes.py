"""The child processes that tests have started or adopted."""

from __future__ import annotations

from multiprocessing import resource_tracker

import psutil

from tests.support import template_process

__all__ = ["child_processes"]


def child_processes() -> list[psutil.Process]:
    """Return this process's children, without those that live as long as the tests.

    These are the tracker of `multiprocessing`, and the processes of `tests.support.template_process`.
    """
    tracker = resource_tracker._resource_tracker._pid  # type: ignore[attr-defined]
    lasting = {tracker, *template_process.running}
    return [child for child in psutil.Process().children() if child.pid not in lasting]
