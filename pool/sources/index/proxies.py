"""The proxy of a request: from pip's ``proxy``, or from ``HTTPS_PROXY`` and the like. Pure.

The HTTP client is not left to read the environment: it raises errors of many types for values that
curl and pip accept (``NO_PROXY=[::1]``), and does not name the proxy when that cannot be reached.
"""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from pool.common.errors import SettingsError
from pool.common.redaction import redact_urls

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Proxies", "read_proxies"]

_SCHEMES = ("http", "https", "socks5", "socks5h")
_PORTS = {"http": 80, "https": 443}


class Proxies(msgspec.Struct, frozen=True, kw_only=True):
    """The proxies by the scheme of a request; None for a direct connection."""

    http: str | None = None
    https: str | None = None
    no_proxy: tuple[str, ...] = ()
    """Hosts, domains, addresses and networks without a proxy; ``*`` for all."""

    def find(self, url: str) -> str | None:
        """Return the URL of the proxy for a request; it may hold credentials."""
        parts = urlsplit(url)
        proxy = self.http if parts.scheme == "http" else self.https
        if proxy is None or _is_excluded(parts.hostname or "", _port(url), self.no_proxy):
            return None
        return proxy

    def check_usable(self) -> None:
        """Check that what the proxies need is installed.

        Raises:
            SettingsError: SOCKS is not supported here.
        """
        for proxy in filter(None, (self.http, self.https)):
            if proxy.startswith("socks") and find_spec("socksio") is None:
                raise SettingsError(
                    f"the proxy {redact_urls(proxy)} needs the package socksio",
                    hint="install socksio beside wheelpool, or name an HTTP proxy in HTTPS_PROXY",
                )

    @property
    def description(self) -> str:
        """The proxies for messages, without credentials; empty if there are none."""
        texts = dict.fromkeys(redact_urls(proxy) for proxy in (self.http, self.https) if proxy)
        exceptions = f", none for {', '.join(self.no_proxy)}" if texts and self.no_proxy else ""
        return " and ".join(texts) + exceptions


def read_proxies(environ: Mapping[str, str], pip_proxy: str | None = None) -> Proxies:
    """Return the proxies of pip's configuration, or else of the environment.

    As in curl, pip and uv, variables in lower case come first.

    Raises:
        SettingsError: a value is not the URL of a proxy; the variable is named.
    """
    if pip_proxy:
        proxy = _parse_proxy(pip_proxy, "pip's proxy")
        return Proxies(http=proxy, https=proxy)
    every = _read_variable(environ, "all_proxy")
    excluded = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    return Proxies(
        http=_read_variable(environ, "http_proxy") or every,
        https=_read_variable(environ, "https_proxy") or every,
        no_proxy=tuple(text for part in excluded.split(",") if (text := part.strip())),
    )


def _read_variable(environ: Mapping[str, str], name: str) -> str | None:
    for variable in (name, name.upper()):
        if text := environ.get(variable, "").strip():
            return _parse_proxy(text, variable)
    return None


def _parse_proxy(text: str, source: str) -> str:
    url = text if "://" in text else f"http://{text}"
    shown = f"{source}: {redact_urls(url)}"
    hint = "a proxy is named like http://host:3128; NO_PROXY names hosts that need none"
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and url.isprintable() and " " not in url
        parts.port  # noqa: B018 - raises if it is no port
    except ValueError as problem:
        raise SettingsError(f"{shown}: not the URL of a proxy: {problem}", hint=hint) from problem
    if not valid:
        raise SettingsError(f"{shown}: not the URL of a proxy", hint=hint)
    if parts.scheme not in _SCHEMES:
        raise SettingsError(
            f"{shown}: {parts.scheme} is not a kind of proxy that can be used",
            hint=f"the kinds are {', '.join(_SCHEMES)}",
        )
    return url


def _port(url: str) -> int | None:
    with suppress(ValueError):
        parts = urlsplit(url)
        return parts.port or _PORTS.get(parts.scheme)
    return None


def _is_excluded(host: str, port: int | None, no_proxy: tuple[str, ...]) -> bool:
    return any(_excludes(entry.lower(), host.lower(), port) for entry in no_proxy)


def _excludes(entry: str, host: str, port: int | None) -> bool:
    """Return whether an entry of NO_PROXY covers a host, as curl and requests read it."""
    if entry == "*":
        return True
    name, colon, digits = entry.rpartition(":")
    if colon and digits.isdecimal() and ("]" in name or ":" not in name):
        if digits != str(port):
            return False
        entry = name
    entry = entry.rpartition("://")[2].strip("[]").removeprefix("*").strip(".")
    import ipaddress

    with suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    return bool(entry) and (host == entry or host.endswith(f".{entry}"))
