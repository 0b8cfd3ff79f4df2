"""How a run is displayed."""

from __future__ import annotations

from app.config.display import display_options
from app.config.sources import ConfigSources


def test_json_implies_no_ui() -> None:
    display = display_options(ConfigSources({"json": True}, {}, {}))
    assert display.no_ui
    assert display.json


def test_github_is_detected_and_can_be_switched_off() -> None:
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "/tmp/summary"}
    display = display_options(ConfigSources({}, environ, {}))
    assert (display.github, str(display.job_summary)) == (True, "/tmp/summary")
    display = display_options(ConfigSources({"github": False}, environ, {}))
    assert (display.github, display.job_summary) == (False, None)
