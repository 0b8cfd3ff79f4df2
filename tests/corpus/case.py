"""A case of the corpus: an input made by code, a command, and the answer that is expected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = [
    "Answer",
    "Case",
    "Expected",
    "Reply",
    "Request",
    "built",
    "failed",
    "installed",
    "refused",
]


@dataclass(frozen=True)
class Expected:
    """The answer that a command must give."""

    code: int
    words: tuple[str, ...] = ()
    """Each is in stdout or stderr."""
    wheels: tuple[str, ...] | None = None
    """The names in the output folder, sorted; None: not checked."""


def built(*wheels: str, words: tuple[str, ...] = ()) -> Expected:
    """Exit code 0 and exactly these wheels."""
    return Expected(0, words, tuple(sorted(wheels)))


def installed(*words: str) -> Expected:
    """Exit code 0; the words are in the output."""
    return Expected(0, words)


def failed(*words: str, wheels: tuple[str, ...] = ()) -> Expected:
    """A build failed (exit code 1), the words say why; other wheels are there."""
    return Expected(1, words, tuple(sorted(wheels)))


def refused(*words: str) -> Expected:
    """The request is refused (exit code 2) before a build starts."""
    return Expected(2, words, ())


@dataclass(frozen=True)
class Request:
    """A request to the server of a case."""

    path: str
    headers: Mapping[str, str]
    """By their names in lower case."""


@dataclass(frozen=True)
class Reply:
    """The answer to a request."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    """All bytes of the response, in place of the rest."""


Answer: TypeAlias = "Callable[[Request], Reply]"


@dataclass(frozen=True)
class Case:
    """One input.

    ``make`` writes the input into an empty folder, which is the working directory of the command,
    and returns the arguments of wheelpool; ``--no-ui`` and ``-o out`` are added to ``build``.
    """

    name: str
    """Unique in its module; lower case, words joined by hyphens."""
    kind: str
    """The kind of fault: a letter and a number, as in ``C1``."""
    make: Callable[[Path], Sequence[str | Path]]
    expected: Expected
    environ: tuple[tuple[str, str], ...] = ()
    """Variables that are set for the command; ``{folder}`` is its working directory."""
    serve: Answer | None = None
    """Answers the requests to a server, whose URL replaces ``{server}`` in arguments."""
