"""Small screens above the others: the keys, and the question before leaving."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

__all__ = ["HelpScreen", "QuitScreen"]

_KEYS = """\
 j k  arrows  g G  pages   move
 l  Enter  double click    the log, full screen
 + -                       raise, lower the cap of builds
 p                         pause, resume
 x                         cancel the selected build
 r                         build a failed one again
 /                         filter; Escape shows all
 Ctrl-P                    all commands by name
 ?                         this help
 q                         quit\
"""
_REPLAY_KEYS = """\
 space                     pause, go on
 [ ]                       slower, faster
 , .  left right           5 seconds back, on
 < >                       30 seconds back, on
 f                         the next failure
 0                         the beginning\
"""


class HelpScreen(ModalScreen[None]):
    """The keys."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape,q,question_mark,enter,space", "dismiss", "close", show=False, id="help.close"
        )
    ]

    def __init__(self, *, replay: bool) -> None:
        super().__init__()
        self._replay = replay

    def compose(self) -> ComposeResult:
        """Make the list."""
        text = f"{_KEYS}\n\n Replay\n{_REPLAY_KEYS}" if self._replay else _KEYS
        with Vertical(classes="dialog"):
            yield Static("Keys", classes="dialog-title")
            yield Static(text, markup=False)


class QuitScreen(ModalScreen[bool]):
    """Asks before builds are cancelled."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter,ctrl+c,q", "answer(True)", "cancel them and quit", id="quit.yes"),
        Binding("n,escape", "answer(False)", "stay", id="quit.no"),
    ]

    def __init__(self, left: int) -> None:
        super().__init__()
        self._left = left

    def compose(self) -> ComposeResult:
        """Make the question."""
        builds = "1 build has" if self._left == 1 else f"{self._left} builds have"
        with Vertical(classes="dialog"):
            yield Static(f"{builds} not ended", classes="dialog-title")
            yield Static(" y  Enter    cancel and quit\n n  Escape   stay", markup=False)

    def action_answer(self, answer: bool) -> None:  # noqa: FBT001 - given by the binding
        """Close with an answer."""
        self.dismiss(answer)
