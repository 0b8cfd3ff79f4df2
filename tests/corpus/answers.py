"""Answers of servers: redirects, refusals, and responses that are not valid HTTP."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

from tests.corpus.case import Reply, built, failed
from tests.corpus.http_server import (
    FILE,
    PAGE,
    WHEEL,
    html,
    link,
    make_case,
    redirect,
    wheel_bytes,
)

if TYPE_CHECKING:
    from tests.corpus.case import Answer, Case, Expected, Request

BUILT = built(WHEEL)
AGAIN = "redirects again and again"
INVALID = failed("response is damaged")


def _chain(length: int) -> dict[str, Reply]:
    """Return so many redirects, of which the last leads to the page."""
    steps = {f"/{number}/": redirect(f"/{number - 1}/") for number in range(1, length)}
    return {PAGE: redirect(f"/{length - 1}/"), **steps, "/0/": html(link())}


def _without_login(request: Request) -> Reply:
    """Answer only requests that have no login."""
    if "authorization" in request.headers:
        return Reply(status=500)
    return Reply(body=wheel_bytes()) if request.path == FILE else html(link())


def _with_login(request: Request) -> Reply:
    if "authorization" in request.headers:
        return html(link())
    return Reply(status=401, headers={"WWW-Authenticate": "Basic"})


REDIRECTS: dict[str, tuple[dict[str, Reply | Answer], Expected]] = {
    "301": ({PAGE: redirect("/x/", 301), "/x/": html(link())}, BUILT),
    "303": ({PAGE: redirect("/x/", 303), "/x/": html(link())}, BUILT),
    "307": ({PAGE: redirect("/x/", 307), "/x/": html(link())}, BUILT),
    "308": ({PAGE: redirect("/x/", 308), "/x/": html(link())}, BUILT),
    "relative": ({PAGE: redirect("../b/"), "/simple/b/": html(link())}, BUILT),
    "without-a-scheme": ({PAGE: redirect("//{host}/x/"), "/x/": html(link())}, BUILT),
    "only-a-query": ({PAGE: redirect("?x"), f"{PAGE}?x": html(link())}, BUILT),
    "with-a-fragment": ({PAGE: redirect("/x/#y"), "/x/": html(link())}, BUILT),
    "with-spaces": ({PAGE: redirect("/x y/"), "/x%20y/": html(link())}, BUILT),
    "to-another-host": ({PAGE: redirect("{other}/x/"), "/x/": html(link())}, BUILT),
    "of-the-file": ({FILE: redirect("/x"), "/x": Reply(body=wheel_bytes())}, BUILT),
    "to-a-login-in-a-url": (
        {PAGE: redirect("http://me:secret@{host}/x/"), "/x/": _with_login},
        BUILT,
    ),
    "20-times": ({**_chain(19)}, BUILT),
    "21-times": ({**_chain(21)}, failed(AGAIN)),
    "to-itself": ({PAGE: redirect(PAGE)}, failed(AGAIN)),
    "loop": ({PAGE: redirect("/x/"), "/x/": redirect(PAGE)}, failed(AGAIN)),
    "loop-of-the-file": ({FILE: redirect(FILE)}, failed(AGAIN)),
    "longer-each-time": (
        {PAGE: redirect("/x/"), "/x/": redirect("/x/x/"), "/x/x/": redirect("/x/")},
        failed(AGAIN),
    ),
    "to-a-file": ({PAGE: redirect("file:///etc/passwd")}, failed("redirects to file:")),
    "to-ftp": ({PAGE: redirect("ftp://h/x")}, failed("redirects to ftp:")),
    "to-nothing": ({PAGE: redirect("")}, failed(AGAIN)),
    "to-no-url": ({PAGE: redirect("http://[::1")}, INVALID),
    "to-no-port": ({PAGE: redirect("http://h:port/")}, INVALID),
    "to-a-huge-port": ({PAGE: redirect("http://127.0.0.1:99999/")}, failed("not a URL")),
    "to-the-same-host": ({PAGE: redirect("http:///x"), "/x": html(link())}, BUILT),
    "without-a-target": ({PAGE: Reply(status=302)}, failed("answered 302")),
    "of-many-choices": (
        {PAGE: Reply(status=300, headers={"Location": "/x/"})},
        failed("answered 300"),
    ),
}
STATUS: dict[int, Expected] = {
    204: failed("no project of that name was found"),
    304: failed("answered 304"),
    400: failed("answered 400 Bad Request"),
    401: failed("answered 401 Unauthorized", "~/.netrc"),
    402: failed("answered 402"),
    403: failed("answered 403 Forbidden", "credentials do not allow"),
    404: failed("no project of that name was found"),
    407: failed("answered 407"),
    410: failed("no project of that name was found"),
    416: failed("answered 416"),
    418: failed("answered 418"),
    429: failed("answered 429 Too Many Requests"),
    451: failed("answered 451"),
    500: failed("answered 500"),
    502: failed("answered 502"),
    503: failed("answered 503"),
    504: failed("answered 504"),
    599: failed("answered 599"),
    999: failed("answered 999"),
}
FILE_STATUS: dict[int, str] = {
    204: "its sha256 is",
    401: "answered 401",
    403: "answered 403",
    404: "answered 404",
    410: "answered 410",
    500: "answered 500",
}


def _raw(text: str, body: bytes = b"") -> bytes:
    return text.replace("\n", "\r\n").encode("latin-1") + body


OK = "HTTP/1.1 200 OK\n"
LINK = link().encode()
SIZE = len(LINK)
GZIP = gzip.compress(LINK, mtime=0)
RAW: dict[str, tuple[bytes, Expected]] = {
    "nothing": (b"", INVALID),
    "one-byte": (b"H", INVALID),
    "text": (b"hello\r\n\r\n", INVALID),
    "http-0.9": (LINK, INVALID),
    "zeros": (bytes(1000), INVALID),
    "tls": (b"\x16\x03\x01\x02\x00" + bytes(100), INVALID),
    "status-of-letters": (b"HTTP/1.1 abc OK\r\n\r\n", INVALID),
    "status-of-5000-digits": (b"HTTP/1.1 " + b"9" * 5000 + b" OK\r\n\r\n", INVALID),
    "version-9": (_raw(f"HTTP/9.9 200 OK\nContent-Length: {SIZE}\n\n", LINK), BUILT),
    "no-reason": (_raw(f"HTTP/1.1 200\nContent-Length: {SIZE}\n\n", LINK), BUILT),
    "reason-with-escapes": (b"HTTP/1.1 500 \x1b[31m\r\n\r\n", failed("answered 500")),
    "reason-not-ascii": (b"HTTP/1.1 500 Zu sp\xe4t\r\nContent-Length: 0\r\n\r\n", failed("500")),
    "line-feeds-alone": (f"HTTP/1.1 200 OK\nContent-Length: {SIZE}\n\n".encode() + LINK, BUILT),
    "no-length": (_raw(f"{OK}\n", LINK), BUILT),
    "interim-response": (_raw(f"HTTP/1.1 103 Early Hints\n\n{OK}\n", LINK), BUILT),
    "interim-responses-only": (_raw("HTTP/1.1 100 Continue\n\n" * 500), INVALID),
    "header-without-colon": (_raw(f"{OK}Header\n\n", LINK), INVALID),
    "header-without-name": (_raw(f"{OK}: x\n\n", LINK), INVALID),
    "header-with-nul": (_raw(f"{OK}X: a\0b\n\n", LINK), INVALID),
    "header-not-ascii": (_raw(f"{OK}X: \xe4\xff\n\n", LINK), BUILT),
    "header-of-200-kb": (_raw(f"{OK}X: {'x' * 200_000}\n\n", LINK), INVALID),
    "headers-10000": (_raw(OK + "X: y\n" * 10_000 + "\n", LINK), BUILT),
    "headers-without-end": (_raw(OK + "X: y\n" * 100), INVALID),
    "length-of-letters": (_raw(f"{OK}Content-Length: x\n\n", LINK), INVALID),
    "length-negative": (_raw(f"{OK}Content-Length: -1\n\n", LINK), INVALID),
    "length-of-5000-digits": (_raw(f"{OK}Content-Length: {'9' * 5000}\n\n", LINK), INVALID),
    "length-twice": (
        _raw(f"{OK}Content-Length: {SIZE}\nContent-Length: {SIZE}\n\n", LINK),
        BUILT,
    ),
    "length-twice-differing": (
        _raw(f"{OK}Content-Length: {SIZE}\nContent-Length: 1\n\n", LINK),
        INVALID,
    ),
    "length-too-large": (_raw(f"{OK}Content-Length: {SIZE + 9}\n\n", LINK), INVALID),
    "length-too-small": (
        _raw(f"{OK}Content-Length: {SIZE - 9}\n\n", LINK),
        BUILT,
    ),
    "length-0": (
        _raw(f"{OK}Content-Length: 0\n\n", LINK),
        failed("no project of that name was found"),
    ),
    "chunks": (
        _raw(f"{OK}Transfer-Encoding: chunked\n\n{SIZE:x}\n", LINK + b"\r\n0\r\n\r\n"),
        BUILT,
    ),
    "chunk-extension": (
        _raw(f"{OK}Transfer-Encoding: chunked\n\n{SIZE:x};x=y\n", LINK + b"\r\n0\r\n\r\n"),
        BUILT,
    ),
    "chunk-size-of-letters": (
        _raw(f"{OK}Transfer-Encoding: chunked\n\nxyz\n", LINK + b"\r\n0\r\n\r\n"),
        INVALID,
    ),
    "chunk-size-huge": (
        _raw(f"{OK}Transfer-Encoding: chunked\n\n{'f' * 100}\n", LINK),
        INVALID,
    ),
    "chunk-size-too-small": (
        _raw(f"{OK}Transfer-Encoding: chunked\n\n5\n", LINK + b"\r\n0\r\n\r\n"),
        INVALID,
    ),
    "chunks-without-end": (
        _raw(f"{OK}Transfer-Encoding: chunked\n\n{SIZE:x}\n", LINK + b"\r\n"),
        INVALID,
    ),
    "transfer-encoding-unknown": (_raw(f"{OK}Transfer-Encoding: rot13\n\n", LINK), INVALID),
    "set-cookie": (_raw(f"{OK}Set-Cookie: x=y; Expires=never\n\n", LINK), BUILT),
}
DAMAGED = "cannot be decompressed"
ENCODED: dict[str, tuple[str, bytes, Expected]] = {
    "gzip": ("gzip", GZIP, BUILT),
    "gzip-upper-case": ("GZIP", GZIP, BUILT),
    "x-gzip": ("x-gzip", GZIP, BUILT),
    "deflate": ("deflate", zlib.compress(LINK), BUILT),
    "deflate-bare": ("deflate", zlib.compress(LINK, wbits=-15), BUILT),
    "identity": ("identity", LINK, BUILT),
    "empty": ("", LINK, BUILT),
    "gzip-two-members": ("gzip", gzip.compress(b"<p>", mtime=0) + GZIP, BUILT),
    "gzip-of-an-empty-page": (
        "gzip",
        gzip.compress(b"", mtime=0),
        failed("no project of that name was found"),
    ),
    "gzip-not-compressed": ("gzip", LINK, failed(DAMAGED)),
    "gzip-truncated": ("gzip", GZIP[:-9], failed(DAMAGED)),
    "gzip-damaged": ("gzip", GZIP[:20] + b"\xff\xff" + GZIP[22:], failed(DAMAGED)),
    "gzip-wrong-checksum": ("gzip", GZIP[:-8] + bytes(4) + GZIP[-4:], failed(DAMAGED)),
    "gzip-of-100-mb": (
        "gzip",
        gzip.compress(bytes(100 << 20), 1, mtime=0),
        failed("more than 64 MB"),
    ),
    "gzip-twice": ("gzip, gzip", gzip.compress(GZIP, mtime=0), failed("was not accepted")),
    "brotli": ("br", LINK, failed("was not accepted")),
    "unknown": ("x" * 1000, LINK, failed("was not accepted")),
}
LOGIN = "http://me:secret@{host}/simple"

CASES: list[Case] = [
    *(
        make_case(f"redirect-{name}", "B8", answers, expected)
        for name, (answers, expected) in REDIRECTS.items()
    ),
    *(
        make_case(f"status-{status}", "B8", {PAGE: Reply(status=status)}, expected)
        for status, expected in STATUS.items()
    ),
    *(
        make_case(f"status-of-file-{status}", "B8", {FILE: Reply(status=status)}, failed(words))
        for status, words in FILE_STATUS.items()
    ),
    *(
        make_case(f"http-{name}", "E2", {PAGE: Reply(raw=raw)}, expected)
        for name, (raw, expected) in RAW.items()
    ),
    *(
        make_case(
            f"encoding-{name}",
            "E1",
            {PAGE: Reply(body=body, headers={"Content-Encoding": encoding})},
            expected,
        )
        for name, (encoding, body, expected) in ENCODED.items()
    ),
    make_case("login", "E9", {PAGE: _with_login}, BUILT, url=LOGIN),
    make_case(
        "login-not-sent-to-another-host",
        "E9",
        {PAGE: redirect("{other}/x/"), "/x/": _without_login},
        BUILT,
        url=LOGIN,
    ),
    make_case(
        "login-not-sent-to-another-host-for-the-file",
        "E9",
        {PAGE: html(link().replace("/files", "{other}/files")), FILE: _without_login},
        BUILT,
        url=LOGIN,
    ),
    *(
        make_case(f"index-{number}", "D", {}, failed(words), url=url)
        for number, (url, words) in enumerate(
            (
                ("http://[::1/simple", "not a URL"),
                ("http://127.0.0.1:99999/simple", "not a URL"),
                ("http://127.0.0.1:port/simple", "not a URL"),
                ("http://127.0.0.1:1/simple", "cannot be reached"),
            )
        )
    ),
    make_case("login-refused", "E9", {PAGE: Reply(status=401)}, failed("answered 401"), url=LOGIN),
]
