"""Which terminals have a title."""

from __future__ import annotations

import pytest

from app.config.terminal import supports_title


@pytest.mark.parametrize("term", ["xterm-256color", "tmux-256color", "screen", "xterm-kitty"])
def test_supports_title_for_terminals_with_titles(term: str) -> None:
    assert supports_title({"TERM": term})


@pytest.mark.parametrize("term", ["", "dumb", "linux", "vt100", "unknown"])
def test_supports_title_not_for_terminals_without_titles(term: str) -> None:
    assert not supports_title({"TERM": term})
