"""Pages of indexes: odd ones that are read, and hostile ones that neither hang nor lead astray."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.corpus.case import Case, Expected, built, failed
from tests.support.makers import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

A = "a-1.0-py3-none-any.whl"
HREF = "../../files/a-1.0-py3-none-any.whl"


def _page(text: str, *flags: str) -> Callable[[Path], list[str]]:
    """Return a maker of an index with this page of the project ``a`` and one wheel."""

    def make(folder: Path) -> list[str]:
        make_wheel(folder / "index" / "files", "a")
        page = folder / "index" / "simple" / "a" / "index.html"
        page.parent.mkdir(parents=True)
        page.write_bytes(text.encode("utf-8", "surrogateescape"))
        index = (folder / "index" / "simple").as_uri()
        return ["build", "a", "--deps", "--index-url", index, *flags]

    return make


LINK = f"<a href='{HREF}'>x</a>"
READ = {
    "plain": LINK,
    "no-quotes": f"<a href={HREF}>x</a>",
    "upper-case": f'<A HREF="{HREF}">x</A>',
    "line-breaks": f"<a\n\thref = '{HREF}'\n>x",
    "never-closed": f"<html><body><p>{LINK}",
    "doctype": f"<!DOCTYPE html><?xml version='1'?>{LINK}",
    "comment-before": f"<!-- <a href=nowhere-1.whl> -->{LINK}",
    "empty-comment": f"<!-->{LINK}",
    "script-before": f"<script>'<a href=x'</script>{LINK}",
    "style-before": f"<style>a > b {{}}</style>{LINK}",
    "title-before": f"<title>1 < 2</title>{LINK}",
    "bare-less-than": f"1 < 2 << 3 {LINK}",
    "entities": "<a href='..&#47;..&sol;files/a-1.0-py3-none-any.whl'>x",
    "percent": "<a href='../../files/a-1%2E0-py3-none-any.whl'>x",
    "query": f"<a href='{HREF}?x=1&amp;y=2'>x",
    "empty-fragment": f"<a href='{HREF}#'>x",
    "unknown-fragment": f"<a href='{HREF}#egg=a'>x",
    "unknown-hash": f"<a href='{HREF}#sha3=1'>x",
    "base": "<base href='../../files/'><a href='a-1.0-py3-none-any.whl'>x",
    "base-twice": "<base href='../../files/'><base href='http://x/'><a href='a-1.0-py3-none-any.whl'>",
    "base-invalid": f"<base href='http://[::1'>{LINK}",
    "byte-order-mark": f"\ufeff{LINK}",
    "latin-1": f"<p>J\udcf6rg</p>{LINK}",
    "nul": f"\0{LINK}",
    "link-twice": LINK * 2,
    "many-attributes": f"<a {'x ' * 100}>{LINK}",
    "yanked-reason": LINK + "<a href='a-2.0-py3-none-any.whl' data-yanked='x'>y",
    "other-projects": f"<a href='b-1.0-py3-none-any.whl'>b</a>{LINK}",
    "egg": f"<a href='a-9-py3.11.egg'>x</a>{LINK}",
    "exe": f"<a href='a-9.win32.exe'>x</a>{LINK}",
    "version-1": f"<meta name='pypi:repository-version' content='1.3'>{LINK}",
    "python-old-spelling": f"<a href='{HREF}' data-requires-python='&gt;=3.6.*'>x",
    "python-unreadable-newer": f"<a href='a-2.0-py3-none-any.whl' data-requires-python='three'>x{LINK}",
    "python-long-newer": "<a href='a-2.0-py3-none-any.whl' data-requires-python='>="
    + "9" * 5000
    + f"'>x</a>{LINK}",
    "metadata-missing": f"<a href='{HREF}' data-core-metadata='true'>x",
    "metadata-odd": f"<a href='{HREF}' data-core-metadata='sha256'>x",
}
LEFT_OUT = {
    "long-version": f"<a href='a-{'9' * 5000}-py3-none-any.whl'>",
    "long-version-sdist": f"<a href='a-{'9' * 5000}.tar.gz'>",
    "long-name": f"<a href='a-9-py3-none-{'x' * 300}.whl'>",
    "escape": "<a href='a-9-py3-none-any%1b%5b31m.whl'>",
    "newline": "<a href='a-9-py3-none-any%0a.whl'>",
    "nul": "<a href='a-9%00-py3-none-any.whl'>",
    "right-to-left": "<a href='a-9-py3-none-any%E2%80%AE.whl'>",
    "slash": "<a href='a-9-py3-none-any%2F..%2Fx.whl'>",
    "ftp": "<a href='ftp://127.0.0.1/a-9-py3-none-any.whl'>",
    "javascript": "<a href='javascript:/a-9-py3-none-any.whl'>",
    "data": "<a href='data:,/a-9-py3-none-any.whl'>",
    "no-url": "<a href='http://[::1/a-9-py3-none-any.whl'>",
    "host-of-spaces": "<a href='h ttp://x/a-9-py3-none-any.whl\x1b'>",
    "number-entity": "<a href='a-9-py3-none-any.whl&#" + "9" * 5000 + ";'>",
    "word-version": "<a href='a-latest-py3-none-any.whl'>",
    "no-tags": "<a href='a-9.whl'>",
    "odd-tags": "<a href='a-9-x-y.whl'>",
    "empty-link": "<a href=''><a href><a>",
    "long-value": f"<a href='{'x' * 100_000}/a-9-py3-none-any.whl'>",
    "in-comment": "<!-- <a href='a-9-py3-none-any.whl'> -->",
    "in-script": "<script><a href='a-9-py3-none-any.whl'></script>",
}
HOSTILE = {
    "end-tags": "</" * 300_000,
    "comments": "<!--" * 150_000,
    "declarations": "<!" * 300_000,
    "instructions": "<?" * 300_000,
    "open-tags": "<a " * 200_000,
    "open-quotes": "<a x='" * 100_000,
    "mixed-quotes": "<a x=\"'" * 100_000,
    "equals": "<a =" * 150_000,
    "slashes": "<a " + "/" * 600_000,
    "spaces": "<a " + " " * 600_000,
    "scripts": "<script>" * 75_000,
    "less-than": "<" * 600_000,
    "ampersands": "<a href='" + "&" * 16_000 + "'>",
    "empty": "",
    "binary": "".join(map(chr, range(128))) * 100,
}


def _pipe(folder: Path) -> list[str]:
    links = folder / "links"
    make_wheel(links, "a")
    os.mkfifo(links / "a-9.0-py3-none-any.whl")
    return ["build", "a", "--deps", "--no-index", "--find-links", "links"]


def _pipe_page(folder: Path) -> list[str]:
    arguments = _page("")(folder)
    page = folder / "index" / "simple" / "a" / "index.html"
    page.unlink()
    os.mkfifo(page)
    return arguments


def _device_page(folder: Path) -> list[str]:
    arguments = _page("")(folder)
    page = folder / "index" / "simple" / "a" / "index.html"
    page.unlink()
    page.symlink_to("/dev/zero")
    return arguments


def _damaged(folder: Path) -> list[str]:
    return _page(f"<a href='{HREF}#sha256={'0' * 64}'>x")(folder)


def _without_wheel(folder: Path) -> list[str]:
    arguments = _page(LINK)(folder)
    (folder / "index" / "files" / A).unlink()
    return arguments


NOTHING = Expected(1, (), ())
DEAD = ("--extra-index-url", "http://127.0.0.1:1/simple")

_CASES = [
    *(Case(f"page-{name}", "E1", _page(text), built(A)) for name, text in READ.items()),
    *(
        Case(f"link-{name}", "E2", _page(f"{text}9</a>{LINK}"), built(A))
        for name, text in LEFT_OUT.items()
    ),
    *(
        Case(f"only-link-{name}", "E2", _page(text), failed("no project of that name was found"))
        for name, text in LEFT_OUT.items()
        if name in ("escape", "ftp", "long-version", "no-url")
    ),
    *(Case(f"hostile-{name}", "E1", _page(text), NOTHING) for name, text in HOSTILE.items()),
    Case("pipe-in-find-links", "E6", _pipe, built(A)),
    Case("pipe-for-a-page", "E6", _pipe_page, failed("not a regular file")),
    Case("device-for-a-page", "E6", _device_page, failed("not a regular file")),
    Case("wrong-digest", "E8", _damaged, failed("its sha256 is")),
    Case("file-not-there", "E8", _without_wheel, failed("listed by its index, but not there")),
    Case(
        "later-version-of-the-api",
        "E2",
        _page("<meta name='pypi:repository-version' content='2.0'>"),
        failed("has version 2.0 of the Simple API"),
    ),
    Case(
        "one-index-unreachable",
        "B8",
        _page(LINK, *DEAD),
        built(A, words=("127.0.0.1:1/simple/a/: cannot be reached",)),
        (("PIP_RETRIES", "0"),),
    ),
    Case(
        "unknown-and-one-index-unreachable",
        "B8",
        _page("", *DEAD),
        failed("127.0.0.1:1/simple/a/: cannot be reached"),
        (("PIP_RETRIES", "0"),),
    ),
    Case(
        "proxy-down",
        "D",
        lambda folder: ["build", "a", "--deps", "--index-url", "http://index.test/simple"],
        failed("through the proxy http://127.0.0.1:1: it cannot be reached"),
        (("HTTP_PROXY", "http://127.0.0.1:1"),),
    ),
    *(
        Case(
            f"setting-{name}-{number}",
            "D",
            lambda folder: ["build", "a", "--deps", "--index-url", "http://index.test/simple"],
            Expected(2, (words,), ()),
            ((name, value),),
        )
        for number, (name, value, words) in enumerate(
            (
                ("ALL_PROXY", "socks5h://me:pw@127.0.0.1:9", "needs the package socksio"),
                ("ALL_PROXY", "http://[::1", "ALL_PROXY: "),
                ("ALL_PROXY", "http://p:port", "ALL_PROXY: "),
                ("HTTPS_PROXY", "quic://p", "quic is not a kind of proxy"),
                ("PIP_RETRIES", "many", "pip's retries is"),
                ("PIP_TIMEOUT", "nan", "pip's timeout is"),
                ("PIP_KEYRING_PROVIDER", "pass", "keyring provider"),
            )
        )
    ),
    Case(
        "no-proxy-with-brackets",
        "D",
        _page(LINK),
        built(A),
        (("NO_PROXY", "[::1]"), ("ALL_PROXY", "http://127.0.0.1:1")),
    ),
    *(
        Case(
            f"setting-without-effect-{name.lower().replace('_', '-')}",
            "C9",
            _page(LINK),
            built(A, words=(f"have no effect: {name}",)),
            ((name, "c.txt"),),
        )
        for name in ("PIP_BUILD_CONSTRAINT", "UV_BUILD_CONSTRAINT", "PIP_TARGET", "UV_OVERRIDE")
    ),
]

# The other cases have no index, only folders.
CASES = [replace(case, environ=(("PIP_NO_INDEX", ""), *case.environ)) for case in _CASES]
