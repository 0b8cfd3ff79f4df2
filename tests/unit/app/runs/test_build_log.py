"""Logs of builds that are no regular files: a folder of logs may come from somebody else."""

from __future__ import annotations

import os
from pathlib import Path

from app.runs.build_log import read_log_lines
from app.tui.widgets.log_file import LogFile


def test_log_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "t.log"
    os.mkfifo(pipe)
    (line,) = read_log_lines(pipe)
    assert "not a regular file" in line
    assert not LogFile(pipe).poll()


def test_log_that_is_a_device_is_not_read(tmp_path: Path) -> None:
    link = tmp_path / "t.log"
    link.symlink_to("/dev/zero")
    assert len([*read_log_lines(link)]) == 1
