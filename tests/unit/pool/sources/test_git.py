"""Checkouts of repositories made on the spot, by a git that has nobody to ask."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from pool.build.frontend.hooks import HookRunner
from pool.common.errors import BackendError, GitError
from pool.common.model import RunId
from pool.sources.git import Checkout, Git
from pool.system.locks.lock_file import LockFile
from tests.support.build_keys import build_key
from tests.support.child_processes import child_processes
from tests.support.hook_backend import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

QUIET = {
    "PATH": os.environ["PATH"],
    "HOME": "/nowhere",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_COUNT": "3",
    "GIT_CONFIG_KEY_0": "protocol.file.allow",
    "GIT_CONFIG_VALUE_0": "always",
    "GIT_CONFIG_KEY_1": "user.name",
    "GIT_CONFIG_VALUE_1": "me",
    "GIT_CONFIG_KEY_2": "user.email",
    "GIT_CONFIG_VALUE_2": "me@host.test",
}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=QUIET, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path, text: str) -> str:
    (folder / "file").write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "-m", text)
    return git(folder, "rev-parse", "HEAD")


def repository(folder: Path) -> Path:
    folder.mkdir()
    git(folder, "init", "-b", "main")
    commit(folder, "first")
    return folder


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with one commit on its branch main, and a tag."""
    made = repository(tmp_path / "origin")
    git(made, "tag", "-a", "v1.0", "-m", "one")
    return made


@pytest.fixture
def hooks() -> Iterator[HookRunner]:
    hooks = HookRunner(RunId("git-run"), workers=4)
    yield hooks
    hooks.close()
    assert child_processes() == [], "processes left behind, or not reaped"


class Cloner:
    """Checks out into one folder after the other."""

    def __init__(self, folder: Path, hooks: HookRunner) -> None:
        self.folder = folder
        self.hooks = hooks
        self.log = folder / "b1.log"
        self.count = 0

    async def checkout(
        self, url: object, reference: str = "", environ: Mapping[str, str] = QUIET
    ) -> Checkout:
        self.count += 1
        client = Git(self.folder / "cache", self.hooks.run, environ)
        into = self.folder / f"tree{self.count}"
        return await client.checkout(str(url), reference, into, build=build_key(), log=self.log)


@pytest.fixture
def cloner(tmp_path: Path, hooks: HookRunner) -> Cloner:
    return Cloner(tmp_path, hooks)


async def test_tags_branches_commits_and_the_head_lead_to_a_commit(
    cloner: Cloner, origin: Path
) -> None:
    first = git(origin, "rev-parse", "HEAD")
    git(origin, "checkout", "-b", "other")
    second = commit(origin, "second")
    names = {"": second, "HEAD": second, "v1.0": first, "main": first, "other": second}
    names |= {"refs/heads/main": first, first: first, second[:9]: second}
    for name, expected in names.items():
        made = await cloner.checkout(origin, name)
        assert made.commit == expected, name
        assert git(made.path, "rev-parse", "HEAD") == expected
        assert (made.path / "file").read_text() == ("first" if expected == first else "second")


async def test_plugins_can_ask_for_the_distance_to_a_tag(cloner: Cloner, origin: Path) -> None:
    commit(origin, "second")
    made = await cloner.checkout(origin, "main")
    assert git(made.path, "describe").startswith("v1.0-1-g")
    assert git(made.path, "status", "--porcelain") == ""


async def test_tags_that_name_versions_are_returned(cloner: Cloner, origin: Path) -> None:
    before = await cloner.checkout(origin, "main")
    assert before.tags.split()[0] == "refs/tags/v1.0"
    git(origin, "switch", "-c", "later")
    commit(origin, "later")
    git(origin, "tag", "v3.0")
    assert await same_tags(cloner, origin, before), "a tag of what comes later changes nothing"
    git(origin, "tag", "v2.0", before.commit)
    assert not await same_tags(cloner, origin, before)


async def same_tags(cloner: Cloner, origin: Path, before: Checkout) -> bool:
    now = await cloner.checkout(origin, "main")
    assert now.commit == before.commit
    return now.tags == before.tags


async def test_a_branch_that_moved_is_followed_even_if_it_was_rewritten(
    cloner: Cloner, origin: Path
) -> None:
    await cloner.checkout(origin, "main")
    (origin / "file").write_text("rewritten")
    git(origin, "commit", "-a", "--amend", "-m", "rewritten")
    git(origin, "tag", "-f", "v1.0")
    expected = git(origin, "rev-parse", "HEAD")
    assert (await cloner.checkout(origin, "main")).commit == expected
    assert (await cloner.checkout(origin, "v1.0")).commit == expected


async def test_a_commit_that_is_here_needs_no_network(cloner: Cloner, origin: Path) -> None:
    first = (await cloner.checkout(origin)).commit
    origin.rename(origin.with_name("gone"))
    assert (await cloner.checkout(origin, first)).commit == first
    with pytest.raises(GitError, match=r"git fetch: .*origin.* does not appear to be a git repo"):
        await cloner.checkout(origin, "main")


async def test_a_commit_outside_all_branches_is_fetched_by_its_name(
    cloner: Cloner, origin: Path
) -> None:
    hidden = commit(origin, "hidden")
    git(origin, "update-ref", "refs/pull/1/head", hidden)
    git(origin, "reset", "--hard", "HEAD~1")
    assert (await cloner.checkout(origin, hidden)).commit == hidden
    assert (await cloner.checkout(origin, "refs/pull/1/head")).commit == hidden


@pytest.mark.parametrize("name", ["v9", "0" * 40, "a..b"])
async def test_an_unknown_revision_is_reported(cloner: Cloner, origin: Path, name: str) -> None:
    with pytest.raises(GitError, match=f"origin: has no commit, tag or branch '{name}'"):
        await cloner.checkout(origin, name)


@pytest.mark.parametrize("name", ["--upload-pack=touch x", "a:b", "a b", "*"])
async def test_nothing_that_git_would_read_otherwise_is_handed_to_it(
    cloner: Cloner, origin: Path, name: str
) -> None:
    with pytest.raises(GitError, match="cannot be a reference of git"):
        await cloner.checkout(origin, name)
    with pytest.raises(GitError, match="cannot be a reference of git"):
        await cloner.checkout("--upload-pack=touch x")


async def test_submodules_of_submodules_come_along(
    cloner: Cloner, origin: Path, tmp_path: Path
) -> None:
    inner, outer = repository(tmp_path / "inner"), repository(tmp_path / "outer")
    git(inner, "submodule", "add", "../origin", "deep")
    commit(inner, "second")
    git(outer, "submodule", "add", str(inner), "sub")
    commit(outer, "second")
    made = await cloner.checkout(outer)
    assert (made.path / "sub" / "deep" / "file").read_text() == "first"


async def test_a_missing_git_is_reported_with_a_fix(cloner: Cloner, origin: Path) -> None:
    with pytest.raises(GitError, match="git was not found on PATH") as caught:
        await cloner.checkout(origin, environ={"PATH": "/nowhere"})
    assert "install git" in caught.value.hint


async def test_a_repository_named_by_the_environment_is_left_alone(
    cloner: Cloner, origin: Path, tmp_path: Path
) -> None:
    other = repository(tmp_path / "other")
    foreign = {"GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other), "GIT_INDEX_FILE": "x"}
    made = await cloner.checkout(origin, environ={**QUIET, **foreign})
    assert (made.path / "file").read_text() == "first"
    assert git(other, "status", "--porcelain") == ""


async def test_leftovers_of_a_killed_git_block_no_later_run(
    cloner: Cloner, origin: Path, tmp_path: Path
) -> None:
    await cloner.checkout(origin)
    (copy,) = (tmp_path / "cache").glob("*/repository")
    for name in ("packed-refs.lock", "config.lock", "refs/heads/main.lock"):
        (copy / name).touch()
    (copy / "objects" / "pack").joinpath("tmp_pack_1").touch()
    expected = commit(origin, "second")
    assert (await cloner.checkout(origin, "main")).commit == expected


async def test_many_at_once_share_one_copy(cloner: Cloner, origin: Path) -> None:
    made = await asyncio.gather(*(cloner.checkout(origin, "v1.0") for _ in range(6)))
    assert len({checkout.commit for checkout in made}) == 1
    assert len(list((cloner.folder / "cache").iterdir())) == 1


async def test_another_process_that_fetches_is_waited_for(
    cloner: Cloner, origin: Path, tmp_path: Path
) -> None:
    await cloner.checkout(origin)
    (copy,) = (tmp_path / "cache").iterdir()
    theirs = LockFile(copy / "lock")
    assert theirs.lock()
    task = asyncio.ensure_future(cloner.checkout(origin))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    theirs.close()
    await task


STUCK = """#!/bin/sh
case "$*" in *fetch*) echo $$ > {ready}; exec sleep 600;; esac
exec {git} "$@"
"""


@pytest.fixture
def stuck(tmp_path: Path) -> dict[str, str]:
    """An environment whose git fetches for ever, after it has written its pid to ``ready``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    real = subprocess.run(
        ["sh", "-c", "command -v git"], capture_output=True, text=True, check=True
    ).stdout
    (folder / "git").write_text(STUCK.format(ready=tmp_path / "ready", git=real.strip()))
    (folder / "git").chmod(0o755)
    return {**QUIET, "PATH": f"{folder}:{QUIET['PATH']}"}


async def test_a_cancelled_fetch_ends_and_leaves_the_copy_to_the_next(
    cloner: Cloner, origin: Path, tmp_path: Path, stuck: dict[str, str]
) -> None:
    ready = tmp_path / "ready"
    task = asyncio.ensure_future(cloner.checkout(origin, environ=stuck))
    await wait_until(lambda: ready.exists() and ready.read_text(), "git fetches")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not psutil.pid_exists(int(ready.read_text()))
    await cloner.checkout(origin)


async def test_killing_the_hooks_kills_git(
    cloner: Cloner, origin: Path, tmp_path: Path, stuck: dict[str, str]
) -> None:
    ready = tmp_path / "ready"
    task = asyncio.ensure_future(cloner.checkout(origin, environ=stuck))
    await wait_until(lambda: ready.exists() and ready.read_text(), "git fetches")
    cloner.hooks.kill_all(build_key().run)
    with pytest.raises((GitError, BackendError)):
        await task


class _Private(SimpleHTTPRequestHandler):
    """Serves a repository to those who log in as ``me`` with ``s@cret``."""

    def send_head(self) -> object:  # type: ignore[override] # what it sends is of no interest
        expected = "Basic " + base64.b64encode(b"me:s@cret").decode()
        if self.headers.get("Authorization") == expected:
            return super().send_head()
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="here"')
        self.end_headers()
        return None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base has it so
        pass


@pytest.fixture
def private(origin: Path) -> Iterator[str]:
    git(origin, "update-server-info")
    handler = partial(_Private, directory=str(origin))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{http.server_address[1]}/.git"
        http.shutdown()
        thread.join()


async def test_a_login_in_a_url_is_used_and_written_nowhere(
    cloner: Cloner, private: str, tmp_path: Path
) -> None:
    made = await cloner.checkout(f"http://me:s%40cret@{private}", "v1.0")
    assert (made.path / "file").read_text() == "first"
    for path in [*(tmp_path / "cache").rglob("*"), *made.path.rglob("*"), cloner.log]:
        if path.is_file():
            assert b"cret" not in path.read_bytes(), path


async def test_a_wrong_or_missing_login_is_reported_without_it_and_without_a_prompt(
    cloner: Cloner, private: str
) -> None:
    for login in ("me:wrongword@", ""):
        with pytest.raises(GitError, match="git fetch: ") as caught:
            await cloner.checkout(f"http://{login}{private}", "v1.0")
        assert "wrongword" not in str(caught.value) + cloner.log.read_text()
        assert "credentials" in caught.value.hint
