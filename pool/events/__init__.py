"""Events of a run: types, JSON codec, journal, reducer, state, and the control socket protocol.

The package itself exports the event types (``events.BuildStarted``). They are loaded when the first
one is used, so that importing another module of the package does not load msgspec.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pool.events.types import *

if not TYPE_CHECKING:  # A type checker would accept any name.

    def __getattr__(name: str) -> object:
        if name.startswith("__"):  # The import system asks for __path__ and the like.
            raise AttributeError(f"module 'pool.events' has no attribute {name!r}")
        value: object = getattr(import_module("pool.events.types"), name)
        globals()[name] = value
        return value
