"""A package index on this machine that counts who fetches files at once, and can be slow.

Pages are answered at once. Files are held after their first half while `hold` is set, or broken
off after so many bytes; they have an ETag, and parts of them can be asked for.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.makers import make_index

__all__ = ["IndexServer", "serve_index"]

_TIMEOUT = 120.0
"""Seconds after which a held file goes on, so that a test that fails ends."""


@dataclass
class IndexServer:
    """Serves a folder; what is counted are files, not pages."""

    root: Path
    url: str = ""
    cut: int | None = None
    """Break off every answer with a file after so many bytes."""
    replaced: dict[str, bytes] = field(default_factory=dict)
    """By file name: what is sent instead of it."""
    sending: int = 0
    """The files that are being sent at the moment."""
    most_at_once: int = 0
    """The most files that were ever being sent at once."""
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """The files asked for by name, with the range that was asked for."""
    _going: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def index(self) -> str:
        """The URL for ``--index-url``."""
        return f"{self.url}/simple"

    def hold(self) -> None:
        """Keep files back from now on, each after its first half."""
        self._going.clear()

    def release(self) -> None:
        """Send the rest of all files, and the whole of those to come."""
        self._going.set()

    def add_files(self, files: Iterable[Path]) -> None:
        """List files, with their digests."""
        make_index(self.root, files)

    def file_url(self, name: str) -> str:
        """Return where a file is."""
        return f"{self.url}/files/{name}"

    def wait_released(self) -> bool:
        """Wait until files may go on; return whether they may."""
        return self._going.wait(_TIMEOUT)

    @contextmanager
    def count_sending(self, name: str, wanted: str | None) -> Iterator[None]:
        """Count a file as being sent."""
        with self._lock:
            self.requests.append((name, wanted))
            self.sending += 1
            self.most_at_once = max(self.most_at_once, self.sending)
        try:
            yield
        finally:
            with self._lock:
                self.sending -= 1


def _handler(server: IndexServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = server.root / self.path.partition("?")[0].strip("/")
            with suppress(ConnectionError):
                if self.path.startswith("/files/") and path.is_file():
                    with server.count_sending(path.name, self.headers.get("Range")):
                        self._file(path)
                else:
                    self._page(path / "index.html")

        def _page(self, page: Path) -> None:
            body = page.read_bytes() if page.is_file() else b""
            self._send_headers(200 if body else 404, len(body), {"Content-Type": "text/html"})
            self.wfile.write(body)

        def _file(self, path: Path) -> None:
            body = server.replaced.get(path.name) or path.read_bytes()
            etag = f'"{hashlib.sha256(body).hexdigest()}"'
            start, said = 0, {"ETag": etag}
            wanted = self.headers.get("Range")
            if wanted and self.headers.get("If-Range", etag) == etag:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                said["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            rest = body[start:]
            self._send_headers(206 if start else 200, len(rest), said)
            if server.cut is not None:
                self.wfile.write(rest[: server.cut])
                self.close_connection = len(rest) > server.cut
                return
            half = len(rest) // 2
            self.wfile.write(rest[:half])
            server.wait_released()
            self.wfile.write(rest[half:])

        def _send_headers(self, status: int, length: int, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base has it so
            pass

    return Handler


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def serve_index(root: Path) -> Iterator[IndexServer]:
    """Serve a folder, made if missing, for the length of a block."""
    root.mkdir(parents=True, exist_ok=True)
    server = IndexServer(root)
    server.release()
    with _Http(("127.0.0.1", 0), _handler(server)) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        try:
            yield server
        finally:
            server.release()
            http.shutdown()
            thread.join()
