"""Credentials in URLs: used for requests, never shown."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

__all__ = ["Login", "masked", "parted"]

# Greedy: a password may have an "@" in it that somebody forgot to quote.
_USERINFO = re.compile(r"(?<=://)[^/?#\s]*@")


class Login(NamedTuple):
    """What stands before the host in a URL, decoded."""

    user: str
    password: str


def masked(text: str) -> str:
    """Return the text with the userinfo of all URLs in it replaced by stars."""
    return _USERINFO.sub("***@", text)


def parted(url: str) -> tuple[str, Login | None]:
    """Return a URL without its userinfo, and the userinfo.

    Raises:
        ValueError: it is no URL.
    """
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = userinfo.partition(":")
    return urlunsplit(parts._replace(netloc=host)), Login(unquote(user), unquote(password))
