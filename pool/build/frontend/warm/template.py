"""The template process: it imports a build backend once, and each warm hook is a fork of it.

A script of its own, standard library only, for every Python that builds wheels. It has one thread
and one descriptor, a socket to the pool: it ends when the pool closes the other end or dies. Each
order names the script of a hook with its environment. The process that runs it is a grandchild:
the child between ends at once, so that the pool, a child subreaper, is the parent of the hook.

The hook starts as Python starts: its own session, environment, descriptors, prefix, ``sys.path``
with the ``.pth`` files of its site-packages. Modules that are loaded already are those of the
build environment, because it has the same wheels; their paths are rewritten to those there.
"""

from __future__ import annotations

import sys

# The folder of this script; no module of it may hide one of the standard library.
del sys.path[0]

import _socket  # noqa: E402 - not `socket`, which hooks would find imported
import fcntl  # noqa: E402
import gc  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import site  # noqa: E402
import types  # noqa: E402
import warnings  # noqa: E402
from array import array  # noqa: E402
from contextlib import suppress  # noqa: E402
from importlib.machinery import SourceFileLoader  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

MAX_MESSAGE = 1 << 18
"""Bytes: the most that a packet between the processes may have."""
MAX_FDS = 200
_SCRIPT_IMPORTS = (
    "glob",
    "re",
    "shutil",
    "traceback",
    "importlib.machinery",
)
"""Imports of the script of pyproject_hooks."""
_UNSHARED = ("pkg_resources",)
"""Modules that read the environment when they are imported."""


class UnfitError(Exception):
    """No hook may be a fork of this process."""


class ImportRecorder:
    """A finder that finds nothing: it records which top-level modules were looked for in vain."""

    def __init__(self) -> None:
        self.missing: set[str] = set()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Record a module that no other finder has found."""
        if path is None:
            self.missing.add(name.partition(".")[0])


class ProcessMemory:
    """The arguments and the environment of this process, as other processes see them (proc(5)).

    A fork has those of its template: the pool, the watchdog and ``ps`` would take it for that.
    """

    def __init__(self) -> None:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        # Fields 48 to 51 of all; state, the third one, is the first after the name.
        self.arguments = (int(fields[45]), int(fields[46]))
        self.environ = (int(fields[47]), int(fields[48]))

    def write(self, place: tuple[int, int], strings: Iterable[bytes]) -> None:
        """Replace strings, cut to the room that there is, and clear the rest of the room."""
        start, end = place
        content = b"".join(string + b"\0" for string in strings)[: end - start - 1]
        memory = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(memory, content.ljust(end - start, b"\0"), start)
        finally:
            os.close(memory)


class Template:
    """The state of the process between its imports and its forks."""

    def __init__(self, control: int) -> None:
        self.control = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, control)
        self.memory = ProcessMemory()
        self.prefix = sys.prefix
        self.roots: list[str] = []
        self.path_before: list[str] = []
        self.places: list[Place] = []
        self.script = ""
        self.code: types.CodeType | None = None

    def prepare(self) -> None:
        """Import the backend, and answer with the modules that were looked for."""
        request = json.loads(self.control.recv(MAX_MESSAGE))
        self.memory.write(
            self.memory.arguments,
            [os.fsencode(word) for word in [*sys.argv[:1], *request["modules"]]],
        )
        try:
            answer: dict[str, object] = {"names": sorted(self.preload(request))}
        except UnfitError as problem:
            answer = {"unfit": str(problem)}
        self.control.send(json.dumps(answer).encode())

    def preload(self, request: dict[str, Any]) -> set[str]:
        """Import modules; return the top-level names that were found or looked for."""
        for name in _SCRIPT_IMPORTS:
            importlib.import_module(name)
        self.read_script(request["script"])
        self.roots = request["roots"]
        for root in self.roots:
            site.addsitedir(root)
        self.path_before = list(sys.path)
        recorder = ImportRecorder()
        sys.meta_path.append(recorder)
        try:
            _import_modules(request["modules"])
        finally:
            sys.meta_path.remove(recorder)
        self.added_paths()
        _check_fitness()
        self.places = list(_find_places((self.prefix, *self.roots)))
        gc.collect()
        if hasattr(gc, "freeze"):
            gc.freeze()
        loaded = {
            name.partition(".")[0]
            for name, module in list(sys.modules.items())
            if str(getattr(module, "__file__", None) or "").startswith(tuple(self.roots))
        }
        # A namespace package has no file.
        spaces = {name.partition(".")[0] for name in sys.modules if _is_below(name, self.roots)}
        return loaded | spaces | recorder.missing

    def read_script(self, path: str) -> None:
        """Compile the script that hooks run."""
        with open(path, "rb") as file:
            self.code = compile(file.read(), path, "exec")
        self.script = path

    def added_paths(self) -> tuple[list[str], list[str]]:
        """Return what the imports have put before and after the entries of ``sys.path``."""
        before, after = self.path_before, list(sys.path)
        for start in range(len(after) - len(before) + 1):
            if after[start : start + len(before)] == before:
                return after[:start], after[start + len(before) :]
        raise UnfitError("the import changes sys.path")

    def serve(self) -> tuple[dict[str, Any], list[int], int]:
        """Fork for each order; return the order in each hook's process, and never in this one."""
        while True:
            order, fds = self.receive()
            if order is None:
                os._exit(0)
            try:
                child = os.fork()
            except OSError:
                child = -1
            if not child:
                between = os.getpid()
                try:
                    if os.fork():
                        os._exit(0)
                except OSError:
                    os._exit(1)
                return json.loads(order), fds, between
            for fd in fds:
                os.close(fd)
            if child > 0:
                os.waitpid(child, 0)

    def receive(self) -> tuple[bytes | None, list[int]]:
        """Return the next order with its descriptors; None if the pool is gone."""
        fds = array("i")
        room = _socket.CMSG_SPACE(MAX_FDS * fds.itemsize)
        try:
            order, ancillary, _, _ = self.control.recvmsg(
                MAX_MESSAGE, room, getattr(_socket, "MSG_CMSG_CLOEXEC", 0)
            )
        except OSError:
            return None, []
        for level, kind, content in ancillary:
            if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
        return order or None, list(fds)

    def become(self, order: dict[str, Any], fds: list[int], between: int) -> None:
        """Turn this fork into the process of a hook, and run only if the pool knows of it."""
        environ = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in order["environ"]
        ]
        arguments = [word.encode("latin-1") for word in order["argv"]]
        # The variables of C are pointers into this memory until they are set anew.
        os.environb.clear()
        self.memory.write(self.memory.environ, [b"=".join(item) for item in environ])
        self.memory.write(self.memory.arguments, arguments)
        os.chdir(order["cwd"].encode("latin-1"))
        supervisor, log, *inherited = fds
        supervisor = _place_descriptors(supervisor, log, dict(zip(order["fds"], inherited)))
        for name, value in environ:
            os.environb[name] = value
        sys.orig_argv = [os.fsdecode(word) for word in arguments]
        sys.argv = sys.orig_argv[1:]
        self.relocate(os.fsdecode(order["prefix"].encode("latin-1")), order["site"])
        while os.getppid() == between:
            os.sched_yield()
        os.setsid()
        os.write(supervisor, b"%d" % os.getpid())
        if os.read(supervisor, 1) != b"g":
            os._exit(1)
        os.close(supervisor)

    def relocate(self, prefix: str, site_packages: str) -> None:
        """Move all paths of the template into the environment of the build."""
        first, last = self.added_paths()
        target = os.path.join(prefix, site_packages)
        moves = Moves([(root, target) for root in self.roots] + [(self.prefix, prefix)])
        base = [path for path in self.path_before if moves.move(path) == path]
        for place in self.places:
            place.move(moves)
        sys.prefix = sys.exec_prefix = prefix
        sys.executable = os.path.join(prefix, "bin", "python")
        sys.path[:] = base
        sys.path_importer_cache.clear()
        if "importlib.metadata" in sys.modules:
            # It would be imported for this: a backend that has not done so has nothing in caches.
            importlib.invalidate_caches()
        if "tempfile" in sys.modules:
            vars(sys.modules["tempfile"])["tempdir"] = None
        site.addsitepackages({os.path.abspath(path) for path in base}, [prefix])
        sys.path[:] = [
            *map(moves.move, first),
            os.path.dirname(sys.argv[0]),
            *sys.path,
            *(path for path in map(moves.move, last) if path not in sys.path),
        ]

    def main_code(self) -> tuple[types.CodeType | None, dict[str, Any]]:
        """Replace ``__main__`` by a new module for the script; return its code with its names."""
        path = sys.argv[0]
        if path != self.script:
            self.read_script(path)
        main = types.ModuleType("__main__")
        vars(main).update(
            __file__=path,
            __cached__=None,
            __builtins__=sys.modules["builtins"],
            __annotations__={},
            __loader__=SourceFileLoader("__main__", path),
        )
        sys.modules["__main__"] = main
        return self.code, vars(main)


class Moves:
    """Old folders, each with a new one."""

    def __init__(self, moves: Iterable[tuple[str, str]]) -> None:
        self._moves = [(old, old + os.sep, new) for old, new in moves]
        self._prefixes = tuple(old for old, _ in moves)

    def move(self, path: str) -> str:
        """Return a path in its new folder."""
        if path.startswith(self._prefixes):
            for old, inside, new in self._moves:
                if path == old or path.startswith(inside):
                    return new + path[len(old) :]
        return path


class Place:
    """A place that holds a path: an item of a list or dict, or an attribute."""

    def __init__(self, store: Callable[[Any, Any], None], key: object, value: object) -> None:
        self._store = store
        self._key = key
        self._value = value

    def move(self, moves: Moves) -> None:
        """Put the path in its new folder there."""
        self._store(self._key, _move_value(self._value, moves))


def _move_value(value: object, moves: Moves) -> object:
    if isinstance(value, str):
        return moves.move(value)
    if isinstance(value, tuple):
        return tuple(_move_value(item, moves) for item in value)
    if isinstance(value, os.PathLike):
        kind: Any = type(value)
        return kind(moves.move(str(value)))
    return value


def _find_places(prefixes: tuple[str, ...]) -> Iterator[Place]:
    """Yield where modules, and what the import system knows of them, hold paths below folders."""
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        if type(names) is not dict or names is vars(sys):
            continue
        yield from _find_in_container(names, prefixes)
        for value in list(names.values()):
            if type(value) in (dict, list) and value is not names:
                yield from _find_in_container(value, prefixes)
        spec = names.get("__spec__")
        loaders = (getattr(spec, "loader", None), names.get("__loader__"))
        for holder in (spec, *loaders, names.get("__path__")):
            yield from _find_in_attributes(holder, prefixes)


def _find_in_container(
    container: list[object] | dict[str, object], prefixes: tuple[str, ...]
) -> Iterator[Place]:
    items: Any = container.items() if isinstance(container, dict) else enumerate(container)
    for key, value in items:
        if _has_path(value, prefixes):
            yield Place(container.__setitem__, key, value)


def _find_in_attributes(holder: object, prefixes: tuple[str, ...]) -> Iterator[Place]:
    for name, value in getattr(holder, "__dict__", {}).items():
        if _has_path(value, prefixes):
            yield Place(holder.__setattr__, name, value)
        elif type(value) is list:
            yield from _find_in_container(value, prefixes)


def _has_path(value: object, prefixes: tuple[str, ...]) -> bool:
    if type(value) is str:
        return value.startswith(prefixes)
    if type(value) is tuple:
        return any(type(item) is str and item.startswith(prefixes) for item in value)
    if isinstance(value, os.PathLike) and type(value).__module__.partition(".")[0] == "pathlib":
        return str(value).startswith(prefixes)
    return False


def _import_modules(names: Sequence[str]) -> None:
    """Import the modules as the script of a hook does: in a context that records warnings."""
    with warnings.catch_warnings(record=True) as caught:
        for number, name in enumerate(names):
            try:
                importlib.import_module(name)
            except ImportError as problem:
                # Only the backend itself, the first one, must be there in every version.
                if not number:
                    raise UnfitError(f"it cannot be imported: {problem}") from problem
            except BaseException as problem:
                raise UnfitError(f"the import of {name} fails: {problem!r}") from problem
        filters = list(warnings.filters)
    shown = [one for one in caught if issubclass(one.category, UserWarning)]
    if shown:
        raise UnfitError(f"its import warns: {shown[0].message}")
    if filters != list(warnings.filters):
        warnings.filters[:] = filters  # type: ignore[index]
        if hasattr(warnings, "_filters_mutated"):
            warnings._filters_mutated()  # noqa: SLF001 - it has no public name


def _check_fitness() -> None:
    """Raise `UnfitError` if a fork of this process could behave unlike a new process."""
    for name in _UNSHARED:
        if name in sys.modules:
            raise UnfitError(f"it imports {name}")
    if len(os.listdir("/proc/self/task")) != 1:
        raise UnfitError("its import starts a thread")
    if sys.argv[0] != __file__:
        raise UnfitError("its import changes sys.argv")


def _is_below(name: str, roots: Iterable[str]) -> bool:
    """Tell whether a module is a namespace package of one of the folders."""
    module: Any = sys.modules.get(name)
    if getattr(module, "__file__", None):
        return False
    try:
        return any(str(path).startswith(tuple(roots)) for path in module.__path__)
    except (AttributeError, TypeError):
        return False


def _place_descriptors(supervisor: int, log: int, inherited: dict[int, int]) -> int:
    """Give the hook its descriptors under the numbers that it expects, and close all others.

    Returns:
        The new number of the socket to the supervisor.
    """
    floor = max([2, *inherited]) + 1
    supervisor = fcntl.fcntl(supervisor, fcntl.F_DUPFD_CLOEXEC, floor)
    above = {number: fcntl.fcntl(fd, fcntl.F_DUPFD, floor) for number, fd in inherited.items()}
    os.dup2(log, 1)
    os.dup2(log, 2)
    for number, fd in above.items():
        os.dup2(fd, number)
    stays = {0, 1, 2, supervisor, *inherited}
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in stays:
            with suppress(OSError):  # The descriptor of the listing itself.
                os.close(int(name))
    return supervisor


def _become_hook() -> tuple[types.CodeType | None, dict[str, Any]]:
    """Return the code of a hook's script with its names; the template itself never returns."""
    template = Template(int(sys.argv[1]))
    template.prepare()
    order, fds, between = template.serve()
    try:
        template.become(order, fds, between)
        return template.main_code()
    except BaseException:  # noqa: BLE001 - also one of a .pth file
        # The pool sees the end of the socket, and starts the hook in another way.
        os._exit(1)


_code, _names = _become_hook()
try:
    exec(_code or "", _names)  # noqa: S102 - the script of the hook
except (SystemExit, KeyboardInterrupt):
    raise
except BaseException as _problem:  # noqa: BLE001 - it is reported as Python does
    # A traceback of the script alone, as if Python had started it.
    _trace = _problem.__traceback__
    _problem = _problem.with_traceback(_trace and _trace.tb_next)
    sys.excepthook(type(_problem), _problem, _problem.__traceback__)
    sys.exit(1)
