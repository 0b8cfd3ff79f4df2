"""The time that a server may take: it must not hold a run by sending a byte a second.

The timeout of a connection ends the silence of a server. This limits the time of a whole page, and
the time in which a download gets nothing further. It knows no HTTP client.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pool.common.errors import PackageIndexError
from pool.common.redaction import redact_urls
from pool.sources.index.download import ResponseMismatchError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pool.common.clock import Clock

__all__ = ["extend_while_sending", "limit_time"]

SLOW_BYTES = 64 << 10
"""Bytes that a download must get within the limit, to go on."""


@asynccontextmanager
async def limit_time(
    seconds: float, url: str, unfinished: str, clock: Clock
) -> AsyncIterator[asyncio.Timeout]:
    """Limit the time of a block.

    Args:
        seconds: after which the block is cancelled.
        url: what is requested.
        unfinished: what has not happened by then, for the message.
        clock: a time without those in which this process was stopped.

    Raises:
        PackageIndexError: the time is over.
        ResponseMismatchError: it is over because this process was stopped meanwhile; another
            attempt may succeed.
    """
    start = clock.monotonic()
    try:
        async with asyncio.timeout(seconds) as limit:
            yield limit
    except TimeoutError as problem:
        if not limit.expired():
            raise
        if clock.monotonic() - start < seconds / 2:
            raise ResponseMismatchError("the process was stopped") from problem
        raise PackageIndexError(
            f"{redact_urls(url)}: the server sends too slowly: {unfinished} in {seconds:g} s",
            hint="a larger timeout of pip (PIP_TIMEOUT) gives servers more time",
            unreachable=True,
        ) from problem


async def extend_while_sending(
    chunks: AsyncIterator[bytes], limit: asyncio.Timeout, seconds: float
) -> AsyncIterator[bytes]:
    """Yield chunks; each `SLOW_BYTES` start the time of the limit anew."""
    received = 0
    async for chunk in chunks:
        received += len(chunk)
        if received >= SLOW_BYTES:
            received = 0
            limit.reschedule(asyncio.get_running_loop().time() + seconds)
        yield chunk
