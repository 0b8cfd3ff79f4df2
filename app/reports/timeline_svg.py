"""The timeline as an SVG chart: memory and running builds over rows of slots, or of builds.

The number of bars is bounded for runs of any length: bars that are too narrow are merged. The
page's style sheet has the colours, by class; names and tooltips explain the bars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.format import format_clock, format_duration, format_size
from app.reports.markup import element
from app.text.rows import build_title
from app.text.spans import SPAN_NAMES, landmark_text, span_detail
from pool import Phase, Record, WaitFor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from xml.etree import ElementTree as ET

    from app.model.series import Measure
    from app.model.timeline import Span, SpanKind
    from app.runs.record import RunRecord

__all__ = ["SHADES", "draw_swatch", "draw_timeline"]

SHADES: Mapping[SpanKind, str] = {
    Phase.BUILD: "build",
    Phase.ENVIRONMENT: "environment",
    Phase.GET_REQUIRES: "hook",
    Phase.METADATA: "hook",
    Phase.CHECK: "check",
    Phase.UNPACK: "other",
    Phase.LOOKUP: "other",
    Phase.FETCH: "load",
    Phase.AWAIT_JOB: "job",
    WaitFor.SLOT: "queued",
    WaitFor.LOCK: "lock",
    WaitFor.MEMORY: "memory",
    WaitFor.DEPENDENCY: "needs",
    WaitFor.DOWNLOAD: "load",
    WaitFor.PAUSED: "paused",
    "work": "other",
    "resolve": "load",
    "stage": "environment",
    "install": "build",
}
"""The class of a bar, for each kind of span."""

_WIDTH, _LEFT, _RIGHT = 1000, 130, 10
"""The width of the chart and of its margins, in its own units (unscaled pixels)."""
_ROW, _GRAPH, _GAP, _AXIS = 22, 54, 12, 18
_BARS = 6000
"""The maximum number of bars."""
_NARROWEST, _SPECK = 0.4, 1.2
"""Narrower spans share a bar with their neighbours; the minimum width of a bar."""
_LETTER, _NAMED = 7.2, 36
"""The width of a letter, and the minimum width of a bar with a name."""
_LABEL = 18
"""The maximum number of letters of a row's name."""
_TICKS = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200,
    86400,
)  # fmt: skip
_MOST_TICKS = 9


class _Row(Record, frozen=True):
    label: str
    spans: Sequence[Span]


class _Graph(Record, frozen=True):
    name: str
    measure: Measure
    cap: Measure
    """The series that is drawn as a line."""
    top: int
    """The value at the top."""
    notes: tuple[str, str]


class _Scale(Record, frozen=True):
    """The scale of the time axis."""

    length: float
    """The duration of the run in seconds."""

    def x(self, t: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(max(t / self.length, 0.0), 1.0)


def draw_timeline(record: RunRecord, *, by_build: bool, most: int) -> ET.Element:
    """Return the chart.

    Args:
        record: the run.
        by_build: rows are builds, with their waits; otherwise they are slots.
        most: the maximum number of rows; the longest builds are selected.
    """
    scale = _Scale(max(record.end, 0.1))
    rows = list(_builds(record, most) if by_build else _slots(record))[:most]
    top = _GAP if by_build else 2 * (_GRAPH + _GAP) + _GAP
    bottom = top + len(rows) * _ROW
    inside = [*_grid(scale, bottom)]
    if not by_build:
        inside += _draw_graph(record, _memory(record), scale, _GAP)
        inside += _draw_graph(record, _running(record), scale, _GAP + _GRAPH + _GAP)
    narrowest = max(_NARROWEST, len(rows) * (_WIDTH - _LEFT) / _BARS)
    for number, row in enumerate(rows):
        y = top + number * _ROW
        inside += _bars(record, row, scale, y, narrowest)
        if not by_build:
            inside += _names(record, row, scale, y)
    inside += _marks(record, scale, bottom)
    about = f"{len(rows)} {'builds' if by_build else 'slots'} over {format_duration(record.end)}"
    height = bottom + _AXIS
    return element(
        "svg", *inside, viewBox=f"0 0 {_WIDTH} {height}", role="img", aria_label=about
    )  # fmt: skip


def draw_swatch(kind: SpanKind) -> ET.Element:
    """Return a small bar for a legend."""
    return element("svg", _box(0, 0, 22, 12, SHADES[kind]), viewBox="0 0 22 12", class_="swatch")


def _slots(record: RunRecord) -> Iterator[_Row]:
    if record.timeline.run_spans:
        yield _Row("run", record.timeline.run_spans)
    for slot, spans in sorted(record.timeline.slots.items()):
        yield _Row(f"slot {slot}", spans)


def _builds(record: RunRecord, most: int) -> Iterator[_Row]:
    """Yield the builds that took the longest, in the order of announcement."""
    durations = {
        build: spans[-1].end(record.state.now) - spans[0].since
        for build, spans in record.timeline.builds.items()
        if spans
    }
    selected = set(sorted(durations, key=lambda build: durations[build], reverse=True)[:most])
    for build, spans in record.timeline.builds.items():
        if build in selected:
            yield _Row(build_title(record.state.builds[build]), spans)


# Bars


def _bars(
    record: RunRecord, row: _Row, scale: _Scale, y: int, narrowest: float
) -> Iterator[ET.Element]:
    """Yield a row's name and its bars; narrow spans share one bar."""
    yield _text(4, y + 15, _cut(row.label, _LABEL), "label", row.label)
    now = record.state.now
    for group in _grouped(row.spans, scale, now, narrowest):
        left, right = scale.x(group[0].since), scale.x(group[-1].end(now))
        longest = max(group, key=lambda span: span.end(now) - span.since)
        width = max(right - left, _SPECK)
        bar = _box(left, y + 2, width, _ROW - 4, SHADES[longest.kind])
        bar.append(element("title", _tooltip(record, longest)))
        yield bar


def _grouped(
    spans: Sequence[Span], scale: _Scale, now: float, narrowest: float
) -> Iterator[list[Span]]:
    """Yield the spans of each bar."""
    group: list[Span] = []
    begin = end = 0.0
    for span in spans:
        left, right = scale.x(span.since), scale.x(span.end(now))
        apart = end - begin >= narrowest or left - end > narrowest or right - left >= narrowest
        if group and apart:
            yield group
            group = []
        if not group:
            begin = left
        group.append(span)
        end = right
    if group:
        yield group


def _names(record: RunRecord, row: _Row, scale: _Scale, y: int) -> Iterator[ET.Element]:
    """Yield the names of builds at the start of their bars, where there is room."""
    stays: list[list[Span]] = []
    for span in row.spans:
        if stays and stays[-1][0].build == span.build:
            stays[-1].append(span)
        else:
            stays.append([span])
    for stay in stays:
        left, right = scale.x(stay[0].since), scale.x(stay[-1].end(record.state.now))
        if stay[0].build is not None and right - left >= _NAMED:
            name = record.state.builds[stay[0].build].name
            text = _cut(name, int((right - left - 6) / _LETTER))
            yield _text(
                left + 4, y + 15, text, "name", build_title(record.state.builds[stay[0].build])
            )


def _tooltip(record: RunRecord, span: Span) -> str:
    """Return the text of a tooltip."""
    title = "" if span.build is None else f"{build_title(record.state.builds[span.build])}: "
    length = format_duration(span.end(record.state.now) - span.since)
    text = f"{title}{SPAN_NAMES[span.kind]}, {length} from {format_clock(span.since)}"
    text += "" if span.until is not None else ", unfinished"
    return f"{text}: {_cut(detail, 200)}" if (detail := span_detail(span)) else text


# Graphs, axis, marks


def _memory(record: RunRecord) -> _Graph:
    series = record.timeline.series
    peak, budget = series["used"].peak, series["budget"].peak
    # On the scale of the machine's memory, the use of builds is often invisible.
    notes = (f"peak {format_size(peak)}", f"of {format_size(budget)}" if budget else "no budget")
    return _Graph("memory", "used", "budget", max(peak, budget, 1), notes)


def _running(record: RunRecord) -> _Graph:
    series = record.timeline.series
    peak, cap = series["running"].peak, series["cap"].peak
    return _Graph("running builds", "running", "cap", max(peak, cap, 1), (f"peak {peak}", ""))


def _draw_graph(record: RunRecord, graph: _Graph, scale: _Scale, y: int) -> Iterator[ET.Element]:
    for text, down, class_ in zip(
        (graph.name, *graph.notes), (12, 28, 43), ("label", "small", "small"), strict=True
    ):
        yield _text(4, y + down, text, class_, "")
    yield _box(_LEFT, y, _WIDTH - _LEFT - _RIGHT, _GRAPH, "frame")
    foot, end = y + _GRAPH, _WIDTH - _RIGHT
    if area := _steps(record, graph, graph.measure, scale):
        steps = "".join(f"H{x}V{foot - height:g}" for x, height in area)
        yield element("path", d=f"M{_LEFT} {foot}{steps}H{end}V{foot}Z", class_="area")
    if line := _steps(record, graph, graph.cap, scale):
        (first, begin), *others = line
        steps = "".join(f"H{x}V{foot - height:g}" for x, height in others)
        yield element("path", d=f"M{first} {foot - begin:g}{steps}H{end}", class_="cap")


def _steps(
    record: RunRecord, graph: _Graph, measure: Measure, scale: _Scale
) -> list[tuple[int, float]]:
    """Return where a value changes, and its height; at most one change for each unit of width."""
    series = record.timeline.series[measure]
    steps: list[tuple[int, float]] = []
    for x in range(_LEFT, _WIDTH - _RIGHT) if series.peak else ():
        value = series.highest(_time(scale, x), _time(scale, x + 1))
        if value is not None:
            height = round(_GRAPH * value / graph.top, 1)
            if not steps or steps[-1][1] != height:
                steps.append((x, height))
    return steps


def _time(scale: _Scale, x: int) -> float:
    return (x - _LEFT) / (_WIDTH - _LEFT - _RIGHT) * scale.length


def _grid(scale: _Scale, bottom: int) -> Iterator[ET.Element]:
    step = next((one for one in _TICKS if scale.length / one <= _MOST_TICKS), _TICKS[-1])
    for number in range(int(scale.length / step) + 1):
        t = number * step
        x = f"{scale.x(t):.1f}"
        yield element("line", x1=x, x2=x, y1="0", y2=str(bottom), class_="grid")
        label = format_clock(t + 1e-6) if step >= 1 else f"{t:.1f} s"
        # The last label would leave the chart.
        if scale.x(t) < _WIDTH - 30:
            yield _text(scale.x(t) + 2, bottom + 13, label, "small", "")


def _marks(record: RunRecord, scale: _Scale, bottom: int) -> Iterator[ET.Element]:
    """Yield a line for each failure and changed limit, one for each place."""
    seen: set[tuple[str, int]] = set()
    for mark in record.timeline.landmarks:
        place = (mark.kind, int(scale.x(mark.t)))
        if place in seen:
            continue
        seen.add(place)
        x = f"{scale.x(mark.t):.1f}"
        text = landmark_text(mark, record.state.builds)
        line = element("line", x1=x, x2=x, y1="0", y2=str(bottom), class_=f"mark {mark.kind}")
        line.append(element("title", f"{format_clock(mark.t)} {_cut(text, 200)}"))
        yield line


# Shapes


def _box(x: float, y: float, width: float, height: float, class_: str) -> ET.Element:
    numbers = {"x": x, "y": y, "width": width, "height": height}
    texts = {name: f"{number:.1f}".removesuffix(".0") for name, number in numbers.items()}
    return element("rect", class_=class_, **texts)


def _text(x: float, y: float, text: str, class_: str, whole: str) -> ET.Element:
    """Return a text; a cut text has a tooltip with the whole text."""
    inside: list[str | ET.Element] = [text]
    if whole and whole != text:
        inside.append(element("title", whole))
    return element("text", *inside, x=f"{x:.1f}", y=f"{y:g}", class_=class_)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(0, most - 1)] + "…"
