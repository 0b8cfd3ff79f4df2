"""Build environments of the cache: shared while they are unchanged and in use, else made anew."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pool.build.frontend.environments.cache import CachedEnvironment, EnvironmentCache
from pool.build.frontend.read_recorder import VARIABLE
from pool.cache.prune import list_entries, prune_cache
from pool.cache.unpacked_wheels import UnpackedWheel, UnpackedWheels
from pool.common.cache_layout import CacheLayout
from pool.common.errors import ChangedWheelError
from pool.system.interpreter import Interpreter, probe
from tests.support.interpreters import find_python
from tests.support.paths import ROOT
from tests.support.wheels import INFO, sha256, tiny_wheel

if TYPE_CHECKING:
    from collections.abc import Callable

TINY = {
    "tiny/__init__.py": "value = 1\ndef main(): print('tiny', __file__)\n",
    f"{INFO}/entry_points.txt": "[console_scripts]\ntiny = tiny:main\n",
}
USES_IT = """
import os, sys, time
from pathlib import Path
from pool.build.frontend.environments import cache as env_cache
from pool.cache.unpacked_wheels import UnpackedWheels
from pool.common.cache_layout import CacheLayout
from pool.system.interpreter import probe
layout, digest, waits = CacheLayout(Path(sys.argv[1])), sys.argv[2], sys.argv[3:]
python = probe(None, os.environ)
if waits:
    fill = env_cache._fill
    def fill_and_wait(*given):
        fill(*given)
        print("filled", flush=True)
        sys.stdin.read()
    env_cache._fill = fill_and_wait
wheel = UnpackedWheels(layout.unpacked_wheels).get(digest, python)
env = env_cache.EnvironmentCache(layout).acquire(python, [wheel])
print(env.path, env.path.stat().st_ino)
"""


class Cache:
    """One cache folder with a tiny wheel in it."""

    def __init__(self, root: Path, python: Interpreter) -> None:
        self.layout = CacheLayout(root)
        self.python = python
        self.archive = tiny_wheel(root.parent / "wheels", TINY)
        self.digest = sha256(self.archive)
        self.environments = EnvironmentCache(self.layout)

    def wheel(self) -> UnpackedWheel:
        store = UnpackedWheels(self.layout.unpacked_wheels)
        found = store.get(self.digest, self.python)
        return found or store.add(self.archive, self.digest, self.python)

    def acquire(self) -> CachedEnvironment:
        found = self.environments.acquire(self.python, [self.wheel()])
        assert found is not None
        return found

    def process(self, *waits: str) -> subprocess.Popen[str]:
        """Start a process that acquires the environment."""
        argv = [sys.executable, "-c", USES_IT, str(self.layout.root), self.digest, *waits]
        pipe = subprocess.PIPE
        return subprocess.Popen(argv, stdout=pipe, stdin=pipe, text=True, cwd=ROOT)


@pytest.fixture
def python() -> Interpreter:
    return probe(None, os.environ)


@pytest.fixture
def cache(tmp_path: Path, python: Interpreter) -> Cache:
    return Cache(tmp_path / "cache", python)


def module_of(env: CachedEnvironment, python: Interpreter) -> Path:
    return env.path / python.site / "tiny/__init__.py"


def time_of(environment: Path) -> int:
    """Return when an environment was made, in nanoseconds."""
    return (environment / "pyvenv.cfg").stat().st_mtime_ns


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def add(module: Path) -> None:
    (module.parent / "added.py").write_text("")


def replace(module: Path) -> None:
    other = module.with_suffix(".new")
    other.write_text("value = 2\n")
    other.rename(module)


def overwrite(module: Path) -> None:
    module.write_text("value = 2\n")


def overwrite_unseen(module: Path) -> None:
    """Change the content, but neither size nor time."""
    status = module.stat()
    module.write_text(module.read_text().replace("1", "2"))
    os.utime(module, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGES = [add, replace, os.unlink, overwrite]


def test_acquire_again_gives_the_same_environment(cache: Cache) -> None:
    first = cache.acquire()
    made = time_of(first.path)
    second = cache.acquire()
    assert first.judge(files=True) is second.judge(files=True) is None
    first.release()
    second.release()
    cache.environments = EnvironmentCache(cache.layout)
    third = cache.acquire()
    third.release()
    assert first.path == second.path == third.path
    assert time_of(third.path) == made


def test_commands_of_an_environment_run_at_its_final_path(cache: Cache) -> None:
    env = cache.acquire()
    output = subprocess.check_output([env.path / "bin/tiny"], text=True, env={})
    assert output.strip() == f"tiny {module_of(env, cache.python)}"
    env.release()


def test_bytecode_and_temporary_files_are_no_change(cache: Cache) -> None:
    env = cache.acquire()
    environ = {VARIABLE: "/nowhere"}
    subprocess.run([env.path / "bin/python", "-OO", "-c", "import tiny"], check=True, env=environ)
    add(module_of(env, cache.python))
    (module_of(env, cache.python).parent / "added.py").unlink()
    assert env.judge(files=False) is env.judge(files=True) is None
    env.release()


@pytest.mark.parametrize("change", CHANGES)
def test_changed_environment_is_made_anew(cache: Cache, change: Callable[[Path], None]) -> None:
    env = cache.acquire()
    change(module_of(env, cache.python))
    judgement = env.judge(files=True)
    assert judgement is not None
    # A changed file may have been seen by builds of another environment that is linked to it.
    assert judgement.is_own == (change is not overwrite)
    env.release()
    again = cache.acquire()
    assert again.path == env.path
    assert module_of(again, cache.python).read_text() == TINY["tiny/__init__.py"]
    assert names_in(module_of(again, cache.python).parent) == names_in(
        cache.wheel().path / "purelib/tiny"
    )
    again.release()


@pytest.mark.parametrize("change", [add, replace, os.unlink])
def test_change_of_entries_is_found_without_a_look_at_files(
    cache: Cache, change: Callable[[Path], None]
) -> None:
    env = cache.acquire()
    change(module_of(env, cache.python))
    assert env.judge(files=False) is not None
    env.release()


@pytest.mark.parametrize("change", [*CHANGES, overwrite_unseen])
def test_change_of_a_killed_build_is_found_by_the_next_process(
    cache: Cache, change: Callable[[Path], None]
) -> None:
    env = cache.acquire()
    env.release()
    change(module_of(env, cache.python))
    cache.environments = EnvironmentCache(cache.layout)
    again = cache.acquire()
    assert module_of(again, cache.python).read_text() == TINY["tiny/__init__.py"]
    assert again.judge(files=True) is None
    again.release()


@pytest.mark.parametrize("change", CHANGES)
def test_change_while_others_use_it_belongs_to_none(
    cache: Cache, change: Callable[[Path], None]
) -> None:
    first, second = cache.acquire(), cache.acquire()
    change(module_of(first, cache.python))
    for env in (first, second):
        judgement = env.judge(files=True)
        assert judgement is not None
        assert not judgement.is_own
    assert cache.environments.acquire(cache.python, [cache.wheel()]) is None
    first.release()
    second.release()
    cache.acquire().release()


def test_change_that_was_undone_is_no_own_one_for_others(cache: Cache) -> None:
    first, second = cache.acquire(), cache.acquire()
    add(module_of(first, cache.python))
    assert first.judge(files=False) is not None
    (module_of(first, cache.python).parent / "added.py").unlink()
    judgement = second.judge(files=False)
    assert judgement is not None
    assert not judgement.is_own
    first.release()
    second.release()


def test_change_after_another_user_has_ended_is_no_own_one(cache: Cache) -> None:
    first, second = cache.acquire(), cache.acquire()
    second.release()
    add(module_of(first, cache.python))
    judgement = first.judge(files=False)
    assert judgement is not None
    assert not judgement.is_own
    first.release()


def test_process_of_no_build_is_noticed(cache: Cache) -> None:
    env = cache.acquire()
    # A session of its own, and a parent without the variable.
    argv = [str(env.path / "bin/python"), "-c", "import tiny"]
    subprocess.run(argv, check=True, env={}, start_new_session=True)
    judgement = env.judge(files=False)
    assert judgement is not None
    assert judgement.change.text == "a process of no known build has run in it"
    env.release()


def test_killed_maker_leaves_nothing_that_is_used(cache: Cache) -> None:
    cache.wheel()
    with cache.process("waits") as maker:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "filled\n"
        (unfinished,) = cache.layout.environments.iterdir()
        maker.send_signal(signal.SIGKILL)
    env = cache.acquire()
    assert not unfinished.exists()
    assert list(cache.layout.environments.iterdir()) == [env.path]
    env.release()


def test_processes_at_once_make_one_environment(cache: Cache) -> None:
    cache.wheel()
    with cache.process("waits") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "filled\n"
        with cache.process() as second:
            answers = {first.communicate()[0], second.communicate()[0]}
    (answer,) = answers
    env = cache.acquire()
    assert answer.split() == [str(env.path), str(env.path.stat().st_ino)]
    env.release()


def test_environment_that_appears_after_the_first_look_is_used(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cache.acquire()
    join = cache.environments._join

    def join_at_the_second_look(request: Any) -> CachedEnvironment | None:
        monkeypatch.setattr(cache.environments, "_join", join)
        return None

    monkeypatch.setattr(cache.environments, "_join", join_at_the_second_look)
    second = cache.acquire()
    assert second.path == first.path
    assert names_in(cache.layout.environments) == [first.path.name]
    first.release()
    second.release()


def test_other_umask_has_another_environment(cache: Cache) -> None:
    env = cache.acquire()
    before = os.umask(0o077)
    try:
        other = cache.acquire()
    finally:
        os.umask(before)
    assert other.path != env.path
    assert other.path.stat().st_mode & 0o777 == 0o700
    env.release()
    other.release()


def test_other_interpreter_has_another_environment(cache: Cache) -> None:
    env = cache.acquire()
    cache.python = probe(find_python("3.12"), os.environ)
    other = cache.acquire()
    assert other.path != env.path
    env.release()
    other.release()


def test_cache_at_another_path_has_its_own_commands(cache: Cache, tmp_path: Path) -> None:
    cache.acquire().release()
    shutil.move(cache.layout.root, tmp_path / "moved")
    moved = Cache(tmp_path / "moved", cache.python).acquire()
    assert str(moved.path) in (moved.path / "bin/tiny").read_text()
    moved.release()


def test_wheel_outside_of_the_cache_is_not_shared(cache: Cache, tmp_path: Path) -> None:
    store = UnpackedWheels(tmp_path / "other")
    wheel = store.add(cache.archive, cache.digest, cache.python)
    assert cache.environments.acquire(cache.python, [wheel]) is None


def test_wheel_that_was_changed_meanwhile_is_refused(cache: Cache) -> None:
    wheel = cache.wheel()
    overwrite(wheel.path / "purelib/tiny/__init__.py")
    with pytest.raises(ChangedWheelError, match="has changed files of tiny"):
        cache.environments.acquire(cache.python, [wheel])
    assert not list(cache.layout.environments.iterdir())


def test_folder_that_cannot_be_used_gives_none(cache: Cache) -> None:
    wheel = cache.wheel()
    cache.layout.environments.write_text("")
    assert cache.environments.acquire(cache.python, [wheel]) is None


def test_prune_leaves_an_environment_in_use(cache: Cache) -> None:
    env = cache.acquire()
    # A process that has outlived its build.
    argv = [sys.executable, "-c", "input()"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, pass_fds=env.fds) as orphan:
        env.release()
        result = prune_cache(cache.layout.root, lambda entries: entries, lambda _: None)
        assert result.left == [env.path]
        assert module_of(env, cache.python).exists()
        orphan.communicate(b"\n")
    result = prune_cache(cache.layout.root, lambda entries: entries, lambda _: None)
    assert [entry.path for entry in result.removed] == [env.path]
    assert not env.path.exists()


def test_list_entries_names_environments(cache: Cache) -> None:
    cache.acquire().release()
    kinds = {entry.kind for entry in list_entries(cache.layout.root)}
    assert "build environments" in kinds
    assert "other" not in kinds


def test_note_of_a_project_that_changes_its_environment_stays(cache: Cache) -> None:
    assert not cache.environments.is_changed_by("thing")
    cache.environments.note_changed_by("thing")
    assert EnvironmentCache(cache.layout).is_changed_by("thing")
    assert not cache.environments.is_changed_by("other")


def test_cache_with_a_path_that_is_no_text_keeps_environments(
    tmp_path: Path, python: Interpreter
) -> None:
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    cache = Cache(root, python)
    env = cache.acquire()
    made = time_of(env.path)
    env.release()
    cache.environments = EnvironmentCache(cache.layout)
    cache.acquire().release()
    assert time_of(env.path) == made
