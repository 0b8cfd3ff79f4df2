"""Events of version resolution."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from pool.events.types.base import BaseEvent


class ResolveStarted(BaseEvent, frozen=True, tag="resolve.started"):
    """The resolver looks for versions that satisfy all requirements."""

    requirements: tuple[str, ...]
    """The user's requirements, in their order."""


class ResolveProgress(BaseEvent, frozen=True, tag="resolve.progress"):
    """The resolver has read more index pages. Emitted at most a few times a second."""

    pages: int
    """Project pages read so far."""


class SelectedVersion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One selected version, with the reasons."""

    name: str
    version: str
    kind: Literal["wheel", "sdist", "direct", "installed"]
    """``direct``: a path or URL of the user; ``installed``: the environment's version stays."""
    file: str = ""
    by: tuple[str, ...] = ()
    """The requirements on it: ``rich 14.2.0 needs pygments>=2.13``, ``requirements.txt:3``."""
    passed_over: tuple[str, ...] = ()
    """Newer versions that were not selected, each with the reason."""


class ResolveFinished(BaseEvent, frozen=True, tag="resolve.finished"):
    """The resolver has selected all versions."""

    picked: tuple[SelectedVersion, ...]


class ResolveFailed(BaseEvent, frozen=True, tag="resolve.failed"):
    """No set of versions fits, or the metadata could not be read; the run fails."""

    reference: str
    message: str
    hint: str = ""


ResolveEvent: TypeAlias = ResolveStarted | ResolveProgress | ResolveFinished | ResolveFailed
