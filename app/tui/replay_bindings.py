"""The keys of a replay.

They are bindings of the app, so they work on every screen that does not bind the same keys. They
are disabled in live runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.widgets import Input

from app.source.replay_time import next_failure, previous_failure
from app.tui.screens.dialogs import TimeScreen
from app.tui.themes import ThemedApp

if TYPE_CHECKING:
    from textual.binding import BindingType

    from app.tui.run_model import RunModel

__all__ = ["ReplayApp"]

_ACTIONS = frozenset(("play", "faster", "slower", "step", "failure", "start", "end", "ask_time"))


class ReplayApp(ThemedApp):
    """An app whose source may be a replay."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "play", show=False, id="time.play"),
        Binding("left_square_bracket", "slower", show=False, id="time.slower"),
        Binding("right_square_bracket", "faster", show=False, id="time.faster"),
        Binding("comma", "step(-5)", show=False, id="time.back"),
        Binding("full_stop", "step(5)", show=False, id="time.on"),
        Binding("less_than_sign", "step(-30)", show=False, id="time.far_back"),
        Binding("greater_than_sign", "step(30)", show=False, id="time.far_on"),
        Binding("f", "failure(1)", show=False, id="time.failure"),
        Binding("F", "failure(-1)", show=False, id="time.failure_before"),
        # With priority: text typed right after it must reach the input, not the replay keys.
        Binding("colon", "ask_time", show=False, id="time.ask", priority=True),
        Binding("0", "start", show=False, id="time.start"),
        Binding("dollar_sign", "end", show=False, id="time.end"),
    ]
    model: RunModel

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enable the replay keys in replays only."""
        if action == "ask_time" and isinstance(self.focused, Input):
            return False
        if action in _ACTIONS:
            return self.model.replay is not None
        return super().check_action(action, parameters)

    def action_play(self) -> None:
        """Pause or resume the replay."""
        if (replay := self.model.replay) is not None:
            replay.toggle()

    def action_faster(self) -> None:
        """Double the speed."""
        if (replay := self.model.replay) is not None:
            replay.faster()

    def action_slower(self) -> None:
        """Halve the speed."""
        if (replay := self.model.replay) is not None:
            replay.slower()

    def action_step(self, seconds: float) -> None:
        """Step forward or back in time."""
        if (replay := self.model.replay) is not None:
            replay.step(seconds)

    def action_failure(self, step: int) -> None:
        """Seek to the next failure (1) or to the previous one (-1)."""
        if (replay := self.model.replay) is None:
            return
        look = next_failure if step > 0 else previous_failure
        if (at := look(replay.position, replay.marks)) is None:
            self.notify(f"nothing fails {'after' if step > 0 else 'before'} this", timeout=2)
        else:
            replay.seek(at)

    def action_start(self) -> None:
        """Seek to the start."""
        if (replay := self.model.replay) is not None:
            replay.seek(0.0)

    def action_end(self) -> None:
        """Seek to the end."""
        if (replay := self.model.replay) is not None:
            replay.seek(replay.length)

    async def action_ask_time(self) -> None:
        """Ask for a time to seek to."""
        if (replay := self.model.replay) is None:
            return

        def answered(at: float | None) -> None:
            if at is not None:
                replay.seek(at)

        await self.push_screen(TimeScreen(replay), answered)
