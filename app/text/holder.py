"""The process that holds a lock, in words: one phrase for rows, lines, reasons and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pool import Holder

__all__ = ["format_holder"]


def format_holder(holder: Holder | None) -> str:
    """Return the holder of a lock as far as the system names it: ``by pid 4121 "uv build"``."""
    if holder is None or holder.pid is None:
        return "by another process"
    return f'by pid {holder.pid} "{holder.command}"' if holder.command else f"by pid {holder.pid}"
