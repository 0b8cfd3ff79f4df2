"""Files of the cache that another program has written: each is used, or made anew."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.cache.wheel_cache import DamagedWheel, WheelCache
from pool.common.cache_layout import CacheLayout
from pool.common.clock import SystemClock
from pool.scheduling.history import BuildHistory
from tests.fuzz.limits import fuzz, limited
from tests.fuzz.strategies import damaged, damaged_json, expand

ENTRY = {
    "file": "a-1-py3-none-any.whl",
    "name": "a",
    "version": "1",
    "sha256": "00",
    "bytes": 1,
    "made": 1.0,
    "seconds": 1.0,
    "inputs": {
        "names": ["X"],
        "programs": {"cc": "/usr/bin/cc"},
        "files": [{"path": "L3g=", "kind": "file", "digest": "00", "stamp": [1, 2, 3]}],
    },
}
PROJECT = {"requires": ["a"], "backend": "x", "backend_path": ["."], "name": "a", "version": "1"}
DEEP = b'[{"x":<DEEP>'


@pytest.mark.stress
@fuzz(50)
@given(
    damaged_json([ENTRY]) | st.just(DEEP),
    damaged_json(PROJECT) | st.just(DEEP),
    damaged_json(["a"]) | st.just(DEEP),
)
def test_wheel_cache_with_any_entry_finds_nothing_wrong(
    entry: bytes, project: bytes, requires: bytes
) -> None:
    with TemporaryDirectory() as name:
        layout = CacheLayout(Path(name))
        cache = WheelCache(Path(name), SystemClock())
        key: Any = type("Key", (), {"digest": "0"})
        files = {
            layout.wheel_keys / "0": entry,
            layout.hook_requires / "0": requires,
            cache._project_path("x"): project,
        }
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(expand(data))
        with limited():
            assert isinstance(cache.find("0", {}), DamagedWheel | None)
            cache.read_hook_requires(key)
            cache.read_project("x")
        (layout.wheel_keys / "0").write_bytes(expand(entry))
        with limited():
            assert list(cache.entries()) == []


@pytest.mark.stress
@fuzz(30)
@given(
    damaged(msgspec.msgpack.encode({"identity": [1, 2, 3], "rows": {"a": [["1", 1.0, 2]]}}))
    | st.sampled_from([b"\x91" * 50_000, b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"])
)
def test_history_with_any_recent_rows_estimates(data: bytes) -> None:
    with TemporaryDirectory() as name:
        path = Path(name, "history.sqlite")
        path.write_bytes(b"")
        path.with_suffix(".recent").write_bytes(expand(data))
        with limited():
            history = BuildHistory.load(path)
            assert len(history.estimate([("a", "1")])) == 1
