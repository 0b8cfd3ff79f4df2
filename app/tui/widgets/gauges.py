"""The framed gauges: each limit with its use, a bar, and a graph of the last minutes.

One widget draws all frames: they are text that changes ten times a second, and widgets of their own
would each need a layout and a repaint.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.text import Text
from textual.message import Message
from textual.widget import Widget

from app.text.meters.gauges import recent_values
from app.text.meters.panels import list_panels
from app.text.meters.sparkline import sparkline
from app.text.rows import TO_ASCII

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.style import Style
    from textual import events

    from app.text.meters.panels import Panel
    from app.tui.run_model import RunModel
    from pool import LimitName

__all__ = ["Gauges"]

_SHORT_BAR, _LONG_BAR = 4, 24
"""The fewest and the most cells of a bar."""
_SHORT_GRAPH = 4
"""The fewest cells of a graph."""
_TICKS, _GRAPH_TICKS = 3, 15
"""Numbers are read at every third tick, to be readable; graphs at every fifteenth."""


class _Edges(NamedTuple):
    """The characters of a frame."""

    top_left: str
    level: str
    top_right: str
    upright: str
    bottom_left: str
    bottom_right: str


_LIGHT, _HEAVY = _Edges(*"╭─╮│╰╯"), _Edges(*"┏━┓┃┗┛")
_ASCII, _HEAVY_ASCII = _Edges(*"+-+|++"), _Edges(*"#=#|##")
_CHANGES = " + - "
"""In the frame of the selected limit: the keys that change it."""


class Gauges(Widget):
    """One frame for each limit; a click selects the limit."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "gauges--frame", "gauges--title", "gauges--bar", "gauges--reserved", "gauges--graph",
    }  # fmt: skip

    class Selected(Message):
        """The frame of a limit was clicked."""

        def __init__(self, limit: LimitName) -> None:
            super().__init__()
            self.limit = limit

    def __init__(self, model: RunModel, *, ascii_only: bool) -> None:
        super().__init__(id="gauges")
        self._model = model
        self._ascii = ascii_only
        self._ticks = 0
        self._shown = Text()
        self._selected: LimitName | None = None
        self._chosen: tuple[LimitName | None, int, list[int]] | None = None
        """The choices of the user: a change of them is shown at once."""
        self._graphs: dict[tuple[str, int], str] = {}
        self._panels: list[tuple[Panel, int]] = []
        """The frames that are shown, with their widths."""

    def tick(self, selected: LimitName | None) -> None:
        """Redraw if a value has changed; `selected` is the limit that keys change, if any."""
        if not self.display:
            return
        self._ticks += 1
        chosen = selected, self.size.width, [one.cap for one in self._model.state.limits.values()]
        if self._ticks % _TICKS != 1 and chosen == self._chosen:
            return
        self._chosen, self._selected = chosen, selected
        if self._ticks % _GRAPH_TICKS == 1:
            self._graphs.clear()
        model = self._model
        panels = list_panels(model.state, model.timeline, model.counts, model.now)
        self._panels = list(zip(panels, _widths(panels, self.size.width), strict=True))
        if (text := self._draw()) != self._shown:
            self._shown = text
            self.refresh()

    def render(self) -> Text:
        """Return the three lines."""
        return self._shown

    def on_click(self, event: events.Click) -> None:
        """Select the limit whose frame was clicked; the next one if a frame has two."""
        left = 0
        for panel, width in self._panels:
            if left <= event.x < left + width:
                limits, marked = panel.limits, self._selected
                at = limits.index(marked) + 1 if marked in limits else 0
                self.post_message(self.Selected(limits[at % len(limits)]))
            left += width

    # Drawing

    def _draw(self) -> Text:
        lines = [Text(no_wrap=True) for _ in range(3)]
        for panel, width in self._panels:
            for line, part in zip(lines, self._frame(panel, width), strict=True):
                line.append_text(part)
        return Text("\n").join(lines)

    def _frame(self, panel: Panel, width: int) -> tuple[Text, Text, Text]:
        """Return the lines of one frame."""
        selected = self._selected in panel.limits
        kinds = (_ASCII, _HEAVY_ASCII) if self._ascii else (_LIGHT, _HEAVY)
        edges, style = kinds[selected], self._style("title" if selected else "frame")
        body = Text.assemble((f"{edges.upright} ", style), no_wrap=True)
        for text, part in self._body(panel, width - 4):
            body.append(text, part)
        body.append(f" {edges.upright}", style)
        keys = _CHANGES if selected else ""
        level = edges.level * (width - 3 - len(keys)) + keys + edges.level
        foot = edges.bottom_left + level + edges.bottom_right
        return self._top(panel, width, edges, style), body, Text(foot, style)

    def _top(self, panel: Panel, width: int, edges: _Edges, style: Style) -> Text:
        title = f" {panel.title.upper()} "
        fitting = (text for text in panel.values if len(title) + len(text) + 7 <= width)
        value = f" {self._to_ascii(text)} " if (text := next(fitting, "")) else ""
        return Text.assemble(
            (edges.top_left + edges.level, style),
            (title, self._style("title")),
            (edges.level * (width - len(title) - len(value) - 4), style),
            (value, "bold"),
            (edges.level + edges.top_right, style),
        )

    def _body(self, panel: Panel, room: int) -> Iterator[tuple[str, Style | str]]:
        """Yield the parts of the middle line, together of that many cells."""
        text, remark = self._to_ascii(panel.text), panel.remark
        if len(text) + len(remark) + _SHORT_BAR + 2 > room:
            remark = ""
        words = sum(len(part) + 1 for part in (text, remark) if part)
        cells = max(_SHORT_BAR, min(_LONG_BAR, (room - words) // 2))
        if room - words - cells < _SHORT_GRAPH + 1:
            cells = max(1, min(_LONG_BAR, room - words))
        yield from self._bar(panel, cells)
        yield (f" {text}" if text else "", "")
        rest = room - words - cells
        graph = self._graph(panel, rest - 1) if rest > _SHORT_GRAPH else ""
        yield (f" {graph}" if graph else " " * rest, self._style("graph"))
        yield (f" {remark}" if remark else "", self._style("frame"))

    def _bar(self, panel: Panel, cells: int) -> Iterator[tuple[str, Style | str]]:
        used, reserved = round(panel.used * cells), round(panel.reserved * cells)
        if panel.used and not used:
            used = 1
        full, planned, rest = "#=-" if self._ascii else "█▒░"
        yield full * used, self._style("bar")
        yield planned * (reserved - used), self._style("reserved")
        yield rest * (cells - max(used, reserved)), self._style("frame")

    def _graph(self, panel: Panel, cells: int) -> str:
        key = panel.measure, cells
        if key not in self._graphs:
            past = recent_values(self._model.timeline, panel.measure, self._model.now, cells)
            graph = sparkline(past, panel.scale, ascii_only=self._ascii)
            self._graphs[key] = graph.ljust(cells)
        return self._graphs[key]

    def _style(self, part: str) -> Style:
        return self.get_component_rich_style(f"gauges--{part}", partial=True)

    def _to_ascii(self, text: str) -> str:
        return text.translate(TO_ASCII) if self._ascii else text


def _widths(panels: Sequence[Panel], width: int) -> list[int]:
    """Return the width of each frame; together they have the whole width."""
    whole = sum(panel.weight for panel in panels)
    ends, sofar = [0], 0
    for panel in panels:
        sofar += panel.weight
        ends.append(width * sofar // whole)
    return [end - start for start, end in pairwise(ends)]
