"""The requests that a user can send to a run, as data that can cross threads and sockets."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from pool.common.model import BuildId, LimitName

__all__ = ["Cancel", "Control", "Pause", "Resize", "Resume", "Retry", "Stop", "WatchBuild"]


class _Control(msgspec.Struct, frozen=True, kw_only=True, tag_field="control"):
    pass


class Resize(_Control, frozen=True, tag="resize"):
    """Set a cap, or move it: no running build is ended for it, but for much too much memory."""

    limit: LimitName
    value: int | None = None
    """The new cap, at least 1."""
    by: int = 0
    """Added to the cap where ``value`` is None."""


class Pause(_Control, frozen=True, tag="pause"):
    """Admit nothing more; what runs goes on to its end."""


class Resume(_Control, frozen=True, tag="resume"):
    """Admit again, under the cap from before the pause."""


class Cancel(_Control, frozen=True, tag="cancel"):
    """End one build and its processes."""

    build: BuildId


class Retry(_Control, frozen=True, tag="retry"):
    """Build a failed, cancelled or skipped target again, as a new build."""

    build: BuildId


class Stop(_Control, frozen=True, tag="stop"):
    """End the run: cancel what runs and what waits. With nothing left to do, just end."""

    now: bool = False
    """Kill at once instead of asking first."""


class WatchBuild(_Control, frozen=True, tag="look"):
    """Weigh this build's processes at once and then every second, because a screen shows it.

    It holds for the build that was asked for last, and changes nothing but how often it is weighed.
    """

    build: BuildId


Control: TypeAlias = Resize | Pause | Resume | Cancel | Retry | Stop | WatchBuild
