"""Events of downloads."""

from __future__ import annotations

from typing import TypeAlias

from pool.common.model import BuildId
from pool.events.types.base import BaseEvent


class DownloadStarted(BaseEvent, frozen=True, tag="download.started"):
    """The download of a file has started."""

    file: str
    total: int | None = None
    """Bytes, if the server tells the size."""
    build: BuildId | None = None
    """The build that needs the file; None if no single build does."""


class DownloadProgress(BaseEvent, frozen=True, tag="download.progress"):
    """More bytes of a file have arrived. Emitted at most a few times a second for one file."""

    file: str
    bytes: int
    """Bytes so far."""
    total: int | None = None
    build: BuildId | None = None
    """The build that needs the file; None if no single build does."""


class DownloadFinished(BaseEvent, frozen=True, tag="download.finished"):
    """A file is complete and its hash is right, or its download failed (``ok`` is false)."""

    file: str
    bytes: int
    ok: bool = True
    build: BuildId | None = None
    """The build that needs the file; None if no single build does."""


DownloadEvent: TypeAlias = DownloadStarted | DownloadProgress | DownloadFinished
