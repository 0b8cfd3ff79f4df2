"""The header: limits, memory and time; and the progress of the run.

The limits have frames of their own on large screens (`app.tui.widgets.gauges`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.text import Text
from textual.widget import Widget

from app.format import format_clock, format_size, format_size_of
from app.model.progress import run_progress
from app.text.limits import fit_limits, format_traffic, memory_use, next_limit
from app.text.meters.bar import run_bar
from app.text.meters.progress import format_slowest, format_time_left
from app.text.rows import TO_ASCII, format_counts, format_done
from pool import LimitName

if TYPE_CHECKING:
    from textual.app import RenderResult

    from app.model.progress import RunProgress
    from app.text.meters.bar import BarPart
    from app.tui.run_model import RunModel
    from pool import RunState

__all__ = ["RunHeader"]

_BAR = 16
_RUN_BAR, _SHORT_RUN_BAR = 64, 12
"""The most and the fewest cells of the bar of the run."""
_ROOMY = 100
"""The width in cells from which the program's name is shown."""


class _Outlook(NamedTuple):
    """The expected rest of a run, and the work done."""

    left: str
    """The estimated remaining time in words."""
    progress: RunProgress


class RunHeader(Widget):
    """Summarises the run. One limit is selected; the limit keys change that one."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "header--built", "header--failed", "header--building", "header--queued",
    }  # fmt: skip

    def __init__(self, model: RunModel, *, ascii_only: bool) -> None:
        super().__init__(id="header")
        self._model = model
        self._ascii = ascii_only
        self._shown: tuple[str, Text] = ("", Text())
        self._outlook: tuple[tuple[int, RunState, bool], _Outlook] | None = None
        self.selected = LimitName.BUILDS
        """The limit that the keys raise and lower."""
        self.framed = False
        """Whether the limits are shown elsewhere, so that the header is one line."""

    @property
    def marked(self) -> LimitName | None:
        """The limit that the keys change; None in a replay."""
        return self.selected if self._model.controllable else None

    def show_framed(self, framed: bool) -> None:  # noqa: FBT001 - a state
        """Show one line, without the limits, or two."""
        self.framed = framed
        self.tick()

    def select_next(self) -> None:
        """Select the next limit."""
        self.selected = next_limit(self._model.state, self.selected)
        self.tick()

    def tick(self) -> None:
        """Redraw if the text or a colour of the bar has changed."""
        lines = "" if self.framed else self._to_ascii(self._first()), self._progress_line()
        if lines != self._shown:
            self._shown = lines
            self.refresh()

    def _to_ascii(self, text: str) -> str:
        return text.translate(TO_ASCII) if self._ascii else text

    def _first(self) -> str:
        width = self.size.width
        right = format_clock(self._model.now)
        left = " wheelpool  " if width >= _ROOMY else ""
        # The selected limit is always shown; of the others, memory is shown first.
        kept = min(map(len, self._memories()), default=0) if self._chosen(LimitName.MEMORY) else 0
        left += self._caps(width - len(left) - len(right) - 2 - kept) or " starting"
        memory = self._memory(width - len(left) - len(right) - 4)
        return _spread(left, f"{memory}   {right} ", width)

    def _chosen(self, name: LimitName) -> bool:
        """Return whether a limit is selected. In a replay no limit is."""
        return name is self.marked

    def _caps(self, room: int) -> str:
        """Format the limits side by side, the selected one in brackets."""
        return "".join(
            f"[{text.rstrip()}]".ljust(len(text) + 2) if self._chosen(name) else f" {text} "
            for name, text in fit_limits(self._model.state, room).items()
        )

    def _memory(self, room: int) -> str:
        """Format the memory use, against the budget or the machine's memory, if it fits."""
        for text in self._memories():
            if len(text) <= room:
                return text
        return ""

    def _memories(self) -> list[str]:
        """Return the memory text in decreasing lengths, in brackets if the budget is selected."""
        texts = self._amounts()
        return [f"[{text}]" for text in texts] if self._chosen(LimitName.MEMORY) else list(texts)

    def _amounts(self) -> tuple[str, ...]:
        machine = self._model.state.machine
        if (known := memory_use(self._model.state)) is not None:
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

    def _progress_line(self) -> Text:
        """Return the bar of the run between its counts, or its command, and the time left."""
        width, aside = self.size.width, self._aside()
        before, after, clock = self._around_bar(len(aside[-1]) if aside else 0)
        taken = len(before) + len(after) + len(clock)
        fitting = (text for text in aside if taken + len(text) + 3 <= width)
        right = f"  {next(fitting, '')}{clock} "
        bar = self._run_bar(width - len(before) - len(after) - len(right) - 4)
        left = before + ("  " + "".join(part.text for part in bar) if bar else "")
        line = Text(self._to_ascii(_spread(left + after, right, width)))
        start = len(left)
        for part in reversed(bar):
            start, stop = start - len(part.text), start
            style = self.get_component_rich_style(f"header--{part.part}", partial=True)
            line.stylize(style, start, stop)
        return line

    def _around_bar(self, aside: int) -> tuple[str, str, str]:
        """Return the texts before and after the bar, and at the end.

        Args:
            aside: the cells of what else must fit.
        """
        counts = self._model.counts
        if self.framed:
            clock = f"   {format_clock(self._model.now)}"
            return f" wheelpool {self._command}".rstrip(), f"  {format_done(counts)}", clock
        full = f" {format_counts(counts)}"
        fits = len(full) + _SHORT_RUN_BAR + aside + 8 <= self.size.width
        return (full if fits else f" {format_done(counts)}"), "", ""

    @property
    def _command(self) -> str:
        header = self._model.source.header
        return next(iter(header.argv[1:]), "") if header is not None else ""

    def _run_bar(self, room: int) -> list[BarPart]:
        """Return the parts of the bar of the run; none if there is no room."""
        if room < _SHORT_RUN_BAR or not self._model.state.builds:
            return []
        progress = self._look_ahead().progress
        return run_bar(progress, min(room, _RUN_BAR), ascii_only=self._ascii)

    def _aside(self) -> tuple[str, ...]:
        """Return the most important fact beside the counts, in decreasing lengths."""
        model = self._model
        if ended := self._ended():
            return ended
        left, slow = self._look_ahead().left, format_slowest(model.state, model.now)
        if left or slow:
            return "   ".join(filter(None, (slow, left))), left or slow
        if coming := format_traffic(model.state, model.now):
            return f"downloads {coming}", coming, coming.rpartition("  ")[2]
        return self._kind()

    def _ended(self) -> tuple[str, ...]:
        """Return the text for a run that has ended or is about to end."""
        model = self._model
        if model.state.stopping and not model.state.finished:
            return ("stopping",)
        return ("ended early",) if model.ended and not model.state.finished else ()

    def _kind(self) -> tuple[str, ...]:
        """Return what kind of source is shown, unless it is a run of this process."""
        model = self._model
        if model.source.attached and model.source.header is not None:
            return f"attached to {model.source.header.run}", "attached"
        return ("replay",) if model.replay is not None else ()

    def _look_ahead(self) -> _Outlook:
        """Return the outlook of the run; updated once a second: readable, and all builds count."""
        state, now = self._model.state, self._model.now
        moment = int(now), state, state.finished
        if self._outlook is None or self._outlook[0] != moment:
            left = format_time_left(self._model.estimate, state, now)
            self._outlook = moment, _Outlook(left, run_progress(state, now))
        return self._outlook[1]

    def render(self) -> RenderResult:
        """Return both lines."""
        first, second = self._shown
        if self.framed:
            return second
        text = Text(f"{first}\n", no_wrap=True).append_text(second)
        # In a replay and after the end, the limits cannot be changed.
        text.stylize("bold" if self._model.controllable else "dim", 0, len(first))
        begin, end = first.find("["), first.find("]")
        if 0 <= begin < end:
            text.stylize("reverse", begin, end + 1)
        return text


def _spread(left: str, right: str, width: int) -> str:
    """Left-align one text and right-align another; drop the right one if both do not fit."""
    if len(left) + len(right) > width:
        return left if len(left) <= width else (left[: width - 1] + "…")[:width]
    return left + " " * (width - len(left) - len(right)) + right
