"""A build's log, full screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from app.tui.logview import LogView
from app.view import describe

if TYPE_CHECKING:
    from pathlib import Path

    from textual.app import ComposeResult
    from textual.binding import BindingType

    import pool
    from app.tui.feed import Feed

__all__ = ["LogScreen"]


class LogScreen(Screen[None]):
    """Shows a log while it grows; search as in less."""

    CSS_PATH = "logscreen.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,l", "leave", "back", id="log.back"),
        Binding("slash", "search", "search", key_display="/", id="log.search"),
        Binding("n", "next(1)", "next", id="log.next"),
        Binding("N", "next(-1)", "previous", key_display="N", id="log.previous"),
        Binding("f", "follow", "follow", id="log.follow"),
    ]

    def __init__(self, feed: Feed, build: pool.BuildState, path: Path) -> None:
        super().__init__()
        self._feed = feed
        self._build = build
        self._path = path

    def compose(self) -> ComposeResult:
        """Make a title, the log, and a line to search in."""
        yield Static(id="title", markup=False)
        yield LogView(self._path)
        yield Input(placeholder="search", id="search")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to follow."""
        self.query_one(Input).display = False
        self.set_focus(self.query_one(LogView))
        self.set_interval(1 / 5, self.tick)
        self.tick()

    def tick(self) -> None:
        """Take in what the log has grown by."""
        log = self.query_one(LogView)
        # A replay that went back has made another state; the build is looked up again.
        build = self._feed.state.builds.get(self._build.id, self._build)
        log.tick(None if self._feed.source.live else build.bytes)
        line = describe(build, self._feed.state, self._feed.now)
        missing = "" if self._path.exists() else "   (the log is not there)"
        follows = "   following" if log.follow else ""
        self.query_one("#title", Static).update(
            f" {build.label}   {line.word} {line.detail}   {log.lines:,} lines{follows}{missing}",
            layout=False,
        )

    def action_leave(self) -> None:
        """Close the search, or the screen."""
        search = self.query_one(Input)
        if search.display:
            search.display = False
            self.set_focus(self.query_one(LogView))
        else:
            self.dismiss()

    def action_search(self) -> None:
        """Ask what to look for."""
        search = self.query_one(Input)
        search.display = True
        search.value = ""
        self.set_focus(search)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the first line that has it."""
        self.action_leave()
        if event.value and not self.query_one(LogView).search(event.value):
            self.notify(f"{event.value!r} is not in the log", severity="warning")

    def action_next(self, step: int) -> None:
        """Go to the next line that has it, or the one before."""
        self.query_one(LogView).next_found(step)

    def action_follow(self) -> None:
        """Go to the end and stay there."""
        self.query_one(LogView).action_bottom()
