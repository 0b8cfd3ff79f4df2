"""Digests of a file: what was promised of it, what is demanded of it, and what it has. Pure.

An index promises: all it says must come true. A user demands (``--hash``, a lock file): one of the
digests named must be the file's.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pool.common.errors import HashMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["ExpectedHashes", "HashVerifier"]

_SHA256 = re.compile("[0-9a-f]{64}")
_NAMED = 3
"""So many of the demanded digests are named in a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedHashes:
    """What a file has to be."""

    filename: str
    promised: Mapping[str, str] = field(default_factory=dict)
    """Hexadecimal digests by algorithm."""
    required: frozenset[str] = frozenset()
    """``sha256:<digest>`` and the like, one of which it must have; empty where all are good."""
    size: int | None = None
    """Bytes, where somebody said."""

    @property
    def sha256(self) -> str | None:
        """The one sha256 that it can have; None where that is not known, or is no sha256."""
        only = next(iter(self.required)) if len(self.required) == 1 else ""
        known = self.promised.get("sha256") or only.removeprefix("sha256:")
        # It becomes a part of paths.
        return known if _SHA256.fullmatch(known) else None

    @property
    def candidates(self) -> frozenset[str]:
        """The sha256 digests of files that are surely right, whatever else is demanded."""
        wanted = {text[7:] for text in self.required if text.startswith("sha256:")}
        promised = self.promised.get("sha256")
        if promised is not None:
            wanted = {promised} & wanted if self.required else {promised}
        return frozenset(filter(_SHA256.fullmatch, wanted))

    def require_possible(self) -> None:
        """See that promise and demand can both come true.

        Raises:
            HashMismatchError: they cannot.
        """
        promised = {f"{name}:{digest}" for name, digest in self.promised.items()}
        algorithms = {text.partition(":")[0] for text in self.required}
        if self.required and algorithms <= self.promised.keys() and not promised & self.required:
            raise _undemanded(self, {name: self.promised[name] for name in algorithms})


class HashVerifier:
    """The digests of a file as it comes in."""

    def __init__(self, expected: ExpectedHashes) -> None:
        self._expected = expected
        demanded = {text.partition(":")[0] for text in expected.required}
        names = {"sha256", *filter(_usable, {*expected.promised, *demanded})}
        self._digests = {name: hashlib.new(name) for name in names}

    def update(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        for digest in self._digests.values():
            digest.update(chunk)

    def checked(self) -> str:
        """Return the sha256, after all that was promised came true, and one of the demands.

        Raises:
            HashMismatchError: it is another file; the message has its name and both digests.
        """
        has = {name: digest.hexdigest() for name, digest in self._digests.items()}
        for name, digest in has.items():
            if (promised := self._expected.promised.get(name, digest)) != digest:
                raise HashMismatchError(
                    f"{self._expected.filename}: its {name} is {digest},"
                    f" the index promised {promised}",
                    hint="it was damaged or replaced on its way; it is not used",
                )
        demanded = self._expected.required
        if demanded and demanded.isdisjoint(f"{name}:{digest}" for name, digest in has.items()):
            raise _undemanded(self._expected, has)
        return has["sha256"]


def _usable(name: str) -> bool:
    """Tell whether there is such an algorithm here, with digests of one length (not shake_128)."""
    return name in hashlib.algorithms_available and hashlib.new(name).digest_size > 0


def _undemanded(expected: ExpectedHashes, has: Mapping[str, str]) -> HashMismatchError:
    demanded = sorted(expected.required)
    algorithms = dict.fromkeys(text.partition(":")[0] for text in demanded)
    theirs = _listed(f"{name}:{has[name]}" for name in algorithms if name in has)
    return HashMismatchError(
        f"{expected.filename}: it has {theirs or 'none of these digests'},"
        f" wanted was {_listed(demanded)}",
        hint="it is not used; if it was replaced on purpose, correct the hash where it is demanded",
    )


def _listed(digests: Iterable[str]) -> str:
    named = list(digests)
    more = f" or one of {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return " or ".join(named[:_NAMED]) + more
