"""The lines below the header: resolving, installing, and their failures."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from textual.widget import Widget

from app.text.rows import TO_ASCII
from app.text.run_status import StatusMessage, current_status

if TYPE_CHECKING:
    from app.tui.run_model import RunModel

__all__ = ["StatusBar"]

_SHARE = 4
"""A failure may take at most one in this many lines of the screen."""


class StatusBar(Widget):
    """One line, several for a failure; hidden while there is nothing to show."""

    SIGNS: ClassVar[dict[str, str]] = {"working": ">", "waiting": "~", "done": "=", "failed": "x"}

    def __init__(self, model: RunModel, *, ascii_only: bool) -> None:
        super().__init__(id="strip")
        self._model = model
        self._ascii = ascii_only
        self._told: StatusMessage | None = None
        self.display = False

    def tick(self) -> None:
        """Redraw if the text has changed; run a layout pass only if the number of lines has."""
        now = current_status(self._model.state, self._model.now)
        if now == self._told:
            return
        before, self._told = self._told, now
        self.refresh(layout=_height(before) != _height(now))
        if (before is None) != (now is None):
            self.display = now is not None
        for kind in self.SIGNS:
            self.set_class(now is not None and now.kind == kind, f"-{kind}")

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """Return the number of lines shown."""
        return min(_height(self._told), max(1, self.app.size.height // _SHARE))

    def render(self) -> Text:
        """Return the lines, truncated at the screen's width."""
        if self._told is None:
            return Text("")
        sign = self.SIGNS[self._told.kind]
        lines = [f" {sign} {self._told.lines[0]}", *(f"   {line}" for line in self._told.lines[1:])]
        return Text("\n".join(self._cut(line) for line in lines), no_wrap=True)

    def _cut(self, line: str) -> str:
        if cell_len(line) > self.size.width:
            line = set_cell_size(line, self.size.width - 1) + "…"
        return line.translate(TO_ASCII) if self._ascii else line


def _height(told: StatusMessage | None) -> int:
    return 0 if told is None else len(told.lines)
