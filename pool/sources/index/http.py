"""HTTP for package indexes: logins, certificates, proxies and retries.

Knows nothing of packages. The only module that imports httpx (70 ms), so it is imported when the
first request is made. Proxies come from the settings, or from the environment as httpx reads it.
httpx ignores the environment if it is given a transport, so it is given none.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import certifi

from pool.common.clock import SystemClock
from pool.common.errors import PackageIndexError, SettingsError, os_error_text
from pool.common.redaction import redact_urls
from pool.sources.index.credentials import Credentials, split_login
from pool.sources.index.download import Response, ResponseMismatchError

# httpx takes 140 ms to import, 70 of them for rich and pygments, which only its command needs.
# It does without that where ``httpx._main`` cannot be imported: None forbids it, for this import.
_had_main = "httpx._main" in sys.modules
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type] # None is what forbids it
import httpx  # noqa: E402 - after the line above

if not _had_main:
    del sys.modules["httpx._main"]

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping

    from pool.common.clock import Clock
    from pool.sources.index.download import Receiver
    from pool.sources.index.settings import IndexSettings

__all__ = ["ABSENT", "ATTEMPTS", "HttpClient", "fetch_text"]

ATTEMPTS = 5
ABSENT = frozenset((404, 410))
"""Status codes with which a server says that it does not have the page."""
_TEMPORARY = frozenset((408, 425, 429, 500, 502, 503, 504))
_FOR_RECEIVERS = frozenset((304, 416))
"""Status codes that are not success, but that a receiver's own request headers can lead to."""
_FIRST_PAUSE, _MAX_PAUSE = 0.5, 30.0
_MAX_CONNECTIONS = 512
"""Above every cap, for gates decide how many downloads run."""

T = TypeVar("T")


class HttpClient:
    """The connections to all servers; call `aclose` at the end.

    Args:
        settings: certificates, proxy, timeout, and URLs that may hold logins.
        clock: the time to which dates in Retry-After are compared.
        sleep: waits between attempts.
    """

    def __init__(
        self,
        settings: IndexSettings,
        *,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._sleep = sleep
        self._trusted_hosts = {host.lower() for host in settings.trusted_hosts}
        self._auth = _Auth(Credentials([*settings.indexes, *settings.find_links], settings.netrc))
        self._clients: dict[bool, httpx.AsyncClient] = {}

    async def aclose(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()

    async def get(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        """Get a page; the response is a success, not modified (304), or one of `ABSENT`.

        Raises:
            PackageIndexError: the server cannot be reached, or refuses.
        """

        async def attempt() -> httpx.Response:
            response = await self._client(url).get(split_login(url)[0], headers=headers)
            status = response.status_code
            if status not in ABSENT and status != httpx.codes.NOT_MODIFIED:
                response.raise_for_status()
            return response

        return await self._retry(url, attempt)

    async def download(self, url: str, receiver: Receiver[T]) -> T:
        """Download a file; an attempt that makes progress resets the number of attempts left.

        Raises:
            PackageIndexError: the server cannot be reached, refuses, or sends nothing more.
        """

        async def attempt() -> T:
            client = self._client(url)
            # Compression in transit would change length and digest.
            headers = {"Accept-Encoding": "identity", **receiver.headers()}
            async with client.stream("GET", split_login(url)[0], headers=headers) as response:
                if response.status_code not in _FOR_RECEIVERS:
                    response.raise_for_status()
                return await receiver.receive(
                    Response(
                        status=response.status_code,
                        url=str(response.url),
                        headers=response.headers,
                        # Raw: bytes that are buffered for larger chunks are lost at a break.
                        chunks=response.aiter_raw(),
                    )
                )

        return await self._retry(url, attempt, receiver.has_progressed)

    async def _retry(
        self,
        url: str,
        attempt: Callable[[], Awaitable[T]],
        has_progressed: Callable[[], bool] = lambda: False,
    ) -> T:
        """Attempt until a result, an error that is not temporary, or no attempt left."""
        try:
            httpx.URL(split_login(url)[0])
        except (httpx.InvalidURL, ValueError) as problem:
            is_text = not isinstance(problem, UnicodeEncodeError)
            reason = problem if is_text else "it is not valid UTF-8"
            raise PackageIndexError(f"{redact_urls(url)}: not a URL: {reason}") from problem
        left, pause = ATTEMPTS, _FIRST_PAUSE
        while True:
            try:
                return await attempt()
            except (httpx.HTTPStatusError, httpx.RequestError, ResponseMismatchError) as problem:
                if has_progressed():
                    left, pause = ATTEMPTS, _FIRST_PAUSE
                left -= 1
                if not left or not _is_temporary(problem):
                    raise _as_index_error(url, problem) from problem
                requested = self._requested_pause(problem)
            await self._sleep(min(max(pause, requested), _MAX_PAUSE))
            pause *= 2

    def _requested_pause(self, problem: Exception) -> float:
        """Return the seconds in Retry-After: a number, or a date (RFC 9110, section 10.2.3)."""
        if not isinstance(problem, httpx.HTTPStatusError):
            return 0.0
        text = problem.response.headers.get("retry-after", "")
        with suppress(ValueError, TypeError):
            if text.isdecimal():
                return float(text)
            return (parsedate_to_datetime(text) - self._clock.now()).total_seconds()
        return 0.0

    def _client(self, url: str) -> httpx.AsyncClient:
        """Return the client for a URL; certificates of trusted hosts are not verified."""
        parts = urlsplit(split_login(url)[0])
        trusted = not self._trusted_hosts.isdisjoint((parts.netloc.lower(), parts.hostname or ""))
        if trusted not in self._clients:
            self._clients[trusted] = httpx.AsyncClient(
                verify=False if trusted else self._ssl_context,
                proxy=self._settings.proxy,
                # No timeout for a free connection: the downloads cap is the limit.
                timeout=httpx.Timeout(self._settings.timeout, pool=None),
                follow_redirects=True,
                auth=self._auth,
                limits=httpx.Limits(max_connections=_MAX_CONNECTIONS, max_keepalive_connections=64),
            )
        return self._clients[trusted]

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
    if response.status_code in ABSENT:
        raise PackageIndexError(f"{redact_urls(url)}: there is no such file on the server")
    return str(response.text)


class _Auth(httpx.Auth):
    """Adds the login to a request; httpx drops the header on a redirect to another host."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with its login, if there is one."""
        login = self._credentials.find(str(request.url))
        if login is None:
            yield request
        else:
            yield from httpx.BasicAuth(*login).auth_flow(request)


def _is_temporary(problem: Exception) -> bool:
    """Return whether another attempt may succeed."""
    if isinstance(problem, httpx.HTTPStatusError):
        return problem.response.status_code in _TEMPORARY
    permanent = isinstance(problem, httpx.UnsupportedProtocol | httpx.TooManyRedirects)
    return not permanent and "CERTIFICATE_VERIFY_FAILED" not in str(problem)


def _as_index_error(url: str, problem: Exception) -> PackageIndexError:
    match problem:
        case httpx.HTTPStatusError(response=response):
            return _status_error(url, response)
        case ResponseMismatchError():
            return PackageIndexError(
                f"{redact_urls(url)}: the server's responses do not fit: {problem}"
            )
        case _:
            return _connection_error(url, problem)


def _status_error(url: str, response: httpx.Response) -> PackageIndexError:
    hint = {
        401: "put a user and a password into the URL, or into ~/.netrc",
        403: "the credentials do not allow access to this file",
    }.get(response.status_code, "")
    reason = f"{response.status_code} {response.reason_phrase}".strip()
    return PackageIndexError(f"{redact_urls(url)}: the server answered {reason}", hint=hint)


def _connection_error(url: str, problem: Exception) -> PackageIndexError:
    reason = redact_urls(" ".join(str(problem).split())) or type(problem).__name__
    hint = "check the network and --index-url; --no-index with --find-links works offline"
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        hint = "PIP_CERT or SSL_CERT_FILE can name a file with the certificates to trust"
    return PackageIndexError(f"{redact_urls(url)}: cannot be reached: {reason}", hint=hint)
