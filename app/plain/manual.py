"""Prints the pages of the manual (`app.manual`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.manual import list_topics, read_topic

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["format_topics", "render_topic"]

_WIDTH = 100
"""The largest width in columns: longer lines are hard to read."""


def format_topics() -> Iterator[str]:
    """Yield a line for each page: its name and its title."""
    topics = list_topics()
    width = max(map(len, topics))
    yield "Topics, shown by wheelpool help TOPIC:"
    for topic in topics:
        title = read_topic(topic).partition("\n")[0].removeprefix("# ")
        yield f"  {topic:<{width}}  {title}"


def render_topic(topic: str, width: int) -> str:
    """Return a page as text with the styles of a terminal.

    Args:
        topic: its name.
        width: the width of the terminal in columns.

    Raises:
        SettingsError: there is no such page.
    """
    from rich.console import Console  # noqa: PLC0415 - not loaded to print Markdown as it is
    from rich.markdown import Markdown  # noqa: PLC0415 - as above

    console = Console(force_terminal=True, width=min(width, _WIDTH), legacy_windows=False)
    with console.capture() as capture:
        console.print(Markdown(read_topic(topic), hyperlinks=False))
    return capture.get()
