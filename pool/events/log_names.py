"""Names of the log files of builds, each once in a run."""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LogNames"]


class LogNames:
    """The names in one folder of logs.

    Args:
        folder: the folder; the one beside a ``--log`` may have files that are not the run's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stems: Counter[str] = Counter()

    def add(self, name: str, version: str | None) -> str:
        """Return a file name for a build that no other build of the run has."""
        label = f"{name}-{version}" if version else name
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", label).strip(".-")[:100] or "build"
        while True:
            self._stems[stem] += 1
            number = self._stems[stem]
            log = f"{stem}.log" if number == 1 else f"{stem}.{number}.log"
            if not os.path.lexists(self._folder / log):
                return log
