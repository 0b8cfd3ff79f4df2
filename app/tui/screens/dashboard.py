"""The main screen: limits and counts, the table of builds, the panel of the selected build."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace
from textual.binding import Binding
from textual.containers import Vertical
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input, Static

import pool
from app.model.status import kind_of
from app.text.limits import step_budget
from app.text.rows import TO_ASCII, build_title, status_word
from app.text.run_end import format_run_end
from app.tui.commands import BuildCommands, CommandTarget
from app.tui.screens.build import BuildScreen
from app.tui.screens.dialogs import BudgetScreen, CancelScreen, LimitScreen, QuitScreen
from app.tui.screens.log import LogScreen
from app.tui.screens.timeline import TimelineScreen
from app.tui.screens.tree import TreeScreen
from app.tui.table.widget import BuildTable, ColumnHeader
from app.tui.widgets.build_panel import BuildPanel
from app.tui.widgets.gauges import Gauges
from app.tui.widgets.graphs import Graphs
from app.tui.widgets.header import RunHeader
from app.tui.widgets.key_footer import KeyFooter
from app.tui.widgets.replay_bar import ReplayBar
from app.tui.widgets.status_bar import StatusBar

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.widget import AwaitMount

    from app.tui.run_model import RunModel

__all__ = ["Dashboard"]

_TICK = 1 / 10
_PANEL_LINES, _WHOLE_PANEL_LINES, _TALL_PANEL_LINES = 22, 28, 45
"""Minimum screen heights in lines for the panel, for one with processes, and for a tall one."""
_GRAPH_LINES = 18
_FRAMES = 100, 32
"""Minimum width and height of a screen with a frame for each limit."""
_CAPS = Binding.Group("limit")
_SPEED = Binding.Group("speed", compact=True)
_STEPS = Binding.Group("steps", compact=True)
_LIVE = frozenset(("cap", "next_cap", "type_cap", "pause", "cancel", "retry"))


class Dashboard(Screen[None]):
    """The main screen; changed parts are redrawn ten times a second."""

    COMMANDS: ClassVar[set[type[BuildCommands]]] = {BuildCommands}  # type: ignore[assignment]
    BINDINGS: ClassVar[list[BindingType]] = [
        # By use: the last ones are left out when the key line has no room for all.
        Binding("enter", "open_build", "build", id="open_build"),
        Binding("l", "open_log", "log", id="open_log"),
        # With priority, like the digits: text typed right after it must reach the input.
        Binding("slash", "filter", "filter", key_display="/", id="filter", priority=True),
        Binding("q", "quit", "quit", id="quit"),
        Binding("q", "detach", "detach", id="detach"),
        Binding("space", "app.play", "pause", id="replay.play"),
        Binding(
            "left_square_bracket",
            "app.slower",
            "slower",
            key_display="[",
            id="replay.slower",
            group=_SPEED,
        ),
        Binding(
            "right_square_bracket",
            "app.faster",
            "faster",
            key_display="]",
            id="replay.faster",
            group=_SPEED,
        ),
        Binding(
            "comma,left", "app.step(-5)", "back", key_display=",", id="replay.back", group=_STEPS
        ),
        Binding(
            "full_stop,right", "app.step(5)", "on", key_display=".", id="replay.on", group=_STEPS
        ),
        Binding("f", "app.failure(1)", "failure", id="replay.failure"),
        Binding("colon", "app.ask_time", "go to", key_display=":", id="replay.ask", priority=True),
        Binding("plus,equals_sign", "cap(1)", "more", key_display="+", id="cap.raise", group=_CAPS),
        Binding("minus", "cap(-1)", "fewer", key_display="-", id="cap.lower", group=_CAPS),
        Binding("c", "next_cap", "next limit", id="cap.next", group=_CAPS),
        *(
            Binding(key, f"type_cap({key})", show=False, id=f"cap.type_{key}", priority=True)
            for key in "123456789"
        ),
        Binding("p", "pause", "pause", id="pause"),
        Binding("x", "cancel", "cancel", id="cancel"),
        Binding("r", "retry", "retry", id="retry"),
        Binding("tab", "panel(1)", "details", show=False, id="panel.next"),
        Binding("shift+tab", "panel(-1)", show=False, id="panel.previous"),
        Binding("t", "timeline", "timeline", id="timeline"),
        Binding("T", "tree", "tree", key_display="T", id="tree"),
        Binding("escape", "clear_filter", show=False, id="filter.clear"),
    ]

    def __init__(self, model: RunModel, *, ascii_only: bool) -> None:
        super().__init__()
        self.model = model
        self._ascii = ascii_only
        self._looked_at: pool.BuildId | None = None
        self._detachable = model.detachable
        self._allowed: tuple[bool, bool] | None = None
        """Whether the selected build can be cancelled, and retried."""
        self._ended = False
        self.follows_failures = model.source.live
        """Whether the cursor moves to the newest failure: until a key is pressed."""
        self._failures: int | None = None
        """Their number at the last tick; None before the first."""

    class RunEnded(Message):
        """The live run has ended."""

    class Restart(Message):
        """The user wants the same request to be run again."""

    @property
    def live(self) -> bool:
        """Whether the run accepts controls."""
        return self.model.controllable

    @property
    def _can_restart(self) -> bool:
        """Whether the request can be run again: it has failed, and it is of this process."""
        model = self.model
        return model.ended and not model.source.attached and bool(model.state.exit_code)

    @property
    def table(self) -> BuildTable:
        """The table of builds."""
        return self.query_one(BuildTable)

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield RunHeader(self.model, ascii_only=self._ascii)
        yield Graphs(self.model, ascii_only=self._ascii)
        yield Gauges(self.model, ascii_only=self._ascii)
        yield StatusBar(self.model, ascii_only=self._ascii)
        yield Static(id="end", markup=False)
        with Vertical(id="table"):
            yield ColumnHeader(ascii_only=self._ascii)
            yield BuildTable(self.model, ascii_only=self._ascii)
            yield Input(placeholder="name or state", id="filter")
        yield BuildPanel(self.model, ascii_only=self._ascii)
        if self.model.replay is not None:
            yield ReplayBar(self.model.replay, ascii_only=self._ascii)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Start the refresh timer."""
        self.query_one("#filter", Input).display = False
        self.query_one("#end", Static).display = False
        self.set_focus(self.table)
        self.set_interval(_TICK, self.tick)
        self.tick()

    def on_resize(self, event: events.Resize) -> None:
        """Hide the panel, then the graphs, on screens that are too low for them."""
        panel = self.query_one(BuildPanel)
        panel.display = event.size.height >= _PANEL_LINES
        panel.set_class(event.size.height < _WHOLE_PANEL_LINES, "-low")
        panel.set_class(event.size.height >= _TALL_PANEL_LINES, "-tall")
        framed = event.size.width >= _FRAMES[0] and event.size.height >= _FRAMES[1]
        self.set_class(framed, "-framed")
        self.query_one("#table").border_title = "BUILDS" if framed else None
        self.table.show_heads(framed)
        self.query_one(RunHeader).show_framed(framed)
        self.query_one(Gauges).display = framed
        self.query_one(Graphs).display = event.size.height >= _GRAPH_LINES and not framed

    def tick(self) -> None:
        """Apply new events and redraw what has changed, in one batch."""
        self.model.advance()
        if self.model.detachable != self._detachable:
            self._detachable = self.model.detachable
            self.refresh_bindings()
        with self.app.batch_update():
            header = self.query_one(RunHeader)
            header.tick()
            self.query_one(Graphs).tick()
            self.query_one(Gauges).tick(header.marked)
            self.query_one(StatusBar).tick()
            self.table.tick()
            self._follow_failures()
            self._show_selected()
            for bar in self.query(ReplayBar):
                bar.tick()
        if self.model.ended and not self._ended:
            self._show_end()

    def _follow_failures(self) -> None:
        """Select the newest failure if there is a new one."""
        count, before = self.model.counts["failed"], self._failures
        self._failures = count
        if self.follows_failures and before is not None and count > before:
            builds = self.model.state.builds.values()
            failures = [build for build in builds if kind_of(build) == "failed"]
            self.table.select(max(failures, key=lambda build: build.finished_at or 0.0).id)

    def _show_end(self) -> None:
        """Show the outcome of the run, and let the app decide whether the screen stays."""
        self._ended = True
        text = format_run_end(self.model.state, can_retry=not self.model.source.attached)
        line = self.query_one("#end", Static)
        line.update(text.translate(TO_ASCII) if self._ascii else text)
        line.set_class(bool(self.model.state.exit_code), "-failed")
        line.display = True
        self.refresh_bindings()
        self.post_message(self.RunEnded())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enable the limit keys in live runs only. The replay keys belong to the app."""
        if action in ("filter", "type_cap") and isinstance(self.focused, Input):
            return False
        if action == "retry" and self._can_restart:
            return True
        if action in _LIVE and not self.live:
            return False
        if action in ("cancel", "retry") and self._refusal(action):
            return None  # The key is dim; `on_key` tells why.
        if action in ("quit", "detach"):
            return (action == "detach") is self.model.detachable
        return True

    def _refusal(self, action: str) -> str:
        """Return why the selected build cannot be cancelled or retried; empty if it can."""
        if (build := self.table.selected) is None:
            return f"nothing to {action}: no build is selected"
        over = build.status is pool.Status.DONE
        failed = build.outcome is not None and not build.outcome.is_success
        if (failed and build.superseded_by is None) if action == "retry" else not over:
            return ""
        return f"nothing to {action}: {build_title(build)} is {status_word(build)}"

    def on_key(self, event: events.Key) -> None:
        """Tell why a dim key does nothing."""
        action = {"x": "cancel", "r": "retry"}.get(event.key)
        if action is not None and self.check_action(action, ()) is None:
            self.notify(self._refusal(action), markup=False)

    # Controls of the run

    def set_limit(self, limit: pool.LimitName, value: int) -> None:
        """Set a limit."""
        self.model.source.send(pool.Resize(limit=limit, value=value))

    def change_limit(self, limit: pool.LimitName, by: int) -> None:
        """Raise or lower a limit."""
        self.model.source.send(pool.Resize(limit=limit, by=by))

    def ask_limit(self, limit: pool.LimitName, typed: str = "") -> AwaitMount:
        """Ask for the value of a limit; `typed` is the initial text of the input."""

        def answered(value: int | None) -> None:
            if value is not None:
                self.set_limit(limit, value)

        known = self.model.state.limits.get(limit)
        return self.app.push_screen(
            LimitScreen(limit, known.cap if known else None, typed), answered
        )

    def ask_budget(self, typed: str = "") -> AwaitMount:
        """Ask for the memory budget of all builds."""

        def answered(text: str | None) -> None:
            if text is not None:
                self.set_budget(text)

        known = self.model.state.limits.get(pool.LimitName.MEMORY)
        return self.app.push_screen(BudgetScreen(known.cap if known else 0, typed), answered)

    def set_budget(self, text: str) -> None:
        """Set the memory budget to a size, a percentage, ``auto`` or ``off``."""
        try:
            budget = pool.parse_budget(text)
        except pool.SettingsError as problem:
            self.notify(str(problem), severity="error", markup=False)
            return
        self.set_limit(pool.LimitName.MEMORY, budget or 0)

    def change_budget(self, steps: int) -> None:
        """Raise or lower the memory budget."""
        if (budget := step_budget(self.model.state, steps)) is not None:
            self.set_limit(pool.LimitName.MEMORY, budget)

    def action_cap(self, by: int) -> None:
        """Raise or lower the selected limit."""
        if (selected := self.query_one(RunHeader).selected) is pool.LimitName.MEMORY:
            self.change_budget(by)
        else:
            self.change_limit(selected, by)

    async def action_type_cap(self, digit: int) -> None:
        """Open the input of the selected limit with its first digit."""
        if (selected := self.query_one(RunHeader).selected) is pool.LimitName.MEMORY:
            await self.ask_budget(str(digit))
        else:
            await self.ask_limit(selected, str(digit))

    def action_next_cap(self) -> None:
        """Select the next limit."""
        self.query_one(RunHeader).select_next()

    def action_pause(self) -> None:
        """Pause or resume the run."""
        limit = self.model.state.limits.get(pool.LimitName.BUILDS)
        paused = limit is not None and limit.cap == 0
        self.model.source.send(pool.Resume() if paused else pool.Pause())

    def action_cancel(self) -> None:
        """Ask whether to cancel the selected build."""
        if (build := self.table.selected) is not None:
            self.app.push_screen(CancelScreen(build, self.model.source.send))

    def action_retry(self) -> None:
        """Retry the selected build; after the end of the run, run the request again."""
        if self._can_restart:
            self.post_message(self.Restart())
        elif (build := self.table.selected) is not None:
            self.model.source.send(pool.Retry(build=build.id))

    # Navigation

    def action_panel(self, by: int) -> None:
        """Show the next tab of the panel, or the previous one."""
        self.query_one(BuildPanel).show_tab(by)
        self._show_selected()

    def go_to(self, build: pool.BuildId) -> None:
        """Select a build."""
        self.action_clear_filter()
        self.table.select(build)

    def action_timeline(self) -> None:
        """Open the timeline."""
        screen = TimelineScreen(self.model, self._open_selected, ascii_only=self._ascii)
        self.app.push_screen(screen)

    def _open_selected(self, build: pool.BuildId) -> None:
        self.go_to(build)
        self.action_open_build()

    def action_open_build(self) -> None:
        """Open the build screen of the selected build."""
        if (build := self.table.selected) is not None:
            self._show(build)

    def _show(self, build: pool.BuildState) -> None:
        self.app.push_screen(BuildScreen(self.model, build, ascii_only=self._ascii))

    def action_tree(self) -> None:
        """Open the tree of build requirements."""
        self.app.push_screen(TreeScreen(self.model, self._show, ascii_only=self._ascii))

    def action_open_log(self) -> None:
        """Open the log of the selected build."""
        build = self.table.selected
        if build is not None and (path := self.model.log_path(build)) is not None:
            self.app.push_screen(LogScreen(self.model, build, path))

    def on_line_list_opened(self) -> None:
        """Open the build that was double-clicked."""
        self.action_open_build()

    def on_build_table_rearranged(self) -> None:
        """Mark the sort column."""
        self.query_one(ColumnHeader).show(self.table.table_query)

    def on_gauges_selected(self, event: Gauges.Selected) -> None:
        """Select the limit whose frame was clicked."""
        if self.live:
            self.query_one(RunHeader).selected = event.limit
            self.tick()

    def on_column_header_chosen(self, event: ColumnHeader.Chosen) -> None:
        """Sort by the column whose title was clicked."""
        self.table.sort(event.by)

    def on_line_list_moved(self) -> None:
        """Show the newly selected build at once."""
        self._show_selected()

    def _show_selected(self) -> None:
        """Show the selected build; ask a live run to sample it more often."""
        build = self.table.selected
        self.query_one(BuildPanel).show(build)
        allowed = (self._refusal("cancel") == "", self._refusal("retry") == "")
        if allowed != self._allowed:
            self._allowed = allowed
            self.refresh_bindings()
        if build is not None and build.id != self._looked_at and self.live:
            self._looked_at = build.id
            self.model.source.send(pool.WatchBuild(build=build.id))

    def action_filter(self) -> None:
        """Open the filter input."""
        asked = self.query_one("#filter", Input)
        asked.display = True
        self.set_focus(asked)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Apply the filter while it is typed."""
        self.table.show(replace(self.table.table_query, needle=event.value))

    def on_input_submitted(self) -> None:
        """Return the focus to the table and keep the filter."""
        self.set_focus(self.table)

    def action_clear_filter(self) -> None:
        """Clear the filter."""
        asked = self.query_one("#filter", Input)
        asked.value = ""
        asked.display = False
        self.set_focus(self.table)

    def leave(self) -> None:
        """Quit, or detach from another process's run."""
        if self.model.detachable:
            self.action_detach()
        else:
            self.action_quit()

    def action_quit(self) -> None:
        """Quit; ask first while builds are running."""
        builds = self.model.state.builds.values()
        left = sum(build.status is not pool.Status.DONE for build in builds)
        # Resolving and installing count as work, too.
        begun = left or self.model.state.resolve or self.model.state.environment
        if not self.live or not begun:
            self.app.exit()
        else:
            self.app.push_screen(QuitScreen(left), self._quit)

    def action_detach(self) -> None:
        """Detach from another process's run; the run continues."""
        self.app.exit()

    def _quit(self, sure: bool | None) -> None:  # noqa: FBT001 - Textual's callback
        if sure:
            self.app.exit()


if TYPE_CHECKING:
    _COMMAND_TARGET: type[CommandTarget] = Dashboard
    """The palette casts the screen to `CommandTarget`: this line checks that it may."""
