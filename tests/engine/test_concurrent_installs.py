"""Many processes install into one environment at once; the lock is held only while committing."""

from __future__ import annotations

import fcntl
import os
import threading
import traceback
from typing import TYPE_CHECKING

from pool.install.check import unmet_requirements
from pool.install.installed import installed_distributions
from pool.install.staging import discard, stage
from pool.install.transaction import commit, remove_leftovers
from tests.support.installs import Yard, content, leftovers, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from pool.cache.unpacked_wheels import UnpackedWheel

PROCESSES = 12


def put_locked(yard: Yard, wheel: UnpackedWheel) -> None:
    """Do as the engine does."""
    staged = yard.stage(wheel)
    try:
        with yard.env.lock_path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            commit(staged)
    finally:
        discard(staged)
    remove_leftovers(yard.env)


def together(yard: Yard, wheels: Sequence[UnpackedWheel]) -> None:
    """Install each in a process of its own, all at once."""
    children = []
    for wheel in wheels:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                put_locked(yard, wheel)
                status = 0
            except Exception:
                traceback.print_exc()
                raise
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)


def test_all_of_many_are_there(yard: Yard) -> None:
    """Each has a part in a namespace that all share, and in one folder of data."""
    numbers = range(PROCESSES)
    for version in ("1.0", "2.0"):
        wheels = [
            yard.wheel(
                f"dist{number}",
                version,
                {
                    f"ns/part{number}.py": f"v = {version!r}\n",
                    f"single{number}.py": "",
                    f"DATA/data/share/all/{number}": "",
                },
                requires=[f"dist{number - 1}>=1"] if number else [],
            )
            for number in numbers
        ]
        together(yard, wheels)
        names = ", ".join(f"ns.part{number}, single{number}" for number in numbers)
        run(yard.env, f"import {names}; assert ns.part0.v == {version!r}")
        found = installed_distributions(yard.env)
        assert {one.version for one in found.values()} == {version}
        assert len(found) == PROCESSES
        assert unmet_requirements(found, list(found), yard.env.interpreter.environment) == []
    recorded = [
        os.path.relpath(yard.site / path, yard.env.prefix)
        for one in installed_distributions(yard.env).values()
        for path in one.record or ()
    ]
    assert len(set(recorded)) == len(recorded)
    assert set(recorded) <= set(content(yard.env.prefix))
    assert leftovers(yard.env) == []


def test_one_and_the_same_by_many_is_there_once(yard: Yard) -> None:
    wheels = [yard.wheel("x", f"{number}.0") for number in range(1, PROCESSES)]
    together(yard, wheels)
    (one,) = installed_distributions(yard.env).values()
    assert run(yard.env, "import x; print(x.__version__)") == one.version
    assert [path.name for path in yard.site.glob("*.dist-info")] == [one.info_dir.name]


def test_the_folder_that_all_share_may_go_at_any_moment(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last process in it removes it: it was there, and is not any more."""
    make, calls = os.mkdir, list[str]()

    def there_and_gone(path: str, *args: int, **kwargs: int) -> None:
        calls.append(path)
        if len(calls) == 1:
            raise FileExistsError(path)
        make(path, *args, **kwargs)

    monkeypatch.setattr(os, "mkdir", there_and_gone)
    discard(stage(yard.env, []))
    assert leftovers(yard.env) == []


def test_threads_of_one_process_do_not_meet(yard: Yard) -> None:
    wheels = [yard.wheel(f"dist{number}") for number in range(6)]
    threads = [threading.Thread(target=put_locked, args=(yard, wheel)) for wheel in wheels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(installed_distributions(yard.env)) == 6
    assert leftovers(yard.env) == []


def test_readers_see_old_or_new_at_any_moment(yard: Yard) -> None:
    """A module is never missing, nor half of it, while it is replaced again and again."""
    wheels = [
        yard.wheel(
            "x",
            f"{n}.0",
            {
                "x/__init__.py": f"from x.v{n} import v\n",
                f"x/v{n}.py": f"v = {n}\n",
                "one.py": f"v = {n}\n",
            },
        )
        for n in (1, 2)
    ]
    yard.put(wheels[0])
    child = os.fork()
    if child == 0:
        while True:
            for wheel in reversed(wheels):
                put_locked(yard, wheel)
    try:
        code = (
            "import importlib, sys, importlib.metadata as m\n"
            "for _ in range(300):\n"
            "    for name in [n for n in sys.modules if n.partition('.')[0] in ('x', 'one')]:\n"
            "        del sys.modules[name]\n"
            "    importlib.invalidate_caches()\n"
            "    try:\n"
            "        import one\n"
            "    except ImportError as e: print('one', e)\n"
            "    try: m.version('x')\n"
            "    except Exception as e: print('version', repr(e))\n"
        )
        assert run(yard.env, code) == ""
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
