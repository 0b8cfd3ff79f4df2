"""The panel of the selected build: its log and processes, or one group of its details."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import set_cell_size
from rich.text import Text
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

import pool
from app.format import format_clock, format_count, format_duration, format_size
from app.text.build_details import build_facts, format_command
from app.text.failure import failure_facts
from app.text.rows import TO_ASCII, build_title, describe, format_slowdown
from app.text.wait_reasons import wait_reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from textual.app import ComposeResult

    from app.tui.run_model import RunModel

__all__ = ["BuildPanel"]

_TAIL_BYTES = 1 << 15
_REASONED = ("failed", "skipped", "cached", "fetched")
_TO_ASCII = {**TO_ASCII, ord("└"): "`"}
_LABEL = 13
"""Width in cells of the label column."""
_TABS: dict[str, tuple[str, ...]] = {
    "log": (),
    "why": ("cause", "why", "fix", "also", "note", "rerun"),
    "phases": ("phases", "time", "memory", "jobs", "attempts"),
    "needs": ("requested as", "needed by", "waits for", "lock", "built with", "settings", "wheel"),
}
"""The tabs, and the labels of the details that each shows (`app.text.build_details`)."""


class BuildPanel(Vertical):
    """Shows one build; call `show` with it at every tick."""

    def __init__(self, model: RunModel, *, ascii_only: bool) -> None:
        super().__init__(id="panel")
        self._model = model
        self._ascii = ascii_only
        self._shown = Text()
        self._tab = 0

    def show_tab(self, by: int) -> None:
        """Show the next or the previous tab."""
        self._tab = (self._tab + by) % len(_TABS)
        self.query_one(Horizontal).display = self.tab == "log"
        self._show_titles()

    @property
    def tab(self) -> str:
        """The name of the tab that is shown."""
        return list(_TABS)[self._tab]

    def _show_titles(self) -> None:
        names = (f"[{name}]" if name == self.tab else name for name in _TABS)
        # Brackets would be markup in a title.
        self.border_subtitle = Content(f"{'  '.join(names)}   tab")

    def compose(self) -> ComposeResult:
        """Create a line of details above two columns."""
        self._show_titles()
        yield Static(id="facts", markup=False)
        with Horizontal():
            yield _Lines(id="processes")
            yield _Lines(id="tail")

    def show(self, build: pool.BuildState | None) -> None:
        """Show the current state of a build."""
        if not self.display:
            return
        if build is None:
            self._blank()
            return
        self._show_title(build_title(build))
        facts = self._facts(build) if self.tab == "log" else self._details(build)
        if self._ascii:
            facts.plain = facts.plain.translate(_TO_ASCII)
        if facts != self._shown:
            # A layout pass is expensive: run it only if the number of lines has changed.
            self._shown = facts
            self.query_one("#facts", Static).update(facts)
        if self.tab != "log":
            return
        processes, tail = self.query_one("#processes", _Lines), self.query_one("#tail", _Lines)
        processes.show(self._plain(_processes(build, processes.size.height)))
        tail.show(self._tail(build, tail.size.height))

    def _plain(self, lines: list[str]) -> list[str]:
        return [line.translate(_TO_ASCII) for line in lines] if self._ascii else lines

    def _blank(self) -> None:
        """Show that no single build is selected."""
        self._show_title("")
        self._shown = Text("no build selected", "dim")
        self.query_one("#facts", Static).update(self._shown)
        for part in self.query(_Lines):
            part.show([])

    def _show_title(self, title: str) -> None:
        framed = Content(title if self._is_framed else "")
        if framed != self.border_title:
            self.border_title = framed

    def _details(self, build: pool.BuildState) -> Text:
        """Return the details of the current tab, one in a line."""
        model, labels = self._model, _TABS[self.tab]
        known = build_facts(build, model.state, model.now, model.slot_queue, {})
        facts = [fact for fact in known if fact.label in labels]
        lead = self._lead(build)
        lines = [Text(f"{lead}{self.tab}", "bold")] if lead else []
        lines += [
            Text.assemble((f"{fact.label:<{_LABEL}}", "dim"), fact.text)
            for fact in sorted(facts, key=lambda fact: labels.index(fact.label))
        ]
        return Text("\n").join(lines if facts else [*lines, Text("nothing yet", "dim")])

    def _facts(self, build: pool.BuildState) -> Text:
        if build.outcome is pool.Outcome.FAILED and build.superseded_by is None:
            return self._failure(build)
        phases = [f"{phase} {format_clock(seconds)}" for phase, seconds in build.phases.items()]
        if build.phase is not None and build.phase_since is not None:
            phases.append(f"{build.phase} {format_clock(self._model.now - build.phase_since)}")
        line = describe(build, self._model.state, self._model.now)
        # The table truncates long reasons; show them whole here.
        reason = wait_reason(build, self._model.state, self._model.now, self._model.slot_queue)
        said = [f"{line.word} {line.detail}"] if line.kind in _REASONED else []
        facts = [reason] if reason else said
        facts += [" · ".join(phases)] if phases else []
        names = [build_title(self._model.state.builds[one]) for one in build.needed_by]
        if asked := [build.origin] * bool(build.origin) + names:
            facts.append(f"requested by: {', '.join(asked)}")
        if build.expected is not None and build.status is not pool.Status.DONE:
            slow = format_slowdown(build, self._model.now)
            facts.append(
                f"usually {format_duration(build.expected)}" + (f": {slow}" if slow else "")
            )
        if build.expected_peak is not None and build.status is not pool.Status.DONE:
            facts.append(f"usual peak {format_size(build.expected_peak)}")
        facts += _memory(build)
        if build.processes:
            facts.append(format_count(1 + build.tokens, "job"))
        facts += [f"note: {remark}" for remark in build.notes]
        return Text.assemble((self._lead(build), "bold"), "   ".join(facts))

    def _lead(self, build: pool.BuildState) -> str:
        """Return the title of the build; empty if the frame has it."""
        return "" if self._is_framed else f"{build_title(build)}  "

    @property
    def _is_framed(self) -> bool:
        return self.screen.has_class("-framed")

    def _failure(self, build: pool.BuildState) -> Text:
        """Return what the failure means and what to do, in full."""
        lines = Text.assemble((self._lead(build), "bold"), f"failed  {_spent(build)}")
        for label, text in failure_facts(build, self._model.state):
            lines.append(f"\n{label.capitalize():<6} ", "dim").append(text)
        for note in build.notes:
            lines.append(f"\nnote: {note}", "dim")
        return lines

    def _tail(self, build: pool.BuildState, height: int) -> list[str]:
        """Return the last lines of the log, or the reason why there are none."""
        until = None if self._model.source.live else build.bytes
        lines = list(_last_lines(self._model.log_path(build), height, until))
        head = "log  (l opens it)" if lines else "no output yet"
        return [head, *lines[-max(0, height - 1) :]]


class _Lines(Widget):
    """Lines of text, redrawn when they change; the first line is a title."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._lines: list[str] = []

    def show(self, lines: list[str]) -> None:
        if lines != self._lines:
            self._lines = lines
            self.refresh()

    def render(self) -> Text:
        title, *rest = (set_cell_size(line, self.size.width) for line in self._lines or [""])
        return Text.assemble((title, "dim"), *(f"\n{line}" for line in rest), no_wrap=True)


def _spent(build: pool.BuildState) -> str:
    """Return where and when a build failed: its last phase, its time."""
    phase = next(reversed(build.phases), "")
    return "  ".join(filter(None, (f"in {phase}" if phase else "", format_duration(build.seconds))))


def _memory(build: pool.BuildState) -> list[str]:
    """Format the PSS of the process tree; the RSS in the table counts shared pages repeatedly."""
    if not build.pss_peak:
        return []
    now = "" if build.pss is None else f"{format_size(build.pss)}, "
    return [f"PSS {now}peak {format_size(build.pss_peak)}"]


def _processes(build: pool.BuildState, height: int) -> list[str]:
    """Format the process tree in at most `height` lines."""
    lines = [f"{'pid':>8}  {'memory':>8}  {'cpu':>5}  process"]
    depths: dict[int, int] = {}
    for process in build.processes:
        depth = depths[process.pid] = depths.get(process.ppid, -1) + 1
        branch = "  " * (depth - 1) + "└ " if depth else ""
        lines.append(
            f"{process.pid:>8}  {format_size(process.rss):>8}  {process.cpu:>3.0f} %"
            f"  {branch}{format_command(process)}"
        )
    if len(lines) == 1:
        lines.append("       -  no processes")
    if len(lines) > height > 1:
        hidden = len(lines) - height + 1
        lines[height - 1 :] = [f"{'':8}  and {hidden} more"]
    return lines


def _last_lines(path: Path | None, count: int, until: int | None) -> Iterable[str]:
    """Yield the last lines of a log, up to its size `until`."""
    if path is None:
        return
    try:
        with pool.open_regular(path) as file:
            end = file.seek(0, 2) if until is None else until
            start = max(0, end - _TAIL_BYTES)
            file.seek(start)
            lines = file.read(end - start).splitlines()
    except OSError:
        return
    # The first line is incomplete, unless the read started at the beginning of the file.
    yield from _cleaned(lines[1 if start else 0 :][-count:])


def _cleaned(lines: Iterable[bytes]) -> Iterator[str]:
    return (pool.clean_line(line) for line in lines)
