"""Records what the Python processes of a build read, from an audit hook (PEP 578).

A copy of this file lies in each recorded build environment, and a ``.pth`` file there calls `start`
in every interpreter of the environment, or `start_for_build` in one that builds share. It imports
nothing but the standard library, and runs on every Python that a build may use. A record is a
letter and a path, and ends with a NUL byte:

=====  ==========================================================================
``s``  an interpreter has started to record
``r``  a file that was opened for reading, whether it existed or not
``l``  a folder whose entries were listed
``w``  a path that was created or replaced
``p``  a program that was executed
``a``  a path in the arguments of a program, or its working directory
``m``  a file of the source tree whose code was executed
``c``  a copy of a dependency file of ninja or make, followed by the original's path in ``d``
=====  ==========================================================================

It never raises into a build, and does not see `os.stat`, other programs, or ``python -S``.
"""

from __future__ import annotations

import os
import sys
from _thread import get_ident
from contextlib import suppress

__all__ = ["UNKNOWN_BUILD", "VARIABLE", "start", "start_for_build"]

VARIABLE = "WHEELPOOL_READS"
"""Names the log of a build in its processes; beside the log are the other arguments."""
UNKNOWN_BUILD = "wheelpool-unknown-build"
"""A file that appears in a shared environment if a process in it belongs to no known build."""

_SYSTEM = ("/lib/", "/lib64/", "/bin/", "/sbin/", "/etc/", "/proc/", "/dev/", "/sys/", "/run/")
_USR = "/usr/"
_USR_SOURCES = "/usr/src/"
_WORD_ENDS = r"[\s;|&<>()\"'`]+"
_OPTION = r"--?[\w-]+=|-[A-Za-z]|@|[\w-]+="
_MAX_COPIES = 200
_MAX_COPY_BYTES = 16 << 20


def start(log: str, tree: str, skipped: tuple[str, ...]) -> None:
    """Record from now on.

    Args:
        log: the file to which records are appended.
        tree: the source tree; only the code that is executed from it is recorded.
        skipped: folders whose content is not recorded.
    """
    if hasattr(sys, "addaudithook"):
        recorder = _Recorder(log, tree, skipped)
        recorder.write(b"s")
        sys.addaudithook(recorder.on_event)


def start_for_build() -> None:
    """Record for the build of this process; note in the environment if that is unknown."""
    log = _find_log()
    if log is not None:
        try:
            with open(os.fsencode(log) + b".start", "rb") as file:
                tree, *skipped = map(os.fsdecode, file.read().split(b"\0"))
        except OSError:
            return  # The build has ended, and the record is not read any more.
        start(log, tree, tuple(skipped))
        return
    with suppress(OSError):
        os.close(os.open(os.path.join(sys.prefix, UNKNOWN_BUILD), os.O_CREAT | os.O_WRONLY, 0o600))


def _find_log() -> str | None:
    """Return the log of the build; programs may start others with few variables."""
    # A process of a build, not of wheelpool, reads its own variables here.
    if (log := os.environ.get(VARIABLE)) is not None:  # noqa: TID251
        return log
    # A hook leads its session.
    for pid in (os.getsid(0), *_list_ancestors()):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                variables = file.read().split(b"\0")
        except OSError:
            continue
        for variable in variables:
            name, _, value = variable.partition(b"=")
            if name == VARIABLE.encode():
                return os.fsdecode(value)
    return None


def _list_ancestors() -> list[int]:
    ancestors = [os.getppid()]
    try:
        while ancestors[-1] > 1:
            with open(f"/proc/{ancestors[-1]}/stat", "rb") as file:
                ancestors.append(int(file.read().rpartition(b")")[2].split()[1]))
    except (OSError, ValueError, IndexError):
        pass
    return ancestors


class _Recorder:
    def __init__(self, log: str, tree: str, skipped: tuple[str, ...]) -> None:
        self._log = log
        self._tree = tree + "/"
        prefixes = [sys.prefix, *(f"{sys.base_prefix}/{name}" for name in ("lib", "include"))]
        folders = [*skipped, tree, *prefixes]
        self._skipped = (*_SYSTEM, *(folder + "/" for folder in folders))
        self._seen = set()  # type: set[tuple[str, str]]
        self._busy = set()  # type: set[int]
        self._copies = 0
        self._handlers = {
            "open": self._on_open,
            "exec": self._on_exec,
            "os.listdir": self._on_list,
            "os.scandir": self._on_list,
            "os.rename": lambda args: self._add("w", args[1]),
            "os.link": lambda args: self._add("w", args[1]),
            "os.symlink": lambda args: self._add("w", args[1]),
            "os.mkdir": lambda args: self._add("w", args[0]),
            "ctypes.dlopen": self._on_library,
            "import": self._on_library,
            "sqlite3.connect": lambda args: self._add("r", args[0]),
            "subprocess.Popen": lambda args: self._add_program(args[1] or args[0], args[2]),
            "os.exec": lambda args: self._add_program(args[1], None),
            "os.posix_spawn": lambda args: self._add_program(args[1], None),
            "os.system": lambda args: self._add_program(args[0], None),
            "shutil.rmtree": self._copy_dependency_files,
        }

    def on_event(self, event: str, args: tuple[object, ...]) -> None:
        """Record one audit event; the recorder's own events are ignored."""
        handler = self._handlers.get(event)
        thread = get_ident()
        if handler is None or thread in self._busy:
            return
        self._busy.add(thread)
        try:
            handler(args)
        except Exception:  # noqa: BLE001, S110 - a build never fails because it is recorded
            pass
        finally:
            self._busy.discard(thread)

    def write(self, record: bytes) -> None:
        """Append records; the file is opened each time, as builds close descriptors."""
        fd = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, record + b"\0")
        finally:
            os.close(fd)

    def _on_open(self, args: tuple[object, ...]) -> None:
        path, _, flags = args
        access = flags & os.O_ACCMODE  # type: ignore[operator]
        creates = flags & (os.O_TRUNC | os.O_EXCL)  # type: ignore[operator]
        written = access == os.O_WRONLY or (access == os.O_RDWR and creates)
        self._add("w" if written else "r", path)

    def _on_exec(self, args: tuple[object, ...]) -> None:
        name = getattr(args[0], "co_filename", "")
        path = os.path.abspath(name)
        if path.startswith(self._tree):
            self._write_once("m", path)

    def _on_list(self, args: tuple[object, ...]) -> None:
        # The import system lists folders, and then opens the files that it uses.
        caller = sys._getframe(2).f_code.co_filename  # noqa: SLF001 - the only way in a hook
        if not caller.startswith("<frozen importlib"):
            self._add("l", "." if args[0] is None else args[0])

    def _on_library(self, args: tuple[object, ...]) -> None:
        path = args[1] if len(args) > 1 else args[0]
        if isinstance(path, str) and "/" in path:
            self._add("r", path)

    def _add(self, kind: str, path: object) -> None:
        if isinstance(path, int):
            return
        name = os.path.abspath(os.fsdecode(path))  # type: ignore[arg-type]
        if not self._is_skipped(name + "/" if kind in "la" else name):
            self._write_once(kind, name)

    def _is_skipped(self, path: str) -> bool:
        if path.startswith(_USR):
            return not path.startswith(_USR_SOURCES)
        return path.startswith(self._skipped)

    def _write_once(self, kind: str, path: str) -> None:
        if (kind, path) not in self._seen:
            self._seen.add((kind, path))
            self.write(kind.encode() + os.fsencode(path))

    def _add_program(self, command: object, cwd: object) -> None:
        """Record a program, its working directory, and the paths in its arguments."""
        import re

        one = isinstance(command, (str, bytes, os.PathLike))
        words = [os.fsdecode(word) for word in ([command] if one else command)]  # type: ignore[attr-defined]
        if one or words[1:2] == ["-c"]:
            words = [part for word in words for part in re.split(_WORD_ENDS, word) if part]
        folder = os.fsdecode(cwd) if cwd else os.getcwd()  # type: ignore[arg-type]
        program = os.path.basename(words[0])
        self._write_once("p", program)
        if program == "git":
            return
        self._add("a", folder)
        for word in words[1:]:
            for text in {word, re.sub(f"^(?:{_OPTION})", "", word)}:
                if "/" in text or text == "..":
                    self._add("a", os.path.join(folder, text))

    def _copy_dependency_files(self, args: tuple[object, ...]) -> None:
        """Keep the files in which compilers wrote their inputs, before a folder is removed."""
        for folder, _, names in os.walk(os.fsdecode(args[0])):  # type: ignore[arg-type]
            for name in names:
                if name == ".ninja_deps" or name.endswith(".d"):
                    self._copy(os.path.abspath(os.path.join(folder, name)))

    def _copy(self, path: str) -> None:
        if self._copies >= _MAX_COPIES or os.path.getsize(path) > _MAX_COPY_BYTES:
            return
        self._copies += 1
        copy = f"{self._log}-{os.getpid()}-{self._copies}"
        with open(path, "rb") as original, open(copy, "wb") as file:
            file.write(original.read())
        self.write(b"c" + os.fsencode(copy) + b"\0d" + os.fsencode(path))
