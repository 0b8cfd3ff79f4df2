"""Full-screen view of one build: its details, its processes and their memory, its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.cells import set_cell_size
from rich.text import Text
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

import pool
from app.format import format_clock, format_size
from app.model.memory_history import sample_columns
from app.runs.previous_phases import previous_phases
from app.text.build_details import build_facts, format_command
from app.text.meters.sparkline import sparkline
from app.text.rows import TO_ASCII, build_title, describe
from app.tui.screens.dialogs import CancelScreen
from app.tui.screens.log import LogScreen
from app.tui.widgets.key_footer import KeyFooter
from app.tui.widgets.log_view import LogView

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from app.model.series import Series
    from app.tui.run_model import RunModel

__all__ = ["BuildScreen"]

_TICK = 1 / 5
_LABEL = 11
"""Width in cells of the label column."""
_GRAPH = 24
_MAX_GRAPH_WIDTH = 80
"""Maximum width in cells of the graph that covers the whole build."""
_GRAPH_SECONDS = 120.0
"""Time span in seconds of the memory graphs of processes."""
_MOST_PROCESSES = 12


class BuildScreen(Screen[None]):
    """Shows one build while it runs and after it has ended.

    Args:
        model: the model of the run.
        build: the id of the build.
        ascii_only: use ASCII characters only.
    """

    CSS_PATH = "build.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "leave", "back", key_display="q", id="build.back"),
        Binding("l", "log", "log", id="build.log"),
        Binding("e", "error", "error", id="build.error"),
        Binding("y", "copy", "copy command", id="build.copy"),
        Binding("x", "cancel", "cancel", id="build.cancel"),
        Binding("r", "retry", "retry", id="build.retry"),
        Binding("tab", "app.focus_next", "facts, log", show=False, id="build.focus"),
    ]

    def __init__(self, model: RunModel, build: pool.BuildState, *, ascii_only: bool) -> None:
        super().__init__()
        self._model = model
        self._build_id = build.id
        self._first = build
        self._ascii = ascii_only
        self._shown: tuple[Text, Text, Text] | None = None
        self._offered: tuple[object, ...] = ()
        """The inputs of `check_action` when the key line was last drawn."""
        self._before: Mapping[pool.Phase, float] = {}
        self._cause_lines: Text | None = None
        """The decisive lines of a failed build's log; None until the log was read."""

    @property
    def build(self) -> pool.BuildState:
        """The current state of the build. A replay that seeks back creates a new state object."""
        return self._model.state.builds.get(self._build_id, self._first)

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield Static(id="title", markup=False)
        with VerticalScroll(id="facts"):
            yield Static(id="why", markup=False)
            yield Static(id="about", markup=False)
            yield Static(id="processes", markup=False)
        if (path := self._model.log_path(self.build)) is not None:
            yield LogView(path)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Load phase times of earlier runs and start the refresh timer."""
        for view in self.query(LogView):
            self.set_focus(view)
        self.set_interval(_TICK, self.tick)
        self.tick()
        # Logs of earlier runs may be large: they are read without blocking the screen.
        self.run_worker(self._load_previous_phases, thread=True)

    def _load_previous_phases(self) -> None:
        if (journal := self._model.source.journal) is not None:
            self._before = previous_phases(journal, self._first)

    def on_resize(self) -> None:
        """Redraw for the new width."""
        self._shown = None

    def tick(self) -> None:
        """Redraw what has changed since the last tick."""
        build = self.build
        for view in self.query(LogView):
            view.tick(None if self._model.source.live else build.bytes)
        self._read_cause(build)
        line = describe(build, self._model.state, self._model.now)
        head = set_cell_size(
            f" {build_title(build)}   {line.word} {line.detail}", max(1, self.app.size.width)
        )
        self.query_one("#title", Static).update(self._plain(head), layout=False)
        shown = (self._cause_lines or Text(), self._about(build), self._processes(build))
        if shown != self._shown:
            # A layout pass is expensive: run it only if the number of lines has changed.
            self._shown = shown
            for name, text in zip(("why", "about", "processes"), shown, strict=True):
                part = self.query_one(f"#{name}", Static)
                part.display = bool(text)
                part.update(text)
        offered = (build.status, build.outcome, bool(build.rerun))
        if offered != self._offered:
            # The key line is rebuilt when the available actions change.
            self._offered = offered
            self.refresh_bindings()

    def _plain(self, text: str) -> str:
        return text.translate(TO_ASCII) if self._ascii else text

    def _about(self, build: pool.BuildState) -> Text:
        """Format the details as a table; long values wrap."""
        lines = Text()
        model = self._model
        told = build_facts(build, model.state, model.now, model.slot_queue, self._before)
        room = max(20, self.app.size.width - _LABEL - 3)
        for fact in told:
            parts = Text(self._plain(fact.text)).wrap(self.app.console, room) or [Text()]
            for number, part in enumerate(parts):
                about = fact.label if number == 0 else ""
                lines.append(f" {about:<{_LABEL}}", "dim").append(part.plain).append("\n")
        lines.rstrip()
        return lines

    def _read_cause(self, build: pool.BuildState) -> None:
        """Read the decisive lines from the log of a failed build, once."""
        if build.outcome != pool.Outcome.FAILED:
            self._cause_lines = None
            return
        if self._cause_lines is not None:
            return
        self._cause_lines = Text()
        for view in self.query(LogView):
            if view.lines and (found := view.diagnosis()) is not None:
                for number, text in found.lines:
                    self._cause_lines.append(f" {f'line {number:,}':<{_LABEL}}", "dim")
                    self._cause_lines.append(f"{self._plain(text)}\n", "bold")
                if found.hint and not build.hint:
                    # Journals of older versions have no hints.
                    self._cause_lines.append(f" {'fix':<{_LABEL}}{found.hint}\n", "dim")
        self._cause_lines.rstrip()

    # Processes

    def _processes(self, build: pool.BuildState) -> Text:
        text = Text()
        trail = self._model.memory.builds.get(build.id)
        if trail is not None and build.started_at is not None:
            until = build.finished_at or self._model.now
            told = f"  {format_clock(until - build.started_at)}, peak {format_size(build.peak)}"
            room = max(_GRAPH, self.app.size.width - _LABEL - len(told) - 4)
            values = sample_columns(trail, min(room, _MAX_GRAPH_WIDTH), build.started_at, until)
            text.append(f" {'over time':<{_LABEL}}", "dim")
            text.append(sparkline(values, max(build.peak, 1), ascii_only=self._ascii))
            text.append(told, "dim")
        if not build.processes:
            return text
        text.append(f"\n {'pid':>{_LABEL - 3}}  {'memory':>8}  {'cpu':>5}  ", "dim")
        text.append(f"{f'last {_GRAPH_SECONDS:.0f} s':<{_GRAPH}}  process", "dim")
        for line in self._tree(build):
            text.append(f"\n{self._plain(line)}")
        if (hidden := len(build.processes) - _MOST_PROCESSES) > 0:
            text.append(f"\n {'':>{_LABEL - 3}}  and {hidden} more", "dim")
        return text

    def _tree(self, build: pool.BuildState) -> Iterator[str]:
        most = max(process.rss for process in build.processes)
        depths: dict[int, int] = {}
        for process in build.processes[:_MOST_PROCESSES]:
            depth = depths[process.pid] = depths.get(process.ppid, -1) + 1
            branch = "  " * (depth - 1) + ("`- " if self._ascii else "└ ") if depth else ""
            trail, now = self._model.memory.process(build.id, process.pid), self._model.now
            line = (
                f" {process.pid:>{_LABEL - 3}}  {format_size(process.rss):>8}  "
                f"{process.cpu:>3.0f} %  "
                f"{self._graph(trail, most, now - _GRAPH_SECONDS, now)}  "
                f"{branch}{format_command(process)}"
            )
            yield set_cell_size(line, max(1, self.app.size.width - 2)).rstrip()

    def _graph(self, trail: Series, most: int, since: float, until: float) -> str:
        values = sample_columns(trail, _GRAPH, since, until)
        return sparkline(values, most, ascii_only=self._ascii)

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enable only the actions that apply to this build in its current state."""
        build, live = self.build, self._model.controllable
        done = build.status is pool.Status.DONE
        match action:
            case "copy":
                return bool(build.rerun)
            case "error":
                return build.outcome == pool.Outcome.FAILED
            case "cancel":
                return live and not done
            case "retry":
                return live and done and build.outcome is not None and not build.outcome.is_success
            case _:
                return True

    def action_leave(self) -> None:
        """Close this screen."""
        self.dismiss()

    def action_log(self) -> None:
        """Open the log full screen."""
        self._open_log(None)

    def action_error(self) -> None:
        """Open the log at its decisive line."""
        for view in self.query(LogView):
            if (found := view.diagnosis()) is not None:
                self._open_log(found.lines[0][0] - 1)

    def _open_log(self, line: int | None) -> None:
        if (path := self._model.log_path(self.build)) is not None:
            self.app.push_screen(LogScreen(self._model, self.build, path, line=line))

    def action_copy(self) -> None:
        """Copy the command that reruns the failed step."""
        self.app.copy_to_clipboard(self.build.rerun)
        self.notify("the rerun command was copied", markup=False)

    def action_cancel(self) -> None:
        """Ask whether to cancel the build."""
        self.app.push_screen(CancelScreen(self.build, self._model.source.send))

    def action_retry(self) -> None:
        """Retry the build."""
        self._model.source.send(pool.Retry(build=self._build_id))
