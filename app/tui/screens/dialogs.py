"""Modal screens that ask for a limit, a memory budget, a time, or a confirmation."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.validation import Function, Integer
from textual.widgets import Input, Static

import pool
from app.format import format_clock
from app.source.replay_time import EXAMPLES, parse_time
from app.text.rows import build_title

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from app.source.base import ReplayControls

__all__ = ["BudgetScreen", "CancelScreen", "LimitScreen", "QuitScreen", "TimeScreen"]

T = TypeVar("T")


class _Question(ModalScreen[T]):
    """An input line. After ``await push_screen(...)`` it receives everything typed from then on."""

    CSS_PATH = "dialogs.tcss"

    def on_mount(self) -> None:
        """Take the focus at once, before the screen is first drawn."""
        self.set_focus(self.query_one(Input))


class LimitScreen(_Question[int | None]):
    """Asks for the value of a limit."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "close", show=False, id="cap.close")
    ]

    def __init__(self, limit: pool.LimitName, cap: int | None, typed: str = "") -> None:
        super().__init__()
        self._limit = limit
        self._cap = cap
        self._typed = typed

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        with Vertical(classes="dialog"):
            yield Static(f"{self._limit}: set the limit to", classes="dialog-title")
            yield Input(
                self._typed or str(self._cap or ""),
                select_on_focus=not self._typed,
                type="integer",
                validators=Integer(1, pool.MAX_BUILDS),
                validate_on=["submitted"],
                id="cap",
            )
            yield Static(f" 1 to {pool.MAX_BUILDS}; Enter sets it, Escape cancels", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close with the number if it is a valid limit."""
        if event.validation_result is not None and event.validation_result.is_valid:
            self.dismiss(int(event.value))


class BudgetScreen(_Question[str | None]):
    """Asks for the memory budget of all builds."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "close", show=False, id="budget.close")
    ]

    def __init__(self, budget: int, typed: str = "") -> None:
        super().__init__()
        self._budget = budget
        self._typed = typed

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        now = f"{self._budget >> 20}M" if self._budget else "off"
        with Vertical(classes="dialog"):
            yield Static("memory: set the budget to", classes="dialog-title")
            yield Input(
                self._typed or now,
                select_on_focus=not self._typed,
                validators=Function(_is_budget),
                validate_on=["submitted"],
                id="cap",
            )
            yield Static(" 8 or 8G, 1200M, 50%, auto or off; Escape cancels", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close with the text if it is a valid memory size."""
        if event.validation_result is not None and event.validation_result.is_valid:
            self.dismiss(_with_unit(event.value))


def _with_unit(text: str) -> str:
    """Append GiB to a bare number."""
    return f"{text.strip()}G" if text.strip().replace(".", "", 1).isdigit() else text


def _is_budget(text: str) -> bool:
    try:
        pool.parse_budget(_with_unit(text))
    except pool.SettingsError:
        return False
    return True


class TimeScreen(_Question[float | None]):
    """Asks for the time in a replay to seek to."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "close", show=False, id="time.close")
    ]

    def __init__(self, replay: ReplayControls) -> None:
        super().__init__()
        self._replay = replay

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        with Vertical(classes="dialog"):
            yield Static(f"go to, of {format_clock(self._replay.length)}", classes="dialog-title")
            yield Input(placeholder="12:30", id="cap")
            yield Static(f" {EXAMPLES}", id="answer", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close with the time, or show why the text is not a valid time."""
        replay = self._replay
        try:
            at = parse_time(event.value, replay.position, replay.length, replay.marks)
        except pool.SettingsError as problem:
            told = "\n ".join(filter(None, (problem.message, problem.hint)))
            self.query_one("#answer", Static).update(f" {told}")
        else:
            self.dismiss(at)


class _ConfirmScreen(ModalScreen[bool]):
    """Asks a question with a harmless default.

    Args:
        question: the question.
        yes: what happens on ``y``.
        no: what happens otherwise.
    """

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes", id="question.yes"),
        Binding("n,enter,escape", "answer(False)", "no", id="question.no"),
    ]

    def __init__(self, question: str, yes: str, no: str) -> None:
        super().__init__()
        self._question = question
        self._answers = f" y         {yes}\n n  Enter  {no}"

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        with Vertical(classes="dialog"):
            yield Static(self._question, classes="dialog-title", markup=False)
            yield Static(self._answers, markup=False)

    def action_answer(self, answer: bool) -> None:  # noqa: FBT001 - given by the binding
        """Close with the answer."""
        self.dismiss(answer)


class QuitScreen(_ConfirmScreen):
    """Asks for confirmation before running builds are cancelled.

    Args:
        left: the number of builds that have not ended.
    """

    def __init__(self, left: int) -> None:
        question = f"{left} builds are still running. Cancel them and quit?"
        if left < 2:
            what = "1 build" if left else "The run"
            question = f"{what} is still running. Cancel it and quit?"
        super().__init__(question, "cancel and quit", "stay")


class CancelScreen(_ConfirmScreen):
    """Asks for confirmation before a build is cancelled.

    Args:
        build: the build.
        send: sends a control to the run.
    """

    def __init__(self, build: pool.BuildState, send: Callable[[pool.Control], None]) -> None:
        super().__init__(f"Cancel {build_title(build)}?", "cancel it", "let it continue")
        self._build = build.id
        self._send = send

    def action_answer(self, answer: bool) -> None:  # noqa: FBT001 - given by the binding
        """Cancel the build, or not, and close."""
        if answer:
            self._send(pool.Cancel(build=self._build))
        super().action_answer(answer)
