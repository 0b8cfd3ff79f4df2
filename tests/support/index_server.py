"""An index server on this machine that can misbehave, and an index client that does not wait."""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from pool.sources.index.client import IndexClient
from pool.sources.index.settings import IndexSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path


@dataclass
class Response:
    """The response of the server to one request."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    """So many bytes are sent of those that were announced."""
    gate: threading.Event | None = None
    """Waited for before the body is sent."""
    drip: threading.Event | None = None
    """Until it is set, the body is sent again and again, a byte at a time."""
    after: threading.Event | None = None
    """Waited for when the body is sent, of which more was announced."""


@dataclass
class Server:
    """Serves a folder; answers that are queued for a path come first."""

    root: Path
    url: str = ""
    json: bool = False
    """Send ``index.json`` instead of ``index.html`` to those who accept it."""
    ranges: bool = True
    """Send parts of files to those who ask for them."""
    etags: dict[str, str] = field(default_factory=dict)
    """By path: sent, and compared with If-Range and If-None-Match."""
    cut: int | None = None
    """Break off every file after so many bytes."""
    queued: dict[str, list[Response]] = field(default_factory=lambda: defaultdict(list))
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    most_at_once: int = 0
    """The most requests that were being answered at one time."""
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def count_request(self) -> Iterator[None]:
        """Count a request as being answered."""
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1

    def requested_ranges(self, path: str) -> list[str | None]:
        """Return the ranges that were asked of a path, None for all of it."""
        return [headers.get("range") for asked, headers in self.requests if asked == path]

    def count_requests(self, path: str) -> int:
        """Return how often a path was asked for."""
        return sum(1 for asked, _ in self.requests if asked == path)

    def answer(self, path: str, headers: dict[str, str]) -> Response:
        self.requests.append((path, headers))
        if self.queued[path]:
            return self.queued[path].pop(0)
        file = self.root / path.strip("/")
        if file.is_dir():
            name, kind = "index.html", "text/html"
            if self.json and "json" in headers.get("accept", ""):
                name, kind = "index.json", "application/vnd.pypi.simple.v1+json"
            return Response(body=(file / name).read_bytes(), headers={"Content-Type": kind})
        return self._file(path, file, headers) if file.is_file() else Response(status=404)

    def _file(self, path: str, file: Path, headers: dict[str, str]) -> Response:
        body, etag = file.read_bytes(), self.etags.get(path)
        said = {"ETag": etag} if etag else {}
        if etag and headers.get("if-none-match") == etag:
            return Response(status=304, headers=said)
        wanted = headers.get("range") if self.ranges else None
        if wanted is None or headers.get("if-range", etag) != etag:
            return Response(body=body, headers=said, cut=self.cut)
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(body):
            return Response(status=416, headers={"Content-Range": f"bytes */{len(body)}"})
        said["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return Response(status=206, body=body[start:], headers=said, cut=self.cut)


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with server.count_request():
                self._answer()

        def _answer(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = server.answer(self.path, headers)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if answer.gate is not None:
                answer.gate.wait(30)
            with suppress(ConnectionError):
                if answer.drip is not None:
                    self._drip(answer.body, answer.drip)
                self.wfile.write(answer.body[: answer.cut])
            if answer.after is not None:
                answer.after.wait(30)
            if answer.cut is not None or answer.after is not None:
                self.close_connection = True

        def _drip(self, body: bytes, enough: threading.Event) -> None:
            for byte in itertools.cycle(body):
                self.wfile.write(bytes([byte]))
                if enough.wait(0.005):
                    return

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base has it so
            pass

    return Handler


class _Http(ThreadingHTTPServer):
    request_queue_size = 128


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of the folder ``web`` in the test's own."""
    root = tmp_path / "web"
    root.mkdir()
    served = Server(root)
    with _Http(("127.0.0.1", 0), _handler(served)) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        served.url = f"http://127.0.0.1:{http.server_address[1]}"
        yield served
        http.shutdown()
        thread.join()


class Clock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.at.timestamp()

    def now(self) -> datetime:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Client:
    """An index client, with what it would have slept."""

    cache: Path
    clock: Clock = field(default_factory=Clock)
    pauses: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    @asynccontextmanager
    async def open(self, index_url: str = "", **settings: object) -> AsyncIterator[IndexClient]:
        """Open an index; without URL there are only the find-links of the settings."""
        settings = {"no_index": not index_url, "timeout": 5.0, **settings}
        index = IndexClient(
            IndexSettings(index_url=index_url, **settings),  # type: ignore[arg-type] # passed on
            cache_dir=self.cache,
            clock=self.clock,
            sleep=self.sleep,
        )
        try:
            yield index
        finally:
            await index.aclose()


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client with a cache of its own, and no proxy on the way to this machine."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return Client(tmp_path / "cache")


@pytest.fixture
def ignore_progress() -> Callable[[int, int | None], None]:
    """A progress nobody looks at."""
    return lambda done, total: None
