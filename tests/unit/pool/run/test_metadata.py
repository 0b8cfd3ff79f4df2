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
from pool.sources.wheels.reader import read_wheel
from tests.support.index_files import make_index_file
from tests.support.makers import make_sdist

FOO = canonicalize_name("foo")
MINE, OTHER = frozenset({"sha256:1"}), frozenset({"sha256:2"})


class FakeService:
    """Builds nothing, and records the requests."""

    def __init__(self) -> None:
        self.requests: list[BuildRequest] = []

    async def build_metadata(self, order: BuildRequest) -> str:
        self.requests.append(order)
        return "Name: foo\nVersion: 1.0"

    def submit(self, orders: list[BuildRequest]) -> list[None]:
        self.requests += orders
        return [None]

    async def result_of(self, _: None) -> BuildResult:
        return BuildResult(name="foo", version="1", metadata="Name: foo\nVersion: 1\n")


def fetcher_of(service: Any, archive: Path, hashes: frozenset[str]) -> MetadataFetcher:
    async def fetch(_file: object, _job: object, demanded: frozenset[str]) -> CachedFile:
        assert demanded == hashes
        return CachedFile(path=archive, sha256="")

    fetcher: Any = SimpleNamespace(fetch=fetch)
    request: Any = SimpleNamespace(hashes={FOO: hashes}, config_settings=lambda _: {"k": "v"})
    return MetadataFetcher(
        fetcher=fetcher,
        executor=ThreadPoolExecutor(1),
        read_wheel=lambda wheel, _: read_wheel(wheel),
        service=service,
        request=request,
        selection=Selection(),
        isolates=lambda _: True,
    )


def test_metadata_is_built_only_from_the_required_file(tmp_path: Path) -> None:
    service, sdist = FakeService(), make_sdist(tmp_path, "foo")
    asyncio.run(fetcher_of(service, sdist, MINE).metadata(make_index_file(sdist.name)))
    (order,) = service.requests
    assert (order.purpose, order.hashes, order.config_settings) == ("metadata", MINE, {"k": "v"})


def test_a_direct_reference_has_the_hashes_of_url_and_user(tmp_path: Path) -> None:
    service, digest = FakeService(), "1" * 64
    pointing = Requirement(f"foo @ https://x.test/foo-1.zip#sha256={digest}")
    for demanded in (frozenset[str](), OTHER, frozenset({f"sha256:{digest}"}) | OTHER):
        asyncio.run(fetcher_of(service, tmp_path, demanded).direct(pointing))
    mine = frozenset({f"sha256:{digest}"})
    assert [order.hashes for order in service.requests] == [mine, OTHER, mine]
