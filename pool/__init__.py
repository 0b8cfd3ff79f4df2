"""A build pool for Python wheels: the engine, and its only public surface.

`Pool` builds wheels and emits events. `apply` turns events into a `RunState`. `Control` values
change a run in progress. The engine knows no screen.

Each name is imported when it is first used: `Settings`, errors and formatting must not load
asyncio or psutil, and ``--help`` and replays must not load the engine.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pool import events
    from pool.build.diagnosis.log_diagnosis import Diagnosis, diagnose
    from pool.cache.prune import CacheEntry, list_entries, prune_cache, select_entries
    from pool.cache.wheel_cache import WheelCache
    from pool.common.clock import Clock, SystemClock, read_process_start
    from pool.common.errors import (
        JournalError,
        OutputError,
        PoolError,
        RequirementsFileError,
        RunError,
        SettingsError,
        TargetError,
        os_error_text,
    )
    from pool.common.files import expand_user, open_output, open_regular, read_limited
    from pool.common.json import encode_json, escape_controls
    from pool.common.lazy_pattern import LazyPattern
    from pool.common.model import BuildId, Holder, LimitName, Outcome, Phase, ProcessSample, WaitFor
    from pool.common.record import MutableRecord, Record
    from pool.common.redaction import redact_args, redact_urls
    from pool.common.text import clean_line, replace_controls
    from pool.common.units import parse_size
    from pool.engine.cached_run import CachedRun, complete_from_cache
    from pool.engine.doctor import Doctor, Finding
    from pool.engine.pool import Pool
    from pool.events.codec import decode, encode, encode_header
    from pool.events.control_socket import send_control
    from pool.events.controls import Cancel, Control, Pause, Resize, Resume, Retry, Stop, WatchBuild
    from pool.events.journal import JournalReader, journal_path, logs_path, pid_of_run
    from pool.events.queries import has_failed
    from pool.events.reducer import apply, apply_all
    from pool.events.state import BuildState, EnvironmentState, Resolve, RunState, Status
    from pool.install.uninstall import uninstall
    from pool.requirements.config_settings import parse_config_settings
    from pool.requirements.ignored_settings import describe_ignored_settings
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
    from pool.requirements.requirements_txt import RequirementsFile, read_requirements
    from pool.run.run import Run
    from pool.scheduling.slot import RANK_NEW, RANK_RESUMED
    from pool.settings import MAX_BUILDS, PoolSettings, RunSettings, Settings
    from pool.sources.index.http import fetch_text
    from pool.sources.index.settings import IndexSettings
    from pool.sources.names import canonicalize_name
    from pool.system.memory import parse_budget
    from pool.system.process import terminal_watched
    from pool.system.process_limits import shortage_error
    from pool.system.processors import count_processors
    from pool.system.suspension import suspended

__all__ = [
    "ALL",
    "MAX_BUILDS",
    "RANK_NEW",
    "RANK_RESUMED",
    "BuildId",
    "BuildState",
    "CacheEntry",
    "CachedRun",
    "Cancel",
    "Clock",
    "Control",
    "Diagnosis",
    "Doctor",
    "EnvironmentState",
    "Finding",
    "FormatControl",
    "Holder",
    "IndexOverrides",
    "IndexSettings",
    "JournalError",
    "JournalReader",
    "LazyPattern",
    "LimitName",
    "MutableRecord",
    "Outcome",
    "OutputError",
    "Pause",
    "Phase",
    "PipRequestOptions",
    "Pool",
    "PoolError",
    "PoolSettings",
    "ProcessSample",
    "Record",
    "Request",
    "RequirementSpec",
    "RequirementsFile",
    "RequirementsFileError",
    "Resize",
    "Resolve",
    "Resume",
    "Retry",
    "Run",
    "RunError",
    "RunSettings",
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
    "canonicalize_name",
    "clean_line",
    "complete_from_cache",
    "count_processors",
    "decode",
    "describe_ignored_settings",
    "diagnose",
    "encode",
    "encode_header",
    "encode_json",
    "escape_controls",
    "events",
    "expand_user",
    "fetch_text",
    "has_failed",
    "journal_path",
    "list_entries",
    "logs_path",
    "open_output",
    "open_regular",
    "os_error_text",
    "parse_budget",
    "parse_config_settings",
    "parse_group",
    "parse_requirement",
    "parse_size",
    "pid_of_run",
    "prune_cache",
    "read_dependency_group",
    "read_index_settings",
    "read_limited",
    "read_pip_request_options",
    "read_process_start",
    "read_requirements",
    "redact_args",
    "redact_urls",
    "replace_controls",
    "select_entries",
    "send_control",
    "shortage_error",
    "suspended",
    "terminal_watched",
    "uninstall",
]


def _import_msgspec() -> None:
    """Import msgspec without `typing_extensions`, which takes as long as Python takes to start.

    msgspec takes from it what `typing` has, too, and falls back to that.
    """
    if "msgspec" not in sys.modules and "typing_extensions" not in sys.modules:
        sys.modules["typing_extensions"] = None  # type: ignore[assignment] # its import fails then
        try:
            import_module("msgspec")
        finally:
            del sys.modules["typing_extensions"]


_import_msgspec()

_EXPORTS = {
    "pool.build.diagnosis.log_diagnosis": ("Diagnosis", "diagnose"),
    "pool.cache.prune": ("CacheEntry", "list_entries", "prune_cache", "select_entries"),
    "pool.cache.wheel_cache": ("WheelCache",),
    "pool.common.clock": ("Clock", "SystemClock", "read_process_start"),
    "pool.events.controls": (
        "Cancel",
        "Control",
        "Pause",
        "Resize",
        "Resume",
        "Retry",
        "Stop",
        "WatchBuild",
    ),
    "pool.common.errors": (
        "JournalError",
        "OutputError",
        "PoolError",
        "RequirementsFileError",
        "RunError",
        "SettingsError",
        "TargetError",
        "os_error_text",
    ),
    "pool.common.files": ("expand_user", "open_output", "open_regular", "read_limited"),
    "pool.common.json": ("encode_json", "escape_controls"),
    "pool.common.lazy_pattern": ("LazyPattern",),
    "pool.common.model": (
        "BuildId",
        "Holder",
        "LimitName",
        "Outcome",
        "Phase",
        "ProcessSample",
        "WaitFor",
    ),
    "pool.sources.names": ("canonicalize_name",),
    "pool.common.record": ("MutableRecord", "Record"),
    "pool.common.redaction": ("redact_args", "redact_urls"),
    "pool.common.text": ("clean_line", "replace_controls"),
    "pool.common.units": ("parse_size",),
    "pool.engine.doctor": ("Doctor", "Finding"),
    "pool.engine.pool": ("Pool",),
    "pool.events.codec": ("decode", "encode", "encode_header"),
    "pool.events.control_socket": ("send_control",),
    "pool.events.journal": ("JournalReader", "journal_path", "logs_path", "pid_of_run"),
    "pool.events.queries": ("has_failed",),
    "pool.events.reducer": ("apply", "apply_all"),
    "pool.events.state": ("BuildState", "EnvironmentState", "Resolve", "RunState", "Status"),
    "pool.install.uninstall": ("uninstall",),
    "pool.requirements.config_settings": ("parse_config_settings",),
    "pool.requirements.ignored_settings": ("describe_ignored_settings",),
    "pool.requirements.pip_config": (
        "IndexOverrides",
        "PipRequestOptions",
        "read_index_settings",
        "read_pip_request_options",
    ),
    "pool.requirements.pyproject": ("parse_group", "read_dependency_group"),
    "pool.requirements.request": (
        "ALL",
        "FormatControl",
        "Request",
        "RequirementSpec",
        "parse_requirement",
    ),
    "pool.requirements.requirements_txt": ("RequirementsFile", "read_requirements"),
    "pool.engine.cached_run": ("CachedRun", "complete_from_cache"),
    "pool.run.run": ("Run",),
    "pool.scheduling.slot": ("RANK_NEW", "RANK_RESUMED"),
    "pool.settings": ("MAX_BUILDS", "PoolSettings", "RunSettings", "Settings"),
    "pool.sources.index.http": ("fetch_text",),
    "pool.sources.index.settings": ("IndexSettings",),
    "pool.system.memory": ("parse_budget",),
    "pool.system.process": ("terminal_watched",),
    "pool.system.process_limits": ("shortage_error",),
    "pool.system.processors": ("count_processors",),
    "pool.system.suspension": ("suspended",),
}
"""The module of each name in `__all__`; only `events` is a package of its own."""
_MODULES = {name: module for module, names in _EXPORTS.items() for name in names}

if not TYPE_CHECKING:  # A type checker would accept any name.

    def __getattr__(name: str) -> object:
        if name == "events":
            return import_module("pool.events")
        if name not in _MODULES:
            raise AttributeError(f"module 'pool' has no attribute {name!r}")
        value: object = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
