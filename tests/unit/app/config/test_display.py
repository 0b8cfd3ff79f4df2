"""How a run is displayed, and which terminals have a title."""

from __future__ import annotations

import pytest

from app.config.display import derive_display_options, supports_title
from app.config.sources import ConfigSources


def test_json_implies_no_ui() -> None:
    display = derive_display_options(ConfigSources({"json": True}, {}, {}))
    assert display.no_ui
    assert display.json


def test_github_is_detected_and_can_be_switched_off() -> None:
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "/tmp/summary"}
    display = derive_display_options(ConfigSources({}, environ, {}))
    assert (display.github, str(display.job_summary)) == (True, "/tmp/summary")
    display = derive_display_options(ConfigSources({"github": False}, environ, {}))
    assert (display.github, display.job_summary) == (False, None)


@pytest.mark.parametrize("term", ["xterm-256color", "tmux-256color", "screen", "xterm-kitty"])
def test_supports_title_for_terminals_with_titles(term: str) -> None:
    assert supports_title({"TERM": term})


@pytest.mark.parametrize("term", ["", "dumb", "linux", "vt100", "unknown"])
def test_supports_title_not_for_terminals_without_titles(term: str) -> None:
    assert not supports_title({"TERM": term})
