"""The words of recorded runs: a replay prints the same lines as when the texts were last reviewed.

After a deliberate change of words, write the expected texts anew and review the difference:
``python -m app replay tests/recordings/NAME.jsonl --no-ui -v 2> tests/recordings/NAME.txt``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.cli.main import run
from tests.support.paths import RECORDINGS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["day", "eve", "install"])
def test_replay_of_a_recording_prints_the_reviewed_words(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    code = run(["replay", str(RECORDINGS / f"{name}.jsonl"), "--no-ui", "-v"])
    assert code in (0, 1)
    expected = (RECORDINGS / f"{name}.txt").read_text(encoding="utf-8")
    assert capsys.readouterr().err.splitlines() == expected.splitlines()
