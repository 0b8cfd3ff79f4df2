"""Full-screen view of a build's log: follow, search, wrap, copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Input, Static

from app.format import format_count
from app.text.rows import build_title, describe
from app.tui.widgets.key_footer import KeyFooter
from app.tui.widgets.log_view import LogView

if TYPE_CHECKING:
    from pathlib import Path

    from textual.app import ComposeResult
    from textual.binding import BindingType

    import pool
    from app.tui.run_model import RunModel

__all__ = ["LogScreen"]

_TICK = 1 / 10


class LogScreen(Screen[None]):
    """Shows a log while it grows; searches as less does.

    Args:
        model: the model of the run.
        build: the id of the build.
        path: the log file.
        line: the first line shown, counted from 0; None to follow the end.
    """

    CSS_PATH = "log.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,l", "leave", "back", key_display="q", id="log.back"),
        # With priority: text typed right after the slash must reach the input.
        Binding("slash", "search", "search", key_display="/", id="log.search", priority=True),
        Binding("n", "next(1)", "next", key_display="n N", id="log.next"),
        Binding("N", "next(-1)", "before", show=False, id="log.previous"),
        Binding("e", "error", "error", id="log.error"),
        Binding("f,F", "follow", "follow", key_display="f", id="log.follow"),
        Binding("w", "wrap", "wrap", id="log.wrap"),
        Binding("number_sign", "numbers", "numbers", show=False, id="log.numbers"),
        Binding("y", "copy", "copy", id="log.copy"),
        Binding("Y", "copy_all", "copy all", show=False, id="log.copy_all"),
    ]

    def __init__(
        self, model: RunModel, build: pool.BuildState, path: Path, *, line: int | None = None
    ) -> None:
        super().__init__()
        self._model = model
        self._build = build
        self._path = path
        self._line = line
        self._typing = False

    def compose(self) -> ComposeResult:
        """Create the title, the log and the search input."""
        yield Static(id="title", markup=False)
        yield LogView(self._path)
        yield Input(placeholder="search", id="search")
        yield KeyFooter()

    @property
    def log_view(self) -> LogView:
        """The log."""
        return self.query_one(LogView)

    def on_mount(self) -> None:
        """Start the refresh timer and follow the end."""
        self.query_one(Input).display = False
        self.set_focus(self.log_view)
        self.set_interval(_TICK, self.tick)
        self.call_after_refresh(self.tick)

    def tick(self) -> None:
        """Read what was appended to the log."""
        view = self.log_view
        # A replay that seeks back creates a new state: look the build up again.
        build = self._model.state.builds.get(self._build.id, self._build)
        view.tick(None if self._model.source.live else build.bytes)
        if self._line is not None and self._line < view.lines:
            view.go_to(self._line)
            self._line = None
        self._update_title(build, view)

    def _update_title(self, build: pool.BuildState, view: LogView) -> None:
        line = describe(build, self._model.state, self._model.now)
        facts = [view.place, format_count(view.lines, "line")]
        facts += ["following"] if view.follow else []
        facts += [] if self._path.exists() else ["the log is not there"]
        right = "   ".join(filter(None, facts))
        left = set_cell_size(
            f" {build_title(build)}   {line.word} {line.detail}",
            max(0, self.size.width - cell_len(right) - 3),
        )
        self.query_one("#title", Static).update(f"{left}  {right}", layout=False)

    def action_leave(self) -> None:
        """Close the search, or else the screen."""
        search = self.query_one(Input)
        if search.display:
            self._close_search()
            self.log_view.search("")
        else:
            self.dismiss()

    def _close_search(self) -> None:
        self.query_one(Input).display = False
        self.set_focus(self.log_view)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the search key while an input has the focus."""
        return action != "search" or not isinstance(self.focused, Input)

    def action_search(self) -> None:
        """Open the search input."""
        search = self.query_one(Input)
        search.display = True
        search.value = ""
        self.set_focus(search)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Highlight matches while the text is typed."""
        if self.query_one(Input).display:
            self.log_view.search(event.value)

    def on_input_submitted(self) -> None:
        """Go to the first match."""
        self._close_search()
        self.log_view.next_found(1)

    def action_next(self, step: int) -> None:
        """Go to the next or previous match."""
        self.log_view.next_found(step)

    def action_error(self) -> None:
        """Go to the first decisive line."""
        if (found := self.log_view.diagnosis()) is not None:
            causes = [number for number, text in found.lines if found.cause[:40] in text]
            self.log_view.go_to((causes or [found.lines[0][0]])[0] - 1)

    def action_follow(self) -> None:
        """Toggle following the end."""
        self.log_view.toggle_follow()

    def action_wrap(self) -> None:
        """Toggle wrapping of long lines."""
        self.log_view.toggle_wrap()

    def action_numbers(self) -> None:
        """Toggle line numbers."""
        self.log_view.toggle_numbers()

    def action_copy(self) -> None:
        """Copy the selection, else the decisive lines of a failed build, else the whole log."""
        found = self.log_view.diagnosis() if self._build.outcome == "failed" else None
        if text := self.get_selected_text():
            self._copied(text, "what is marked")
        elif found is not None:
            self._copied("\n".join(text for _, text in found.lines), "what says why it failed")
        else:
            self.action_copy_all()

    def action_copy_all(self) -> None:
        """Copy the log, up to what a terminal accepts."""
        text, all_of_it = self.log_view.whole()
        self._copied(text, "the log" if all_of_it else "the end of the log")

    def _copied(self, text: str, what: str) -> None:
        self.app.copy_to_clipboard(text)
        self.notify(
            f"{what} is copied: {format_count(text.count(chr(10)) + 1, 'line')}", markup=False
        )
