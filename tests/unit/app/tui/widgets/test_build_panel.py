"""The panel of a failed build: cause, fix, skipped dependents and rerun, each in full."""

from __future__ import annotations

import re

from app.tui.app import WheelpoolApp
from pool.common.model import BuildId, LimitName, Outcome
from pool.events import types as v
from tests.support.fakes import FakeSource, ManualClock
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
