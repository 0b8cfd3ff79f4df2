"""Full-screen timeline: slots or builds over time, below graphs of memory and running builds."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Static

from app.format import format_clock, format_duration
from app.text.rows import TO_ASCII, build_title, describe
from app.text.spans import SPAN_NAMES, span_detail
from app.tui.timeline.bars import legend
from app.tui.timeline.chart import TimelineChart
from app.tui.timeline.graphs import TimelineGraphs
from app.tui.timeline.viewport import Viewport
from app.tui.widgets.key_footer import KeyFooter
from app.tui.widgets.replay_bar import ReplayBar

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType

    import pool
    from app.model.timeline import Span
    from app.tui.run_model import RunModel
    from app.tui.timeline.viewport import TimeRange

__all__ = ["TimelineScreen"]

_TICK = 1 / 5
_PAN = 0.25
"""The part of the visible time span that one pan key moves by."""
_WIDE, _LABEL, _LONG_LABEL = 120, 14, 26
"""The screen width from which row labels are wider, and both label widths, in cells."""
_GRAPHS_LINES, _LEGEND_LINES = 14, 10
"""The screen heights from which the graphs and the legend are shown, in lines."""
_PANS = Binding.Group("pan", compact=True)
_ZOOMS = Binding.Group("zoom", compact=True)
_REPLAY = frozenset(("play", "step"))


class TimelineScreen(Screen[None]):
    """Shows the timeline and continues while the run does.

    Args:
        model: the model of the run; the dashboard advances it.
        open_build: opens the build screen above this one.
        ascii_only: use ASCII characters only.
    """

    CSS_PATH = "timeline.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,t,q", "leave", "back", id="timeline.back"),
        Binding("left,h", "pan(-1)", "earlier", key_display="h", id="timeline.left", group=_PANS),
        Binding("right,l", "pan(1)", "later", key_display="l", id="timeline.right", group=_PANS),
        Binding(
            "plus,equals_sign,z", "zoom(1)", "in", key_display="+", id="timeline.in", group=_ZOOMS
        ),
        Binding("minus,Z", "zoom(-1)", "out", key_display="-", id="timeline.out", group=_ZOOMS),
        Binding("0", "whole", "whole", id="timeline.whole"),
        Binding("f", "follow", "follow", id="timeline.follow"),
        Binding("b", "turn", "slots/builds", id="timeline.turn"),
        Binding("n", "pick(1)", "next build", show=False, id="timeline.next"),
        Binding("N", "pick(-1)", "previous build", show=False, id="timeline.previous"),
        Binding("enter", "open", "open", id="timeline.open"),
        Binding("space", "play", "pause", id="timeline.play"),
        Binding("comma", "step(-5)", show=False, id="timeline.step_back"),
        Binding("full_stop", "step(5)", show=False, id="timeline.step_on"),
    ]

    def __init__(
        self, model: RunModel, open_build: Callable[[pool.BuildId], None], *, ascii_only: bool
    ) -> None:
        super().__init__()
        self._model = model
        self._open = open_build
        self._ascii = ascii_only
        self._window = Viewport()

    @property
    def _chart(self) -> TimelineChart:
        return self.query_one(TimelineChart)

    @property
    def _label(self) -> int:
        """The width of row labels in cells."""
        return _LONG_LABEL if self.app.size.width >= _WIDE else _LABEL

    @property
    def _cells(self) -> int:
        """The width of the time axis in cells; one column is the scrollbar's."""
        return max(1, self.app.size.width - self._label - 1)

    @property
    def _part(self) -> TimeRange:
        return self._window.part(self._model.now, self._cells)

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield Static(id="title", markup=False)
        yield TimelineGraphs(self._model, self._part, ascii_only=self._ascii)
        yield TimelineChart(self._model, self._part, ascii_only=self._ascii)
        yield Static(id="about", markup=False)
        yield Static(id="legend", markup=False)
        if self._model.replay is not None:
            yield ReplayBar(self._model.replay, ascii_only=self._ascii)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Start the refresh timer."""
        self.set_focus(self._chart)
        self.set_interval(_TICK, self.tick)
        self.tick()

    def on_resize(self, event: events.Resize) -> None:
        """Hide the parts above and below the rows if the screen is too low for them."""
        self.query_one(TimelineGraphs).display = event.size.height >= _GRAPHS_LINES
        self.query_one("#legend").display = event.size.height >= _LEGEND_LINES
        self.tick()

    def tick(self) -> None:
        """Redraw what has changed, in one batch."""
        part = self._part
        with self.app.batch_update():
            self._chart.tick(part, self._label)
            self.query_one(TimelineGraphs).tick(part, self._label)
            self._set_text("#title", self._title(part))
            self._set_text("#about", self._about())
            self.query_one("#legend", Static).update(self._legend(), layout=False)
            for bar in self.query(ReplayBar):
                bar.tick()

    def _set_text(self, where: str, text: str) -> None:
        said = text.translate(TO_ASCII) if self._ascii else text
        self.query_one(where, Static).update(Text(said, no_wrap=True), layout=False)

    def _title(self, part: TimeRange) -> str:
        now = self._model.now
        shown = f"{format_clock(part.since)} to {format_clock(min(part.until, now))}"
        how = "whole run" if self._window.whole else f"{shown} of {format_clock(now)}"
        if not self._window.whole and self._window.follows:
            how += ", following"
        rows = "builds" if self._chart.by_build else "slots"
        return f" Timeline by {rows}   {how}   {format_duration(part.step)} a cell"

    def _about(self) -> str:
        """Describe the end of the selected row, or what its build is doing."""
        row, build = self._chart.row, self._chart.build
        now = self._model.now
        if row is None:
            return " nothing has happened yet"
        if build is None or build not in self._model.state.builds:
            last = row.spans[-1] if row.spans else None
            return f" {_describe_span(last, now)}" if last is not None else ""
        one = self._model.state.builds[build]
        spans = self._model.timeline.builds[build]
        line = describe(one, self._model.state, now)
        # A running build is described by its last span, an ended one by its outcome.
        going_on = one.outcome is None and spans
        doing = _describe_span(spans[-1], now) if going_on else f"{line.word} {line.detail}".strip()
        return f" {build_title(one)}   {doing}"

    def _legend(self) -> Text:
        text = Text(no_wrap=True)
        by_build = self._chart.by_build
        for piece in legend(self.app.size.width, by_build=by_build, ascii_only=self._ascii):
            if piece.shade == "blank":
                text.append(piece.text)
            else:
                name = f"bars--{piece.shade}"
                text.append(piece.text, self._chart.get_component_rich_style(name, partial=True))
        return text

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enable the time keys in replays only."""
        return self._model.replay is not None if action in _REPLAY else True

    def on_line_list_moved(self) -> None:
        """Describe the newly selected row."""
        self._set_text("#about", self._about())

    def on_line_list_opened(self) -> None:
        """Open the bar that was double-clicked."""
        self.action_open()

    def action_leave(self) -> None:
        """Close this screen."""
        self.dismiss()

    def _set_viewport(self, window: Viewport) -> None:
        self._window = window
        self.tick()

    def action_pan(self, by: int) -> None:
        """Pan to an earlier or later time."""
        self._set_viewport(self._window.pan(by * _PAN, self._model.now, self._cells))

    def action_zoom(self, by: int) -> None:
        """Zoom in or out."""
        self._set_viewport(self._window.zoom(by, self._model.now, self._cells))

    def action_whole(self) -> None:
        """Show the whole run."""
        self._set_viewport(Viewport())

    def action_follow(self) -> None:
        """Follow the end."""
        self._set_viewport(Viewport(self._window.step))

    def action_turn(self) -> None:
        """Switch between one row per slot and one row per build."""
        self._chart.toggle_rows()
        self.tick()

    def action_pick(self, step: int) -> None:
        """Select the next or previous build of a slot."""
        self._chart.pick(step)

    def action_open(self) -> None:
        """Open the selected build."""
        if (build := self._chart.build) is not None:
            self._open(build)

    def action_play(self) -> None:
        """Pause or resume the replay."""
        if self._model.replay is not None:
            self._model.replay.toggle()

    def action_step(self, seconds: float) -> None:
        """Step forward or back in time."""
        if self._model.replay is not None:
            self._model.replay.step(seconds)


def _describe_span(span: Span, now: float) -> str:
    """Describe a span and its duration."""
    for_ = format_duration(span.end(now) - span.since)
    words = f": {detail}" if (detail := span_detail(span)) else ""
    return f"{SPAN_NAMES[span.kind]} from {format_clock(span.since)} for {for_}{words}"
