"""The manual inside the screen: one page at a time, with the list of pages in its title."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.markdown import Markdown
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from app.manual import list_topics, read_topic

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

__all__ = ["ManualScreen"]


class ManualScreen(ModalScreen[None]):
    """The pages of the manual.

    Args:
        topic: the first page.
    """

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,m", "dismiss", "close", show=False, id="manual.close"),
        Binding("n,right", "turn(1)", "next page", show=False, id="manual.next"),
        Binding("N,left", "turn(-1)", "previous page", show=False, id="manual.previous"),
        Binding("down,j", "scroll(1)", show=False, id="manual.down"),
        Binding("up,k", "scroll(-1)", show=False, id="manual.up"),
        Binding("pagedown,space,ctrl+f", "page(1)", show=False, id="manual.page_down"),
        Binding("pageup,b,ctrl+b", "page(-1)", show=False, id="manual.page_up"),
    ]

    def __init__(self, topic: str = "dashboard") -> None:
        super().__init__()
        self._topics = list_topics()
        self._at = self._topics.index(topic)

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        with Vertical(classes="dialog help"):
            yield Static(classes="dialog-title", markup=False)
            with VerticalScroll(id="page"):
                yield Static(id="text", markup=False)
            keys = " n N  pages    j k  space b  scroll    Escape  back"
            yield Static(keys, classes="dim", markup=False)

    def on_mount(self) -> None:
        """Show the first page."""
        self.action_turn(0)

    def action_turn(self, by: int) -> None:
        """Show another page."""
        self._at = (self._at + by) % len(self._topics)
        topic = self._topics[self._at]
        title = f"Manual: {topic}  ({self._at + 1} of {len(self._topics)})"
        self.query_one(".dialog-title", Static).update(title)
        self.query_one("#text", Static).update(Markdown(read_topic(topic)))
        self._page.scroll_home(animate=False)

    @property
    def _page(self) -> VerticalScroll:
        return self.query_one("#page", VerticalScroll)

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self._page.scroll_relative(y=lines, animate=False)

    def action_page(self, pages: int) -> None:
        """Scroll by pages."""
        self.action_scroll(pages * max(1, self._page.size.height - 1))
