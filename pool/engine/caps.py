"""The caps of a pool as its process may have them, and what its first notes say about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.common.model import LimitName
from pool.system.locks.folder_access import describe_foreign_access
from pool.system.process_limits import check_limits, current_limits, lower_caps

if TYPE_CHECKING:
    from pool.settings import PoolSettings

__all__ = ["Caps", "describe_cache_access"]


class Caps:
    """The caps that the settings want, lowered to what the limits of the process allow.

    Args:
        settings: the settings of the pool.
        max_cap: the highest value that a cap can be set to.
    """

    def __init__(self, settings: PoolSettings, max_cap: int) -> None:
        wanted = {
            LimitName.BUILDS: settings.builds,
            LimitName.DOWNLOADS: settings.downloads,
            LimitName.INSTALLS: settings.installs,
            LimitName.JOBS: settings.jobs,
        }
        files, processes = current_limits()
        check_limits(files, processes)
        self.values, self.notes = lower_caps(wanted, files=files, processes=processes)
        # The caps can be raised during the run, up to what the process limits allow.
        highest = dict.fromkeys(wanted, max_cap)
        self.maxima, _ = lower_caps(highest, files=files, processes=processes)


def describe_cache_access(settings: PoolSettings) -> list[str]:
    """Return a note if other users can change the cache; none otherwise."""
    if access := describe_foreign_access(settings.cache_dir):
        return [f"cache {settings.cache_dir}: {access}, and so change what is built from it"]
    return []
