"""The settings of the index client: plain data, read from configuration by `pool.requirements`."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from pool.common.redaction import redact_urls
from pool.sources.index.proxies import Proxies

__all__ = ["DEFAULT_RETRIES", "DEFAULT_TIMEOUT", "IndexSettings", "KeyringProvider"]

DEFAULT_TIMEOUT = 15.0
DEFAULT_RETRIES = 4
_PAGE_TIMEOUTS = 20
"""Timeouts that a page may take in all: five minutes by default."""


KeyringProvider: TypeAlias = Literal["disabled", "subprocess", "import", "auto"]


class IndexSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which indexes are used, and how to reach them."""

    index_url: str
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    """Directories, or URLs and paths of HTML pages."""
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()
    """Hosts whose certificates are not checked."""
    cert: str | None = None
    """A file or a folder with the certificates of authorities; None for the system's."""
    client_cert: str | None = None
    """A file with the client's certificate and its key."""
    netrc: str | None = None
    """A netrc file with logins by host; it may be missing."""
    keyring: KeyringProvider = "disabled"
    """How passwords are looked up that neither URLs nor the netrc file have."""
    proxies: Proxies = Proxies()
    retries: int = DEFAULT_RETRIES
    """Further attempts after a failure that may pass."""
    timeout: float = DEFAULT_TIMEOUT
    """Seconds without a byte before a request fails."""
    page_timeout: float | None = None
    """Seconds for a page, or for the next 64 kB of a file; None: 20 times the timeout."""

    arguments: tuple[str, ...] = ()
    """The options of the command line and of requirements files, to repeat a command with them."""

    @property
    def total_timeout(self) -> float:
        """Seconds for a whole page, or for the next 64 kB of a file."""
        return _PAGE_TIMEOUTS * self.timeout if self.page_timeout is None else self.page_timeout

    @property
    def indexes(self) -> tuple[str, ...]:
        """All indexes, each once, without a slash at the end."""
        urls = () if self.no_index else (self.index_url, *self.extra_index_urls)
        return tuple(dict.fromkeys(url.rstrip("/") for url in urls))

    @property
    def description(self) -> str:
        """The indexes and find-links for messages, without credentials."""
        return (
            redact_urls(", ".join([*self.indexes, *self.find_links])) or "nowhere (no index is set)"
        )
