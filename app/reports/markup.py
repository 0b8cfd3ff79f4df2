"""Elements of a page: text in an element is shown as it is and never becomes markup.

Control characters are replaced, and so are those that turn the direction of what follows: names,
messages and logs are other people's, and HTML cannot escape them.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pool

__all__ = ["document", "element"]


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
