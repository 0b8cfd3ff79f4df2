"""Events of the run as a whole: its start and end, its limits, and notes for the user."""

from __future__ import annotations

from typing import TypeAlias

from pool.common.model import BuildId, LimitName, Outcome
from pool.events.types.base import BaseEvent


class RunStarted(BaseEvent, frozen=True, tag="run.started"):
    """The run has started; the first event."""

    limits: dict[LimitName, int]
    targets: int
    out_dir: str
    logs: str
    """The folder of build logs as the run saw it; a reader looks beside the journal."""
    environment: str = ""
    """The environment to install into; empty if the run only makes wheels."""
    startup: float = 0.0
    """Seconds from the start of the command's process to the start of the run; 0 is unknown."""


class RunStopping(BaseEvent, frozen=True, tag="run.stopping"):
    """The run admits no more builds and ends the running ones."""

    why: str
    """``interrupted`` or ``fail-fast``."""


class RunFinished(BaseEvent, frozen=True, tag="run.finished"):
    """The run has finished; the last event."""

    exit_code: int
    totals: dict[Outcome, int]
    """Outcomes of the user's requirements. A retried build counts by its last try; nested builds
    do not count."""
    warning: str = ""
    """A problem that is no failure of the run: the journal could not be written."""


class LimitChanged(BaseEvent, frozen=True, tag="limit.changed"):
    """A limit has a new value. 0 means paused; for memory, in bytes, it means no budget."""

    limit: LimitName
    old: int
    new: int
    why: str
    """``user``, ``pause``, ``resume``, ``memory`` (too little is free), or ``machine`` (the machine
    offers more or less than before)."""


class Note(BaseEvent, frozen=True, tag="remark"):
    """Information for the user that is no failure."""

    text: str
    build: BuildId | None = None
    """The build that it is about; None for the run."""


RunEvent: TypeAlias = RunStarted | RunStopping | RunFinished | LimitChanged | Note
