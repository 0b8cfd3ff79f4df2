"""How metadata is asked for: hashes that are demanded of a file hold whoever reads it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pool.build.job import BuildRequest, BuildResult
from pool.run.metadata import MetadataFetcher
from pool.run.selection import Selection
from pool.sources.index.file_cache import CachedFile
from tests.support.known_metadata import offered
from tests.support.makers import make_sdist

FOO = canonicalize_name("foo")
MINE, OTHER = frozenset({"sha256:1"}), frozenset({"sha256:2"})


class Crew:
    """Builds nothing, and keeps the orders."""

    def __init__(self) -> None:
        self.orders: list[BuildRequest] = []

    async def build_metadata(self, order: BuildRequest) -> str:
        self.orders.append(order)
        return "Name: foo"

    def submit(self, orders: list[BuildRequest]) -> list[None]:
        self.orders += orders
        return [None]

    async def result_of(self, _: None) -> BuildResult:
        return BuildResult(name="foo", version="1", metadata="Name: foo\nVersion: 1\n")


def finder(crew: Any, archive: Path, hashes: frozenset[str]) -> MetadataFetcher:
    async def fetch(_file: object, _job: object, demanded: frozenset[str]) -> CachedFile:
        assert demanded == hashes
        return CachedFile(path=archive, sha256="")

    fetcher: Any = SimpleNamespace(fetch=fetch)
    request: Any = SimpleNamespace(hashes={FOO: hashes}, config_settings=lambda _: {"k": "v"})
    return MetadataFetcher(
        fetcher=fetcher,
        executor=ThreadPoolExecutor(1),
        service=crew,
        request=request,
        selection=Selection(),
        isolates=lambda _: True,
    )


def test_a_backend_is_asked_only_in_the_file_that_is_demanded(tmp_path: Path) -> None:
    crew, sdist = Crew(), make_sdist(tmp_path, "foo")
    asyncio.run(finder(crew, sdist, MINE).metadata(offered(sdist.name)))
    (order,) = crew.orders
    assert (order.purpose, order.hashes, order.config_settings) == ("metadata", MINE, {"k": "v"})


def test_what_a_requirement_points_at_has_the_hashes_of_both(tmp_path: Path) -> None:
    crew, digest = Crew(), "1" * 64
    pointing = Requirement(f"foo @ https://x.test/foo-1.zip#sha256={digest}")
    for demanded in (frozenset[str](), OTHER, frozenset({f"sha256:{digest}"}) | OTHER):
        asyncio.run(finder(crew, tmp_path, demanded).direct(pointing))
    mine = frozenset({f"sha256:{digest}"})
    assert [order.hashes for order in crew.orders] == [mine, OTHER, mine]
