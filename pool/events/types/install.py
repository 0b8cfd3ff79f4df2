"""Events of installation: wheels that are unpacked, and the environment that changes."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from pool.common.model import BuildId
from pool.events.types.base import BaseEvent


class InstallStarted(BaseEvent, frozen=True, tag="install.started"):
    """A wheel is unpacked, checked and compiled."""

    distribution: str
    """The file name of the wheel."""
    environment: str
    """The path of the environment, or ``cache``."""
    build: BuildId | None = None
    """The build that needs the wheel; None if no single build does."""


class InstallFinished(BaseEvent, frozen=True, tag="install.finished"):
    """A wheel is ready, or its installation failed (``ok`` is false)."""

    distribution: str
    environment: str
    ok: bool = True
    build: BuildId | None = None
    """The build that needs the wheel; None if no single build does."""


class EnvironmentStaging(BaseEvent, frozen=True, tag="environment.staging"):
    """The files of a set of distributions are prepared beside the environment, without its lock."""

    environment: str
    distributions: int


class EnvironmentChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One distribution that was installed, replaced or removed."""

    name: str
    old: str | None = None
    """The version before; None if there was none."""
    new: str | None = None
    """The version now; None if the distribution was removed."""
    editable: bool = False


class EnvironmentChanged(BaseEvent, frozen=True, tag="environment.changed"):
    """A transaction is committed: all its distributions were installed at once."""

    environment: str
    changes: tuple[EnvironmentChange, ...]
    locked: float = 0.0
    """Seconds for which the environment's lock was held."""


class EnvironmentFailed(BaseEvent, frozen=True, tag="environment.failed"):
    """The environment was not changed; the run fails."""

    environment: str
    reference: str
    message: str
    hint: str = ""


InstallEvent: TypeAlias = (
    InstallStarted | InstallFinished | EnvironmentStaging | EnvironmentChanged | EnvironmentFailed
)
