"""A fork of a template is like a process that Python has started: each fact of both is compared."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from pool.build.frontend.warm import registry
from pool.common.errors import BackendError
from tests.support.child_processes import child_processes
from tests.support.warm_hooks import WarmBuilds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="templates need a subreaper")

SETUPTOOLS = "setuptools.build_meta"
FACTS = r"""
import gc, json, locale, subprocess, logging, os, resource, signal, site, sys, sysconfig, threading, warnings
from distutils import sysconfig as dist
main = sys.modules["__main__"]
folder = "/proc/self/fd"
facts = {
    "environ": dict(os.environ), "order": list(os.environ), "cwd": os.getcwd(),
    "umask": os.umask(0o22), "argv": sys.argv, "orig_argv": getattr(sys, "orig_argv", None),
    "path": sys.path, "executable": sys.executable, "base": getattr(sys, "_base_executable", ""),
    "prefix": [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix],
    "flags": str(sys.flags), "xoptions": sys._xoptions, "warnoptions": sys.warnoptions,
    "limits": [resource.getrlimit(n) for n in range(16)],
    "signals": {n: str(signal.getsignal(n)) for n in range(1, 32)},
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "descriptors": sorted(fd for fd in os.listdir(folder) if os.path.exists(f"{folder}/{fd}")),
    "targets": [os.readlink(f"{folder}/{fd}") for fd in (0, 1, 2)],
    "inheritable": [os.get_inheritable(fd) for fd in (0, 1, 2)],
    "session": [os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid()],
    "parent": os.getppid(),
    "streams": [
        (s.encoding, s.errors, s.line_buffering, s.write_through, s.newlines, type(s.buffer).__name__)
        for s in (sys.stdin, sys.stdout, sys.stderr)
    ],
    "encodings": [sys.getfilesystemencoding(), locale.getpreferredencoding(False)],
    "locale": locale.setlocale(locale.LC_ALL),
    "site": [site.PREFIXES, site.ENABLE_USER_SITE, site.USER_SITE],
    "sysconfig": sysconfig.get_paths(), "variables": sysconfig.get_config_vars(),
    "include": [dist.get_python_inc(), dist.get_python_lib(), dist.PREFIX, dist.EXEC_PREFIX],
    "finders": [getattr(f, "__name__", type(f).__name__) for f in sys.meta_path],
    "hooks": [str(sys.excepthook == sys.__excepthook__), str(sys.displayhook == sys.__displayhook__)],
    "filters": [(f[0], str(f[1]), f[2].__name__, str(f[3]), f[4]) for f in warnings.filters],
    "threads": [threading.current_thread().name, threading.active_count()],
    "main": [main.__name__, main.__file__, str(main.__spec__), main.__package__, main.__doc__],
    "main loader": [type(main.__loader__).__name__, main.__loader__.path],
    "gc": [gc.isenabled(), gc.get_threshold()], "recursion": sys.getrecursionlimit(),
    "handlers": len(logging.root.handlers),
    "cmdline": open("/proc/self/cmdline", encoding="latin-1").read().rstrip("\0").split("\0"),
    "name": open("/proc/self/comm").read(),
    "marks": sorted(v for v in open("/proc/self/environ", encoding="latin-1").read().split("\0") if "WHEELPOOL" in v),
    "inherited": sorted(subprocess.check_output(["env", "-0"]).decode("latin-1").split("\0")),
    "modules": {
        name: [
            getattr(module, "__file__", None), getattr(module, "__cached__", None),
            [str(p) for p in getattr(module, "__path__", None) or ()],
            getattr(getattr(module, "__spec__", None), "origin", None),
        ]
        for name, module in sys.modules.items()
        if name.partition(".")[0] in ("setuptools", "distutils", "packaging", "_distutils_hack", "jaraco")
    },
}
facts["gc"] = facts["gc"][:1]
with open(os.environ["FACTS"], "w") as file:
    json.dump(facts, file, default=str)
import setuptools
setuptools.setup()
"""


@pytest.fixture
def builds(tmp_path: Path) -> Iterator[WarmBuilds]:
    builds = WarmBuilds.create(tmp_path)
    yield builds
    builds.close()
    assert child_processes() == [], "processes left behind, or not reaped"


async def test_warm_hook_has_the_same_state_as_a_cold_one(
    builds: WarmBuilds, tmp_path: Path
) -> None:
    env = builds.env(builds.wheels("setuptools"))
    tree = builds.tree(files={"setup.py": FACTS})
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    seen = []
    for warm in (False, True, True):
        environ = {"FACTS": str(tmp_path / "facts"), "TZ": "UTC", "ODD": "\udcff=\u00e9"}
        await builds.call(
            env, tree, SETUPTOOLS, warm=warm, fds=(reading, writing), more_environ=environ
        )
        seen.append(json.loads((tmp_path / "facts").read_text()))
    os.close(reading)
    os.close(writing)
    assert len(list(builds.template_pids)) == 1
    for cold, warm_facts in ((seen[0], seen[1]), (seen[0], seen[2])):
        modules, warm_modules = cold.pop("modules"), warm_facts.pop("modules")
        for facts in (cold, warm_facts):
            # These have temporary folders, which are new for each hook.
            for name in ("argv", "orig_argv", "cmdline"):
                facts[name] = [re.sub(r"tmp-?\w{8}$", "tmp", word) for word in facts[name]]
        for name, value in cold.items():
            assert warm_facts[name] == value, name
        assert {name: warm_modules[name] for name in modules} == modules
        cold["modules"] = modules
    assert str(reading) in seen[0]["descriptors"]


async def test_hooks_of_one_template_share_no_state(builds: WarmBuilds, tmp_path: Path) -> None:
    setup = (
        "import json, os, sys, builtins, setuptools\n"
        "found = [os.environ.get('MARK'), getattr(builtins, 'mark', None), sys.path.count('mark')]\n"
        "os.environ['MARK'] = builtins.mark = 'left'\n"
        "os.umask(0o77)\n"
        "sys.path.append('mark')\n"
        "setuptools.mark = setuptools.build_meta.mark = 1\n"
        "os.chdir('/')\n"
        "open(os.environ['FACTS'], 'w').write(json.dumps(found + [os.getpid()]))\n"
        f"os.chdir({str(tmp_path / 'tree')!r})\n"
        "setuptools.setup()\n"
    )
    env = builds.env(builds.wheels("setuptools"))
    tree = builds.tree(files={"setup.py": setup})
    found = []
    for _ in range(3):
        await builds.call(
            env, tree, SETUPTOOLS, warm=True, more_environ={"FACTS": str(tmp_path / "facts")}
        )
        found.append(json.loads((tmp_path / "facts").read_text()))
    assert [one[:3] for one in found] == [[None, None, 0]] * 3
    assert len({one[3] for one in found}) == 3


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("raise SystemExit(3)", "exit code 3"),
        ("raise RuntimeError('broken')", "exit code 1"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("import os; os._exit(0)", "ended without a result"),
    ],
)
async def test_warm_hook_that_ends_in_an_odd_way_fails_like_a_cold_one(
    builds: WarmBuilds, tmp_path: Path, end: str, words: str
) -> None:
    wheels = builds.wheels("setuptools")
    env = builds.env(wheels)
    tree = builds.tree(files={"setup.py": f"print('output', flush=True)\n{end}\n"})
    messages, logs = [], []
    for number, warm in enumerate((False, True)):
        with pytest.raises(BackendError) as problem:
            await builds.call(env, tree, SETUPTOOLS, warm=warm, build=f"b{number}")
        messages.append(problem.value.args[0])
        log = (tmp_path / f"b{number}.log").read_text()
        # Code that a template has loaded is named by the file that it was loaded from.
        logs.append(log.replace(f"{wheels[0].path}/purelib", str(env.path / env.interpreter.site)))
    assert messages[0] == messages[1]
    assert words in messages[1]
    assert logs[0] == logs[1]
    assert "output" in logs[1]


async def test_exit_handlers_and_buffers_of_a_warm_hook_are_run(
    builds: WarmBuilds, tmp_path: Path
) -> None:
    setup = (
        "import atexit, setuptools\n"
        "atexit.register(lambda: print('at exit'))\n"
        "print('no newline', end='')\n"
        "setuptools.setup()\n"
    )
    env = builds.env(builds.wheels("setuptools"))
    tree = builds.tree(files={"setup.py": setup})
    await builds.call(env, tree, SETUPTOOLS, warm=True, more_environ={"PYTHONUNBUFFERED": ""})
    log = (tmp_path / "b1.log").read_text()
    assert log.endswith("at exit\n")
    assert "no newline" in log


async def test_template_that_is_killed_costs_a_note_and_no_build(
    builds: WarmBuilds, tmp_path: Path
) -> None:
    env, tree = builds.env(builds.wheels("flit-core")), builds.tree()
    notes: list[str] = []
    for _ in range(2):
        await builds.call(env, tree, "flit_core.buildapi", warm=True, notes=notes)
    assert notes == []
    (pid,) = builds.template_pids
    os.kill(pid, signal.SIGKILL)
    await builds.call(env, tree, "flit_core.buildapi", warm=True, notes=notes)
    assert len(notes) == 1
    assert "flit_core.buildapi" in notes[0]
    await builds.call(env, tree, "flit_core.buildapi", warm=True, notes=notes)
    assert len(notes) == 1
    assert len(list(builds.template_pids)) == 1


async def test_registry_with_too_many_templates_ends_the_longest_unused_one(
    builds: WarmBuilds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_TEMPLATES", 1)
    env, tree = builds.env(builds.wheels("flit-core")), builds.tree()
    pids = []
    for value in ("1", "1", "2"):
        await builds.call(env, tree, "flit_core.buildapi", warm=True, more_environ={"ODD": value})
        pids.append(list(builds.template_pids))
    assert pids[0] == pids[1] != pids[2]
    assert [len(one) for one in pids] == [1, 1, 1]


async def test_wheel_that_hides_a_module_of_the_backend_starts_hooks_cold(
    builds: WarmBuilds, tmp_path: Path
) -> None:
    env, tree = builds.env(builds.wheels("flit-core")), builds.tree()
    (env.path / env.interpreter.site / "flit_core" / "__init__.py").unlink()
    text = '__version__ = "1"\nprint("replaced", flush=True)\n'
    (env.path / env.interpreter.site / "flit_core" / "__init__.py").write_text(text)
    await builds.call(env, tree, "flit_core.buildapi", warm=True)
    assert "replaced" in (tmp_path / "b1.log").read_text()
