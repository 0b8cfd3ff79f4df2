"""Reports of wheelpool's own errors: the traceback goes to a file, one line names it."""

from __future__ import annotations

from pathlib import Path

import pool

__all__ = ["describe_error", "write_traceback"]


def describe_error(problem: BaseException) -> str:
    """Return the type and the text of an exception; of a group, of its first one."""
    first = problem
    while isinstance(first, BaseExceptionGroup):
        # A group of tasks only says how many exceptions it has.
        first = first.exceptions[0]
    return pool.clean_line(pool.redact_urls(f"{type(first).__name__}: {first}"), longest=1000)


def write_traceback(problem: BaseException, file: Path | None = None) -> str:
    """Write a traceback to a file, or to one in the temporary folder; return where it is."""
    import traceback  # noqa: PLC0415 - only for errors

    text = pool.redact_urls("".join(traceback.format_exception(problem)))
    try:
        try:
            if file is None:
                file = _write_temporary(text)
            else:
                file.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            file = _write_temporary(text)
    except OSError as refused:
        return f"no traceback kept: {pool.os_error_text(refused)}"
    return f"traceback: {file}"


def _write_temporary(text: str) -> Path:
    import tempfile  # noqa: PLC0415 - only for errors

    with tempfile.NamedTemporaryFile(
        "w", prefix="wheelpool-", suffix=".txt", delete=False,
        encoding="utf-8", errors="backslashreplace",
    ) as file:  # fmt: skip
        file.write(text)
    return Path(file.name)
