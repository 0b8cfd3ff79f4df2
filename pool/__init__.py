"""A build pool for Python wheels with one shared limiter: the engine, and its only public surface.

`Pool` runs builds and tells what happens as events; `apply` turns events into a `RunState`; `Control`
values change a run while it goes on. Nothing in here knows about screens.

The engine itself is loaded when it is first asked for, so that replays and ``--help`` stay quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pool.common.clock import Clock, SystemClock
from pool.common.controls import Cancel, Control, Pause, Resize, Resume, Retry, Stop, WatchBuild
from pool.common.errors import (
    JournalError,
    OutputError,
    PoolError,
    RequirementError,
    RequirementsFileError,
    RunError,
    SettingsError,
    TargetError,
    os_error_text,
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
from pool.events.journal import JournalReader, JournalWriter, journal_path, logs_path
from pool.events.reducer import apply, apply_all
from pool.events.state import (
    BuildState,
    Download,
    EnvironmentState,
    Limit,
    Resolve,
    RunState,
    Status,
)

if TYPE_CHECKING:
    from pool.build.frontend.diagnosis import Diagnosis, diagnose
    from pool.cache.prune import CacheEntry, list_entries, prune_cache, select_entries
    from pool.cache.wheel_cache import WheelCache
    from pool.common.files import open_output
    from pool.common.redaction import redact_args, redact_urls
    from pool.common.text import clean_line, replace_controls
    from pool.common.units import parse_size
    from pool.engine.pool import Pool
    from pool.events.control_socket import send_control
    from pool.install.uninstall import uninstall
    from pool.requirements.pip_config import (
        IndexOverrides,
        PipRequestOptions,
        read_index_settings,
        read_pip_request_options,
    )
    from pool.requirements.pyproject import parse_group, read_dependency_group
    from pool.requirements.request import (
        ALL,
        FormatControl,
        Request,
        RequirementSpec,
        parse_requirement,
    )
    from pool.requirements.requirements_txt import RequirementsFile as RequirementsFile
    from pool.requirements.requirements_txt import read_requirements
    from pool.scheduling.slot import RANK_NEW, RANK_RESUMED
    from pool.settings import MAX_BUILDS, Settings
    from pool.sources.index.http import fetch_text
    from pool.sources.index.settings import IndexSettings
    from pool.system.memory import parse_budget

__all__ = [
    "ALL",
    "MAX_BUILDS",
    "RANK_NEW",
    "RANK_RESUMED",
    "BuildId",
    "BuildState",
    "CacheEntry",
    "Cancel",
    "Clock",
    "Control",
    "Diagnosis",
    "Download",
    "EnvironmentState",
    "FormatControl",
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
    "PipRequestOptions",
    "Pool",
    "PoolError",
    "ProcessSample",
    "Request",
    "RequirementError",
    "RequirementSpec",
    "RequirementsFile",
    "RequirementsFileError",
    "Resize",
    "Resolve",
    "Resume",
    "Retry",
    "RunError",
    "RunId",
    "RunState",
    "Settings",
    "SettingsError",
    "Status",
    "Stop",
    "SystemClock",
    "TargetError",
    "WaitFor",
    "WatchBuild",
    "WheelCache",
    "apply",
    "apply_all",
    "clean_line",
    "decode",
    "diagnose",
    "encode",
    "encode_header",
    "events",
    "fetch_text",
    "journal_path",
    "list_entries",
    "logs_path",
    "open_output",
    "os_error_text",
    "parse_budget",
    "parse_group",
    "parse_requirement",
    "parse_size",
    "prune_cache",
    "read_dependency_group",
    "read_index_settings",
    "read_pip_request_options",
    "read_requirements",
    "redact_args",
    "redact_urls",
    "replace_controls",
    "select_entries",
    "send_control",
    "uninstall",
]

_LAZY = {
    "CacheEntry": "pool.cache.prune",
    "WheelCache": "pool.cache.wheel_cache",
    "list_entries": "pool.cache.prune",
    "prune_cache": "pool.cache.prune",
    "select_entries": "pool.cache.prune",
    "RANK_NEW": "pool.scheduling.slot",
    "RANK_RESUMED": "pool.scheduling.slot",
    "ALL": "pool.requirements.request",
    "Diagnosis": "pool.build.frontend.diagnosis",
    "FormatControl": "pool.requirements.request",
    "IndexOverrides": "pool.requirements.pip_config",
    "IndexSettings": "pool.sources.index.settings",
    "MAX_BUILDS": "pool.settings",
    "PipRequestOptions": "pool.requirements.pip_config",
    "Pool": "pool.engine.pool",
    "Request": "pool.requirements.request",
    "RequirementsFile": "pool.requirements.requirements_txt",
    "Settings": "pool.settings",
    "RequirementSpec": "pool.requirements.request",
    "parse_size": "pool.common.units",
    "send_control": "pool.events.control_socket",
    "parse_budget": "pool.system.memory",
    "clean_line": "pool.common.text",
    "replace_controls": "pool.common.text",
    "diagnose": "pool.build.frontend.diagnosis",
    "read_dependency_group": "pool.requirements.pyproject",
    "read_index_settings": "pool.requirements.pip_config",
    "redact_urls": "pool.common.redaction",
    "open_output": "pool.common.files",
    "parse_group": "pool.requirements.pyproject",
    "parse_requirement": "pool.requirements.request",
    "read_pip_request_options": "pool.requirements.pip_config",
    "read_requirements": "pool.requirements.requirements_txt",
    "redact_args": "pool.common.redaction",
    "fetch_text": "pool.sources.index.http",
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
