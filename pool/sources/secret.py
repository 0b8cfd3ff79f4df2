"""Credentials in URLs: used for requests, never shown."""

from __future__ import annotations

import re

__all__ = ["masked"]

_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")


def masked(text: str) -> str:
    """Return the text with the userinfo of all URLs in it replaced by stars."""
    return _USERINFO.sub("***@", text)
