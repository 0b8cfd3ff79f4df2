"""The result of a hook: what PEP 517 allows, and what backends return all the same.

pip takes a full path where the name of the wheel is demanded; one real backend returns it. The file
must lie in the output folder of the hook, and becomes a regular file of its own: a link or a FIFO
is never published.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from typing import TYPE_CHECKING, Literal

from pool.common.errors import BackendError, os_error_text
from pool.common.files import atomic_path, open_regular, read_limited

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["Hook", "check_result", "read_output", "unserializable_type"]

Hook = Literal[
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_wheel",
    "build_wheel",
    "get_requires_for_build_editable",
    "build_editable",
]

_MAX_BYTES = 16 << 20
"""Bytes of a result file."""
_FLAGS = {"return_val", "unsupported", "no_backend", "backend_invalid", "hook_missing"}
"""One of these is in each result that pyproject_hooks writes."""
_UNSERIALIZABLE = re.compile(r"^TypeError: Object of type (\w+) is not JSON serializable$")


def read_output(path: Path, hook: Hook) -> dict[str, object] | None:
    """Return the contents of a hook's result file; None if it did not write one.

    Raises:
        BackendError: it cannot be read: the backend itself has written to it.
    """
    try:
        with open_regular(path) as file:
            output = json.loads(read_limited(file, _MAX_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as problem:
        raise BackendError(f"the result of {hook} cannot be read: {problem}") from problem
    if not isinstance(output, dict) or _FLAGS.isdisjoint(output):
        raise BackendError(f"the result of {hook} cannot be read: it has no return value")
    return output


def check_result(value: object, hook: Hook, folder: Path) -> str | Sequence[str]:
    """Return the result of a hook: a name in the output folder, or a list of requirements.

    Args:
        value: what the hook returned.
        hook: the hook.
        folder: its output folder.

    Raises:
        BackendError: PEP 517 does not allow it, or there is no such file.
    """
    if hook.startswith("get_requires"):
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise BackendError(f"{hook} returned {_shorten(value)}, not a list of requirements")
        return value
    is_folder = hook.startswith("prepare")
    if not isinstance(value, str) or not _is_path(value):
        kind = "a folder" if is_folder else "a wheel"
        raise BackendError(f"{hook} returned {_shorten(value)}, not the name of {kind}")
    path = _resolve(value, hook, folder)
    if not is_folder:
        _own_wheel(path, hook)
    elif path.is_symlink() or not path.is_dir():
        raise BackendError(f"{hook} returned {_shorten(value)}, but there is no such folder")
    return path.name


def _is_path(value: str) -> bool:
    try:
        return b"\0" not in (path := os.fsencode(value)) and path != b""
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        return False


def _resolve(value: str, hook: Hook, folder: Path) -> Path:
    """Return the path in the output folder that a hook names, by name or by path."""
    path = folder / value
    parent = os.path.normpath(os.path.realpath(path.parent))
    if path.name in ("", "..") or parent != os.path.realpath(folder):
        raise BackendError(f"{hook} returned {_shorten(value)}, which is outside of its folder")
    return folder / path.name


def _own_wheel(path: Path, hook: Hook) -> None:
    """Make a wheel a regular file that has no other name, so that it can be published.

    Raises:
        BackendError: there is no file, or it is not a regular one.
    """
    try:
        status = path.lstat()
        with open_regular(path) as source:
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                return
            with atomic_path(path) as copy, copy.open("xb") as target:
                shutil.copyfileobj(source, target)
    except OSError as problem:
        if isinstance(problem, FileNotFoundError) and not path.is_symlink():
            reason = "but there is no such file"
        else:
            reason = f"which cannot be read: {os_error_text(problem)}"
        raise BackendError(f"{hook} returned {_shorten(path.name)}, {reason}") from problem


def unserializable_type(log: Iterable[str]) -> str:
    """Return the type of a result that is no JSON, according to the log; empty if it was another.

    A hook's result leaves its process as JSON: a ``Path`` or ``bytes`` cannot.
    """
    found = [match for line in log if (match := _UNSERIALIZABLE.match(line))]
    return found[-1][1] if found else ""


def _shorten(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 200 else f"{text[:199]}…"
