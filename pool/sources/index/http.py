"""HTTP for package indexes: logins, certificates, proxies and retries.

Knows nothing of packages. The only module that imports httpx (70 ms), so it is imported when the
first request is made. httpx is not left to read the environment, nor to follow redirects: each host
gets the login, the proxy and the certificates that are meant for it. All that it raises becomes a
`PackageIndexError`.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urljoin, urlsplit

import certifi

from pool.common.aio import in_thread
from pool.common.clock import SystemClock
from pool.common.errors import PackageIndexError, SettingsError, os_error_text
from pool.common.once_map import OnceMap
from pool.common.redaction import redact_urls
from pool.common.text import clean_text
from pool.sources.index.credentials import Credentials, split_login
from pool.sources.index.download import Response, ResponseMismatchError
from pool.sources.index.keyring import Keyring
from pool.sources.index.page import Page, decode_text, read_bounded
from pool.sources.index.time_limit import extend_while_sending, limit_time

# httpx takes 140 ms to import, 70 of them for rich and pygments, which only its command needs.
# It does without that where ``httpx._main`` cannot be imported: None forbids it, for this import.
_had_main = "httpx._main" in sys.modules
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type] # None is what forbids it
import httpx  # noqa: E402 - after the line above

if not _had_main:
    del sys.modules["httpx._main"]

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from pool.common.clock import Clock
    from pool.sources.index.credentials import Login
    from pool.sources.index.download import Receiver
    from pool.sources.index.settings import IndexSettings

__all__ = ["ABSENT", "HttpClient", "fetch_text"]

ABSENT = frozenset((404, 410))
"""Status codes with which a server says that it does not have the page."""
_TEMPORARY = frozenset((408, 425, 429, 500, 502, 503, 504))
_FOR_RECEIVERS = frozenset((304, 416))
"""Status codes that are not success, but that a receiver's own request headers can lead to."""
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_MAX_REDIRECTS = 20
_FIRST_PAUSE, _MAX_PAUSE = 0.5, 30.0
_REPORTED_PAUSE = 2.0
"""Seconds; a longer wait for a server is reported."""
_MAX_CONNECTIONS = 512
"""Above every cap, for gates decide how many downloads run."""

T = TypeVar("T")


class HttpClient:
    """The connections to all servers; call `aclose` at the end.

    Args:
        settings: certificates, proxies, timeout, and URLs that may hold logins.
        clock: the time to which dates in Retry-After are compared.
        sleep: waits between attempts.
        on_wait: called with a sentence about a server before a wait of two seconds or more.
        environ: the environment of the keyring command.
    """

    def __init__(
        self,
        settings: IndexSettings,
        *,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]],
        on_wait: Callable[[str], None] = lambda _: None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._sleep = sleep
        self._on_wait = on_wait
        self._trusted_hosts = {host.lower() for host in settings.trusted_hosts}
        urls = [*settings.indexes, *settings.find_links]
        self._credentials = Credentials(urls, settings.netrc)
        self._keyring = Keyring(settings.keyring, environ or {})
        self._passwords: OnceMap[tuple[str, str], Login | None] = OnceMap()
        self._reported_until: dict[str, float] = {}
        self._clients: dict[tuple[bool, str | None], httpx.AsyncClient] = {}

    async def aclose(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()
        if "_keyring_thread" in self.__dict__:
            self._keyring_thread.shutdown()

    async def get(self, url: str, headers: Mapping[str, str]) -> Page:
        """Get a page; the response is a success, one of `ABSENT`, or not modified if asked for.

        Raises:
            PackageIndexError: the server cannot be reached, refuses, or sends too much.
        """

        async def attempt() -> Page:
            accepted = {"Accept-Encoding": "gzip", **headers}
            async with (
                limit_time(self._settings.total_timeout, url, "it is not complete", self._clock),
                self._stream(url, accepted) as response,
            ):
                status = response.status_code
                unmodified = status == httpx.codes.NOT_MODIFIED and "If-None-Match" in headers
                if status not in ABSENT and not unmodified:
                    response.raise_for_status()
                sent = await read_bounded(response.aiter_raw(), url)
                return Page(
                    status=status, url=str(response.url), headers=response.headers, sent=sent
                )

        return await self._retry(url, attempt)

    async def download(self, url: str, receiver: Receiver[T]) -> T:
        """Download a file; an attempt that makes progress resets the number of attempts left.

        Raises:
            PackageIndexError: the server cannot be reached, refuses, or sends nothing more.
        """
        seconds = self._settings.total_timeout

        async def attempt() -> T:
            # Compression in transit would change length and digest.
            headers = {"Accept-Encoding": "identity", **receiver.headers()}
            async with (
                limit_time(seconds, url, "less than 64 kB", self._clock) as limit,
                self._stream(url, headers) as response,
            ):
                if response.status_code not in _FOR_RECEIVERS:
                    response.raise_for_status()
                return await receiver.receive(
                    Response(
                        status=response.status_code,
                        url=str(response.url),
                        headers=response.headers,
                        # Raw: bytes that are buffered for larger chunks are lost at a break.
                        chunks=extend_while_sending(response.aiter_raw(), limit, seconds),
                    )
                )

        return await self._retry(url, attempt, receiver.has_progressed)

    @asynccontextmanager
    async def _stream(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """Send a request, follow redirects, and yield the response.

        Each host gets its own login, certificates and proxy; a login never goes to another host.
        """
        target, login = split_login(url)[0], await self._login(url)
        for _ in range(_MAX_REDIRECTS):
            async with self._send(target, headers, login) as response:
                if response.status_code == httpx.codes.UNAUTHORIZED and login is None:
                    login = await self._password(target, "")
                    following = target if login else None
                else:
                    following = _redirect_target(response)
                if following is None:
                    yield response
                    return
            if following != target:
                found = await self._login(following)
                following = split_login(following)[0]
                login = found or (login if _same_origin(target, following) else None)
                target = following
        raise PackageIndexError(f"{redact_urls(url)}: the server redirects again and again")

    @asynccontextmanager
    async def _send(
        self, url: str, headers: Mapping[str, str], login: Login | None
    ) -> AsyncIterator[httpx.Response]:
        _check_port(url)
        client = self._client(url)
        request = client.build_request("GET", url, headers=headers)
        auth = httpx.BasicAuth(*login) if login else None
        response = await client.send(request, auth=auth, stream=True, follow_redirects=False)
        try:
            yield response
        finally:
            await response.aclose()

    async def _login(self, url: str) -> Login | None:
        """Return the login for a URL; a password that is missing is looked up in the keyring."""
        login = self._credentials.find(url)
        if login is None or login.password:
            return login
        return await self._password(url, login.user) or login

    async def _password(self, url: str, user: str) -> Login | None:
        if not self._keyring.enabled:
            return None
        bare = split_login(url)[0]
        urls = self._credentials.services(bare)
        return await self._passwords.get(
            (urls[0], user),
            lambda: in_thread(self._keyring_thread, self._keyring.find, urls, user),
        )

    @cached_property
    def _keyring_thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix="keyring")

    async def _retry(
        self,
        url: str,
        attempt: Callable[[], Awaitable[T]],
        has_progressed: Callable[[], bool] = lambda: False,
    ) -> T:
        """Attempt until a result, an error that is not temporary, or no attempt left."""
        attempts = self._settings.retries + 1
        left, pause = attempts, _FIRST_PAUSE
        while True:
            try:
                return await attempt()
            except (httpx.HTTPStatusError, httpx.RequestError, ResponseMismatchError) as problem:
                if has_progressed():
                    left, pause = attempts, _FIRST_PAUSE
                left -= 1
                proxy = self._proxy(_failed_url(problem, url))
                if left <= 0 or not _is_temporary(problem, proxy):
                    raise _as_index_error(url, problem, proxy) from problem
                requested = self._requested_pause(problem)
                reason = str(_as_index_error(url, problem, proxy))
            except (httpx.InvalidURL, ValueError, OverflowError, ImportError) as problem:
                # The client raises these for hosts, ports and redirects that are not valid.
                is_text = not isinstance(problem, UnicodeEncodeError)
                reason = str(problem) if is_text else "it is not valid UTF-8"
                raise PackageIndexError(f"{redact_urls(url)}: not a URL: {reason}") from problem
            await self._pause(url, min(max(pause, requested), _MAX_PAUSE), reason)
            pause *= 2

    async def _pause(self, url: str, seconds: float, reason: str) -> None:
        """Wait before the next attempt; of several waits for a server one is reported."""
        now, host = self._clock.monotonic(), urlsplit(url).netloc
        if seconds >= _REPORTED_PAUSE and self._reported_until.get(host, now) <= now:
            self._reported_until[host] = now + seconds
            self._on_wait(f"{reason}; the next attempt is in {seconds:.0f} s")
        await self._sleep(seconds)

    def _requested_pause(self, problem: Exception) -> float:
        """Return the seconds in Retry-After: a number, or a date (RFC 9110, section 10.2.3)."""
        if not isinstance(problem, httpx.HTTPStatusError):
            return 0.0
        text = problem.response.headers.get("retry-after", "")
        with suppress(ValueError, TypeError, OverflowError):
            if text.isdecimal():
                return float(text)
            return (parsedate_to_datetime(text) - self._clock.now()).total_seconds()
        return 0.0

    def _proxy(self, url: str) -> str | None:
        with suppress(ValueError):
            return self._settings.proxies.find(url)
        return None

    def _client(self, url: str) -> httpx.AsyncClient:
        """Return the client for a URL; certificates of trusted hosts are not verified."""
        parts = urlsplit(url)
        trusted = not self._trusted_hosts.isdisjoint((parts.netloc.lower(), parts.hostname or ""))
        key = trusted, self._settings.proxies.find(url)
        if key not in self._clients:
            self._clients[key] = self._create_client(trusted=trusted, proxy=key[1])
        return self._clients[key]

    def _create_client(self, *, trusted: bool, proxy: str | None) -> httpx.AsyncClient:
        try:
            return httpx.AsyncClient(
                verify=False if trusted else self._ssl_context,
                proxy=proxy,
                trust_env=False,
                # No timeout for a free connection: the downloads cap is the limit.
                timeout=httpx.Timeout(self._settings.timeout, pool=None),
                limits=httpx.Limits(max_connections=_MAX_CONNECTIONS, max_keepalive_connections=64),
            )
        except (ImportError, ValueError, httpx.InvalidURL) as problem:
            raise SettingsError(
                f"the proxy {redact_urls(proxy or '')} cannot be used: {problem}",
                hint="set another proxy in HTTPS_PROXY or ALL_PROXY, or install socksio for SOCKS",
            ) from problem

    @cached_property
    def _ssl_context(self) -> ssl.SSLContext:
        cert, client_cert = self._settings.cert, self._settings.client_cert
        try:
            folder = cert is not None and Path(cert).is_dir()
            context = ssl.create_default_context(
                cafile=None if folder else cert, capath=cert if folder else None
            )
            if cert is None:
                # As pip does, for machines whose own store is empty.
                context.load_verify_locations(certifi.where())
            if client_cert:
                context.load_cert_chain(client_cert)
        except OSError as problem:
            both = f"{cert or 'the system'}, {client_cert}"
            named = cert if client_cert is None else both
            raise SettingsError(f"certificates of {named}: {os_error_text(problem)}") from problem
        return context


def fetch_text(url: str, settings: IndexSettings) -> str:
    """Return the text behind a URL: a requirements file, read before a run has started.

    Raises:
        PackageIndexError: the server cannot be reached, refuses, or does not have the file.
    """
    return asyncio.run(_fetch_text(url, settings))


async def _fetch_text(url: str, settings: IndexSettings) -> str:
    client = HttpClient(settings, clock=SystemClock(), sleep=asyncio.sleep)
    try:
        response = await client.get(url, {"Accept": "text/plain, */*;q=0.5"})
    finally:
        await client.aclose()
    if response.status in ABSENT:
        raise PackageIndexError(f"{redact_urls(url)}: there is no such file on the server")
    return decode_text(response.read(), response.headers.get("content-type", ""), url)


def _redirect_target(response: httpx.Response) -> str | None:
    """Return the URL that a response redirects to; None for any other response.

    Raises:
        PackageIndexError: the URL is not one of a server.
        ValueError: not a URL.
    """
    if response.status_code not in _REDIRECTS or "location" not in response.headers:
        return None
    target = urljoin(str(response.url), response.headers["location"])
    if urlsplit(target).scheme not in ("http", "https"):
        raise PackageIndexError(
            f"{redact_urls(str(response.url))}: the server redirects to {redact_urls(target)}"
        )
    return target


def _check_port(url: str) -> None:
    """Look at the port: the client raises a group of errors for one that is out of range.

    Raises:
        ValueError: it is no port.
    """
    _ = urlsplit(url).port


def _same_origin(first: str, second: str) -> bool:
    return urlsplit(first)[:2] == urlsplit(second)[:2]


def _failed_url(problem: Exception, url: str) -> str:
    """Return the URL of the request that failed, which may be one that a server redirected to."""
    if isinstance(problem, httpx.HTTPStatusError | httpx.RequestError):
        with suppress(RuntimeError):  # It has no request.
            return str(problem.request.url)
    return url


def _is_temporary(problem: Exception, proxy: str | None) -> bool:
    """Return whether another attempt may succeed."""
    match problem:
        case httpx.HTTPStatusError(response=response):
            return response.status_code in _TEMPORARY
        case httpx.ProxyError():
            return str(problem)[:3] in map(str, _TEMPORARY)
        case httpx.ConnectError() if proxy is not None:
            return False  # The proxy of a network is not restarted within seconds.
        case httpx.UnsupportedProtocol() | httpx.TooManyRedirects():
            return False
        case _:
            return "CERTIFICATE_VERIFY_FAILED" not in str(problem)


def _as_index_error(url: str, problem: Exception, proxy: str | None) -> PackageIndexError:
    match problem:
        case httpx.HTTPStatusError(response=response):
            if response.status_code == httpx.codes.PROXY_AUTHENTICATION_REQUIRED and proxy:
                return _proxy_error(url, proxy, "it answered 407 Proxy Authentication Required")
            return _status_error(url, response)
        case ResponseMismatchError():
            return PackageIndexError(
                f"{redact_urls(url)}: the server's responses do not fit: {problem}"
            )
        case httpx.ProxyError() if proxy:
            return _proxy_error(url, proxy, f"it answered {_reason(problem)}")
        case httpx.ConnectError() if proxy and "CERTIFICATE_VERIFY" not in str(problem):
            return _proxy_error(url, proxy, f"it cannot be reached: {_reason(problem)}")
        case _:
            return _connection_error(url, problem, proxy)


def _protocol_error(url: str, problem: httpx.RemoteProtocolError) -> PackageIndexError:
    return PackageIndexError(
        f"{redact_urls(url)}: the server's response is damaged: {_reason(problem)}",
        hint="check that the URL is that of a package index, and what is between: a proxy, a VPN",
        unreachable=True,
    )


def _reason(problem: Exception) -> str:
    return clean_text(" ".join(str(problem).split()), 200) or type(problem).__name__


def _proxy_error(url: str, proxy: str, reason: str) -> PackageIndexError:
    hint = "check HTTPS_PROXY, ALL_PROXY and pip's proxy; NO_PROXY names hosts that need no proxy"
    if "407" in reason:
        hint = "put a user and a password into the URL of the proxy: http://user:password@host:port"
    return PackageIndexError(
        f"{redact_urls(url)}: through the proxy {redact_urls(proxy)}: {reason}",
        hint=hint,
        unreachable=True,
    )


def _status_error(url: str, response: httpx.Response) -> PackageIndexError:
    hint = {
        401: "put a user and a password into the URL, or into ~/.netrc; with a user in the URL,"
        " UV_KEYRING_PROVIDER=subprocess gets the password from keyring",
        403: "the credentials do not allow access to this file",
    }.get(response.status_code, "")
    reason = f"{response.status_code} {clean_text(response.reason_phrase, 60)}".strip()
    return PackageIndexError(
        f"{redact_urls(url)}: the server answered {reason}",
        hint=hint,
        unreachable=response.status_code in _TEMPORARY,
    )


def _connection_error(url: str, problem: Exception, proxy: str | None) -> PackageIndexError:
    if isinstance(problem, httpx.RemoteProtocolError):
        return _protocol_error(url, problem)
    reason = _reason(problem)
    hint = "check the network and --index-url; --no-index with --find-links works offline"
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        hint = "PIP_CERT or SSL_CERT_FILE can name a file with the certificates to trust"
    through = f" through the proxy {redact_urls(proxy)}" if proxy else ""
    return PackageIndexError(
        f"{redact_urls(url)}: cannot be reached{through}: {reason}", hint=hint, unreachable=True
    )
