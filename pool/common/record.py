"""The bases of classes that carry data: `msgspec.Struct`, which is made fifty times faster.

A dataclass compiles its methods when its module is imported: a command would spend a tenth of a
second on that before it does anything. Classes that are decoded from JSON inherit from
`msgspec.Struct` itself, because a linter reads from that base that their annotations are used.
"""

from __future__ import annotations

import msgspec

__all__ = ["KeyedRecord", "MutableRecord", "Record"]


class Record(msgspec.Struct, frozen=True):
    """The base of immutable data; a subclass repeats ``frozen=True`` for the type checker."""


class KeyedRecord(msgspec.Struct, frozen=True, eq=False):
    """The base of immutable data of which some fields are not compared."""

    def key(self) -> tuple[object, ...]:
        """Return what is compared and hashed."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.key() == other.key()

    def __hash__(self) -> int:
        return hash(self.key())


class MutableRecord(msgspec.Struct):
    """The base of data that one owner changes."""
