"""Controls: the commands that a user can send to a run, as data for threads and sockets."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from pool.common.model import BuildId, LimitName

__all__ = ["Cancel", "Control", "Pause", "Resize", "Resume", "Retry", "Stop", "WatchBuild"]


class _Control(msgspec.Struct, frozen=True, kw_only=True, tag_field="control"):
    pass


class Resize(_Control, frozen=True, tag="resize"):
    """Set or change a limit. Running builds continue, except under severe memory pressure."""

    limit: LimitName
    value: int | None = None
    """The new limit, at least 1."""
    by: int = 0
    """Added to the limit if ``value`` is None."""


class Pause(_Control, frozen=True, tag="pause"):
    """Stop starting new builds; running builds finish."""


class Resume(_Control, frozen=True, tag="resume"):
    """Start new builds again, under the limit from before the pause."""


class Cancel(_Control, frozen=True, tag="cancel"):
    """Cancel one build and end its processes."""

    build: BuildId


class Retry(_Control, frozen=True, tag="retry"):
    """Build a failed, cancelled or skipped target again, as a new build."""

    build: BuildId


class Stop(_Control, frozen=True, tag="stop"):
    """Stop the run: cancel running and waiting builds."""

    now: bool = False
    """Kill processes at once instead of terminating them first."""


class WatchBuild(_Control, frozen=True, tag="look"):
    """Sample this build's processes at once and then every second, because a screen shows it.

    It holds for the build named last, and changes only how often it is sampled.
    """

    build: BuildId


Control: TypeAlias = Resize | Pause | Resume | Cancel | Retry | Stop | WatchBuild
