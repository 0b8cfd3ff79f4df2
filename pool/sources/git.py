"""Checkouts of git repositories: one commit each, with the history and tags that plugins need.

The cache has a bare mirror of each repository. One process at a time updates it while others wait;
a commit that it has needs no network. Checkouts are independent repositories, so builds do not
change the cache.

Git never prompts: it has no terminal and no input. A login in a URL is kept out of commands, logs
and the cache, and git gets it only when the server requires one.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from pool.common.errors import GitError
from pool.common.record import Record
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
_ALL_REFS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_SETTINGS = (
    # Background processes would be killed together with git.
    *("-c", "gc.auto=0", "-c", "maintenance.auto=false"),
    # Give up on a server that sends nothing for two minutes.
    *("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=120"),
    *("-c", "core.warnAmbiguousRefs=false", "-c", "advice.detachedHead=false"),
)
_GIT_ENVIRON = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS_REQUIRE": "never",
    "GCM_INTERACTIVE": "never",
    # Error messages of git are parsed.
    "LC_ALL": "C",
    "LANGUAGE": "",
}
# git rev-parse --local-env-vars without the configuration of a CI; and prompts in windows.
_REMOVED_VARIABLES = frozenset(
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
_CREDENTIAL_HELPER = """!f() { test "$1" = get &&
printf 'username=%s\\npassword=%s\\n' "$WHEELPOOL_GIT_USER" "$WHEELPOOL_GIT_PASSWORD"; }; f"""


class Checkout(Record, frozen=True, kw_only=True):
    """A working tree with a repository of its own."""

    path: Path
    commit: str
    """Hexadecimal, in full."""
    tags: str = ""
    """The tags of the commit and its ancestors: plugins derive versions from them."""


class Git:
    """Repositories in one cache; belongs to one event loop.

    Args:
        folder: the folder of the mirrors.
        run: runs git, supervised as hooks are (`HookRunner.run`).
        environ: the environment for git, before it is cleaned.
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
            url: the URL of the repository; may hold credentials.
            reference: a commit, tag or branch; empty for the HEAD of the repository.
            into: the folder to create; must not exist.
            build: the build that the processes belong to.
            log: the file for the output of git.

        Raises:
            GitError: git, the repository or the commit does not exist, or access is denied.
            LockError: the cache cannot be locked.
            OSError: no space.
        """
        git = self._commands(url, into, build, log)
        _check_options(url, reference)
        mirror = self._folder / hashlib.sha256(os.fsencode(git.url)).hexdigest()[:32]
        mirror.mkdir(parents=True, exist_ok=True)
        into.parent.mkdir(parents=True, exist_ok=True)
        lock = await self._locks.acquire(mirror / "lock", on_wait=_ignore_holder)
        try:
            commit = await _ensure_commit(git, mirror / "repository", reference)
            clone = ("clone", "--quiet", "--local", "--no-checkout")
            await git.run_checked(*clone, str(mirror / "repository"), str(into), cwd=mirror)
        finally:
            lock.release()
        # Relative URLs of submodules and large files refer to the repository itself.
        await git.run_checked("config", "remote.origin.url", git.url, cwd=into)
        await git.run_checked("checkout", "--quiet", "--detach", commit, cwd=into)
        if (into / ".gitmodules").exists():
            await git.run_checked("submodule", "update", "--init", "--recursive", cwd=into)
        for_each_ref = ("for-each-ref", f"--merged={commit}", "--format=%(refname) %(objectname)")
        tags = await git.read_output(*for_each_ref, "refs/tags", cwd=into)
        return Checkout(path=into, commit=commit, tags=tags)

    def _commands(self, url: str, into: Path, build: BuildKey, log: Path) -> _GitCommands:
        program = shutil.which("git", path=self._environ.get("PATH", os.defpath))
        if program is None:
            raise GitError(
                f"{clean_text(url)}: git was not found on PATH",
                hint="install git, or name an archive of that commit",
            )
        bare, login = _split_http_login(url)
        return _GitCommands(
            run=self._run,
            program=program,
            environ=_git_environ(self._environ, bare, login),
            url=bare,
            build=build,
            log=log,
            output_path=into.with_name(f".{into.name}.answer"),
        )


class _GitCommands(Record, frozen=True, kw_only=True):
    """Git commands for one checkout."""

    run: Run
    program: str
    environ: Mapping[str, str]
    url: str
    """Without credentials."""
    build: BuildKey
    log: Path
    output_path: Path
    """The file for the output of `read_output`."""

    async def run_checked(self, *arguments: str, cwd: Path) -> None:
        """Run a command that has to succeed."""
        before = self.log.stat().st_size if self.log.exists() else 0
        if await self._run(arguments, cwd, self.log):
            with self.log.open("rb") as log:
                log.seek(before)
                command = next(text for text in arguments if not text.startswith("-"))
                raise _command_error(clean_text(self.url), command, map(clean_line, log))

    async def read_output(self, *arguments: str, cwd: Path) -> str:
        """Return the output of a command; empty if it fails."""
        try:
            code = await self._run(arguments, cwd, self.output_path)
            return (
                ""
                if code
                else self.output_path.read_text(encoding="utf-8", errors="replace").strip()
            )
        finally:
            self.output_path.unlink(missing_ok=True)

    async def _run(self, arguments: Iterable[str], cwd: Path, output: Path) -> int:
        command = Command(
            build=self.build,
            argv=(self.program, *_SETTINGS, *arguments),
            cwd=cwd,
            environ=self.environ,
            log=output,
        )
        return await self.run(command)


async def _ensure_commit(git: _GitCommands, mirror: Path, reference: str) -> str:
    """Fetch a commit into the mirror unless it has it; return its full name."""
    if not (mirror / "HEAD").exists():
        await git.run_checked("init", "--quiet", "--bare", str(mirror), cwd=mirror.parent)
    if _COMMIT.fullmatch(reference) and (commit := await _resolve_commit(git, mirror, reference)):
        return commit
    _remove_leftovers(mirror)
    wanted = reference or "HEAD"
    own_ref = f"refs/wheelpool/{wanted}"
    if wanted == "HEAD":
        await _fetch(git, mirror, *_ALL_REFS, f"+HEAD:{own_ref}")
        return await _resolve_commit(git, mirror, own_ref)
    await _fetch(git, mirror, *_ALL_REFS)
    if commit := await _resolve_commit(git, mirror, wanted):
        return commit
    # A commit that no branch or tag contains: servers send it if it is requested by name.
    with suppress(GitError):
        await _fetch(git, mirror, f"+{wanted}:{own_ref}")
        return await _resolve_commit(git, mirror, own_ref)
    raise GitError(f"{clean_text(git.url)}: has no commit, tag or branch {wanted!r}")


async def _fetch(git: _GitCommands, mirror: Path, *refs: str) -> None:
    fetch = ("--git-dir=.", "fetch", "--quiet", "--force", "--no-tags", "--prune")
    await git.run_checked(*fetch, git.url, *refs, cwd=mirror)


async def _resolve_commit(git: _GitCommands, mirror: Path, name: str) -> str:
    """Return the commit of a name, tags before branches; empty if there is none."""
    rev_parse = ("--git-dir=.", "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    output = await git.read_output(*rev_parse, cwd=mirror)
    return output if _COMMIT.fullmatch(output) else ""


def _remove_leftovers(mirror: Path) -> None:
    """Remove lock and temporary files of a killed git; the lock is held, so none is in use."""
    for pattern in ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*"):
        for path in mirror.glob(pattern):
            path.unlink(missing_ok=True)


def _ignore_holder(holder: Holder | None) -> None:
    """Ignore the holder: another process fetches the same repository, which is short."""


def _check_options(url: str, reference: str) -> None:
    if url.startswith("-") or not _REFERENCE.fullmatch(reference):
        raise GitError(f"{clean_text(url)}: {reference!r} cannot be a reference of git")


def _split_http_login(url: str) -> tuple[str, Login | None]:
    """Split the login off an HTTP URL; an ssh URL keeps its user, which is no secret."""
    try:
        is_http = urlsplit(url).scheme in ("http", "https")
        return split_login(url) if is_http else (url, None)
    except ValueError as problem:
        raise GitError(f"{clean_text(url)}: not a URL: {problem}") from problem


def _git_environ(inherited: Mapping[str, str], url: str, login: Login | None) -> dict[str, str]:
    """Return the environment for git: no other repository, no prompts, and the login."""
    environ = {name: value for name, value in inherited.items() if name not in _REMOVED_VARIABLES}
    environ |= _GIT_ENVIRON
    if login is not None:
        count = inherited.get("GIT_CONFIG_COUNT", "0")
        number = int(count) if count.isdecimal() else 0
        parts = urlsplit(url)
        environ |= {
            "GIT_CONFIG_COUNT": f"{number + 1}",
            f"GIT_CONFIG_KEY_{number}": f"credential.{parts.scheme}://{parts.netloc}.helper",
            f"GIT_CONFIG_VALUE_{number}": _CREDENTIAL_HELPER,
            "WHEELPOOL_GIT_USER": login.user,
            "WHEELPOOL_GIT_PASSWORD": login.password,
        }
    return environ


def _command_error(url: str, command: str, output: Iterable[str]) -> GitError:
    lines = [line for line in output if line]
    reason = next((line for line in lines if line.startswith("fatal: ")), None)
    if reason is None or "Could not read from remote" in reason:
        # The first line is from ssh, which has the reason.
        reason = lines[0] if lines else "it failed"
    hint = ""
    if re.search("could not read Username|Authentication failed|Permission denied", reason):
        hint = "set up a credential helper or an SSH key, or put credentials into the URL"
    return GitError(
        f"{url}: git {command}: {clean_text(reason.removeprefix('fatal: '))}", hint=hint
    )
