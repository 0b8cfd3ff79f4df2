"""Copies of mutable state records, derived from their fields."""

from __future__ import annotations

from typing import Self

from msgspec.structs import replace

from pool.common.record import MutableRecord

__all__ = ["StateRecord"]


class StateRecord(MutableRecord):
    """The base of the classes that the reducer changes in place.

    `copy` goes through the fields of the class, so a field that is added later is copied as well.
    """

    def copy(self) -> Self:
        """Return a copy that shares only immutable values with the original."""
        return self._copy_except({})

    def _copy_except(self, replaced: dict[str, object]) -> Self:
        """Return a copy; fields in ``replaced`` get the value from there, uncopied."""
        twin = replace(self)
        for name in self.__struct_fields__:
            value = getattr(self, name)
            # Nearly all values are of these types: this test is the fastest one.
            if type(value) not in _IMMUTABLE:
                setattr(twin, name, replaced[name] if name in replaced else _copy_value(value))
        return twin


def _copy_value(value: object) -> object:
    if type(value) in _IMMUTABLE:
        return value
    if isinstance(value, StateRecord):
        return value.copy()
    if isinstance(value, dict):
        return {key: _copy_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy_value(item) for item in value]
    return value


_IMMUTABLE = frozenset((bool, bytes, float, int, str, tuple, type(None)))
