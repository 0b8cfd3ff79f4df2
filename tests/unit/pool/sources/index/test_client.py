"""The index client, against folders and against a server that has its moods."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import pytest

from pool.common.errors import HashMismatchError, PackageIndexError, SettingsError
from pool.sources.index.client import MAX_PAGE_AGE
from pool.sources.index.settings import DEFAULT_RETRIES
from tests.support.index_server import Client, Response, Server
from tests.support.makers import make_index, make_sdist, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Progress = Callable[[int, int | None], None]


@pytest.fixture
def made(tmp_path: Path, server: Server) -> Path:
    """An sdist and a wheel of ``thing``, on the server."""
    folder = tmp_path / "made"
    files = [make_sdist(folder, "thing", "1.0"), make_wheel(folder, "thing", "1.1")]
    make_index(server.root, files, json_pages=True)
    return folder


async def test_json_html_and_files_give_the_same(
    server: Server, client: Client, made: Path
) -> None:
    seen = []
    for json, place in ((False, server.url), (True, server.url), (False, server.root.as_uri())):
        server.json = json
        client.clock.forward(MAX_PAGE_AGE)
        async with client.open(f"{place}/simple") as index:
            files = await index.files("Thing")
            seen.append([(file.filename, file.kind, file.version, file.sha256) for file in files])
            assert all(file.url.startswith(place) for file in files)
    assert seen[0] == seen[1] == seen[2]
    assert [(name, kind) for name, kind, *_ in seen[0]] == [
        ("thing-1.0.tar.gz", "sdist"),
        ("thing-1.1-py3-none-any.whl", "wheel"),
    ]


async def test_a_path_serves_as_an_index(client: Client, made: Path, server: Server) -> None:
    async with client.open(str(server.root / "simple")) as index:
        (sdist, _) = await index.files("thing")
    assert sdist.url == (server.root / "files" / "thing-1.0.tar.gz").as_uri()


async def test_an_index_without_pages_is_read_as_folders(client: Client, tmp_path: Path) -> None:
    make_sdist(tmp_path / "index" / "thing", "thing", "1.0")
    async with client.open((tmp_path / "index").as_uri()) as index:
        assert [file.version for file in await index.files("thing")] == ["1.0"]
        assert await index.files("other") == ()


async def test_find_links_can_be_a_folder_a_page_or_a_url(
    server: Server, client: Client, made: Path
) -> None:
    page = "/simple/thing/index.html"
    for link in (str(made), made.as_uri(), str(server.root) + page, server.url + page):
        async with client.open(find_links=(link,)) as index:
            assert {file.version for file in await index.files("thing")} == {"1.0", "1.1"}
            assert await index.files("other") == ()


async def test_a_find_links_page_that_is_not_there_is_named(client: Client, tmp_path: Path) -> None:
    async with client.open(find_links=(str(tmp_path / "none.html"),)) as index:
        with pytest.raises(PackageIndexError, match=r"none\.html: no such file"):
            await index.files("thing")


async def test_all_places_are_merged_and_the_first_of_a_name_counts(
    server: Server, client: Client, made: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more"
    other = make_index(more, [make_sdist(more, "thing", "1.0"), make_sdist(more, "thing", "2.0")])
    main = f"{server.url}/simple"
    async with client.open(main, extra_index_urls=(other,)) as index:
        files = {file.filename: file.url for file in await index.files("thing")}
    assert files["thing-1.0.tar.gz"].startswith("http:")
    assert files["thing-2.0.tar.gz"].startswith("file:")
    async with client.open(main, find_links=(str(more / "files"),)) as index:
        files = {file.filename: file.url for file in await index.files("thing")}
    assert files["thing-1.0.tar.gz"].startswith("file:")


async def test_files_unknown_project_is_empty_and_requested_again(
    server: Server, client: Client
) -> None:
    async with client.open(f"{server.url}/simple/") as index:
        assert await index.files("missing") == ()
        assert await index.files("missing") == ()
    assert server.count_requests("/simple/missing/") == 2


@pytest.mark.parametrize("status", [401, 403, 503])
async def test_files_index_in_trouble_is_left_out_with_a_note(
    server: Server, client: Client, made: Path, status: int
) -> None:
    server.queued["/other/thing/"] += [Response(status=status)] * (DEFAULT_RETRIES + 1)
    urls = (f"{server.url}/simple",)
    notes: list[str] = []
    async with client.open(f"{server.url}/other", extra_index_urls=urls) as index:
        index.add_listener(notes.append)
        assert len(await index.files("thing")) == 2
    assert any(f"/other/thing/: the server answered {status}" in note for note in notes)


async def test_files_unreachable_index_is_tried_once_a_minute(
    server: Server, client: Client, made: Path
) -> None:
    async with client.open("http://127.0.0.1:1/simple", find_links=(str(made),)) as index:
        assert len(await index.files("thing")) == 2
        pauses = len(client.pauses)
        assert len(await index.files("thing")) == 2
        with pytest.raises(PackageIndexError, match="1/simple/thing/: cannot be reached"):
            await index.files("nothing")
        assert len(client.pauses) == pauses
        client.clock.forward(61)
        await index.files("thing")
    assert len(client.pauses) > pauses


async def test_files_unknown_elsewhere_names_the_index_in_trouble(
    server: Server, client: Client
) -> None:
    server.queued["/other/thing/"] += [Response(status=403)]
    urls = (f"{server.url}/simple",)
    async with client.open(f"{server.url}/other", extra_index_urls=urls) as index:
        with pytest.raises(PackageIndexError, match="/other/thing/: the server answered 403"):
            await index.files("thing")


async def test_an_old_page_is_revalidated(server: Server, client: Client, made: Path) -> None:
    path = "/simple/thing/"
    page = (server.root / "simple" / "thing" / "index.html").read_bytes()
    server.queued[path] += [Response(body=page, headers={"ETag": '"one"'}), Response(status=304)]
    async with client.open(f"{server.url}/simple") as index:
        first = await index.files("thing")
        client.clock.forward(MAX_PAGE_AGE - 1)
        await index.files("thing")
        assert server.count_requests(path) == 1
        client.clock.forward(2)
        assert await index.files("thing") == first
    assert server.count_requests(path) == 2
    assert server.requests[-1][1]["if-none-match"] == '"one"'


async def test_a_damaged_page_cache_is_as_good_as_none(
    server: Server, client: Client, made: Path
) -> None:
    async with client.open(f"{server.url}/simple") as index:
        await index.files("thing")
        for page in (client.cache / "pages-2").iterdir():
            page.write_bytes(page.read_bytes()[:-3])
        assert len(await index.files("thing")) == 2


async def test_a_file_is_fetched_once_and_is_right(
    server: Server, client: Client, made: Path
) -> None:
    told: list[tuple[int, int | None]] = []
    async with client.open(f"{server.url}/simple") as index:
        sdist = (await index.files("thing"))[0]
        assert await index.find_cached(sdist) is None
        fetched = await index.fetch(sdist, lambda done, total: told.append((done, total)))
        assert await index.find_cached(sdist) == fetched
    whole = (made / sdist.filename).read_bytes()
    assert fetched.path.read_bytes() == whole
    assert fetched.sha256 == sdist.sha256
    assert told[-1] == (len(whole), len(whole))


async def test_a_file_without_a_promise_gets_its_digest(
    server: Server, client: Client, made: Path, ignore_progress: Progress
) -> None:
    make_index(server.root, [made / "thing-1.0.tar.gz"], hashes=False)
    async with client.open(f"{server.url}/simple") as index:
        (sdist,) = await index.files("thing")
        fetched = await index.fetch(sdist, ignore_progress)
    assert fetched.sha256 == hashlib.sha256(fetched.path.read_bytes()).hexdigest()


@pytest.mark.parametrize("scheme", ["http", "file"])
async def test_a_wrong_digest_is_refused_and_nothing_is_stored(
    server: Server, client: Client, made: Path, ignore_progress: Progress, scheme: str
) -> None:
    (server.root / "files" / "thing-1.0.tar.gz").write_bytes(b"something else")
    place = server.url if scheme == "http" else server.root.as_uri()
    async with client.open(f"{place}/simple") as index:
        sdist = (await index.files("thing"))[0]
        with pytest.raises(HashMismatchError, match=r"thing-1\.0\.tar\.gz: its sha256 is"):
            await index.fetch(sdist, ignore_progress)
    assert not [path for path in client.cache.rglob("files/*") if path.is_file()]
    assert client.pauses == []


async def test_passing_trouble_is_waited_out(
    server: Server, client: Client, made: Path, ignore_progress: Progress
) -> None:
    file = "/files/thing-1.0.tar.gz"
    server.queued["/simple/thing/"] += [Response(status=500), Response(status=503)]
    server.queued[file] += [
        Response(status=429, headers={"Retry-After": "7"}),
        Response(body=b"0" * 5000, cut=100),
        Response(status=502),
    ]
    async with client.open(f"{server.url}/simple") as index:
        sdist = (await index.files("thing"))[0]
        fetched = await index.fetch(sdist, ignore_progress)
    assert fetched.path.read_bytes() == (made / sdist.filename).read_bytes()
    # The part before the break was wrong, so that the whole file was downloaded again.
    assert server.requested_ranges(file) == [None, None, "bytes=100-", "bytes=100-", None]
    assert client.pauses == [0.5, 1.0, 7.0, 0.5, 1.0, 2.0]


async def test_a_date_to_wait_for_is_understood(server: Server, client: Client, made: Path) -> None:
    date = {"Retry-After": "Thu, 01 Jan 2026 00:00:09 GMT"}
    server.queued["/simple/thing/"] += [Response(status=429, headers=date)]
    async with client.open(f"{server.url}/simple") as index:
        await index.files("thing")
    assert client.pauses == [9.0]


async def test_lasting_trouble_names_the_place(server: Server, client: Client) -> None:
    server.queued["/simple/thing/"] += [Response(status=503)] * (DEFAULT_RETRIES + 1)
    async with client.open(f"{server.url}/simple") as index:
        with pytest.raises(PackageIndexError, match=r"127\.0\.0\.1.*answered 503"):
            await index.files("thing")
    assert len(client.pauses) == DEFAULT_RETRIES


async def test_a_refusal_is_not_repeated(server: Server, client: Client) -> None:
    server.queued["/simple/thing/"] += [Response(status=403)]
    async with client.open(f"{server.url}/simple") as index:
        with pytest.raises(PackageIndexError, match="403 Forbidden") as caught:
            await index.files("thing")
    assert "credentials" in caught.value.hint
    assert client.pauses == []


async def test_a_server_that_is_not_there_is_named_without_credentials(client: Client) -> None:
    async with client.open("http://me:secret@127.0.0.1:1/simple") as index:
        with pytest.raises(PackageIndexError, match="cannot be reached") as caught:
            await index.files("thing")
    assert "127.0.0.1" in str(caught.value)
    assert "secret" not in str(caught.value) + caught.value.hint
    assert "secret" not in index.description


@pytest.mark.parametrize("url", ["htp://127.0.0.1/simple", "http://[::1/simple"])
async def test_an_invalid_url_is_reported_at_once(client: Client, url: str) -> None:
    async with client.open(url) as index:
        with pytest.raises(PackageIndexError):
            await index.files("thing")
    assert client.pauses == []


async def test_an_invalid_page_is_reported(server: Server, client: Client) -> None:
    json = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    server.queued["/simple/thing/"] += [Response(body=b'{"files": {"url": 3}}', headers=json)]
    async with client.open(f"{server.url}/simple") as index:
        with pytest.raises(PackageIndexError, match="page of thing cannot be read"):
            await index.files("thing")


async def test_a_login_serves_the_files_of_its_host_too(
    server: Server, client: Client, made: Path, ignore_progress: Progress
) -> None:
    place = server.url.replace("http://", "http://me:pass%40word@")
    async with client.open(f"{place}/simple") as index:
        files = await index.files("thing")
        assert "pass" not in files[0].url
        await index.fetch(files[0], ignore_progress)
    expected = "Basic " + base64.b64encode(b"me:pass@word").decode()
    assert [headers.get("authorization") for _, headers in server.requests] == [expected] * 2
    kept = b"".join(path.read_bytes() for path in client.cache.rglob("*") if path.is_file())
    assert b"pass%40word" not in kept


async def test_a_login_is_found_in_the_netrc_file(
    server: Server, client: Client, made: Path, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login you password hidden\n")
    async with client.open(f"{server.url}/simple", netrc=str(netrc)) as index:
        await index.files("thing")
    expected = "Basic " + base64.b64encode(b"you:hidden").decode()
    assert server.requests[0][1]["authorization"] == expected


async def test_a_broken_netrc_file_is_passed_over(
    server: Server, client: Client, made: Path, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine\nnonsense everywhere")
    async with client.open(f"{server.url}/simple", netrc=str(netrc)) as index:
        assert len(await index.files("thing")) == 2
    assert "authorization" not in server.requests[0][1]


async def test_certificates_that_are_not_there_are_named(client: Client, tmp_path: Path) -> None:
    async with client.open("https://127.0.0.1:1/simple", cert=str(tmp_path / "none.pem")) as index:
        with pytest.raises(SettingsError, match=r"none\.pem: no such file"):
            await index.files("thing")


METADATA = "/files/thing-1.1-py3-none-any.whl.metadata"


async def offered(server: Server, made: Path, client: Client, offer: str, text: str) -> str | None:
    """Return the metadata that an index gives of the wheel, which offers it like this."""
    wheel = made / "thing-1.1-py3-none-any.whl"
    attributes = {wheel.name: {"data-core-metadata": offer}}
    make_index(server.root, [wheel], attributes=attributes, json_pages=True)
    (server.root / METADATA.strip("/")).write_text(text)
    async with client.open(f"{server.url}/simple") as index:
        (file,) = await index.files("thing")
        return await index.metadata(file)


@pytest.mark.parametrize("json", [False, True])
async def test_metadata_beside_a_wheel_is_fetched_once(
    server: Server, client: Client, made: Path, *, json: bool
) -> None:
    server.json = json
    text = "Metadata-Version: 2.1\nName: Thing\nVersion: 1.1\n"
    offer = "sha256=" + hashlib.sha256(text.encode()).hexdigest()
    for _ in range(2):
        assert await offered(server, made, client, offer, text) == text
    assert server.count_requests(METADATA) == 1
    assert server.count_requests(METADATA.removesuffix(".metadata")) == 0


@pytest.mark.parametrize(
    ("offer", "text"),
    [
        ("false", "Name: thing\nVersion: 1.1\n"),
        ("sha256=" + "0" * 64, "Name: thing\nVersion: 1.1\n"),
        ("true", "<html>not found</html>"),
        ("true", "Name: other\n"),
    ],
)
async def test_metadata_that_is_none_is_left_to_the_wheel(
    server: Server, client: Client, made: Path, offer: str, text: str
) -> None:
    assert await offered(server, made, client, offer, text) is None


@pytest.mark.parametrize("status", [404, 403])
async def test_metadata_that_is_offered_but_not_there_is_left_to_the_wheel(
    server: Server, client: Client, made: Path, status: int
) -> None:
    server.queued[METADATA] += [Response(status=status, body=b"Name: thing\nVersion: 1.1\n")]
    assert await offered(server, made, client, "true", "Name: thing\nVersion: 1.1\n") is None


async def test_damaged_metadata_in_the_cache_is_fetched_again(
    server: Server, client: Client, made: Path
) -> None:
    text = "Name: thing\nVersion: 1.1\n"
    offer = "sha256=" + hashlib.sha256(text.encode()).hexdigest()
    await offered(server, made, client, offer, text)
    (kept,) = client.cache.rglob("*.metadata")
    kept.write_text(f"{text}Requires-Dist: evil\n")
    assert await offered(server, made, client, offer, text) == text


async def test_metadata_beside_a_wheel_in_a_folder_is_read_there(
    server: Server, client: Client, made: Path
) -> None:
    text = "Name: thing\nVersion: 1.1\n"
    await offered(server, made, client, "true", text)
    async with client.open((server.root / "simple").as_uri()) as index:
        (file,) = await index.files("thing")
        assert await index.metadata(file) == text
