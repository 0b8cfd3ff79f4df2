"""A build pool for Python wheels with one shared limiter: the engine, and its only public surface.

`Pool` runs builds and tells what happens as events; `fold` turns events into a `State`; `Control`
values change a run while it goes on. Nothing in here knows about screens.

The engine itself is loaded when it is first asked for, so that replays and ``--help`` stay quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pool.clock import Clock, SystemClock
from pool.controls import Cancel, Control, Pause, Resize, Resume, Retry, Stop
from pool.errors import (
    JournalError,
    OutputError,
    PoolError,
    RequirementError,
    SettingsError,
    TargetError,
)
from pool.events import vocabulary as events
from pool.events.codec import decode, encode, encode_header
from pool.events.journal import JournalReader, JournalWriter, journal_path, logs_of
from pool.events.state import (
    BuildState,
    Download,
    EnvironmentState,
    Limit,
    Resolve,
    State,
    Status,
    fold,
    fold_all,
)
from pool.model import (
    BuildId,
    Holder,
    LimitName,
    Outcome,
    Phase,
    ProcessSample,
    RunId,
    WaitFor,
)

if TYPE_CHECKING:
    from pool.backend.output import clean_line
    from pool.engine import Pool
    from pool.settings import MAX_BUILDS, Settings
    from pool.sources.pipconfig import IndexOverrides, IndexSettings, index_settings
    from pool.sources.secret import masked
    from pool.sources.target import Target, parse_target

__all__ = [
    "MAX_BUILDS",
    "BuildId",
    "BuildState",
    "Cancel",
    "Clock",
    "Control",
    "Download",
    "EnvironmentState",
    "Holder",
    "IndexOverrides",
    "IndexSettings",
    "JournalError",
    "JournalReader",
    "JournalWriter",
    "Limit",
    "LimitName",
    "Outcome",
    "OutputError",
    "Pause",
    "Phase",
    "Pool",
    "PoolError",
    "ProcessSample",
    "RequirementError",
    "Resize",
    "Resolve",
    "Resume",
    "Retry",
    "RunId",
    "Settings",
    "SettingsError",
    "State",
    "Status",
    "Stop",
    "SystemClock",
    "Target",
    "TargetError",
    "WaitFor",
    "clean_line",
    "decode",
    "encode",
    "encode_header",
    "events",
    "fold",
    "fold_all",
    "index_settings",
    "journal_path",
    "logs_of",
    "masked",
    "parse_target",
]

_LAZY = {
    "IndexOverrides": "pool.sources.pipconfig",
    "IndexSettings": "pool.sources.pipconfig",
    "MAX_BUILDS": "pool.settings",
    "Pool": "pool.engine",
    "Settings": "pool.settings",
    "Target": "pool.sources.target",
    "clean_line": "pool.backend.output",
    "index_settings": "pool.sources.pipconfig",
    "masked": "pool.sources.secret",
    "parse_target": "pool.sources.target",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'pool' has no attribute {name!r}")
    value: object = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value
