"""The events of a run: a closed set of types, each with its JSON name.

An event is a fact in the past tense. It is complete in itself (only samples omit the fields that
did not change since the last one), and safe to show and to store: its text has no terminal escapes
and no secrets. The output of builds is not in events; it is in one log file for each build, and
events have only counts and the last line.

The event bus sets ``seq`` and ``t``; an emitter leaves them at their defaults. Readers ignore
fields that they do not know and pass unknown types on as `Unknown`.

To add an event, write its class in the module of its subject and name it in the union below it; the
codec and the exports here follow from that. Then give it a case in `pool.events.reducer`.
"""

from __future__ import annotations

from typing import TypeAlias

from pool.events.types.base import *
from pool.events.types.base import BaseEvent, Unknown
from pool.events.types.build import *
from pool.events.types.build import BuildEvent
from pool.events.types.download import *
from pool.events.types.download import DownloadEvent
from pool.events.types.install import *
from pool.events.types.install import InstallEvent
from pool.events.types.lock import *
from pool.events.types.lock import LockEvent
from pool.events.types.resolve import *
from pool.events.types.resolve import ResolveEvent
from pool.events.types.run import *
from pool.events.types.run import RunEvent
from pool.events.types.sample import *
from pool.events.types.sample import Sample

KnownEvent: TypeAlias = (
    RunEvent | BuildEvent | LockEvent | DownloadEvent | InstallEvent | ResolveEvent | Sample
)
"""All events of this version. mypy checks with it that a ``match`` is exhaustive."""
Event: TypeAlias = KnownEvent | Unknown

EVENT_TYPES: tuple[type[BaseEvent], ...] = tuple(BaseEvent.__subclasses__())
"""The classes of `KnownEvent`; a test compares the two."""
