"""Bars of the progress of a build and of a run, in block characters or ASCII. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from app.model.progress import RunProgress

__all__ = ["EIGHTHS", "BarPart", "RunPart", "format_bar", "run_bar"]

RunPart: TypeAlias = Literal["built", "failed", "building", "queued"]

EIGHTHS = 80
"""The eighths of a full bar of ten cells: the resolution of a bar of any width."""
_PARTS = " ▏▎▍▌▋▊▉"


def format_bar(eighths: int | None, width: int, *, ascii_only: bool = False) -> str:
    """Return a bar: ``███▌░░░░░░``, ``####......``.

    Args:
        eighths: the part that is done, 0 to `EIGHTHS`; None if it is not known.
        width: in cells.
        ascii_only: use ASCII instead of block characters.
    """
    if eighths is None:
        return ("." if ascii_only else "┄") * width
    filled = min(EIGHTHS, max(0, eighths)) * width * 8 // EIGHTHS
    if ascii_only:
        return ("#" * (filled // 8)).ljust(width, "-")
    part = _PARTS[filled % 8].strip()
    return ("█" * (filled // 8) + part).ljust(width, "░")


class BarPart(NamedTuple):
    """One part of the bar of a run."""

    part: RunPart
    text: str


_RUN_CHARACTERS: dict[RunPart, tuple[str, str]] = {
    "built": ("━", "="),
    "failed": ("━", "x"),
    "building": ("━", ">"),
    "queued": ("╌", "."),
}


def run_bar(progress: RunProgress, width: int, *, ascii_only: bool = False) -> list[BarPart]:
    """Return the bar of a run: what is built, what failed, what running builds have done, the rest.

    A failure has at least one cell.
    """
    failed = max(1, round(progress.failed * width)) if progress.failed else 0
    built = min(width - failed, round(progress.done * width))
    building = min(width - failed - built, round(progress.running * width))
    cells: dict[RunPart, int] = {"built": built, "failed": failed, "building": building}
    cells["queued"] = width - sum(cells.values())
    return [
        BarPart(part, _RUN_CHARACTERS[part][ascii_only] * count)
        for part, count in cells.items()
        if count
    ]
