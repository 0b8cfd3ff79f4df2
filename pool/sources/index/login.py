"""The login in a URL: taken out of it, for it is sent in another way."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

__all__ = ["Login", "parted"]


class Login(NamedTuple):
    """What stands before the host in a URL, decoded."""

    user: str
    password: str


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
