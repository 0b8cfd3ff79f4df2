"""The manual: Markdown pages in this folder, for ``wheelpool help TOPIC`` and for the screen."""

from __future__ import annotations

from importlib.resources import files

import pool

__all__ = ["list_topics", "read_topic"]


def list_topics() -> list[str]:
    """Return the names of all pages, sorted."""
    pages = files(__name__).iterdir()
    return sorted(page.name.removesuffix(".md") for page in pages if page.name.endswith(".md"))


def read_topic(topic: str) -> str:
    """Return a page as Markdown.

    Raises:
        SettingsError: there is no such page.
    """
    if topic not in (topics := list_topics()):
        raise pool.SettingsError(f"no help topic {topic!r}", hint="topics: " + ", ".join(topics))
    text = (files(__name__) / f"{topic}.md").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines(keepends=True) if not line.startswith("<!--"))
    return "".join(lines)
