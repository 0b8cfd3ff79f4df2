"""The hashes of a file: those that an index lists, those that the user requires, and its own. Pure.

An index promises: all hashes that it lists must match. A user requires (``--hash``, a lock file):
one of the given hashes must match.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from msgspec import field

from pool.common.errors import HashMismatchError
from pool.common.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["ExpectedHashes", "HashVerifier"]

_SHA256 = re.compile("[0-9a-f]{64}")
_MAX_NAMED = 3
"""The most required hashes that a message names."""


class ExpectedHashes(Record, frozen=True, kw_only=True):
    """The hashes and the size that a file must have."""

    filename: str
    promised: Mapping[str, str] = field(default_factory=dict)
    """Hexadecimal digests by algorithm; all must match."""
    required: frozenset[str] = frozenset()
    """``sha256:<digest>`` and the like; one must match, if there are any."""
    size: int | None = None
    """Bytes, if the index lists them."""

    @property
    def sha256(self) -> str | None:
        """The only sha256 that the file can have; None if it is not known."""
        only = next(iter(self.required)) if len(self.required) == 1 else ""
        sha256 = self.promised.get("sha256") or only.removeprefix("sha256:")
        # It becomes part of paths, so its form is checked.
        return sha256 if _SHA256.fullmatch(sha256) else None

    @property
    def acceptable_sha256(self) -> frozenset[str]:
        """The sha256 digests that are sufficient, whatever other hashes are required."""
        wanted = {text[7:] for text in self.required if text.startswith("sha256:")}
        promised = self.promised.get("sha256")
        if promised is not None:
            wanted = {promised} & wanted if self.required else {promised}
        return frozenset(filter(_SHA256.fullmatch, wanted))

    def check_consistent(self) -> None:
        """Check that the promised hashes allow one of the required ones.

        Raises:
            HashMismatchError: they exclude all of them.
        """
        promised = {f"{name}:{digest}" for name, digest in self.promised.items()}
        algorithms = {text.partition(":")[0] for text in self.required}
        if self.required and algorithms <= self.promised.keys() and not promised & self.required:
            raise _mismatch_error(self, {name: self.promised[name] for name in algorithms})


class HashVerifier:
    """Computes the hashes of a file while it is read."""

    def __init__(self, expected: ExpectedHashes) -> None:
        self._expected = expected
        required = {text.partition(":")[0] for text in expected.required}
        names = {"sha256", *filter(_is_supported, {*expected.promised, *required})}
        self._digests = {name: hashlib.new(name) for name in names}

    def update(self, chunk: bytes) -> None:
        """Hash the next bytes."""
        for digest in self._digests.values():
            digest.update(chunk)

    def verify(self) -> str:
        """Return the sha256 if all promised hashes match, and one of the required ones.

        Raises:
            HashMismatchError: they do not; the message has the file name and both digests.
        """
        actual = {name: digest.hexdigest() for name, digest in self._digests.items()}
        for name, digest in actual.items():
            if (promised := self._expected.promised.get(name, digest)) != digest:
                raise HashMismatchError(
                    f"{self._expected.filename}: its {name} is {digest},"
                    f" the index lists {promised}",
                    hint="the download was damaged or replaced; it is not used",
                )
        required = self._expected.required
        if required and required.isdisjoint(f"{name}:{digest}" for name, digest in actual.items()):
            raise _mismatch_error(self._expected, actual)
        return actual["sha256"]


def _is_supported(name: str) -> bool:
    """Return whether the algorithm exists here, with digests of fixed length (not shake_128)."""
    return name in hashlib.algorithms_available and hashlib.new(name).digest_size > 0


def _mismatch_error(expected: ExpectedHashes, has: Mapping[str, str]) -> HashMismatchError:
    required = sorted(expected.required)
    algorithms = dict.fromkeys(text.partition(":")[0] for text in required)
    actual = _join(f"{name}:{has[name]}" for name in algorithms if name in has)
    return HashMismatchError(
        f"{expected.filename}: it has {actual or 'none of these digests'},"
        f" but one of these is required: {_join(required)}",
        hint="the file is not used; if it was replaced on purpose, correct the required hash",
    )


def _join(digests: Iterable[str]) -> str:
    named = list(digests)
    more = f" or one of {len(named) - _MAX_NAMED} more" if len(named) > _MAX_NAMED else ""
    return " or ".join(named[:_MAX_NAMED]) + more
