"""The two lines at the top: caps, memory, time; and how many builds are where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.widget import Widget

from app.format import format_clock, format_size, format_size_of
from app.text.limits import fit_limits, format_traffic, memory_budget, next_limit
from app.text.progress import format_slowest, format_time_left
from app.text.rows import TO_ASCII, format_counts
from pool import LimitName

if TYPE_CHECKING:
    from textual.app import RenderResult

    from app.tui.run_model import RunModel
    from pool import RunState

__all__ = ["RunHeader"]

_BAR = 16
_ROOMY = 100
"""Cells from which on there is room for the program's name."""


class RunHeader(Widget):
    """What a glance at the run wants to know; one of the caps is the one that keys change."""

    def __init__(self, feed: RunModel, *, ascii_only: bool) -> None:
        super().__init__(id="header")
        self._feed = feed
        self._ascii = ascii_only
        self._shown: tuple[str, str] = ("", "")
        self._estimated: tuple[tuple[int, RunState, bool], str] | None = None
        self.selected = LimitName.BUILDS
        """The cap that is raised and lowered."""

    def select_next(self) -> None:
        """Select the cap that follows."""
        self.selected = next_limit(self._feed.state, self.selected)
        self.tick()

    def tick(self) -> None:
        """Draw again if the words have changed."""
        lines = self._first(), self._second()
        if self._ascii:
            lines = lines[0].translate(TO_ASCII), lines[1].translate(TO_ASCII)
        if lines != self._shown:
            self._shown = lines
            self.refresh()

    def _first(self) -> str:
        width = self.size.width
        right = format_clock(self._feed.now)
        left = " wheelpool  " if width >= _ROOMY else ""
        # The cap that keys change is always there; of the others the memory goes first.
        kept = min(map(len, self._memories()), default=0) if self._chosen(LimitName.MEMORY) else 0
        left += self._caps(width - len(left) - len(right) - 2 - kept) or " starting"
        memory = self._memory(width - len(left) - len(right) - 4)
        return _spread(left, f"{memory}   {right} ", width)

    def _chosen(self, name: LimitName) -> bool:
        """Tell whether keys change a cap; in a replay they change none."""
        return self._feed.source.live and name is self.selected

    def _caps(self, room: int) -> str:
        """Put the caps side by side; the one that keys change is in brackets."""
        return "".join(
            f"[{text.rstrip()}]".ljust(len(text) + 2) if self._chosen(name) else f" {text} "
            for name, text in fit_limits(self._feed.state, room).items()
        )

    def _memory(self, room: int) -> str:
        """Say how much of the budget, or of the machine's memory, is used, if there is room."""
        for text in self._memories():
            if len(text) <= room:
                return text
        return ""

    def _memories(self) -> list[str]:
        """Return that from long to short, in brackets while keys change it."""
        texts = self._amounts()
        return [f"[{text}]" for text in texts] if self._chosen(LimitName.MEMORY) else list(texts)

    def _amounts(self) -> tuple[str, ...]:
        machine = self._feed.state.machine
        if (known := memory_budget(self._feed.state)) is not None:
            used, reserved, whole = known
            said = f"memory {format_size_of(used, whole)}"
            aside = f"{said}, {format_size(reserved)} reserved"
            short = f"mem {format_size_of(used, whole)}"
            return f"{aside}  {self._bar(used / whole)}", aside, said, short
        if machine is None:
            return ("memory, no budget",) if self._chosen(LimitName.MEMORY) else ()
        used = machine.total - machine.available
        said = f"memory {format_size_of(used, machine.total)}"
        if self._chosen(LimitName.MEMORY):
            return f"{said}, no budget", "memory, no budget", "no budget"
        return f"{said}  {self._bar(used / machine.total)}", said

    def _bar(self, part: float) -> str:
        full = min(_BAR, round(_BAR * part))
        done, rest = ("#", ".") if self._ascii else ("█", "·")
        return done * full + rest * (_BAR - full)

    def _second(self) -> str:
        left, width = f" {format_counts(self._feed.numbers)}", self.size.width
        fitting = (text for text in self._aside() if len(left) + len(text) + 3 <= width)
        return _spread(left, f"  {next(fitting, '')} ", width)

    def _aside(self) -> tuple[str, ...]:
        """Return what is most worth a word beside the counts, in long and in short."""
        feed = self._feed
        if ended := self._ended():
            return ended
        left, slow = self._left(), format_slowest(feed.state, feed.now)
        if left or slow:
            return "   ".join(filter(None, (slow, left))), left or slow
        if coming := format_traffic(feed.state, feed.now):
            return f"downloads {coming}", coming, coming.rpartition("  ")[2]
        return self._kind()

    def _ended(self) -> tuple[str, ...]:
        """Say that there is nothing more to come, or soon."""
        feed = self._feed
        if feed.state.stopping and not feed.state.finished:
            return ("stopping",)
        if feed.source.live and feed.source.done and not feed.state.finished:
            return "the run ended early, q quits", "ended early"
        if feed.source.live and feed.idle:
            return ("all done, q detaches" if feed.detachable else "all done, q quits",)
        return ()

    def _kind(self) -> tuple[str, ...]:
        """Say what is looked at, where that is no run of this process."""
        feed = self._feed
        if feed.source.attached and feed.source.header is not None:
            return f"attached to {feed.source.header.run}", "attached"
        return ("replay",) if feed.replay is not None else ()

    def _left(self) -> str:
        """Say how long it will still take: once a second, for eyes need it to hold still."""
        state = self._feed.state
        moment = int(self._feed.now), state, state.finished
        if self._estimated is None or self._estimated[0] != moment:
            words = format_time_left(self._feed.estimate, state, self._feed.now)
            self._estimated = moment, words
        return self._estimated[1]

    def render(self) -> RenderResult:
        """Return both lines."""
        first, second = self._shown
        text = Text(f"{first}\n{second}", no_wrap=True)
        # In a replay they tell, they do not act.
        text.stylize("bold" if self._feed.source.live else "dim", 0, len(first))
        begin, end = first.find("["), first.find("]")
        if 0 <= begin < end:
            text.stylize("reverse", begin, end + 1)
        return text


def _spread(left: str, right: str, width: int) -> str:
    """Put one text to the left and one to the right; the right one only where there is room."""
    if len(left) + len(right) > width:
        return left if len(left) <= width else (left[: width - 1] + "…")[:width]
    return left + " " * (width - len(left) - len(right)) + right
