"""HTTP for indexes: redirects with the right login, proxies by name, bounds, and waits."""

from __future__ import annotations

import asyncio
import base64
import gzip
import subprocess
import sys
import threading
import zlib
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from pool.common import clock as pool_clock
from pool.common.errors import PackageIndexError
from pool.sources.index import page as page_module
from pool.sources.index import time_limit
from pool.sources.index.http import HttpClient
from pool.sources.index.proxies import Proxies
from pool.sources.index.settings import IndexSettings
from tests.support.index_server import Clock, Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from pool.sources.index.download import Response as DownloadResponse
    from tests.support.index_server import Client, Server


def test_http_client_import_loads_no_screen() -> None:
    code = "import sys, pool.sources.index.http; print({'rich', 'pygments'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


class Waits(list[str]):
    """The waits that were reported, and their lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


@asynccontextmanager
async def opened(
    waits: Waits | None = None,
    environ: dict[str, str] | None = None,
    clock: pool_clock.Clock | None = None,
    **settings: object,
) -> AsyncIterator[HttpClient]:
    waits = waits if waits is not None else Waits()
    client = HttpClient(
        IndexSettings(**{"index_url": "", "no_index": True, "timeout": 5.0, **settings}),  # type: ignore[arg-type] # passed on
        clock=clock or Clock(),
        sleep=waits.sleep,
        on_wait=waits.append,
        environ=environ,
    )
    try:
        yield client
    finally:
        await client.aclose()


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def redirect(url: str) -> Response:
    return Response(status=302, headers={"Location": url})


async def test_get_redirect_to_the_same_host_sends_the_login_again(server: Server) -> None:
    server.queued["/a"] += [redirect("/b")]
    server.queued["/b"] += [Response(body=b"x")]
    async with opened() as client:
        page = await client.get(server.url.replace("//", "//me:pass@") + "/a", {})
    assert page.read() == b"x"
    assert page.url == f"{server.url}/b"
    assert [headers.get("authorization") for _, headers in server.requests] == [
        basic("me:pass")
    ] * 2


async def test_get_redirect_to_another_host_sends_the_login_of_that_host(
    server: Server, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login you password hidden\n")
    other = server.url.replace("127.0.0.1", "localhost")
    server.queued["/a"] += [redirect(f"{other}/b")]
    server.queued["/b"] += [Response(body=b"x")]
    async with opened(netrc=str(netrc)) as client:
        await client.get(server.url.replace("//", "//me:pass@") + "/a", {})
    assert [headers.get("authorization") for _, headers in server.requests] == [
        basic("me:pass"),
        basic("you:hidden"),
    ]


async def test_get_redirect_to_another_host_without_login_sends_none(server: Server) -> None:
    server.queued["/a"] += [redirect(server.url.replace("127.0.0.1", "localhost") + "/b")]
    server.queued["/b"] += [Response(body=b"x")]
    async with opened() as client:
        await client.get(server.url.replace("//", "//me:pass@") + "/a", {})
    assert "authorization" not in server.requests[1][1]


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://h/x", "http://[::1", "http://h:99999/x"]
)
async def test_get_redirect_to_no_server_is_refused(server: Server, target: str) -> None:
    server.queued["/a"] += [redirect(target)]
    async with opened(retries=0) as client:
        with pytest.raises(PackageIndexError):
            await client.get(f"{server.url}/a", {})


async def test_get_endless_redirect_is_refused(server: Server) -> None:
    server.queued["/a"] += [redirect("/a")] * 30
    async with opened() as client:
        with pytest.raises(PackageIndexError, match="redirects again and again"):
            await client.get(f"{server.url}/a", {})


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b"text", mtime=0)),
        ("deflate", zlib.compress(b"text")),
        ("deflate", zlib.compress(b"text", wbits=-15)),
        ("identity", b"text"),
    ],
)
async def test_read_compressed_page_is_its_content(
    server: Server, encoding: str, body: bytes
) -> None:
    server.queued["/a"] += [Response(body=body, headers={"Content-Encoding": encoding})]
    async with opened() as client:
        assert (await client.get(f"{server.url}/a", {})).read() == b"text"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b"text", mtime=0)[:-9]),
        ("gzip", b"no gzip"),
        ("deflate", b"\x78"),
        ("br", b"text"),
    ],
)
async def test_read_damaged_page_is_refused(server: Server, encoding: str, body: bytes) -> None:
    server.queued["/a"] += [Response(body=body, headers={"Content-Encoding": encoding})]
    async with opened() as client:
        page = await client.get(f"{server.url}/a", {})
    with pytest.raises(PackageIndexError, match="cannot be decompressed"):
        page.read()


async def test_get_large_page_is_refused_before_it_is_complete(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "MAX_PAGE", 1000)
    server.queued["/a"] += [Response(body=b"x" * 5000)]
    bomb = gzip.compress(b"x" * 100_000)
    server.queued["/b"] += [Response(body=bomb, headers={"Content-Encoding": "gzip"})]
    async with opened() as client:
        with pytest.raises(PackageIndexError, match="more than"):
            await client.get(f"{server.url}/a", {})
        page = await client.get(f"{server.url}/b", {})
    with pytest.raises(PackageIndexError, match="more than"):
        page.read()


async def test_get_proxy_that_is_down_is_named_at_once() -> None:
    waits = Waits()
    proxy = "http://me:secret@127.0.0.1:1"
    async with opened(waits, proxies=Proxies(http=proxy, https=proxy)) as client:
        for url in ("http://index.test/simple", "https://index.test/simple"):
            with pytest.raises(
                PackageIndexError, match=r"the proxy http://.*@127\.0\.0\.1:1: it c"
            ) as e:
                await client.get(url, {})
            assert "secret" not in str(e.value) + e.value.hint
            assert "NO_PROXY" in e.value.hint
    assert waits.pauses == []


async def test_get_proxy_that_wants_a_password_is_named_at_once(server: Server) -> None:
    server.queued["http://index.test/simple"] += [Response(status=407)]
    waits = Waits()
    async with opened(waits, proxies=Proxies(http=server.url)) as client:
        with pytest.raises(
            PackageIndexError, match=r"the proxy http://127.*: it answered 407"
        ) as e:
            await client.get("http://index.test/simple", {})
    assert "user:password" in e.value.hint
    assert waits.pauses == []


async def test_get_long_wait_is_reported_once(server: Server) -> None:
    busy = Response(status=429, headers={"Retry-After": "16"})
    server.queued["/a"] += [busy, busy, Response(body=b"x")]
    waits = Waits()
    async with opened(waits) as client:
        assert (await client.get(f"{server.url}/a", {})).read() == b"x"
    assert waits.pauses == [16.0, 16.0]
    assert waits == [
        f"{server.url}/a: the server answered 429 Too Many Requests; the next attempt is in 16 s"
    ]


async def test_get_short_wait_is_not_reported(server: Server) -> None:
    server.queued["/a"] += [Response(status=503), Response(body=b"x")]
    waits = Waits()
    async with opened(waits) as client:
        await client.get(f"{server.url}/a", {})
    assert waits == []


def keyring_command(folder: Path) -> dict[str, str]:
    """Make a keyring command that has one password, and return the environment to find it."""
    command = folder / "keyring"
    command.write_text(
        '#!/bin/sh\necho "$@" >> "$0.log"\n[ "$2 $3" = "http://127.0.0.1:$PORT/simple me" ]'
        " && echo opensesame\n"
    )
    command.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


async def test_get_user_without_password_takes_it_from_the_keyring(
    server: Server, tmp_path: Path
) -> None:
    port = server.url.rpartition(":")[2]
    environ = {**keyring_command(tmp_path), "PORT": port}
    url = server.url.replace("//", "//me@") + "/simple"
    server.queued["/simple/x/"] += [Response(body=b"x")] * 2
    async with opened(
        environ=environ, index_url=url, no_index=False, keyring="subprocess"
    ) as client:
        await client.get(f"{url}/x/", {})
        await client.get(f"{url}/x/", {})
    assert {headers["authorization"] for _, headers in server.requests} == {basic("me:opensesame")}
    assert (tmp_path / "keyring.log").read_text().count("get") == 1


async def test_get_keyring_without_the_entry_sends_the_user_alone(
    server: Server, client: Client, tmp_path: Path
) -> None:
    environ = {**keyring_command(tmp_path), "PORT": "0"}
    server.queued["/simple/x/"] += [Response(status=401)]
    async with opened(environ=environ, keyring="subprocess") as opener:
        with pytest.raises(PackageIndexError, match="401") as caught:
            await opener.get(server.url.replace("//", "//me@") + "/simple/x/", {})
    assert "UV_KEYRING_PROVIDER" in caught.value.hint


ENDLESS = {"Content-Length": str(1 << 20)}


@contextmanager
def dripping(server: Server) -> Iterator[None]:
    """Let the server send a file and a page a byte at a time, for as long as the block lasts."""
    enough = threading.Event()
    server.queued["/slow"] += [Response(body=b"<br>", headers=ENDLESS, drip=enough)] * 9
    try:
        yield
    finally:
        enough.set()


async def test_get_page_that_drips_is_given_up_after_its_time(server: Server) -> None:
    waits = Waits()
    with dripping(server):
        async with opened(waits, clock=pool_clock.SystemClock(), page_timeout=0.1) as client:
            with pytest.raises(PackageIndexError, match="too slowly: it is not complete") as caught:
                await client.get(f"{server.url}/slow", {})
    assert caught.value.unreachable
    assert "PIP_TIMEOUT" in caught.value.hint
    assert waits.pauses == []


async def test_get_page_that_drips_while_the_process_was_stopped_is_requested_again(
    server: Server,
) -> None:
    with dripping(server):
        server.queued["/slow"][1:] = [Response(body=b"x")] * 4
        # The clock of the client stands still: the process was stopped for all of the time.
        async with opened(page_timeout=0.5) as client:
            assert (await client.get(f"{server.url}/slow", {})).read() == b"x"


class Collector:
    """Receives a file into memory."""

    def __init__(self) -> None:
        self.content = b""

    def headers(self) -> dict[str, str]:
        return {}

    async def receive(self, response: DownloadResponse) -> bytes:
        async for chunk in response.chunks:
            self.content += chunk
        return self.content

    def has_progressed(self) -> bool:
        return False


async def test_download_file_that_drips_is_given_up_after_its_time(server: Server) -> None:
    with dripping(server):
        async with opened(clock=pool_clock.SystemClock(), page_timeout=0.1) as client:
            with pytest.raises(PackageIndexError, match="too slowly: less than 64 kB"):
                await client.download(f"{server.url}/slow", Collector())


async def test_extend_while_sending_starts_the_time_anew_for_each_part() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for size in (time_limit.SLOW_BYTES - 1, 1, 5, 3 * time_limit.SLOW_BYTES):
            yield bytes(size)

    moved: list[float] = []
    limit = SimpleNamespace(reschedule=moved.append)
    received = time_limit.extend_while_sending(chunks(), cast("asyncio.Timeout", limit), 5.0)
    now = asyncio.get_running_loop().time()
    assert [(len(chunk), len(moved)) async for chunk in received] == [
        (time_limit.SLOW_BYTES - 1, 0),
        (1, 1),
        (5, 1),
        (3 * time_limit.SLOW_BYTES, 2),
    ]
    assert min(moved) >= now + 5.0


@pytest.mark.parametrize(
    ("value", "pause"),
    [
        ("100000", 30.0),
        ("9" * 5000, 30.0),
        ("-5", 0.5),
        ("soon", 0.5),
        ("1.5", 0.5),
        ("", 0.5),
        ("Thu, 01 Jan 2026 00:00:20 GMT", 20.0),
        ("Thu, 01 Jan 2026 00:00:20", 0.5),
        ("Wed, 01 Jan 2020 00:00:00 GMT", 0.5),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 30.0),
        ("Thu, 99 Foo 2026 99:99:99 GMT", 0.5),
    ],
)
async def test_get_retry_after_is_a_number_or_a_date_with_a_bound(
    server: Server, value: str, pause: float
) -> None:
    server.queued["/a"] += [Response(status=429, headers={"Retry-After": value}), Response()]
    waits = Waits()
    async with opened(waits) as client:
        await client.get(f"{server.url}/a", {})
    assert waits.pauses == [pause]
