"""Hooks that disturb what is around them: processes, streams, folders, and the interpreter itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.corpus.case import Case, Expected, built, failed
from tests.corpus.hook_trees import WHEEL, make_hook_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def _hook(code: str, top: str = "") -> Callable[[Path], Sequence[str]]:
    def make(folder: Path) -> list[str]:
        make_hook_tree(folder, code, top=top)
        return ["build", "t"]

    return make


BUILT = built(WHEEL)
_BUILT_CODE: dict[str, str] = {
    "reads-a-file-outside": 'open("../out.txt", "w").close(); open("../out.txt").read()',
    "changes-its-working-folder": 'os.chdir("/")',
    "removes-its-working-folder": 'os.mkdir("d"); os.chdir("d"); os.rmdir("../d")',
    "unsets-tmpdir": 'del os.environ["TMPDIR"]; import tempfile; tempfile.mkdtemp(dir=folder)',
    "replaces-its-tmpdir": 'os.environ["TMPDIR"] = folder',
    "leaves-files-in-tmpdir": "import tempfile; tempfile.mkdtemp(); tempfile.mkstemp()",
    "renames-from-tmpdir-to-the-wheel-folder": (
        'import tempfile; os.rename(tempfile.mkdtemp(), folder + "/x"); os.rmdir(folder + "/x")'
    ),
    "listens-on-a-socket-in-tmpdir": (
        "import multiprocessing.connection as c; c.Listener(family='AF_UNIX').close()"
    ),
    "clears-its-environment": "os.environ.clear()",
    "deletes-a-file-of-its-tree": 'os.remove("pyproject.toml")',
    "prints-bytes-that-are-no-text": "os.write(1, bytes(range(256)) * 4)",
    "prints-escape-sequences": r'print("\x1b[2J\x1b]0;x\x07\x1b[?1049h\x1bP", flush=True)',
    "prints-a-long-line": "os.write(2, b'x' * (20 << 20))",
    "closes-its-streams": "os.close(1); os.close(2)",
    "closes-all-descriptors": "os.closerange(3, 200)",
    "changes-its-umask": "os.umask(0o777)",
    "changes-its-limits": "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (16, 16))",
    "ignores-signals": (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        " signal.signal(signal.SIGINT, signal.SIG_IGN)"
    ),
    "leaves-a-background-process": (
        'import subprocess; subprocess.Popen(["sleep", "600"], start_new_session=True)'
    ),
    "leaves-a-daemon-without-environment": (
        'import subprocess; subprocess.Popen(["sleep", "600"], start_new_session=True, env={})'
    ),
    "forks-a-child-that-ends": "os.fork() or os._exit(3)",
    "leaves-a-thread": (
        "import threading, time; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"
    ),
    "raises-the-recursion-limit": "sys.setrecursionlimit(10**6)",
    "replaces-its-standard-streams": "sys.stdout = sys.stderr = None",
    "breaks-its-import-system": "sys.meta_path.clear(); sys.path.clear()",
    "has-an-audit-hook-that-raises-later": "sys.addaudithook(lambda *_: None)",
    "registers-a-failing-exit-function": "import atexit; atexit.register(lambda: 1 / 0)",
    "sets-an-alarm": "import signal; signal.alarm(600)",
    "leaves-a-pipe-open": "os.set_inheritable(os.pipe()[0], True)",
    "makes-folders-without-permissions": 'os.makedirs(os.path.join(folder, "..", "x/y"), 0o000)',
}
_FAILED_CODE: dict[str, tuple[str, str]] = {
    "ends-at-once": ("os._exit(0)", "ended without a result"),
    "ends-at-once-with-a-code": ("os._exit(7)", "exit code 7"),
    "raises-system-exit": ("raise SystemExit(5)", "exit code 5"),
    "raises-system-exit-with-a-text": ('raise SystemExit("no luck")', "no luck"),
    "raises-a-keyboard-interrupt": ("raise KeyboardInterrupt", ""),
    "raises-a-base-exception": ('raise BaseException("base")', "base"),
    "recurses-without-end": ("f = lambda: f(); f()", "RecursionError"),
    "kills-itself": ("os.kill(os.getpid(), 9)", "SIGKILL"),
    "aborts": ("os.abort()", "SIGABRT"),
    "accesses-null": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "starts-pip": (
        'import subprocess; subprocess.run([sys.executable, "-m", "pip"], check=True)',
        "that has pip",
    ),
    "renames-to-another-file-system": (
        'import errno; raise OSError(errno.EXDEV, "Invalid cross-device link")',
        "another file system",
    ),
    "is-refused-a-file": ('raise PermissionError(13, "Permission denied", "x")', "check the owner"),
    "removes-the-wheel-folder": ("os.rmdir(folder)", "No such file"),
}

_IMPORTED = "\nprint('x' * 1000)\nraise ImportError('not today')\n"

CASES = [
    *(Case(name, "A3", _hook(code), BUILT) for name, code in _BUILT_CODE.items()),
    *(
        Case(name, "D", _hook(code), failed(*filter(None, [words])))
        for name, (code, words) in _FAILED_CODE.items()
    ),
    Case("module-raises-when-imported", "D", _hook("pass", _IMPORTED), Expected(1, ("not today",))),
]
