"""The themes: dark, light, high contrast, and the terminal's own colours only.

They are registered with Textual, so its palette offers them beside Textual's own themes. Colour is
never the only sign of a state: every state has a glyph and a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.segment import Segment
from rich.style import Style
from textual.filter import LineFilter, NoColor, dim_color
from textual.theme import Theme

from app.tui.terminal_app import TerminalApp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.color import Color

__all__ = ["THEMES", "ThemedApp"]

_SELECTED = "surface-lighten-2"
"""The background of the selected line in every table."""

_EMPHASIS = "selected-style"
"""The text style of the selected line."""
_TERMINALS = "ansi_default"

_COLOURED = (
    "ansi-background",
    "ansi-foreground",
    "block-cursor-background",
    "border",
    "border-blurred",
    "scrollbar",
    "scrollbar-hover",
    "scrollbar-active",
    "scrollbar-background",
    "scrollbar-background-hover",
    "scrollbar-background-active",
    "footer-key-foreground",
    "link-color",
    "link-background-hover",
    "input-selection-background",
    "screen-selection-background",
    "screen-selection-foreground",
)
"""Variables to which Textual would assign colours of its own."""

THEMES: Final = (
    Theme(
        name="dark",
        primary="#5fafff",
        secondary="#b9a0ff",
        accent="#5fd7d7",
        success="#6fd389",
        warning="#ffb454",
        error="#ff8a94",
        foreground="#e4e4e4",
        background="#121212",
        surface="#1a1a1a",
        panel="#242424",
        variables={_SELECTED: "#343a42", "border-blurred": "#5a5a5a"},
    ),
    Theme(
        name="light",
        primary="#00508f",
        secondary="#5f3596",
        accent="#00595e",
        success="#1b5e20",
        warning="#774600",
        error="#a3122a",
        foreground="#1a1a1a",
        background="#fafafa",
        surface="#ffffff",
        panel="#e8e8e8",
        dark=False,
        variables={_SELECTED: "#d3e4f4", "border-blurred": "#8a8a8a"},
    ),
    Theme(
        name="contrast",
        primary="#9bd1ff",
        secondary="#d9c2ff",
        accent="#7df9ff",
        success="#8dffa8",
        warning="#ffdf6b",
        error="#ffb3ba",
        foreground="#ffffff",
        background="#000000",
        surface="#000000",
        panel="#000000",
        variables={
            _SELECTED: "#2a2a66",
            "text": "#ffffff",
            "text-muted": "#ffffff",
            "text-disabled": "#d0d0d0",
            "border-blurred": "#ffffff",
        },
    ),
    Theme(
        name="plain",
        primary=_TERMINALS,
        secondary=_TERMINALS,
        accent=_TERMINALS,
        success=_TERMINALS,
        warning=_TERMINALS,
        error=_TERMINALS,
        foreground=_TERMINALS,
        background=_TERMINALS,
        surface=_TERMINALS,
        panel=_TERMINALS,
        boost=_TERMINALS,
        ansi=True,
        variables={**dict.fromkeys(_COLOURED, _TERMINALS), _EMPHASIS: "bold reverse"},
    ),
)

_FAINT = {"light": 0.8, "contrast": 1.0}
"""The opacity of dim text; Textual's default of two thirds is too faint on these backgrounds."""


class ThemedApp(TerminalApp):
    """An app with these themes.

    Args:
        theme: the name of a theme; None for dark, or for no colours if ``NO_COLOR`` is set.
    """

    def __init__(self, theme: str | None = None) -> None:
        super().__init__()
        for known in THEMES:
            self.register_theme(known)
        self.theme = theme or ("plain" if self.no_color else "dark")

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return the defaults of variables that a theme does not set."""
        return {**super().get_theme_variable_defaults(), _EMPHASIS: "bold"}

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return the filters for rendered lines; they cover colours of other origin, too."""
        usual = super().get_line_filters()
        if self.theme == "plain":
            return [NoColor()]
        # Before Textual's own filter, which reduces dim colours to two thirds.
        return [_DimFilter(_FAINT[self.theme]), *usual] if self.theme in _FAINT else usual


class _DimFilter(LineFilter):
    """Sets the opacity of dim text, from 0 to 1."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share = share

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the line with adjusted dim text."""
        return [
            Segment(
                text,
                self._with_opacity(style, background) if style and style.dim else style,
                control,
            )
            for text, style, control in segments
        ]

    def _with_opacity(self, style: Style, background: Color) -> Style:
        color, behind = style.color, style.bgcolor or background.rich_color
        if color is None or color.triplet is None or behind.triplet is None:
            return style
        return style + Style(dim=False, color=dim_color(behind, color, self._share))
