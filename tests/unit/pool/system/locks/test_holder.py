"""Descriptions of holders are safe for any reader and any terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from pool.common.model import Holder
from pool.system.locks.holder import describe_process, find_holder
from tests.support.lock_holders import another, child

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="holders are named on Linux only")

WAIT = "print('ready', flush=True); input()"


def describe_child(words: Sequence[str]) -> str:
    """Return the description of a process with these arguments."""
    with child(WAIT, words) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        command = describe_process(process.pid).command
    msgspec.json.encode(command)
    return command.partition("input()' ")[2]


def test_a_process_is_described_with_its_pid_command_and_start() -> None:
    about = describe_process(os.getpid())
    assert about.pid == os.getpid()
    assert "py" in about.command
    assert about.since


def test_a_process_that_ended_is_described_with_its_pid() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert describe_process(process.pid) == Holder(pid=process.pid)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["two words"], "'two words'"),
        (["--index-url=https://me:pa55@host/simple"], "--index-url=https://***@host/simple"),
        (["https://me:p@55@host/x@y"], "https://***@host/x@y"),
        (["--password", "pa55", "x"], "--password *** x"),
        (["--api-token=pa55"], "--api-token=***"),
        (["a\x1b[31mb\n\u202ec"], "'a [31mb c'"),
        (["\udcff"], "\"$(printf '\\377')\""),
    ],
)
def test_a_command_is_safe_to_show(words: list[str], shown: str) -> None:
    assert describe_child(words) == shown


def test_a_long_command_is_cut() -> None:
    assert len(describe_child(["x" * 5000])) <= 200


def test_an_unlocked_file_has_no_holder(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    with another(tmp_path, "look"):
        assert find_holder(fd) is None
    os.close(fd)


def test_the_holder_is_named_among_processes_that_open_the_file(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    with another(tmp_path, "look"), another(tmp_path) as locker, another(tmp_path, "look"):
        holder = find_holder(fd)
        assert holder
        assert holder.pid == locker.pid
    os.close(fd)
