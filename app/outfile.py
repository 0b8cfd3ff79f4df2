"""A file that is there whole or not at all: written beside its place, then renamed."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import pool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["written"]


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for what goes to a path; it is put there when the block ends well.

    What is no ordinary file (a terminal, a pipe, ``/dev/null``) is written to as it is.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                yield file
            return
        # Through links, so that the link stays one.
        to = path.resolve()
        beside = to.with_name(f".{to.name}.{secrets.token_hex(4)}")
        try:
            with beside.open("xb") as file:
                yield file
            beside.replace(to)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as problem:
        raise pool.OutputError(f"{path}: {pool.os_error_text(problem)}") from problem
