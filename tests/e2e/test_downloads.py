"""Downloads under their own cap, seen from the server; they go on where they broke off."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import pool
from pool.events import types as v
from tests.support.file_index import IndexServer, serve_index
from tests.support.makers import make_sdist
from tests.support.pool_runs import open_run
from tests.support.sandbox import BIN, Sandbox
from tests.support.terminal import Terminal, needs_tmux, wait_until

pytestmark = pytest.mark.slow

NAMES = [f"pkg{number}" for number in range(12)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[IndexServer]:
    """An index of twelve projects that need nothing to be built."""
    sdists = tmp_path / "sdists"
    sdists.mkdir()
    noise = {"ballast.bin": os.urandom(100_000).hex()}
    with serve_index(tmp_path / "index") as server:
        server.add_files([make_sdist(sdists, name, files=noise) for name in NAMES])
        yield server


@pytest.fixture
def online(sandbox: Sandbox, server: IndexServer) -> Sandbox:
    """The sandbox with that index instead of the folder of backends."""
    del sandbox.environ["PIP_FIND_LINKS"], sandbox.environ["PIP_NO_INDEX"]
    sandbox.environ |= {"PIP_INDEX_URL": server.index, "NO_PROXY": "127.0.0.1"}
    return sandbox


@pytest.mark.parametrize("cap", [1, 8])
def test_the_server_sees_no_more_at_once_than_the_cap(
    online: Sandbox, server: IndexServer, cap: int
) -> None:
    server.hold()
    process = online.start("build", *NAMES, "--downloads", str(cap))
    wait_until(lambda: server.sending == cap, lambda: server.requests)
    server.release()
    done = online.finish(process)
    assert done.code == 0, done.err
    assert server.most_at_once == cap
    assert sorted(name for name, _ in server.requests) == sorted(f"{n}-1.0.tar.gz" for n in NAMES)
    assert done.state.traffic.bytes > len(NAMES) * 100_000


@asynccontextmanager
async def running_all(
    root: Path, server: IndexServer, downloads: int
) -> AsyncIterator[tuple[pool.Run, pool.RunState]]:
    """Run a pool that wants all of the index."""
    environ = {"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull, "TMPDIR": str(root)}
    settings = pool.Settings(
        builds=2, downloads=downloads, installs=2, jobs=2, out_dir=root / "out",
        cache_dir=root / "cache", state_dir=root / "state", journal=root / "run.jsonl",
        index=pool.read_index_settings(environ, pool.IndexOverrides(index_url=server.index)),
        environ=environ, argv=("test",),
    )  # fmt: skip
    state = pool.RunState()

    def listen(event: v.KnownEvent) -> None:
        pool.apply(state, event)

    request = pool.Request(requirements=tuple(pool.parse_requirement(name, root) for name in NAMES))
    async with asyncio.timeout(120), open_run(settings, request, listen) as run:
        running = asyncio.create_task(run.run())
        yield run, state
        assert await running == 0


async def comes_true(condition: Callable[[], bool]) -> None:
    """Wait for what threads of the server bring about."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - no event of this loop tells of it
            await asyncio.sleep(0.01)


async def test_the_cap_is_raised_and_lowered_while_downloads_run(
    tmp_path: Path, server: IndexServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server.hold()
    async with running_all(tmp_path, server, downloads=1) as (run, state):
        await comes_true(lambda: server.sending == 1)
        run.control(pool.Resize(limit=pool.LimitName.DOWNLOADS, value=5))
        await comes_true(lambda: server.sending == 5)
        run.control(pool.Resize(limit=pool.LimitName.DOWNLOADS, by=-3))
        assert state.limits[pool.LimitName.DOWNLOADS].cap == 2
        assert server.sending == 5, "lowering ends nobody"
        server.most_at_once = 0
        server.release()
    assert server.most_at_once <= 5
    # All seven others came two by two: those of before went on until their end.
    assert len(server.requests) == len(NAMES)
    assert len(state.downloads) == 0


@needs_tmux
def test_the_palette_sets_the_cap_and_the_header_shows_it(
    online: Sandbox, server: IndexServer
) -> None:
    server.hold()
    terminal = Terminal(online.root, online.environ)
    try:
        log = ["--log", str(online.root / "run.jsonl"), "-o", str(online.out)]
        terminal.run([str(BIN / "wheelpool"), "build", *NAMES, "--downloads", "1", "--stay", *log])
        wait_until(lambda: server.sending == 1, terminal.screen)
        terminal.shows("downloads 1/1")
        terminal.type("C-p")
        terminal.shows("Search for commands")
        terminal.type("downloads 3")
        terminal.shows("downloads: set the limit to 3")
        terminal.type("Enter")
        time.sleep(0.5)
        if "downloads: set the limit to 3" in terminal.screen():
            terminal.type("Enter")
        wait_until(lambda: server.sending == 3, terminal.screen)
        terminal.shows("downloads 3/3")
        server.release()
        terminal.shows("· q quit")
        assert server.most_at_once == 3
        terminal.type("q")
        terminal.shows("12 built in")
    finally:
        terminal.close()


def test_a_download_interrupted_by_the_server_resumes(online: Sandbox, server: IndexServer) -> None:
    server.cut = 60_000
    done = online.run("build", "pkg0")
    assert done.code == 0, done.err
    ranges = [wanted for _, wanted in server.requests]
    size = (server.root / "files" / "pkg0-1.0.tar.gz").stat().st_size
    assert ranges == [None, *(f"bytes={at}-" for at in range(60_000, size, 60_000))]


def test_after_a_kill_the_next_run_fetches_only_the_rest(
    online: Sandbox, server: IndexServer
) -> None:
    server.hold()
    process = online.start("build", "pkg0")
    cache = online.root / "cache" / "wheelpool" / "files"
    size = (server.root / "files" / "pkg0-1.0.tar.gz").stat().st_size
    wait_until(lambda: any(path.stat().st_size == size // 2 for path in cache.glob("*.part")))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    server.release()
    done = online.run("build", "pkg0")
    assert done.code == 0, done.err
    assert [wanted for _, wanted in server.requests] == [None, f"bytes={size // 2}-"]


def test_a_file_that_was_replaced_on_its_way_fails_alone(
    online: Sandbox, server: IndexServer
) -> None:
    server.replaced["pkg1-1.0.tar.gz"] = b"something else"
    done = online.run("build", "pkg0", "pkg1")
    assert done.code == 1
    assert done.outcome("pkg0") is pool.Outcome.BUILT
    (bad,) = [b for b in done.state.builds.values() if b.outcome is pool.Outcome.FAILED]
    assert bad.reference == "wrong-hash"
    assert "pkg1-1.0.tar.gz" in bad.message
    assert [path.name for path in online.out.iterdir()] == ["pkg0-1.0-py3-none-any.whl"]


def test_many_processes_fetch_a_file_once(online: Sandbox, server: IndexServer) -> None:
    """The second waits for the first one's file, whoever of them comes first."""
    server.hold()
    first = online.start("build", "pkg0", "--no-cache")
    first_log = online.log
    wait_until(lambda: server.sending == 1)
    second = online.start("build", "pkg0", "--no-cache")
    wait_until(lambda: online.log.exists() and "download.started" in online.log.read_text())
    server.release()
    assert online.finish(first, first_log).code == 0
    assert online.finish(second).code == 0
    assert len(server.requests) == 1
