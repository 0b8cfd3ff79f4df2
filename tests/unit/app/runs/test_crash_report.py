"""Reports of errors are written whatever is in them, and say where."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from app.runs.crash_report import describe_error, write_traceback

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_traceback_with_surrogates_and_secrets_is_written_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    problem = ValueError(
        "b\udcff https://me:s3cret@h.test/x?sig=s3cret Authorization: Bearer s3cret"
    )
    place = write_traceback(problem)
    (file,) = tmp_path.iterdir()
    assert place == f"traceback: {file}"
    assert "b\\udcff https://***@h.test/x?sig=***" in file.read_text()
    assert "s3cret" not in file.read_text() + describe_error(problem)


def test_traceback_without_a_writable_folder_is_no_second_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    place = write_traceback(ValueError("x"), tmp_path / "absent" / "file")
    assert place == "no traceback kept: no such file or directory"
