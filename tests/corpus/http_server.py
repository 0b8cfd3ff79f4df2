"""A server for the cases of the corpus: each case has a function that answers requests."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
import threading
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from tests.corpus.case import Case, Reply, Request
from tests.support.makers import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.corpus.case import Answer, Expected

__all__ = ["JSON", "PAGE", "WHEEL", "CaseServer", "make_case", "run_server", "wheel_bytes"]

WHEEL = "a-1.0-py3-none-any.whl"
PAGE, FILE = "/simple/a/", f"/files/{WHEEL}"
JSON = "application/vnd.pypi.simple.v1+json"
LOOPBACK = "127.0.0.1"


@cache
def wheel_bytes(version: str = "1.0", *requires: str) -> bytes:
    """Return a wheel of the project ``a``."""
    with tempfile.TemporaryDirectory() as folder:
        return make_wheel(Path(folder), "a", version, requires=requires).read_bytes()


def link(attributes: str = "", *, digest: str | None = None, name: str = WHEEL) -> str:
    """Return the link to a file, with the right digest or another fragment."""
    fragment = f"sha256={hashlib.sha256(wheel_bytes()).hexdigest()}" if digest is None else digest
    return f'<a href="/files/{name}#{fragment}" {attributes}>{name}</a>'


def html(text: str, content_type: str = "text/html") -> Reply:
    """Return a page of links."""
    return Reply(body=text.encode(), headers={"Content-Type": content_type})


def json_page(*files: object, content_type: str = JSON, **keys: object) -> Reply:
    """Return a page in JSON; the files are added to those of ``keys``."""
    page = {"meta": {"api-version": "1.0"}, "name": "a", "files": list(files), **keys}
    return Reply(body=json.dumps(page).encode(), headers={"Content-Type": content_type})


def json_file(**keys: object) -> dict[str, object]:
    """Return the entry of the wheel on a page in JSON, with other keys; None removes a key."""
    entry = {"filename": WHEEL, "url": f"/files/{WHEEL}", "hashes": {}, **keys}
    return {key: value for key, value in entry.items() if value is not None}


def redirect(target: str, status: int = 302) -> Reply:
    """Return a redirect."""
    return Reply(status=status, headers={"Location": target})


def make_case(
    name: str,
    kind: str,
    answers: Mapping[str, Reply | Answer],
    expected: Expected,
    *flags: str,
    environ: Mapping[str, str] | None = None,
    url: str = "{server}/simple",
) -> Case:
    """Return a case: the wheel of ``a`` on a server that answers some paths in another way."""

    def answer(request: Request) -> Reply:
        default = {PAGE: html(link()), FILE: Reply(body=wheel_bytes())}
        found = {**default, **answers}.get(request.path, Reply(status=404))
        return found if isinstance(found, Reply) else found(request)

    return Case(
        name,
        kind,
        lambda _: ["build", "a", "--deps", "--index-url", url, *flags],
        expected,
        tuple(
            {
                "PIP_NO_INDEX": "",
                "PIP_FIND_LINKS": "",
                "PIP_RETRIES": "0",
                "NO_PROXY": "127.0.0.1,localhost",
                **(environ or {}),
            }.items()
        ),
        serve=answer,
    )


class CaseServer:
    """A server on two names of this machine, which answers as the current case does."""

    def __init__(self, port: int) -> None:
        self.url = f"http://{LOOPBACK}:{port}"
        self.other = f"http://localhost:{port}"
        self.answer: Answer = lambda _: Reply(status=404)

    def expand(self, text: str) -> str:
        """Put the URLs of the server into a text."""
        for name, value in (("server", self.url), ("other", self.other)):
            text = text.replace("{" + name + "}", value)
        return text.replace("{host}", self.url.removeprefix("http://"))

    def reply(self, path: str, headers: Sequence[tuple[str, str]]) -> Reply:
        """Return the answer of the current case, with the URLs of the server."""
        lower = {name.lower(): value for name, value in headers}
        found = self.answer(Request(path=path, headers=lower))
        named = {name: self.expand(value) for name, value in found.headers.items()}
        return replace(found, headers=named, body=self._expand_bytes(found.body))

    def _expand_bytes(self, body: bytes) -> bytes:
        for name in ("server", "other", "host"):
            body = body.replace(b"{%s}" % name.encode(), self.expand("{" + name + "}").encode())
        return body


def _handler(server: CaseServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply = server.reply(self.path, self.headers.items())
            with contextlib.suppress(ConnectionError):
                if reply.raw is not None:
                    self.wfile.write(reply.raw)
                else:
                    self._send(reply)

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if "Content-Length" not in reply.headers:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base has it so
            pass

    return Handler


@contextlib.contextmanager
def run_server() -> Iterator[CaseServer]:
    """Run a server for the length of a block."""
    http = ThreadingHTTPServer((LOOPBACK, 0), BaseHTTPRequestHandler)
    server = CaseServer(http.server_address[1])
    http.RequestHandlerClass = _handler(server)
    with http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
