"""Downloads that break off, that two want at once, and whose digests somebody demands."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from pool.common.errors import HashMismatchError, PackageIndexError
from pool.sources.index.file_cache import MAX_PARTIAL_AGE
from pool.sources.index.settings import DEFAULT_RETRIES
from pool.sources.index.simple_api import IndexFile
from pool.system.locks.lock_file import LockFile
from tests.support.hook_backend import wait_until
from tests.support.index_server import Client, Response, Server

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[int, int | None], None]

NAME = "thing-1.0.tar.gz"
PATH = f"/files/{NAME}"
BODY = os.urandom(1 << 20)
SHA256 = hashlib.sha256(BODY).hexdigest()
SHA512 = "sha512:" + hashlib.sha512(BODY).hexdigest()


@pytest.fixture
def file(server: Server) -> IndexFile:
    """A megabyte on the server, with its promised digest."""
    (server.root / "files").mkdir()
    (server.root / "files" / NAME).write_bytes(BODY)
    return listed(server)


def listed(server: Server, **hashes: str) -> IndexFile:
    return IndexFile(
        filename=NAME,
        project="thing",  # type: ignore[arg-type] # normalised as it is
        url=server.url + PATH,
        kind="sdist",
        version="1.0",
        hashes=hashes or {"sha256": SHA256},
    )


def partial(client: Client) -> Path:
    return client.cache / "files" / f"{SHA256}.part"


def began(client: Client, have: bytes, validator: str = "") -> None:
    """Leave behind what an earlier run had of the file."""
    partial(client).parent.mkdir(parents=True, exist_ok=True)
    partial(client).write_bytes(have)
    if validator:
        partial(client).with_suffix(".from").write_text(validator)


def leftovers(client: Client) -> list[str]:
    return [path.name for path in (client.cache / "files").iterdir() if path.is_file()]


async def fetched(client: Client, file: IndexFile, **more: frozenset[str]) -> list[int]:
    """Fetch a file, see that it is right, and return what was told of the progress."""
    told: list[int] = []
    async with client.open() as index:
        got = await index.fetch(file, lambda done, total: told.append(done), **more)
    assert got.path == client.cache / "files" / SHA256 / NAME
    assert got.path.read_bytes() == BODY
    assert got.sha256 == SHA256
    return told


async def test_an_interrupted_download_resumes_at_its_offset(
    server: Server, client: Client, file: IndexFile
) -> None:
    server.cut = 300_000
    told = await fetched(client, file)
    asked = server.requested_ranges(PATH)
    assert asked == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]
    assert told == sorted(told)
    assert told[-1] == len(BODY)
    assert client.pauses == [0.5, 0.5, 0.5], "each got further, so none was in vain"
    assert leftovers(client) == []


async def test_any_number_of_breaks_is_fine_as_long_as_each_gets_further(
    server: Server, client: Client, file: IndexFile
) -> None:
    server.cut = len(BODY) // (3 * (DEFAULT_RETRIES + 1))
    await fetched(client, file)


async def test_a_later_run_goes_on_where_an_earlier_one_gave_up(
    server: Server, client: Client, file: IndexFile
) -> None:
    server.queued[PATH] += [
        Response(body=BODY, cut=700_000),
        *[Response(status=503)] * DEFAULT_RETRIES,
    ]
    with pytest.raises(PackageIndexError, match="503"):
        await fetched(client, file)
    assert not (client.cache / "files" / SHA256).exists(), "a part must not look like the whole"
    server.requests.clear()
    told = await fetched(client, file)
    assert server.requested_ranges(PATH) == ["bytes=700000-"]
    assert told[0] > 700_000
    assert leftovers(client) == []


async def test_a_server_that_knows_no_ranges_sends_all_of_it(
    server: Server, client: Client, file: IndexFile
) -> None:
    server.ranges = False
    began(client, BODY[:1000])
    await fetched(client, file)
    assert server.requested_ranges(PATH) == ["bytes=1000-"]


async def test_a_server_that_always_breaks_off_at_one_place_is_given_up(
    server: Server, client: Client, file: IndexFile
) -> None:
    server.ranges, server.cut = False, 1000
    with pytest.raises(PackageIndexError, match="response is damaged: peer closed"):
        await fetched(client, file)
    assert len(client.pauses) == DEFAULT_RETRIES


async def test_the_rest_is_requested_only_of_the_same_file(
    server: Server, client: Client, file: IndexFile
) -> None:
    server.etags[PATH] = '"new"'
    began(client, b"of an older file", '"old"')
    await fetched(client, file)
    (_, headers), *_ = server.requests
    assert (headers["range"], headers["if-range"]) == ("bytes=16-", '"old"')
    assert len(server.requests) == 1


async def test_the_etag_is_stored_with_the_part(
    server: Server, client: Client, file: IndexFile
) -> None:
    server.etags[PATH], server.cut = '"this"', 600_000
    await fetched(client, file)
    assert server.requests[1][1]["if-range"] == '"this"'
    assert leftovers(client) == []


async def test_a_weak_name_does_not_serve_for_ranges_but_a_date_does(
    server: Server, client: Client, file: IndexFile
) -> None:
    date = "Thu, 01 Jan 2026 00:00:09 GMT"
    said = {"ETag": 'W/"this"', "Last-Modified": date}
    server.queued[PATH] += [Response(body=BODY, headers=said, cut=1000)]
    await fetched(client, file)
    assert server.requests[1][1]["if-range"] == date


async def test_a_part_that_was_wrong_is_thrown_away_and_all_of_it_fetched(
    server: Server, client: Client, file: IndexFile
) -> None:
    began(client, b"x" * 1000)
    await fetched(client, file)
    assert server.requested_ranges(PATH) == ["bytes=1000-", None]


@pytest.mark.parametrize("have", [BODY, BODY + b"more"])
async def test_a_part_that_is_all_of_it_or_more(
    server: Server, client: Client, file: IndexFile, have: bytes
) -> None:
    began(client, have)
    await fetched(client, file)
    assert (
        server.requested_ranges(PATH) == [f"bytes={len(have)}-", None][: 1 if have == BODY else 2]
    )


@pytest.mark.parametrize("said", ["bytes 7-9/10", "bytes x-y/z", ""])
async def test_a_range_that_was_not_requested_is_refused(
    server: Server, client: Client, file: IndexFile, said: str
) -> None:
    began(client, BODY[:1000])
    server.queued[PATH] += [Response(status=206, body=b"abc", headers={"Content-Range": said})]
    await fetched(client, file)
    assert server.requested_ranges(PATH) == ["bytes=1000-", None]


async def test_a_wrong_file_is_thrown_away(server: Server, client: Client, file: IndexFile) -> None:
    (server.root / "files" / NAME).write_bytes(b"x" * len(BODY))
    with pytest.raises(
        HashMismatchError, match=f"{NAME}: its sha256 is .* the index lists {SHA256}"
    ):
        await fetched(client, file)
    assert leftovers(client) == []


async def test_all_promises_have_to_come_true(server: Server, client: Client) -> None:
    (server.root / "files").mkdir()
    (server.root / "files" / NAME).write_bytes(BODY)
    good = {name: hashlib.new(name, BODY).hexdigest() for name in ("md5", "sha384", "sha256")}
    for bad in ("md5", "sha384"):
        with pytest.raises(HashMismatchError, match=f"its {bad} is"):
            await fetched(client, listed(server, **good | {bad: "0"}))
    await fetched(client, listed(server, **good, shake_128="00", unheard_of="00"))


async def test_a_promise_that_is_no_digest_leads_nowhere(
    server: Server, client: Client, ignore_progress: Progress, file: IndexFile
) -> None:
    odd = listed(server, sha256="../../../elsewhere")
    async with client.open() as index:
        assert await index.find_cached(odd) is None
        with pytest.raises(HashMismatchError):
            await index.fetch(odd, ignore_progress)
    assert list(client.cache.rglob("*elsewhere*")) == []


async def test_one_of_the_demanded_digests_is_enough(
    server: Server, client: Client, file: IndexFile
) -> None:
    wrong = "sha256:" + "0" * 64
    for demanded in ({f"sha256:{SHA256}", wrong}, {SHA512}, {SHA512, wrong}):
        await fetched(client, file, required_hashes=frozenset(demanded))
    assert server.count_requests(PATH) == 1, "what is here is read again, not fetched again"


async def test_a_mismatch_is_reported_with_both_digests(
    server: Server, client: Client, file: IndexFile
) -> None:
    wrong = "sha512:" + "0" * 128
    with pytest.raises(HashMismatchError) as caught:
        await fetched(client, file, required_hashes=frozenset({wrong}))
    assert str(caught.value) == f"{NAME}: it has {SHA512}, but one of these is required: {wrong}"
    assert leftovers(client) == []


async def test_a_promise_that_rules_the_demand_out_costs_no_download(
    server: Server, client: Client, file: IndexFile
) -> None:
    demanded = frozenset({"sha256:" + "0" * 64})
    with pytest.raises(
        HashMismatchError, match=f"it has sha256:{SHA256}, but one of these is required: sha256:0"
    ):
        await fetched(client, file, required_hashes=demanded)
    assert server.requests == []
    await fetched(client, file)
    async with client.open() as index:
        assert await index.find_cached(file) is not None
        assert await index.find_cached(file, demanded) is None


async def test_a_required_digest_names_a_file_without_a_published_one(
    server: Server, client: Client, file: IndexFile
) -> None:
    began(client, BODY[:1000])
    demanded = frozenset({f"sha256:{SHA256}"})
    await fetched(
        client, listed(server, md5=hashlib.md5(BODY).hexdigest()), required_hashes=demanded
    )
    assert server.requested_ranges(PATH) == ["bytes=1000-"]
    async with client.open() as index:
        assert await index.find_cached(listed(server, md5="x"), demanded) is not None


# Two at once


async def test_two_clients_that_want_one_file_fetch_it_once(
    server: Server, client: Client, file: IndexFile
) -> None:
    other = Client(client.cache)
    await asyncio.gather(*(fetched(one, file) for one in (client, other, client, other)))
    assert server.count_requests(PATH) == 1
    assert leftovers(client) == []


async def test_a_waiter_resumes_where_the_first_download_stopped(
    server: Server, client: Client, file: IndexFile
) -> None:
    gate = threading.Event()
    server.queued[PATH] += [Response(body=BODY, cut=500_000, gate=gate)]
    server.queued[PATH] += [Response(status=403)]
    first = asyncio.ensure_future(fetched(client, file))
    await wait_until(lambda: server.requests, "the first asks")
    second = asyncio.ensure_future(fetched(Client(client.cache), file))
    for _ in range(5):
        await asyncio.sleep(0)
    gate.set()
    with pytest.raises(PackageIndexError, match="403"):
        await first
    await second
    assert server.requested_ranges(PATH) == [None, "bytes=500000-", "bytes=500000-"]


async def test_a_waiter_can_be_cancelled(server: Server, client: Client, file: IndexFile) -> None:
    began(client, BODY[:1000])
    theirs = LockFile(partial(client))
    assert theirs.lock()
    task = asyncio.ensure_future(fetched(client, file))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    theirs.close()
    assert server.requests == []
    assert partial(client).read_bytes() == BODY[:1000]


async def test_a_cancelled_download_is_resumed(
    server: Server, client: Client, file: IndexFile
) -> None:
    async with client.open() as index:

        def cancel(done: int, total: int | None) -> None:
            if done > 500_000:
                task.cancel()

        task = asyncio.ensure_future(index.fetch(file, cancel))
        with pytest.raises(asyncio.CancelledError):
            await task
    have = partial(client).stat().st_size
    assert have > 500_000
    server.requests.clear()
    await fetched(client, file)
    assert server.requested_ranges(PATH) == [f"bytes={have}-"]


WRITER = """
import asyncio, sys
from pathlib import Path
from tests.support.index_server import Client
from pool.sources.index.simple_api import IndexFile

async def main():
    cache, url, sha256, name = sys.argv[1:]
    file = IndexFile(filename=name, project="thing", url=url, kind="sdist", version="1.0",
                     hashes={"sha256": sha256})
    def tell(done, total):
        print(done, flush=True)
    async with Client(Path(cache)).open() as index:
        await index.fetch(file, tell)

asyncio.run(main())
"""


async def test_a_waiter_takes_over_from_a_killed_writer(
    server: Server, client: Client, file: IndexFile
) -> None:
    gate = threading.Event()
    whole = {"Content-Length": str(len(BODY))}
    server.queued[PATH] += [Response(body=BODY[:400_000], headers=whole, after=gate)]
    arguments = [str(client.cache), file.url, SHA256, NAME]
    writer = subprocess.Popen([sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None
        while int(writer.stdout.readline()) < 400_000:
            pass
        waiter = asyncio.ensure_future(fetched(client, file))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiter.done()
        assert len(server.requests) == 1
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        gate.set()
    await waiter
    assert server.requested_ranges(PATH) == [None, "bytes=400000-"]


async def test_old_parts_are_removed_unless_a_process_writes_to_them(
    server: Server, client: Client, file: IndexFile
) -> None:
    folder = client.cache / "files"
    folder.mkdir(parents=True)
    now = client.clock.now().timestamp()
    for name, age in {
        "old.part": MAX_PARTIAL_AGE + 1,
        "old.from": MAX_PARTIAL_AGE + 1,
        ".new-old": MAX_PARTIAL_AGE + 1,
        "held.part": MAX_PARTIAL_AGE + 1,
        "young.part": MAX_PARTIAL_AGE - 1,
    }.items():
        (folder / name).touch()
        os.utime(folder / name, (now - age, now - age))
    theirs = LockFile(folder / "held.part")
    assert theirs.lock()
    await fetched(client, file)
    theirs.close()
    assert sorted(leftovers(client)) == ["held.part", "young.part"]


async def test_more_downloads_go_on_at_once_than_a_small_pool_has_connections(
    server: Server, client: Client, ignore_progress: Progress
) -> None:
    gate = threading.Event()
    (server.root / "files").mkdir()
    files = []
    for number in range(80):
        name = f"thing-{number}.tar.gz"
        server.queued[f"/files/{name}"] += [Response(body=b"x", gate=gate)]
        url = f"{server.url}/files/{name}"
        files.append(
            IndexFile(filename=name, project="thing", url=url, kind="sdist", version=str(number))  # type: ignore[arg-type] # normalised as it is
        )
    async with client.open() as index:
        tasks = [asyncio.ensure_future(index.fetch(one, ignore_progress)) for one in files]
        await wait_until(lambda: server.most_at_once == 80, "all are answered at once")
        gate.set()
        await asyncio.gather(*tasks)


# URLs


async def test_a_url_is_fetched_once_and_then_revalidated(
    server: Server, client: Client, file: IndexFile, ignore_progress: Progress
) -> None:
    server.etags[PATH] = '"one"'
    async with client.open() as index:
        first = await index.fetch_url(file.url, on_progress=ignore_progress)
        assert first.path.read_bytes() == BODY
        assert await index.fetch_url(file.url, on_progress=ignore_progress) == first
        assert server.requests[-1][1]["if-none-match"] == '"one"'
        server.etags[PATH] = '"two"'
        (server.root / "files" / NAME).write_bytes(b"new")
        second = await index.fetch_url(file.url, on_progress=ignore_progress)
        assert second.path.read_bytes() == b"new"
        assert first.path.exists()


async def test_a_url_without_etag_is_fetched_each_time(
    server: Server, client: Client, file: IndexFile, ignore_progress: Progress
) -> None:
    async with client.open() as index:
        for _ in range(2):
            await index.fetch_url(file.url, on_progress=ignore_progress)
    assert server.count_requests(PATH) == 2


async def test_a_url_with_a_demanded_digest_is_fetched_once_and_resumed(
    server: Server, client: Client, file: IndexFile, ignore_progress: Progress
) -> None:
    began(client, BODY[:1000])
    demanded = frozenset({f"sha256:{SHA256}"})
    async with client.open() as index:
        for _ in range(2):
            got = await index.fetch_url(
                file.url, on_progress=ignore_progress, required_hashes=demanded
            )
            assert got.path.read_bytes() == BODY
        with pytest.raises(HashMismatchError, match="but one of these is required: sha256:00"):
            await index.fetch_url(
                file.url,
                on_progress=ignore_progress,
                required_hashes=frozenset({"sha256:" + "0" * 64}),
            )
    assert server.requested_ranges(PATH) == ["bytes=1000-", None]


async def test_a_cached_url_must_have_the_required_digest(
    server: Server, client: Client, file: IndexFile, ignore_progress: Progress
) -> None:
    server.etags[PATH] = '"one"'
    async with client.open() as index:
        await index.fetch_url(file.url, on_progress=ignore_progress)
        await index.fetch_url(
            file.url, on_progress=ignore_progress, required_hashes=frozenset({SHA512})
        )
        wrong = frozenset({"sha512:00"})
        with pytest.raises(HashMismatchError):
            await index.fetch_url(file.url, on_progress=ignore_progress, required_hashes=wrong)


@pytest.mark.parametrize(
    ("path", "disposition", "name"),
    [
        ("/archive/thing-1.0.zip?token=a/b", "", "thing-1.0.zip"),
        ("/download/7", 'attachment; filename="thing-1.0.tar.gz"', "thing-1.0.tar.gz"),
        ("/download/7", 'attachment; filename="../../etc/thing-1.0.zip"', "thing-1.0.zip"),
        ("/download/7", "attachment; filename*=UTF-8''a%2Fb-1.zip", "b-1.zip"),
        ("/download/7", "attachment", "7"),
        ("/download/a%2F..%2Fthing-1.zip", "", "thing-1.zip"),
        ("/", "", "download"),
    ],
)
async def test_the_name_is_that_of_the_url_or_the_servers(
    server: Server, client: Client, path: str, disposition: str, name: str
) -> None:
    def silent(done: int, total: int | None) -> None:
        pass

    headers = {"Content-Disposition": disposition} if disposition else {}
    server.queued[path] += [Response(body=b"x", headers=headers)]
    demanded = frozenset({"sha256:" + hashlib.sha256(b"x").hexdigest()})
    async with client.open() as index:
        got = await index.fetch_url(server.url + path, on_progress=silent, required_hashes=demanded)
        assert got.path.name == name
        again = await index.fetch_url(
            server.url + path, on_progress=silent, required_hashes=demanded
        )
        assert again == got, "the digest is enough to find it"


async def test_a_file_url_is_taken_where_it_is(
    server: Server, client: Client, file: IndexFile, ignore_progress: Progress
) -> None:
    path = server.root / "files" / NAME
    async with client.open() as index:
        got = await index.fetch_url(
            path.as_uri(), on_progress=ignore_progress, required_hashes=frozenset({SHA512})
        )
        assert got.path == path
        with pytest.raises(HashMismatchError):
            await index.fetch_url(
                path.as_uri(), on_progress=ignore_progress, required_hashes=frozenset({"sha256:00"})
            )
        with pytest.raises(PackageIndexError, match="none: no such file"):
            await index.fetch_url((path / "none").as_uri(), on_progress=ignore_progress)


async def test_a_part_of_another_user_is_left_alone(
    server: Server, client: Client, file: IndexFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    began(client, BODY[:1000])
    monkeypatch.setattr("pool.sources.index.file_cache._writable", lambda fd: False)
    await fetched(client, file)
    assert partial(client).read_bytes() == BODY[:1000]
    with suppress(FileNotFoundError):
        partial(client).unlink()


def cached(client: Client) -> Path:
    return client.cache / "files" / SHA256 / NAME


@pytest.mark.parametrize("damaged", [BODY[:-1] + b"x", BODY[:1000], b""])
async def test_find_cached_damaged_file_is_removed_and_fetched_again(
    server: Server, client: Client, file: IndexFile, damaged: bytes
) -> None:
    await fetched(client, file)
    cached(client).write_bytes(damaged)
    notes: list[str] = []
    async with client.open() as index:
        index.add_listener(notes.append)
        assert await index.find_cached(file) is None
    await fetched(client, file)
    assert server.count_requests(PATH) == 2
    assert notes == [
        f"{cached(client)}: the cached file is damaged; it is removed and fetched again"
    ]


async def test_find_cached_unchanged_file_is_not_hashed_again(
    server: Server, client: Client, file: IndexFile
) -> None:
    await fetched(client, file)
    before = cached(client).stat()
    with cached(client).open("r+b") as damaged:
        damaged.write(b"other")
    os.utime(cached(client), ns=(before.st_atime_ns, before.st_mtime_ns))
    async with client.open() as index:
        assert await index.find_cached(file) is not None
    (client.cache / "files" / SHA256 / ".checked").unlink()
    async with client.open() as index:
        assert await index.find_cached(file) is None


async def test_find_cached_pipe_is_not_opened(
    server: Server, client: Client, file: IndexFile
) -> None:
    cached(client).parent.mkdir(parents=True)
    os.mkfifo(cached(client))
    async with client.open() as index:
        assert await index.find_cached(file) is None


async def test_fetch_url_damaged_file_is_fetched_again(
    server: Server, client: Client, file: IndexFile, ignore_progress: Progress
) -> None:
    server.etags[PATH] = '"1"'
    for content in (BODY, BODY[:100]):
        async with client.open() as index:
            found = await index.fetch_url(server.url + PATH, on_progress=ignore_progress)
        assert found.path.read_bytes() == BODY
        found.path.write_bytes(content)
    async with client.open() as index:
        found = await index.fetch_url(server.url + PATH, on_progress=ignore_progress)
    assert found.path.read_bytes() == BODY


async def test_fetch_more_than_the_listed_size_is_refused(
    server: Server, client: Client, file: IndexFile
) -> None:
    server.queued[PATH] += [Response(body=b"x" * (3 << 20))]
    small = msgspec.structs.replace(file, size=1000)
    async with client.open() as index:
        with pytest.raises(PackageIndexError, match="sends more than 1,050,576 bytes"):
            await index.fetch(small, lambda done, total: None)
    assert leftovers(client) == []
