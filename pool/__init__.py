"""A build pool for Python wheels with one shared limiter: the engine, and its only public surface.

`Pool` runs builds and tells what happens as events; `fold` turns events into a `State`; `Control`
values change a run while it goes on. Nothing in here knows about screens.

The engine itself is loaded when it is first asked for, so that replays and ``--help`` stay quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pool.clock import Clock, SystemClock
from pool.controls import Cancel, Control, Look, Pause, Resize, Resume, Retry, Stop
from pool.errors import (
    JournalError,
    OutputError,
    PoolError,
    RequirementError,
    RequirementsFileError,
    RunError,
    SettingsError,
    TargetError,
)
from pool.events import vocabulary as events
from pool.events.codec import decode, encode, encode_header
from pool.events.fold import fold, fold_all
from pool.events.journal import JournalReader, JournalWriter, journal_path, logs_of
from pool.events.state import (
    BuildState,
    Download,
    EnvironmentState,
    Limit,
    Resolve,
    State,
    Status,
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
    from pool.amount import amount_of
    from pool.backend.diagnosis import Diagnosis, diagnose
    from pool.backend.output import clean_line
    from pool.engine import Pool
    from pool.limits.budget import budget_of
    from pool.removal import uninstall
    from pool.secret import masked, starred
    from pool.settings import MAX_BUILDS, Settings
    from pool.sources.groups import group_requirements, parse_group
    from pool.sources.pipconfig import (
        IndexOverrides,
        IndexSettings,
        PipRules,
        index_settings,
        pip_rules,
    )
    from pool.sources.remotetext import text_fetcher
    from pool.sources.request import ALL, Formats, Request, Wish, parse_wish
    from pool.sources.requirementsfile import Requirements as RequirementsFile
    from pool.sources.requirementsfile import read_requirements
    from pool.visit import ask

__all__ = [
    "ALL",
    "MAX_BUILDS",
    "BuildId",
    "BuildState",
    "Cancel",
    "Clock",
    "Control",
    "Diagnosis",
    "Download",
    "EnvironmentState",
    "Formats",
    "Holder",
    "IndexOverrides",
    "IndexSettings",
    "JournalError",
    "JournalReader",
    "JournalWriter",
    "Limit",
    "LimitName",
    "Look",
    "Outcome",
    "OutputError",
    "Pause",
    "Phase",
    "PipRules",
    "Pool",
    "PoolError",
    "ProcessSample",
    "Request",
    "RequirementError",
    "RequirementsFile",
    "RequirementsFileError",
    "Resize",
    "Resolve",
    "Resume",
    "Retry",
    "RunError",
    "RunId",
    "Settings",
    "SettingsError",
    "State",
    "Status",
    "Stop",
    "SystemClock",
    "TargetError",
    "WaitFor",
    "Wish",
    "amount_of",
    "ask",
    "budget_of",
    "clean_line",
    "decode",
    "diagnose",
    "encode",
    "encode_header",
    "events",
    "fold",
    "fold_all",
    "group_requirements",
    "index_settings",
    "journal_path",
    "logs_of",
    "masked",
    "parse_group",
    "parse_wish",
    "pip_rules",
    "read_requirements",
    "starred",
    "text_fetcher",
    "uninstall",
]

_LAZY = {
    "ALL": "pool.sources.request",
    "Diagnosis": "pool.backend.diagnosis",
    "Formats": "pool.sources.request",
    "IndexOverrides": "pool.sources.pipconfig",
    "IndexSettings": "pool.sources.pipconfig",
    "MAX_BUILDS": "pool.settings",
    "PipRules": "pool.sources.pipconfig",
    "Pool": "pool.engine",
    "Request": "pool.sources.request",
    "RequirementsFile": "pool.sources.requirementsfile:Requirements",
    "Settings": "pool.settings",
    "Wish": "pool.sources.request",
    "amount_of": "pool.amount",
    "ask": "pool.visit",
    "budget_of": "pool.limits.budget",
    "clean_line": "pool.backend.output",
    "diagnose": "pool.backend.diagnosis",
    "group_requirements": "pool.sources.groups",
    "index_settings": "pool.sources.pipconfig",
    "masked": "pool.secret",
    "parse_group": "pool.sources.groups",
    "parse_wish": "pool.sources.request",
    "pip_rules": "pool.sources.pipconfig",
    "read_requirements": "pool.sources.requirementsfile",
    "starred": "pool.secret",
    "text_fetcher": "pool.sources.remotetext",
    "uninstall": "pool.removal",
}
"""Where each is, and under what name if that is another."""


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'pool' has no attribute {name!r}")
    module, _, other = _LAZY[name].partition(":")
    value: object = getattr(import_module(module), other or name)
    globals()[name] = value
    return value
