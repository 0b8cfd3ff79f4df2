"""Elements of a page: whatever text is put into one is shown as it is, and is never markup.

Control characters are replaced, and so are those that turn the direction of what follows: names,
messages and logs are other people's, and HTML cannot escape them.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

__all__ = ["document", "element"]

_REPLACED = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def element(tag: str, *inside: str | ET.Element, **attributes: str) -> ET.Element:
    """Return an element.

    Args:
        tag: its name.
        inside: text and elements, in order.
        attributes: by name; an underscore at the end is dropped, others are dashes: ``class_``,
            ``aria_label``.
    """
    named = {
        name.rstrip("_").replace("_", "-"): _shown(value) for name, value in attributes.items()
    }
    made = ET.Element(tag, named)
    last: ET.Element | None = None
    for one in inside:
        if not isinstance(one, str):
            made.append(one)
            last = one
        elif last is None:
            made.text = (made.text or "") + _shown(one)
        else:
            last.tail = (last.tail or "") + _shown(one)
    return made


def document(root: ET.Element) -> str:
    """Return a whole HTML document."""
    return "<!doctype html>\n" + ET.tostring(root, "unicode", method="html") + "\n"


def _shown(text: str) -> str:
    return _REPLACED.sub(_REPLACEMENT, text)
