"""The schema of the journal, its header, and the base of all events."""

from __future__ import annotations

from typing import Any

import msgspec

from pool.common.model import RunId

VERSION = "0.1.0"
"""The version of pyproject.toml, repeated: reading the metadata of the installation is slow."""
SCHEMA = 2
"""The schema that is written. It is raised when an older reader would misread a new journal."""


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """The machine of a run."""

    cpus: int
    memory: int
    """Bytes."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Line 1 of a journal."""

    wheelpool: str
    """The version of wheelpool that wrote the journal."""
    schema: int
    run: RunId
    started: str
    """ISO 8601, UTC."""
    argv: tuple[str, ...]
    python: str
    """The version of the target interpreter."""
    host: Host


class BaseEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """The fields that all events have. The event bus fills them in."""

    seq: int = 0
    """From 1, without gaps, in the order of the journal."""
    t: float = 0.0
    """Seconds since the start of the run, monotonic."""


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a type that this version does not know, unchanged."""

    type: str
    seq: int
    t: float
    data: dict[str, Any]
    """The whole line."""
