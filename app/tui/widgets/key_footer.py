"""The last line of a screen: the available keys; each can be clicked.

A single widget that draws one line. Textual's Footer mounts a widget per key and recreates all of
them whenever a screen opens or closes or the focus moves, which takes 0.2 s each time.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.text import Text
from textual.widget import Widget

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from textual import events
    from textual.binding import ActiveBinding, Binding

__all__ = ["KeyFooter"]

_HELP = "question_mark"
_GAP = 1
"""Cells before a key, between key and label, and after the label."""


class _Item(NamedTuple):
    """A key on the line and the cell it begins at."""

    start: int
    key: str
    shown: str
    does: str
    enabled: bool

    @property
    def width(self) -> int:
        return _GAP + len(self.shown) + (len(self.does) + 2 * _GAP if self.does else 0)


class KeyFooter(Widget):
    """Shows as many keys as fit; the help key is always shown."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keyline--key", "keyline--off"}
    DEFAULT_CSS = """
    KeyFooter {
        dock: bottom;
        height: 1;
        color: $footer-description-foreground;
        background: $footer-background;
        text-wrap: nowrap;
        .keyline--key { color: $footer-key-foreground; text-style: bold; }
        .keyline--off { text-style: dim; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._items: list[_Item] = []

    def on_mount(self) -> None:
        """Subscribe to changes of the available bindings."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self._update())

    def on_resize(self) -> None:
        """Redraw for the new width."""
        self._update()

    def on_click(self, event: events.Click) -> None:
        """Simulate a press of the clicked key."""
        for item in self._items:
            if item.enabled and item.start <= event.x < item.start + item.width:
                self.app.simulate_key(item.key)

    def _update(self) -> None:
        items = list(self._laid_out())
        if items != self._items:
            self._items = items
            self.refresh()

    def _laid_out(self) -> Iterator[_Item]:
        room, start = self.size.width, 0
        bindings = self.screen.active_bindings
        if help_key := bindings.get(_HELP):
            item = _Item(0, _HELP, "?", help_key.binding.description, enabled=True)
            room = max(0, room - item.width)
            yield item._replace(start=room)
        shown = [*_by_action(one for key, one in bindings.items() if key != _HELP).values()]
        group: list[_Item] = []
        for active, after in zip_longest(shown, shown[1:]):
            binding = active.binding
            words = _label(binding, after.binding if after else None)
            item = _Item(start, binding.key, self._shown(binding), words, enabled=active.enabled)
            start += item.width
            if start - _GAP > room:  # The last gap may be the one before the help key.
                return
            group.append(item)
            if item.does:  # Only whole groups: a key without a label explains nothing.
                yield from group
                group.clear()

    def _shown(self, binding: Binding) -> str:
        display = self.app.get_key_display(binding)
        return display if display.isascii() else binding.key.capitalize()

    def render(self) -> Text:
        """Return the line."""
        key = self.get_component_rich_style("keyline--key", partial=True)
        off = self.get_component_rich_style("keyline--off", partial=True)
        line = Text(no_wrap=True)
        for item in sorted(self._items):
            line.truncate(item.start, pad=True)
            line.append(f" {item.shown}", key if item.enabled else off)
            line.append(f" {item.does} " if item.does else "", "" if item.enabled else off)
        return line


def _by_action(bindings: Iterable[ActiveBinding]) -> dict[str, ActiveBinding]:
    """Return the visible bindings by action; of several keys for one action, the first."""
    found: dict[str, ActiveBinding] = {}
    for active in bindings:
        if active.binding.show:
            found.setdefault(active.binding.action, active)
    return found


def _label(binding: Binding, after: Binding | None) -> str:
    """Return the label behind a key; a group of keys has its label behind the last key."""
    if binding.group is None:
        return binding.description
    return "" if after is not None and after.group is binding.group else binding.group.description
