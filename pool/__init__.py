"""A build pool for Python wheels with one shared limiter: the engine, and its only public surface.

`Pool` runs builds and tells what happens as events; `fold` turns events into a `State`; `Control`
values change a run while it goes on. Nothing in here knows about screens.

The engine itself is loaded when it is first asked for, so that replays and ``--help`` stay quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pool.common.clock import Clock, SystemClock
from pool.common.controls import Cancel, Control, Look, Pause, Resize, Resume, Retry, Stop
from pool.common.errors import (
    JournalError,
    OutputError,
    PoolError,
    RequirementError,
    RequirementsFileError,
    RunError,
    SettingsError,
    TargetError,
)
from pool.common.model import (
    BuildId,
    Holder,
    LimitName,
    Outcome,
    Phase,
    ProcessSample,
    RunId,
    WaitFor,
)
from pool.events import types as events
from pool.events.codec import decode, encode, encode_header
from pool.events.journal import JournalReader, JournalWriter, journal_path, logs_of
from pool.events.reducer import fold, fold_all
from pool.events.state import (
    BuildState,
    Download,
    EnvironmentState,
    Limit,
    Resolve,
    State,
    Status,
)

if TYPE_CHECKING:
    from pool.build.frontend.diagnosis import Diagnosis, diagnose
    from pool.build.frontend.log_tail import clean_line
    from pool.common.redaction import masked, starred
    from pool.common.units import amount_of
    from pool.engine.pool import Pool
    from pool.events.control_socket import ask
    from pool.install.uninstall import uninstall
    from pool.requirements.pip_config import (
        IndexOverrides,
        IndexSettings,
        PipRules,
        index_settings,
        pip_rules,
    )
    from pool.requirements.pyproject import group_requirements, parse_group
    from pool.requirements.request import ALL, Formats, Request, Wish, parse_wish
    from pool.requirements.requirements_txt import Requirements as RequirementsFile
    from pool.requirements.requirements_txt import read_requirements
    from pool.settings import MAX_BUILDS, Settings
    from pool.sources.index.remote_text import text_fetcher
    from pool.system.memory import budget_of

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
    "ALL": "pool.requirements.request",
    "Diagnosis": "pool.build.frontend.diagnosis",
    "Formats": "pool.requirements.request",
    "IndexOverrides": "pool.requirements.pip_config",
    "IndexSettings": "pool.requirements.pip_config",
    "MAX_BUILDS": "pool.settings",
    "PipRules": "pool.requirements.pip_config",
    "Pool": "pool.engine.pool",
    "Request": "pool.requirements.request",
    "RequirementsFile": "pool.requirements.requirements_txt:Requirements",
    "Settings": "pool.settings",
    "Wish": "pool.requirements.request",
    "amount_of": "pool.common.units",
    "ask": "pool.events.control_socket",
    "budget_of": "pool.system.memory",
    "clean_line": "pool.build.frontend.log_tail",
    "diagnose": "pool.build.frontend.diagnosis",
    "group_requirements": "pool.requirements.pyproject",
    "index_settings": "pool.requirements.pip_config",
    "masked": "pool.common.redaction",
    "parse_group": "pool.requirements.pyproject",
    "parse_wish": "pool.requirements.request",
    "pip_rules": "pool.requirements.pip_config",
    "read_requirements": "pool.requirements.requirements_txt",
    "starred": "pool.common.redaction",
    "text_fetcher": "pool.sources.index.remote_text",
    "uninstall": "pool.install.uninstall",
}
"""Where each is, and under what name if that is another."""


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'pool' has no attribute {name!r}")
    module, _, other = _LAZY[name].partition(":")
    value: object = getattr(import_module(module), other or name)
    globals()[name] = value
    return value
