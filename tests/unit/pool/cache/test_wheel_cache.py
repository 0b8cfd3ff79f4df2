"""Built wheels are found by what they are made from, whole, by many processes, or not at all."""

from __future__ import annotations

import errno
import multiprocessing
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pool.cache.key import CacheKey, select_build_variables
from pool.cache.unpacked_wheels import UnpackedWheel
from pool.cache.wheel_cache import CachedWheel, DamagedWheel, WheelCache
from pool.common.cache_layout import CacheLayout
from pool.sources.pyproject import Project
from pool.system.interpreter import probe
from pool.system.locks.lock_file import LockFile
from pool.system.locks.queue import LockQueue
from tests.support.cache_keys import make_cache_key
from tests.support.lock_holders import ignore
from tests.support.makers import make_wheel

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

PYTHON = probe(None, {})


class Then:
    """A clock that stands still."""

    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)


def ingredient(name: str, digest: str = "00") -> UnpackedWheel:
    return UnpackedWheel(
        name=name,
        version="1",
        metadata="",
        entry_points=(),
        folders=(),
        files={},
        path=Path("store", digest),
    )


@pytest.fixture
def cache(tmp_path: Path) -> WheelCache:
    return WheelCache(tmp_path / "cache", Then())


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path, "some")


def store(cache: WheelCache, wheel: Path, *recipes: CacheKey) -> CachedWheel:
    return cache.store(
        wheel,
        recipes or [make_cache_key()],
        hook_requires=["ninja"],
        wheels=[],
        name="some",
        version="1.0",
        seconds=90.0,
    )


def found(cache: WheelCache, wanted: CacheKey | None = None) -> CachedWheel:
    answer = cache.find((wanted or make_cache_key()).final_digest([]), {})
    assert isinstance(answer, CachedWheel)
    return answer


# Keys


def test_a_key_is_the_same_in_any_order_and_any_process() -> None:
    one, two = ingredient("a"), ingredient("b")
    first = make_cache_key(environ={"CC": "gcc", "CFLAGS": "-O2"}, wheels=(one, two))
    second = make_cache_key(environ={"CFLAGS": "-O2", "CC": "gcc"}, wheels=(two, one))
    assert first.digest == second.digest
    assert first.final_digest([one, two]) == second.final_digest([two, one])


def test_each_input_of_a_wheel_changes_its_key() -> None:
    recipes = [
        make_cache_key(),
        make_cache_key("tree:2"),
        make_cache_key(settings={"editable": "no"}),
        make_cache_key(settings={"editable": ["no"]}),
        make_cache_key(environ={"CC": "gcc"}),
        make_cache_key(wheels=(ingredient("a"),)),
        make_cache_key(wheels=(ingredient("a", "11"),)),
        make_cache_key(wheels=(ingredient("b"),)),
    ]
    assert len({one.digest for one in recipes}) == len(recipes)
    finals = {one.final_digest(wheels) for one in recipes for wheels in ([], [ingredient("x")])}
    assert len(finals) == 2 * len(recipes)


@pytest.mark.parametrize(
    "name",
    [
        "CC",
        "CXXFLAGS",
        "CPATH",
        "LIBRARY_PATH",
        "PKG_CONFIG_PATH",
        "CMAKE_ARGS",
        "SKBUILD_X",
        "RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "MATURIN_PEP517_ARGS",
        "SETUPTOOLS_SCM_PRETEND_VERSION",
        "CUDA_HOME",
        "TORCH_CUDA_ARCH_LIST",
        "USE_NINJA",
        "FLASH_ATTN_FORCE_BUILD",
        "HDF5_DIR",
        "SOURCE_DATE_EPOCH",
        "GEOS_INCLUDE_DIR",
        "YARL_NO_EXTENSIONS",
        "ARCHFLAGS",
        "FC",
    ],
)
def test_inputs_of_compilers_and_build_tools_change_the_key(name: str) -> None:
    assert select_build_variables({name: "1"}, "flash-attn") == {name: "1"}


@pytest.mark.parametrize(
    "name",
    [
        "MAX_JOBS",
        "CMAKE_BUILD_PARALLEL_LEVEL",
        "MAKEFLAGS",
        "CARGO_BUILD_JOBS",
        "HOME",
        "PATH",
        "TERM",
        "PWD",
        "_",
        "CARGO_REGISTRY_TOKEN",
        "POETRY_HTTP_BASIC_X_PASSWORD",
        "TMPDIR",
        "CI",
    ],
)
def test_job_counts_credentials_and_the_rest_do_not_count(name: str) -> None:
    assert select_build_variables({name: "1"}, "flash-attn") == {}
    assert select_build_variables({name: "1"}, "") == {}


# Finding and storing


def test_a_stored_wheel_is_found(cache: WheelCache, wheel: Path) -> None:
    assert cache.read_hook_requires(make_cache_key()) is None
    assert cache.find(make_cache_key().final_digest([]), {}) is None
    stored = store(cache, wheel)
    assert found(cache) == stored
    assert stored.path.read_bytes() == wheel.read_bytes()
    assert stored.path.name == wheel.name
    assert (stored.name, stored.version, stored.seconds) == ("some", "1.0", 90.0)
    assert stored.bytes == wheel.stat().st_size
    assert stored.made == Then().now().timestamp()
    assert cache.read_hook_requires(make_cache_key()) == ("ninja",)


def test_the_file_that_was_stored_is_free_to_be_moved_and_changed(
    cache: WheelCache, wheel: Path
) -> None:
    store(cache, wheel)
    wheel.write_bytes(b"changed")
    wheel.unlink()
    found(cache)


def test_a_wheel_is_found_by_the_tree_before_and_after_the_build(
    cache: WheelCache, wheel: Path
) -> None:
    before = make_cache_key("tree:clean")
    after = before.with_source("tree:with build")
    store(cache, wheel, before, after)
    assert found(cache, before) == found(cache, after)
    assert cache.read_hook_requires(after) == ("ninja",)
    assert len(list(cache.entries())) == 1


def test_a_newer_wheel_for_a_key_replaces_no_file_of_the_older(
    cache: WheelCache, wheel: Path, tmp_path: Path
) -> None:
    older = store(cache, wheel)
    newer = store(cache, make_wheel(tmp_path / "again", "some", headers=["Summary: other"]))
    assert newer.sha256 != older.sha256
    assert found(cache) == newer
    assert older.path.exists()


def test_a_use_is_noted_on_the_key_and_the_wheel(cache: WheelCache, wheel: Path) -> None:
    place = store(cache, wheel).path.parent
    os.utime(place, (0, 0))
    found(cache)
    assert place.stat().st_mtime > 0


def test_nothing_hidden_is_left(cache: WheelCache, wheel: Path, tmp_path: Path) -> None:
    store(cache, wheel)
    assert not list((tmp_path / "cache").rglob(".*"))


def test_a_wheel_that_cannot_be_read_leaves_nothing(cache: WheelCache, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        store(cache, tmp_path / "gone.whl")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


# Damage


@pytest.mark.parametrize("how", ["truncated", "replaced", "missing", "json", "empty"])
def test_a_damaged_entry_is_reported_once_and_can_be_stored_again(
    cache: WheelCache, wheel: Path, tmp_path: Path, how: str
) -> None:
    path = store(cache, wheel).path
    (key,) = CacheLayout(tmp_path / "cache").wheel_keys.iterdir()
    match how:
        case "truncated":
            path.write_bytes(path.read_bytes()[:-1])
        case "replaced":
            path.write_bytes(path.read_bytes()[::-1])
        case "missing":
            path.unlink()
        case "json":
            key.write_text('{"file": "some')
        case _:
            key.write_bytes(b"")
    answer = cache.find(make_cache_key().final_digest([]), {})
    assert isinstance(answer, DamagedWheel)
    assert ("some-1.0-py3-none-any.whl" in answer.reason) or ("cannot be read" in answer.reason)
    assert cache.find(make_cache_key().final_digest([]), {}) is None
    store(cache, wheel)
    found(cache)


def test_a_wheel_that_was_pruned_is_no_damage(cache: WheelCache, wheel: Path) -> None:
    path = store(cache, wheel).path
    path.unlink()
    path.parent.rmdir()
    assert cache.find(make_cache_key().final_digest([]), {}) is None


def test_a_damaged_note_of_the_request_is_none(
    cache: WheelCache, wheel: Path, tmp_path: Path
) -> None:
    store(cache, wheel)
    (asked,) = CacheLayout(tmp_path / "cache").hook_requires.iterdir()
    asked.write_text("[1]")
    assert cache.read_hook_requires(make_cache_key()) is None


# Several processes


def fill(folder: Path, wheel: Path, start: Connection) -> None:
    cache = WheelCache(folder, Then())
    start.recv()
    for _ in range(20):
        store(cache, wheel)
        found(cache)


def test_processes_that_store_one_key_never_show_half_a_wheel(tmp_path: Path, wheel: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with_process = []
    for number in range(2):
        other = make_wheel(tmp_path / str(number), "some", headers=[f"Summary: {number}"])
        ours, theirs = context.Pipe()
        process = context.Process(target=fill, args=(tmp_path / "cache", other, theirs))
        process.start()
        theirs.close()
        with_process.append((process, ours))
    for _, ours in with_process:
        ours.send("go")
    cache = WheelCache(tmp_path / "cache", Then())
    key = make_cache_key().final_digest([])
    while any(process.is_alive() for process, _ in with_process):
        assert not isinstance(cache.find(key, {}), DamagedWheel)
    for process, ours in with_process:
        process.join()
        ours.close()
        assert process.exitcode == 0
        process.close()
    assert len(list(cache.entries())) == 1


async def test_a_waiter_for_the_same_wheel_finds_it(cache: WheelCache, wheel: Path) -> None:
    """One builds with the lock, the other gets the lock and finds what was built."""
    builder, other = LockQueue(LockFile), LockQueue(LockFile)
    path = cache.lock_path(make_cache_key())
    held = await builder.acquire(path, on_wait=ignore)
    assert other.try_acquire(path) is None
    store(cache, wheel)
    held.release()
    held = await other.acquire(path, on_wait=ignore)
    found(cache)
    held.release()


# Metadata of sources


def test_metadata_of_a_source_is_stored_by_its_fingerprint(cache: WheelCache) -> None:
    project = Project(requires=("setuptools",), backend="b", backend_path=(".",), name="some")
    cache.store_project("sha256:1:sub/folder", project)
    assert cache.read_project("sha256:1:sub/folder") == project
    assert cache.read_project("sha256:1:") is None


def test_a_broken_note_is_as_none(cache: WheelCache, tmp_path: Path) -> None:
    cache.store_project("sha256:1:", Project(requires=(), backend="b"))
    (note,) = CacheLayout(tmp_path / "cache").projects.iterdir()
    note.write_text("{")
    assert cache.read_project("sha256:1:") is None


def test_find_shortage_is_raised_and_the_entry_stays(
    cache: WheelCache, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says nothing about the entry, which would be removed as a damaged one."""
    store(cache, wheel)

    def hash_without_descriptors(_: Path) -> str:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr("pool.cache.wheel_cache.hash_file", hash_without_descriptors)
        with pytest.raises(OSError, match="Too many open files"):
            found(cache)
    found(cache)
