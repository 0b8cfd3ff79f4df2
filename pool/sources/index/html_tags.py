"""The tags of an HTML page that the Simple API uses, in one pass over the text (PEP 503).

`html.parser` takes quadratic time for some pages (600 kB of ``</``), so it is not used for pages
of servers. This is deliberately not an HTML parser: no tree, no text, no implied elements. Each
character is looked at a bounded number of times, and a tag that is never closed ends the page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Tag", "iterate_tags"]

_MAX_VALUE = 16 << 10
"""Characters of an attribute; a tag with a longer one is left out."""
_MAX_ATTRIBUTES = 64
"""Attributes of a tag that are read; what follows is skipped."""
_START = re.compile(r"<(?=[A-Za-z!?/])")
_NAME = re.compile(r"[A-Za-z][^\s/>]*+")
_ATTRIBUTE = re.compile(
    r"""[\s/]*+(?P<name>[^\s/>][^\s/>=]*+)
        (?:\s*+=\s*+(?:"(?P<double>[^"]*+)"|'(?P<single>[^']*+)'|(?P<bare>[^\s>]*+)))?""",
    re.VERBOSE,
)
_RAW_TEXT = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in ("script", "style", "textarea", "title")
}
"""Elements whose content is text, with the start of their end tag."""


class Tag(NamedTuple):
    """A start tag."""

    name: str
    """In lower case."""
    attributes: Mapping[str, str | None]
    """By name in lower case, ``&amp;`` and the like replaced; the first of a name counts."""


def iterate_tags(text: str) -> Iterator[Tag]:
    """Yield the start tags of a page; comments, declarations and scripts are skipped."""
    at = 0
    while start := _START.search(text, at):
        at = start.start()
        if name := _NAME.match(text, at + 1):
            attributes, end = _read_attributes(text, name.end())
            if end < 0:
                return
            if attributes is not None:
                yield Tag(name[0].lower(), attributes)
            at = _skip_raw_text(text, name[0].lower(), end)
        else:
            at = _skip_other(text, at)
        if at < 0:
            return


def _read_attributes(text: str, at: int) -> tuple[dict[str, str | None] | None, int]:
    """Return the attributes of a tag, and the position behind it.

    The attributes are None if a value is not valid; the position is -1 if the tag has no end.
    """
    attributes: dict[str, str | None] | None = {}
    for _ in range(_MAX_ATTRIBUTES):
        if (match := _ATTRIBUTE.match(text, at)) is None:
            break
        at = match.end()
        try:
            value = _value(match)
        except ValueError:
            attributes = None
        if attributes is not None:
            attributes.setdefault(match["name"].lower(), value)
    return attributes, text.find(">", at) + 1 or -1


def _value(match: re.Match[str]) -> str | None:
    value = next(
        (text for text in match.group("double", "single", "bare") if text is not None), None
    )
    if value is None:
        return None
    if len(value) > _MAX_VALUE:
        raise ValueError("too long")
    import html

    return html.unescape(value)  # Raises ValueError for a number of thousands of digits.


def _skip_raw_text(text: str, name: str, at: int) -> int:
    """Return the position after the content of an element; -1 if it has no end."""
    if (end_tag := _RAW_TEXT.get(name)) is None:
        return at
    found = end_tag.search(text, at)
    return found.end() if found else -1


def _skip_other(text: str, at: int) -> int:
    """Return the position after a comment, a declaration or an end tag; -1 if it has no end."""
    if text.startswith("<!--", at):
        # As in HTML, <!--> and <!---> are complete comments.
        end = text.find("-->", at + 2)
        return end if end < 0 else end + 3
    return text.find(">", at) + 1 or -1
