"""Elements of a page: text in an element is shown as it is and never becomes markup.

Control characters are replaced, and so are those that turn the direction of what follows: names,
messages and logs are other people's, and HTML cannot escape them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["document", "element", "shorten", "table"]

_LONGEST = 400
"""Characters of a line, and of a cell."""


def element(tag: str, *inside: str | ET.Element, **attributes: str) -> ET.Element:
    """Return an element.

    Args:
        tag: its name.
        inside: text and elements, in order.
        attributes: by name; an underscore at the end is dropped, others are dashes: ``class_``,
            ``aria_label``.
    """
    named = {
        name.rstrip("_").replace("_", "-"): pool.replace_controls(value)
        for name, value in attributes.items()
    }
    made = ET.Element(tag, named)
    last: ET.Element | None = None
    for one in inside:
        if not isinstance(one, str):
            made.append(one)
            last = one
        elif last is None:
            made.text = (made.text or "") + pool.replace_controls(one)
        else:
            last.tail = (last.tail or "") + pool.replace_controls(one)
    return made


def document(root: ET.Element) -> str:
    """Return a whole HTML document."""
    return "<!doctype html>\n" + ET.tostring(root, "unicode", method="html") + "\n"


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], number: Sequence[int] = ()
) -> ET.Element:
    """Return a table; on a narrow screen each row is a card, so cells have their titles.

    Args:
        head: the titles of the columns.
        rows: the cells of each row.
        number: the columns with numbers.
    """
    body = element("tbody")
    for row in rows:
        cells = (
            element("td", shorten(cell), data_label=name, class_="number" if n in number else "")
            for n, (name, cell) in enumerate(zip(head, row, strict=True))
        )
        body.append(element("tr", *cells))
    titles = element("tr", *(element("th", name, scope="col") for name in head))
    return element("table", element("thead", titles), body)


def shorten(text: str) -> str:
    """Return a text, cut if it is very long."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
