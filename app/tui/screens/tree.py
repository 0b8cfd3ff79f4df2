"""Full-screen tree of build requirements: each build below the builds that need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.cells import set_cell_size
from rich.text import Text
from textual.binding import Binding
from textual.geometry import Size
from textual.screen import Screen
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from app.format import format_count
from app.model.build_tree import BRANCHES_TO_ASCII, TreeRow, tree_rows
from app.text.rows import GLYPHS, TO_ASCII, build_row, build_title
from app.text.wait_reasons import queue_position
from app.tui.widgets.key_footer import KeyFooter

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType

    import pool
    from app.tui.run_model import RunModel

__all__ = ["TreeScreen"]

_TICK = 1 / 5
_TIME = 10


class _Tree(ScrollView, can_focus=True):
    """The tree; only visible lines are formatted."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", show=False, id="tree.down"),
        Binding("up,k", "move(-1)", show=False, id="tree.up"),
        Binding("pagedown,ctrl+f", "page(1)", show=False, id="tree.page_down"),
        Binding("pageup,ctrl+b", "page(-1)", show=False, id="tree.page_up"),
        Binding("home,g", "move(-1000000000)", show=False, id="tree.first"),
        Binding("end,G", "move(1000000000)", show=False, id="tree.last"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "tree--dim", "tree--selected", *(f"tree--{kind}" for kind in GLYPHS),
    }  # fmt: skip

    def __init__(self, model: RunModel, *, ascii_only: bool) -> None:
        super().__init__(id="tree")
        self._model = model
        self._ascii = ascii_only
        self._made_of: tuple[int, int] = (0, -1)
        self.rows: list[TreeRow] = []
        self.folded: set[pool.BuildId] = set()
        self.cursor = 0

    @property
    def selected(self) -> TreeRow | None:
        """The line under the cursor."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def tick(self) -> None:
        """Apply changes of the state."""
        state = self._model.state
        if self._made_of != (id(state), state.seq):
            self._made_of = (id(state), state.seq)
            self.rebuild()
        self.refresh()

    def rebuild(self) -> None:
        """Rebuild the lines; keep the selected build."""
        before = self.selected
        self.rows = tree_rows(self._model.state, self.folded)
        if before is not None:
            found = (n for n, row in enumerate(self.rows)
                     if (row.build, row.repeated) == (before.build, before.repeated))  # fmt: skip
            self.cursor = next(found, min(self.cursor, max(0, len(self.rows) - 1)))
        self.virtual_size = Size(self.scrollable_content_region.width, len(self.rows))

    def toggle(self) -> None:
        """Expand or collapse the selected build."""
        if (row := self.selected) is not None and row.children:
            self.folded ^= {row.build}
            self.rebuild()
            self.refresh()

    def toggle_all(self) -> None:
        """Expand or collapse all builds."""
        self.folded = set() if self.folded else {row.build for row in self.rows if row.children}
        self.rebuild()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Render one line."""
        line, width = self.scroll_offset.y + y, self.scrollable_content_region.width
        row = self.rows[line] if line < len(self.rows) else None
        # A replay that seeks back drops builds before the next tick rebuilds the rows.
        if row is None or row.build not in self._model.state.builds:
            return Strip.blank(width, self.rich_style)
        text = self._text(row, width)
        if line == self.cursor:
            text.stylize(self.get_component_rich_style("tree--selected", partial=True))
        strip = Strip(text.render(self.app.console)).apply_style(self.rich_style)
        return strip.adjust_cell_length(width, self.rich_style)

    def _text(self, row: TreeRow, width: int) -> Text:
        model = self._model
        build = model.state.builds[row.build]
        shown = build_row(build, model.state, model.now, queue_position(build, model.slot_queue))
        name = f"{row.branch}{build_title(build)}"
        if row.repeated:
            state = "↑ above"
        else:
            name += f"  [+{row.children}]" if row.folded else ""
            state = f"{shown.word:<10} {shown.detail}"
        room = max(12, (width - 3 - _TIME) * 2 // 5)
        time = "" if row.repeated else shown.time
        cells = [
            f" {GLYPHS[shown.kind][self._ascii]} ",
            _cut(name, room) + " ",
            _cut(state, max(8, width - room - _TIME - 5)),
            f"{time:>{_TIME}}",
        ]
        if self._ascii:
            cells = [cell.translate(TO_ASCII).translate(BRANCHES_TO_ASCII) for cell in cells]
        kind = self.get_component_rich_style(f"tree--{shown.kind}", partial=True)
        dim = self.get_component_rich_style("tree--dim", partial=True)
        glyph, label, words, time = cells
        parts = [(glyph, kind), (label, dim if row.repeated else ""), (words, kind), (time, dim)]
        return Text.assemble(*parts, style=self.rich_style, no_wrap=True, end="")

    def _go(self, to: int) -> None:
        self.cursor = min(max(to, 0), max(0, len(self.rows) - 1))
        top, height = self.scroll_offset.y, max(1, self.size.height)
        if not top <= self.cursor < top + height:
            y = self.cursor if self.cursor < top else self.cursor - height + 1
            self.scroll_to(y=y, animate=False, immediate=True)
        self.refresh()

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self._go(self.cursor + lines)

    def action_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        self._go(self.cursor + pages * max(1, self.size.height - 1))

    def on_click(self, event: events.Click) -> None:
        """Select the clicked line; a double click expands or collapses it."""
        self._go(self.scroll_offset.y + event.y)
        if event.chain > 1:
            self.toggle()


class TreeScreen(Screen[None]):
    """Shows the tree while it grows.

    Args:
        model: the model of the run.
        show: opens the build screen of a build.
        ascii_only: use ASCII characters only.
    """

    CSS_PATH = "tree.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,T", "leave", "back", key_display="q", id="tree.back"),
        Binding("space", "fold", "fold", id="tree.fold"),
        Binding("asterisk", "fold_all", "fold all", key_display="*", id="tree.fold_all"),
        Binding("enter", "open", "build", id="tree.open"),
    ]

    def __init__(
        self, model: RunModel, show: Callable[[pool.BuildState], None], *, ascii_only: bool
    ) -> None:
        super().__init__()
        self._model = model
        self._show = show
        self._ascii = ascii_only

    def compose(self) -> ComposeResult:
        """Create the title and the tree."""
        yield Static(id="title", markup=False)
        yield _Tree(self._model, ascii_only=self._ascii)
        yield KeyFooter()

    @property
    def needs(self) -> _Tree:
        """The tree."""
        return self.query_one(_Tree)

    def on_mount(self) -> None:
        """Start the refresh timer."""
        self.set_focus(self.needs)
        self.set_interval(_TICK, self.tick)
        self.tick()

    def tick(self) -> None:
        """Redraw what has changed."""
        self.needs.tick()
        nested = sum(bool(build.needed_by) for build in self._model.state.builds.values())
        all_of_them = format_count(len(self._model.state.builds), "build")
        told = f" dependencies   {all_of_them}, {nested} of them nested"
        self.query_one("#title", Static).update(told, layout=False)

    def action_leave(self) -> None:
        """Close this screen."""
        self.dismiss()

    def action_fold(self) -> None:
        """Expand or collapse the selected build."""
        self.needs.toggle()

    def action_fold_all(self) -> None:
        """Expand or collapse all builds."""
        self.needs.toggle_all()

    def action_open(self) -> None:
        """Open the selected build."""
        builds = self._model.state.builds
        if (row := self.needs.selected) is not None and row.build in builds:
            self._show(builds[row.build])


def _cut(text: str, width: int) -> str:
    fitted = set_cell_size(text, width)
    return fitted if fitted.rstrip() == text.rstrip() else set_cell_size(fitted, width - 1) + "…"
