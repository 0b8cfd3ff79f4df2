"""Checkouts of git repositories: one commit each, with the history and tags that plugins ask for.

There is a bare copy of every repository in the cache, brought up to date by one process at a time
while others wait; a commit that is in it needs no network. Checkouts are repositories of their
own: what builds do in them changes nothing in the cache.

Git never asks anything: it has no terminal and no input. A login in a URL is kept out of
commands, logs and the cache, and is given to git only when the server wants one.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from pool.common.errors import GitError
from pool.common.text import clean_line, clean_text
from pool.sources.index.credentials import Login, split_login
from pool.system.locks.lock_file import LockFile
from pool.system.locks.queue import LockQueue
from pool.system.process import Command

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    from pool.common.model import BuildKey, Holder

__all__ = ["Checkout", "Git"]

Run: TypeAlias = "Callable[[Command], Awaitable[int]]"
"""Runs a program to its end and returns its exit code; ends it when it is cancelled."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REFERENCE = re.compile(r"(?!-)[^\s\0:^~?*\[\\]*")
_ALL = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_SETTINGS = (
    # What git starts in the background would be ended with it.
    *("-c", "gc.auto=0", "-c", "maintenance.auto=false"),
    # A server that sends nothing for two minutes never will.
    *("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=120"),
    *("-c", "core.warnAmbiguousRefs=false", "-c", "advice.detachedHead=false"),
)
_OURS = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS_REQUIRE": "never",
    "GCM_INTERACTIVE": "never",
    # The words in which git fails are read.
    "LC_ALL": "C",
    "LANGUAGE": "",
}
# git rev-parse --local-env-vars, but for the configuration that a CI gives; windows to ask in.
_FOREIGN = frozenset(
    (
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NAMESPACE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_QUARANTINE_PATH",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
        "DISPLAY",
        "SSH_ASKPASS",
        "WAYLAND_DISPLAY",
    )
)
_HELPER = """!f() { test "$1" = get &&
printf 'username=%s\\npassword=%s\\n' "$WHEELPOOL_GIT_USER" "$WHEELPOOL_GIT_PASSWORD"; }; f"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A working tree with a repository of its own."""

    path: Path
    commit: str
    """Hexadecimal, in full."""
    tags: str = ""
    """Those that lead to it or to a commit before it: versions are made of them."""


class Git:
    """Repositories in one cache; belongs to one event loop.

    Args:
        folder: where the copies of repositories are.
        run: runs git, watched and ended as hooks are (`HookRunner.run`).
        environ: what git inherits, before it is cleaned.
    """

    def __init__(self, folder: Path, run: Run, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._run = run
        self._environ = environ
        self._locks = LockQueue(LockFile)

    async def checkout(
        self, url: str, reference: str, into: Path, *, build: BuildKey, log: Path
    ) -> Checkout:
        """Check out a commit, with its submodules.

        Args:
            url: what git clones; may hold credentials.
            reference: a commit, tag or branch; empty for what the repository has as its HEAD.
            into: made; must not be there.
            build: marks the processes.
            log: gets what git says.

        Raises:
            GitError: there is no git, no such repository or commit, no permission.
            LockError: the cache cannot be locked.
            OSError: no space.
        """
        work = self._work(url, into, build, log)
        _refuse_options(url, reference)
        copy = self._folder / hashlib.sha256(work.url.encode()).hexdigest()[:32]
        copy.mkdir(parents=True, exist_ok=True)
        into.parent.mkdir(parents=True, exist_ok=True)
        held = await self._locks.acquire(copy / "lock", on_wait=_nothing)
        try:
            commit = await _provided(work, copy / "repository", reference)
            clone = ("clone", "--quiet", "--local", "--no-checkout")
            await work.do(*clone, str(copy / "repository"), str(into), cwd=copy)
        finally:
            held.release()
        # Submodules and large files are looked for beside the repository itself.
        await work.do("config", "remote.origin.url", work.url, cwd=into)
        await work.do("checkout", "--quiet", "--detach", commit, cwd=into)
        if (into / ".gitmodules").exists():
            await work.do("submodule", "update", "--init", "--recursive", cwd=into)
        reached = ("for-each-ref", f"--merged={commit}", "--format=%(refname) %(objectname)")
        tags = await work.ask(*reached, "refs/tags", cwd=into)
        return Checkout(path=into, commit=commit, tags=tags)

    def _work(self, url: str, into: Path, build: BuildKey, log: Path) -> _Work:
        program = shutil.which("git", path=self._environ.get("PATH", os.defpath))
        if program is None:
            raise GitError(
                f"{clean_text(url)}: there is no git on PATH",
                hint="install git, or name an archive of that commit",
            )
        bare, login = _without_login(url)
        return _Work(
            run=self._run,
            program=program,
            environ=_environ(self._environ, bare, login),
            url=bare,
            build=build,
            log=log,
            answers=into.with_name(f".{into.name}.answer"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """Git commands for one checkout."""

    run: Run
    program: str
    environ: Mapping[str, str]
    url: str
    """Without credentials."""
    build: BuildKey
    log: Path
    answers: Path
    """What git prints when it is asked something."""

    async def do(self, *arguments: str, cwd: Path) -> None:
        """Run a command that has to succeed."""
        before = self.log.stat().st_size if self.log.exists() else 0
        if await self._exit_code(arguments, cwd, self.log):
            with self.log.open("rb") as log:
                log.seek(before)
                command = next(text for text in arguments if not text.startswith("-"))
                raise _failed(clean_text(self.url), command, map(clean_line, log))

    async def ask(self, *arguments: str, cwd: Path) -> str:
        """Return what a command prints; nothing if it fails."""
        try:
            code = await self._exit_code(arguments, cwd, self.answers)
            return (
                "" if code else self.answers.read_text(encoding="utf-8", errors="replace").strip()
            )
        finally:
            self.answers.unlink(missing_ok=True)

    async def _exit_code(self, arguments: Iterable[str], cwd: Path, output: Path) -> int:
        command = Command(
            build=self.build,
            argv=(self.program, *_SETTINGS, *arguments),
            cwd=cwd,
            environ=self.environ,
            log=output,
        )
        return await self.run(command)


async def _provided(work: _Work, copy: Path, reference: str) -> str:
    """Have a commit in our copy of the repository; return its full name."""
    if not (copy / "HEAD").exists():
        await work.do("init", "--quiet", "--bare", str(copy), cwd=copy.parent)
    if _COMMIT.fullmatch(reference) and (commit := await _commit(work, copy, reference)):
        return commit
    _remove_leftovers(copy)
    wanted = reference or "HEAD"
    ours = f"refs/wheelpool/{wanted}"
    if wanted == "HEAD":
        await _fetch(work, copy, *_ALL, f"+HEAD:{ours}")
        return await _commit(work, copy, ours)
    await _fetch(work, copy, *_ALL)
    if commit := await _commit(work, copy, wanted):
        return commit
    # What no branch and no tag leads to: servers give it to those who know its name.
    with suppress(GitError):
        await _fetch(work, copy, f"+{wanted}:{ours}")
        return await _commit(work, copy, ours)
    raise GitError(f"{clean_text(work.url)}: has no commit, tag or branch {wanted!r}")


async def _fetch(work: _Work, copy: Path, *refs: str) -> None:
    fetch = ("--git-dir=.", "fetch", "--quiet", "--force", "--no-tags", "--prune")
    await work.do(*fetch, work.url, *refs, cwd=copy)


async def _commit(work: _Work, copy: Path, name: str) -> str:
    """Return the commit that a name leads to, tags before branches; nothing if none."""
    ask = ("--git-dir=.", "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    answer = await work.ask(*ask, cwd=copy)
    return answer if _COMMIT.fullmatch(answer) else ""


def _remove_leftovers(copy: Path) -> None:
    """Remove what a git that was killed left behind; we have the lock, so nobody uses it."""
    for pattern in ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*"):
        for path in copy.glob(pattern):
            path.unlink(missing_ok=True)


def _nothing(holder: Holder | None) -> None:
    """Another process fetches the same repository; it will not take long."""


def _refuse_options(url: str, reference: str) -> None:
    if url.startswith("-") or not _REFERENCE.fullmatch(reference):
        raise GitError(f"{clean_text(url)}: git cannot be asked for {reference!r} of it")


def _without_login(url: str) -> tuple[str, Login | None]:
    """Split the login off an HTTP URL; an ssh URL keeps its user, which is no secret."""
    try:
        is_http = urlsplit(url).scheme in ("http", "https")
        return split_login(url) if is_http else (url, None)
    except ValueError as problem:
        raise GitError(f"{clean_text(url)}: not a URL: {problem}") from problem


def _environ(inherited: Mapping[str, str], url: str, login: Login | None) -> dict[str, str]:
    """Return git's environment: nobody else's repository, nobody to ask, and the login."""
    environ = {name: value for name, value in inherited.items() if name not in _FOREIGN}
    environ |= _OURS
    if login is not None:
        count = inherited.get("GIT_CONFIG_COUNT", "0")
        at = int(count) if count.isdecimal() else 0
        parts = urlsplit(url)
        environ |= {
            "GIT_CONFIG_COUNT": f"{at + 1}",
            f"GIT_CONFIG_KEY_{at}": f"credential.{parts.scheme}://{parts.netloc}.helper",
            f"GIT_CONFIG_VALUE_{at}": _HELPER,
            "WHEELPOOL_GIT_USER": login.user,
            "WHEELPOOL_GIT_PASSWORD": login.password,
        }
    return environ


def _failed(url: str, command: str, output: Iterable[str]) -> GitError:
    lines = [line for line in output if line]
    reason = next((line for line in lines if line.startswith("fatal: ")), None)
    if reason is None or "Could not read from remote" in reason:
        # ssh says what is wrong before git does.
        reason = lines[0] if lines else "it failed"
    hint = ""
    if re.search("could not read Username|Authentication failed|Permission denied", reason):
        hint = "it wants credentials: a credential helper, a key, or in the URL"
    return GitError(
        f"{url}: git {command}: {clean_text(reason.removeprefix('fatal: '))}", hint=hint
    )
