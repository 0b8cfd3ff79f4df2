"""How events of downloads change the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.events.reducer.dirty import NO_BUILD, Dirty, dirty_build
from pool.events.state import RATE_SECONDS, Download

if TYPE_CHECKING:
    from pool.events.state import RunState, Traffic
    from pool.events.types import DownloadFinished, DownloadProgress, DownloadStarted

__all__ = ["apply_download_finished", "apply_download_progress", "apply_download_started"]


def apply_download_started(state: RunState, event: DownloadStarted) -> Dirty:
    """Add the download. After a long time without any, the rate starts anew."""
    traffic = state.traffic
    idle = not state.downloads and event.t - traffic.updated_at > 3 * RATE_SECONDS
    if idle or not traffic.recent:
        traffic.since = traffic.updated_at = event.t
        traffic.recent = 0.0
    state.downloads[event.build, event.file] = Download(
        build=event.build, file=event.file, total=event.total
    )
    return dirty_build(event.build)


def apply_download_progress(state: RunState, event: DownloadProgress) -> Dirty:
    """Set the bytes so far, and count the new ones."""
    if (download := state.downloads.get((event.build, event.file))) is None:
        return NO_BUILD
    _count_bytes(state.traffic, event.bytes - download.bytes, event.t)
    download.bytes = event.bytes
    download.total = download.total if event.total is None else event.total
    return dirty_build(event.build)


def apply_download_finished(state: RunState, event: DownloadFinished) -> Dirty:
    """Remove the download; count its bytes if it is complete."""
    download = state.downloads.pop((event.build, event.file), None)
    if event.ok and download is not None:
        _count_bytes(state.traffic, event.bytes - download.bytes, event.t)
        state.traffic.bytes += event.bytes
    return dirty_build(event.build)


def _count_bytes(traffic: Traffic, count: int, t: float) -> None:
    traffic.recent = traffic.recent_bytes(t) + max(count, 0)
    traffic.updated_at = t
