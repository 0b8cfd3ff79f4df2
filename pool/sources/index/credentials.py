"""Logins for servers: from a URL, from an index's URL on the same host, or from a netrc file.

No HTTP here. Logins are taken out of URLs because they are sent in a header, and must not get into
logs, caches or the arguments of git.
"""

from __future__ import annotations

import netrc
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from pool.system.process_limits import reraise_shortage

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Credentials", "Login", "split_login"]

_MAX_NETRC = 1 << 20
"""Bytes of a netrc file; its parser reads one character at a time."""


class Login(NamedTuple):
    """The userinfo of a URL, decoded."""

    user: str
    password: str


def split_login(url: str) -> tuple[str, Login | None]:
    """Return a URL without its userinfo, and the userinfo.

    Raises:
        ValueError: not a URL.
    """
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = userinfo.partition(":")
    return urlunsplit(parts._replace(netloc=host)), Login(unquote(user), unquote(password))


class Credentials:
    """The logins of one pool.

    As in pip, a login in an index's URL is also used for the files that the index links to on the
    same host.

    Args:
        urls: the URLs of indexes and find-links, some with logins.
        netrc_file: a netrc file; one that is missing or broken is ignored, as by curl and pip.
    """

    def __init__(self, urls: Iterable[str], netrc_file: str | None) -> None:
        pairs = [pair for pair in map(_split_or_keep, urls) if "://" in pair[0]]
        self._urls = [bare for bare, _ in pairs]
        self._logins = [(bare, login) for bare, login in pairs if login]
        self._netrc = _read_netrc(netrc_file)

    def find(self, url: str) -> Login | None:
        """Return the login for a request to a URL; None if there is none."""
        bare, own = _split_or_keep(url)
        origin = urlsplit(bare)[:2]
        here = [(index, login) for index, login in self._logins if urlsplit(index)[:2] == origin]
        if own or here:
            # With several logins for one host, the index whose URL is the longest prefix wins.
            return own or max(here, key=lambda pair: bare.startswith(pair[0]) * len(pair[0]))[1]
        entry = self._netrc and self._netrc.authenticators(urlsplit(bare).hostname or "")
        return Login(entry[0], entry[2]) if entry else None

    def services(self, url: str) -> tuple[str, ...]:
        """Return the URLs under which a keyring may have a password: of the index, or the file."""
        urls = [index for index in self._urls if url.startswith(index)]
        return (max(urls, key=len),) if urls else (url,)


def _split_or_keep(url: str) -> tuple[str, Login | None]:
    try:
        return split_login(url)
    except ValueError:
        return url, None


def _read_netrc(path: str | None) -> netrc.netrc | None:
    if path is None:
        return None
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_NETRC:
            return None
        return netrc.netrc(path)
    except (OSError, ValueError, netrc.NetrcParseError) as problem:
        reraise_shortage(problem)
        return None
