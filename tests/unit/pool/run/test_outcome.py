"""The command of a failed build: the same source from the same indexes."""

from __future__ import annotations

import os
import shlex
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from pool.common.errors import PackageIndexError
from pool.requirements.target import SdistTarget
from pool.run.outcome import failure_from
from pool.sources.index.settings import IndexSettings
from tests.support.index_files import make_index_file

if TYPE_CHECKING:
    from pathlib import Path

    from pool.build.job import BuildJob

INDEX = "https://me:secret@index.test/simple"
ARGUMENTS = ("--index-url", INDEX, "--extra-index-url", "https://b.test/simple", "--pre")


def rerun(source: object, *arguments: str) -> str:
    job = cast("BuildJob", SimpleNamespace(source=source))
    settings = IndexSettings(index_url=INDEX, arguments=arguments)
    return failure_from(PackageIndexError("no"), job, settings).rerun


def test_failure_from_an_index_file_names_the_options_of_the_indexes() -> None:
    line = rerun(make_index_file("private-1.0.tar.gz"), *ARGUMENTS)
    assert shlex.split(line) == [
        "wheelpool",
        "build",
        "private==1.0",
        "--index-url",
        "https://***@index.test/simple",
        "--extra-index-url",
        "https://b.test/simple",
        "--pre",
    ]


@pytest.mark.parametrize("name", [b"x-1.tar.gz", b"a b-1.zip", b"\xff'-1.tar.gz"])
def test_failure_from_a_path_of_any_bytes_is_a_command_for_a_shell(
    tmp_path: Path, name: bytes
) -> None:
    path = tmp_path / os.fsdecode(name)
    path.touch()
    line = rerun(SdistTarget(path=path, label=str(path)))
    assert line.isprintable()
    echo = f'wheelpool() {{ printf "%s\\n" "$@"; }}; {line}'
    done = subprocess.run(["/bin/sh", "-c", echo], capture_output=True, check=True)
    assert done.stdout == b"build\n" + os.fsencode(path) + b"\n"
