"""HTTP as package indexes need it: logins, certificates, proxies, and patience.

Knows nothing of packages. The only module that imports httpx (70 ms): whoever needs it imports it
when the first request is made. Proxies come from the settings, or from the environment as httpx
reads it; it would not if it were given a transport of ours, so it is given none.
"""

from __future__ import annotations

import netrc
import ssl
import sys
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import certifi

from pool.common.errors import PackageIndexError, SettingsError, os_error_text
from pool.common.redaction import redact_urls
from pool.sources.index.download import Answer, UnfitAnswerError
from pool.sources.index.login import Login, parted

# Of the 140 ms that httpx takes, 70 are for rich and pygments, which only its command line needs;
# where that cannot be imported, httpx does without.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type] # None forbids the import
import httpx  # noqa: E402 - after the line above

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping

    from pool.common.clock import Clock
    from pool.requirements.pip_config import IndexSettings
    from pool.sources.index.download import Receiver

__all__ = ["ABSENT", "ATTEMPTS", "HttpClient"]

ATTEMPTS = 5
ABSENT = frozenset((404, 410))
"""What a server answers that does not have it, and is content."""
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
_FOR_RECEIVERS = frozenset((304, 416))
"""What is no success, but an answer to what a receiver asked."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_MOST_CONNECTIONS = 512
"""More than any cap: who may go on is decided elsewhere."""

T = TypeVar("T")


class HttpClient:
    """Connections to all servers that a pool talks to; `aclose` it at the end.

    Args:
        settings: logins in its URLs, certificates, proxy, timeout.
        clock: for dates in Retry-After.
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
        self._trusted = {host.lower() for host in settings.trusted_hosts}
        self._auth = _Auth([*settings.indexes, *settings.find_links], settings.netrc)
        self._clients: dict[bool, httpx.AsyncClient] = {}

    async def aclose(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()

    async def get(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        """Ask for a page; the answer is good, not modified, or `ABSENT`.

        Raises:
            PackageIndexError: the server cannot be reached, or refuses.
        """

        async def attempt() -> httpx.Response:
            answer = await self._client(url).get(parted(url)[0], headers=headers)
            if answer.status_code not in ABSENT and answer.status_code != httpx.codes.NOT_MODIFIED:
                answer.raise_for_status()
            return answer

        return await self._patiently(url, attempt)

    async def download(self, url: str, receiver: Receiver[T]) -> T:
        """Get a file, in as many attempts as it takes as long as each gets further.

        Raises:
            PackageIndexError: the server cannot be reached, refuses, or breaks off every time.
        """

        async def attempt() -> T:
            client = self._client(url)
            # A server that compresses on the way would change length and digest.
            headers = {"Accept-Encoding": "identity", **receiver.headers()}
            async with client.stream("GET", parted(url)[0], headers=headers) as answer:
                if answer.status_code not in _FOR_RECEIVERS:
                    answer.raise_for_status()
                return await receiver.receive(
                    Answer(
                        status=answer.status_code,
                        url=str(answer.url),
                        headers=answer.headers,
                        # As they come: what is collected for larger chunks is lost at a break.
                        chunks=answer.aiter_raw(),
                    )
                )

        return await self._patiently(url, attempt, receiver.got_further)

    async def _patiently(
        self,
        url: str,
        attempt: Callable[[], Awaitable[T]],
        got_further: Callable[[], bool] = lambda: False,
    ) -> T:
        """Try until there is an answer that is no passing trouble, or too often in vain."""
        try:
            httpx.URL(parted(url)[0])
        except (httpx.InvalidURL, ValueError) as problem:
            raise PackageIndexError(f"{redact_urls(url)}: not a URL: {problem}") from problem
        left, pause = ATTEMPTS, _FIRST_PAUSE
        while True:
            try:
                return await attempt()
            except (httpx.HTTPStatusError, httpx.RequestError, UnfitAnswerError) as problem:
                if got_further():
                    left, pause = ATTEMPTS, _FIRST_PAUSE
                left -= 1
                if not left or not _passing(problem):
                    raise _failed(url, problem) from problem
                wanted = self._wanted_pause(problem)
            await self._sleep(min(max(pause, wanted), _LONGEST_PAUSE))
            pause *= 2

    def _wanted_pause(self, problem: Exception) -> float:
        """Return the seconds that a server asks to wait: a number, or a date (RFC 9110)."""
        if not isinstance(problem, httpx.HTTPStatusError):
            return 0.0
        text = problem.response.headers.get("retry-after", "")
        with suppress(ValueError, TypeError):
            if text.isdecimal():
                return float(text)
            return (parsedate_to_datetime(text) - self._clock.now()).total_seconds()
        return 0.0

    def _client(self, url: str) -> httpx.AsyncClient:
        """Return the client for a URL: hosts that are trusted are not asked for a certificate."""
        parts = urlsplit(parted(url)[0])
        trusted = not self._trusted.isdisjoint((parts.netloc.lower(), parts.hostname or ""))
        if trusted not in self._clients:
            self._clients[trusted] = httpx.AsyncClient(
                verify=False if trusted else self._context,
                proxy=self._settings.proxy,
                # Waiting for a free connection is no trouble: the downloads cap is the limit.
                timeout=httpx.Timeout(self._settings.timeout, pool=None),
                follow_redirects=True,
                auth=self._auth,
                limits=httpx.Limits(
                    max_connections=_MOST_CONNECTIONS, max_keepalive_connections=64
                ),
            )
        return self._clients[trusted]

    @cached_property
    def _context(self) -> ssl.SSLContext:
        cert, own = self._settings.cert, self._settings.client_cert
        try:
            folder = cert is not None and Path(cert).is_dir()
            context = ssl.create_default_context(
                cafile=None if folder else cert, capath=cert if folder else None
            )
            if cert is None:
                # As pip does: a bare machine has a store of its own that is empty.
                context.load_verify_locations(certifi.where())
            if own:
                context.load_cert_chain(own)
        except OSError as problem:
            named = cert if own is None else f"{cert or 'the system'}, {own}"
            raise SettingsError(f"certificates of {named}: {os_error_text(problem)}") from problem
        return context


class _Auth(httpx.Auth):
    """The login for a request: from its own URL, from an index's on that host, or a netrc file.

    As with pip, a login in an index's URL also serves the files that the index links to on the
    same host. httpx drops the header when it is sent on to another host.
    """

    def __init__(self, urls: Iterable[str], netrc_file: str | None) -> None:
        self._logins = [
            (bare, login) for bare, login in map(_parted, urls) if login and "://" in bare
        ]
        self._netrc = _read_netrc(netrc_file)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the login, if there is one."""
        login = self._login(str(request.url))
        if login is None:
            yield request
        else:
            yield from httpx.BasicAuth(*login).auth_flow(request)

    def _login(self, url: str) -> Login | None:
        bare, own = _parted(url)
        origin = urlsplit(bare)[:2]
        here = [(index, login) for index, login in self._logins if urlsplit(index)[:2] == origin]
        if own or here:
            # Of several logins for one host, that of the index the URL lies below.
            return own or max(here, key=lambda pair: bare.startswith(pair[0]) * len(pair[0]))[1]
        known = self._netrc and self._netrc.authenticators(urlsplit(bare).hostname or "")
        return Login(known[0], known[2]) if known else None


def _parted(url: str) -> tuple[str, Login | None]:
    try:
        return parted(url)
    except ValueError:
        return url, None


def _read_netrc(path: str | None) -> netrc.netrc | None:
    """Read a netrc file; one that is missing or broken is passed over, as curl and pip do."""
    if path is None:
        return None
    try:
        return netrc.netrc(path)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None


def _passing(problem: Exception) -> bool:
    """Tell whether it may be different the next time."""
    if isinstance(problem, httpx.HTTPStatusError):
        return problem.response.status_code in _PASSING
    for_good = isinstance(problem, httpx.UnsupportedProtocol | httpx.TooManyRedirects)
    return not for_good and "CERTIFICATE_VERIFY_FAILED" not in str(problem)


def _failed(url: str, problem: Exception) -> PackageIndexError:
    match problem:
        case httpx.HTTPStatusError(response=response):
            return _refused(url, response)
        case UnfitAnswerError():
            return PackageIndexError(
                f"{redact_urls(url)}: the server's answers do not fit: {problem}"
            )
        case _:
            return _unreachable(url, problem)


def _refused(url: str, response: httpx.Response) -> PackageIndexError:
    hint = {
        401: "it wants a user and a password: in the URL, or in ~/.netrc",
        403: "it wants other credentials, or forbids this file",
    }.get(response.status_code, "")
    reason = f"{response.status_code} {response.reason_phrase}".strip()
    return PackageIndexError(f"{redact_urls(url)}: the server answered {reason}", hint=hint)


def _unreachable(url: str, problem: Exception) -> PackageIndexError:
    reason = redact_urls(" ".join(str(problem).split())) or type(problem).__name__
    hint = "check the network and --index-url; --no-index with --find-links works offline"
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        hint = "PIP_CERT or SSL_CERT_FILE can name a file with the certificates to trust"
    return PackageIndexError(f"{redact_urls(url)}: cannot be reached: {reason}", hint=hint)
