"""The process that holds a lock, in words: one phrase for rows, lines, reasons and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pool import Holder

__all__ = ["format_holder"]


def format_holder(holder: Holder | None, running: str = "") -> str:
    """Return who holds a lock, as far as the system tells: ``held by uv build (pid 4121)``.

    Args:
        holder: the process.
        running: how long it has run, as text; empty if unknown.
    """
    if holder is None or holder.pid is None:
        return "held by another process"
    facts = f"pid {holder.pid}, running {running}" if running else f"pid {holder.pid}"
    return f"held by {holder.command} ({facts})" if holder.command else f"held by {facts}"
