"""The panel of a failed build: cause, fix, skipped dependents and rerun, each in full."""

from __future__ import annotations

import re

import pytest

from app.tui.app import WheelpoolApp
from pool.build.diagnosis.fix_context import FixContext
from pool.build.diagnosis.log_diagnosis import diagnose
from pool.build.diagnosis.package_manager import PackageManager
from pool.common.model import BuildId, LimitName, Outcome
from pool.common.text import clean_line
from pool.events import types as v
from tests.support.fakes import FakeSource, ManualClock
from tests.support.paths import ROOT
from tests.support.screens import screen_text, wait_until

A, B = BuildId("b1"), BuildId("b2")


def failed_run() -> FakeSource:
    source = FakeSource()
    source.emit(
        v.RunStarted(limits={LimitName.BUILDS: 2}, targets=1, out_dir="o", logs="l"),
        v.BuildQueued(build=A, name="broken-helper", target="x", log="a.log", needed_by=(B,)),
        v.BuildQueued(build=B, name="needs-broken", version="1.2", target="./b", log="b.log"),
        v.BuildFinished(
            build=A,
            outcome=Outcome.FAILED,
            cause="no module 'numpy'",
            message="ModuleNotFoundError: No module named 'numpy' (build_wheel, exit code 1)",
            hint="add numpy to [build-system] requires in ./broken-helper/pyproject.toml",
            rerun="cd x && make",
        ),
        v.BuildFinished(build=B, outcome=Outcome.SKIPPED, message="needs broken-helper"),
    )
    return source


async def test_panel_of_a_failed_build_has_cause_fix_dependents_and_rerun() -> None:
    app = WheelpoolApp(failed_run(), clock=ManualClock())
    lines = (
        r"Cause +ModuleNotFoundError: No module named 'numpy' \(build_wheel, exit code 1\)",
        r"Fix +add numpy to \[build-system\] requires in ./broken-helper/pyproject.toml",
        r"Also +needs-broken 1.2 was skipped because of it",
        r"Rerun +cd x && make",
    )
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: all(re.search(line, screen_text(app)) for line in lines))


async def test_row_of_a_failed_build_at_80_columns_has_cause_and_fix() -> None:
    app = WheelpoolApp(failed_run(), clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: "no module 'numpy'  → add numpy to" in screen_text(app))


REAL_LOGS = (
    "header", "library", "compiler-missing", "cython-cpython", "numpy-2", "pkg-resources",
    "distutils-removed", "c99-implicit-function-gcc14", "rust-missing", "fortran-missing",
)  # fmt: skip
CONTEXT = FixContext(
    source="index",
    name="thing",
    version="1.2",
    tree="",
    python="3.11",
    isolated=True,
    manager=PackageManager(name="apt"),
)


@pytest.mark.parametrize("log", REAL_LOGS)
async def test_fix_of_a_real_log_is_whole_on_the_first_screen_of_80_columns(log: str) -> None:
    lines = (ROOT / f"tests/unit/pool/build/diagnosis/causes/{log}.txt").read_text().splitlines()
    # The first lines are about the log.
    found = diagnose(clean_line(line) for line in lines if not line.startswith("#"))
    assert found is not None
    fix = found.fix(CONTEXT)
    source = FakeSource()
    source.emit(
        v.RunStarted(limits={LimitName.BUILDS: 2}, targets=2, out_dir="o", logs="l"),
        v.BuildQueued(build=B, name="other", target="other", log="b.log"),
        v.BuildStarted(build=B, slot=1),
        v.BuildQueued(build=A, name="thing", version="1.2", target="thing==1.2", log="a.log"),
        v.BuildStarted(build=A, slot=2),
    )
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: "thing 1.2" in screen_text(app))
        source.emit(
            v.BuildFinished(
                build=A,
                outcome=Outcome.FAILED,
                cause=found.summary,
                message=f"{found.summary} (build_wheel, exit code 1)",
                hint=fix,
            )
        )
        # Wrapped lines are joined.
        await wait_until(pilot, lambda: f"Fix {fix}" in " ".join(screen_text(app).split()))
