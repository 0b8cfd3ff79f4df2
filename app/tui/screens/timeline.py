"""The timeline, full screen: slots or builds over time, under graphs of memory and builds."""

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
    from app.tui.timeline.viewport import Part

__all__ = ["TimelineScreen"]

_TICK = 1 / 5
_PAN = 0.25
"""Of a screen, at a key."""
_WIDE, _LABEL, _LONG_LABEL = 120, 14, 26
"""From how many columns on the names of rows have more cells, and how many they have."""
_GRAPHS_LINES, _LEGEND_LINES = 14, 10
"""From how many lines on there are graphs, and what the glyphs mean."""
_PANS = Binding.Group("pan", compact=True)
_ZOOMS = Binding.Group("zoom", compact=True)
_REPLAY = frozenset(("play", "step"))


class TimelineScreen(Screen[None]):
    """Shows what happened over time, and goes on while it happens.

    Args:
        feed: what is shown; somebody else lets it advance.
        open_build: shows a build, above this screen.
        ascii_only: no glyphs beyond ASCII.
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
        self, feed: RunModel, open_build: Callable[[pool.BuildId], None], *, ascii_only: bool
    ) -> None:
        super().__init__()
        self._feed = feed
        self._open = open_build
        self._ascii = ascii_only
        self._window = Viewport()

    @property
    def _chart(self) -> TimelineChart:
        return self.query_one(TimelineChart)

    @property
    def _label(self) -> int:
        """The cells that names of rows have."""
        return _LONG_LABEL if self.app.size.width >= _WIDE else _LABEL

    @property
    def _cells(self) -> int:
        """The cells that time has; one is the scrollbar's."""
        return max(1, self.app.size.width - self._label - 1)

    @property
    def _part(self) -> Part:
        return self._window.part(self._feed.now, self._cells)

    def compose(self) -> ComposeResult:
        """Stack the parts."""
        yield Static(id="title", markup=False)
        yield TimelineGraphs(self._feed, self._part, ascii_only=self._ascii)
        yield TimelineChart(self._feed, self._part, ascii_only=self._ascii)
        yield Static(id="about", markup=False)
        yield Static(id="legend", markup=False)
        if self._feed.replay is not None:
            yield ReplayBar(self._feed.replay, ascii_only=self._ascii)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Begin to look."""
        self.set_focus(self._chart)
        self.set_interval(_TICK, self.tick)
        self.tick()

    def on_resize(self, event: events.Resize) -> None:
        """Leave out what is above and below the rows where there is no room for it."""
        self.query_one(TimelineGraphs).display = event.size.height >= _GRAPHS_LINES
        self.query_one("#legend").display = event.size.height >= _LEGEND_LINES
        self.tick()

    def tick(self) -> None:
        """Draw what has changed, in one go."""
        part = self._part
        with self.app.batch_update():
            self._chart.tick(part, self._label)
            self.query_one(TimelineGraphs).tick(part, self._label)
            self._say("#title", self._title(part))
            self._say("#about", self._about())
            self.query_one("#legend", Static).update(self._legend(), layout=False)
            for bar in self.query(ReplayBar):
                bar.tick()

    def _say(self, where: str, text: str) -> None:
        said = text.translate(TO_ASCII) if self._ascii else text
        self.query_one(where, Static).update(Text(said, no_wrap=True), layout=False)

    def _title(self, part: Part) -> str:
        now = self._feed.now
        shown = f"{format_clock(part.since)} to {format_clock(min(part.until, now))}"
        how = "whole run" if self._window.whole else f"{shown} of {format_clock(now)}"
        if not self._window.whole and self._window.follows:
            how += ", following"
        rows = "builds" if self._chart.by_build else "slots"
        return f" Timeline by {rows}   {how}   {format_duration(part.step)} a cell"

    def _about(self) -> str:
        """Say what the selected row shows at its end, or what its build is doing."""
        row, build = self._chart.row, self._chart.build
        now = self._feed.now
        if row is None:
            return " nothing has happened yet"
        if build is None or build not in self._feed.state.builds:
            last = row.spans[-1] if row.spans else None
            return f" {_told(last, now)}" if last is not None else ""
        one = self._feed.state.builds[build]
        spans = self._feed.timeline.builds[build]
        line = describe(one, self._feed.state, now)
        # What goes on is told by its last span, with the reason; what has ended by its outcome.
        going_on = one.outcome is None and spans
        doing = _told(spans[-1], now) if going_on else f"{line.word} {line.detail}".strip()
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

    # What hands do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer time's keys in a replay only."""
        return self._feed.replay is not None if action in _REPLAY else True

    def on_line_list_moved(self) -> None:
        """Say what is selected now."""
        self._say("#about", self._about())

    def on_line_list_opened(self) -> None:
        """A bar was clicked twice."""
        self.action_open()

    def action_leave(self) -> None:
        """Go back."""
        self.dismiss()

    def _look(self, window: Viewport) -> None:
        self._window = window
        self.tick()

    def action_pan(self, by: int) -> None:
        """Show what was earlier, or later."""
        self._look(self._window.moved(by * _PAN, self._feed.now, self._cells))

    def action_zoom(self, by: int) -> None:
        """Show less time, or more."""
        self._look(self._window.zoomed(by, self._feed.now, self._cells))

    def action_whole(self) -> None:
        """Show the whole run."""
        self._look(Viewport())

    def action_follow(self) -> None:
        """Go to the end and stay there."""
        self._look(Viewport(self._window.step))

    def action_turn(self) -> None:
        """Change between rows by slot and rows by build."""
        self._chart.turn()
        self.tick()

    def action_pick(self, step: int) -> None:
        """Select the next build of a slot, or the one before."""
        self._chart.pick(step)

    def action_open(self) -> None:
        """Show the selected build."""
        if (build := self._chart.build) is not None:
            self._open(build)

    def action_play(self) -> None:
        """Pause the replay, or go on."""
        if self._feed.replay is not None:
            self._feed.replay.toggle()

    def action_step(self, seconds: float) -> None:
        """Go on in time, or back."""
        if self._feed.replay is not None:
            self._feed.replay.step(seconds)


def _told(span: Span, now: float) -> str:
    """Say what a span was, and for how long."""
    for_ = format_duration(span.end(now) - span.since)
    words = f": {detail}" if (detail := span_detail(span)) else ""
    return f"{SPAN_NAMES[span.kind]} from {format_clock(span.since)} for {for_}{words}"
