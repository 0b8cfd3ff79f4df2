"""Requirement files that lie on a server, read before a run has begun."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pool.common.clock import SystemClock
from pool.common.errors import PackageIndexError
from pool.common.redaction import redact_urls
from pool.requirements.pip_config import index_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["text_fetcher"]


def text_fetcher(environ: Mapping[str, str]) -> Callable[[str], str]:
    """Return what gets the text behind a URL, with the proxies and certificates of the indexes."""

    def fetch(url: str) -> str:
        return asyncio.run(_fetched(url, environ))

    return fetch


async def _fetched(url: str, environ: Mapping[str, str]) -> str:
    # 70 ms, paid by those who name such a file.
    from pool.sources.index.http import ABSENT, HttpClient  # noqa: PLC0415

    web = HttpClient(index_settings(environ), clock=SystemClock(), sleep=asyncio.sleep)
    try:
        answer = await web.get(url, {"Accept": "text/plain, */*;q=0.5"})
    finally:
        await web.aclose()
    if answer.status_code in ABSENT:
        raise PackageIndexError(f"{redact_urls(url)}: there is no such file on the server")
    return str(answer.text)
