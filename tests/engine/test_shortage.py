"""Scarce descriptors: fewer builds at once, and no build fails for it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pool
from pool.build import pipeline
from pool.events import types as v
from pool.run import scheduler
from pool.system import process_limits
from tests.support.makers import make_tree
from tests.support.pool_runs import make_settings, run_pool

TREES = 20


async def test_build_that_meets_a_shortage_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, attempts = pipeline.run_build, []

    async def fail_twice(job: Any, *more: Any) -> Any:
        attempts.append(job.id)
        if len(attempts) <= 2:
            raise pool.PoolError("good.whl is not a wheel") from OSError(errno.EMFILE, "too many")
        return await real(job, *more)

    monkeypatch.setattr(scheduler, "run_build", fail_twice)
    monkeypatch.setattr(process_limits, "_DELAYS", (0.0, 0.0))
    notes: list[str] = []

    def listen(event: v.KnownEvent, _state: pool.RunState) -> None:
        if isinstance(event, v.Note):
            notes.append(event.text)

    code, state = await run_pool(make_settings(tmp_path), make_tree(tmp_path, "t"), on_event=listen)
    assert (code, len(attempts), len(notes)) == (0, 3, 2)
    assert [build.outcome for build in state.builds.values()] == [pool.Outcome.BUILT]


@pytest.mark.slow
def test_twenty_trees_with_64_descriptors_are_all_built(tmp_path: Path) -> None:
    trees = [str(make_tree(tmp_path, f"t{number}")) for number in range(TREES)]
    wheelpool = [sys.executable, "-m", "app", "build", *trees, "-j", "20", "--no-ui"]
    environ = {
        **os.environ,
        "HOME": str(tmp_path),
        "PYTHONPATH": str(Path(pool.__file__).parents[1]),
        "TMPDIR": str(tmp_path),
        **{f"XDG_{one}_HOME": str(tmp_path / one) for one in ("CACHE", "STATE", "CONFIG")},
    }
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", *wheelpool, "-o", "out"],
        cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "64 open files (ulimit -n)" in done.stderr
    assert len(list((tmp_path / "out").glob("*.whl"))) == TREES
