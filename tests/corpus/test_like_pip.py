"""The inputs of the corpus, given to uv and pip as well: wheelpool accepts what both accept.

uv is asked first, and pip only where uv gives another answer: a difference is one from both. By
default every fourth input is tried, all of them with WHEELPOOL_STRESS=2.
"""

from __future__ import annotations

import os
import shutil
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.corpus import (
    archives,
    backends,
    installs,
    metadata,
    pages,
    requirement_files,
    trees,
    wheels,
)
from tests.corpus.expected_differences import EXPECTED_DIFFERENCES
from tests.corpus.other_tools import (
    Answer,
    find_uv,
    format_distributions,
    format_pip_words,
    format_uv_words,
    run_tool,
)
from tests.support.sandbox import Sandbox
from tests.support.template_process import TemplateProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus.case import Case

UV = find_uv()
STRESS = int(os.environ.get("WHEELPOOL_STRESS", "1"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.stress,
    pytest.mark.skipif(UV is None, reason="uv is not installed"),
]
MODULES = (archives, backends, installs, metadata, pages, requirement_files, trees, wheels)
NOT_COMPARED = (
    "copy-",
    "device-for-a-page",
    "hostile-",
    "pipe-for-a-page",
    "pipe-in-find-links",
    "proxy-",
    "setting-",
    "tree-pyproject-is-a-pipe",
)
"""Beginnings of names: options of wheelpool alone, and what the other tools wait for."""
CASES = {
    f"{case.kind}-{case.name}": case
    for module in MODULES
    for case in module.CASES
    if not case.name.startswith(NOT_COMPARED)
}
SELECTED = [name for name in CASES if STRESS >= 2 or zlib.crc32(name.encode()) % 4 == 0]


@pytest.fixture(scope="session")
def pip() -> Iterator[TemplateProcess]:
    with TemplateProcess("pip") as process:
        yield process


def ask(tool: str, case: Case, root: Path, wheels_folder: Path, pip: TemplateProcess) -> Answer:
    """Give the input to a tool in a folder of its own."""
    work = root / "work"
    work.mkdir(parents=True)
    arguments = [str(word) for word in case.make(work)]
    protect_python(work / "env/bin/python", root)
    sandbox = Sandbox(root=root, wheels=wheels_folder)
    if tool == "pip":
        return run_tool(format_pip_words(arguments), case, pip, sandbox, uv=None)
    words = format_uv_words(arguments, work)
    if words is None:
        pytest.skip("uv has no such command")
    return run_tool(words, case, pip, sandbox, uv=UV)


def protect_python(link: Path, root: Path) -> None:
    """Let an environment link to a copy of the interpreter, which an installation may replace."""
    if link.is_symlink():
        shutil.copy(os.path.realpath(sys.executable), root / "python")
        link.unlink()
        link.symlink_to(root / "python")


def find_difference(case: Case, answer: Answer) -> str | None:
    """Tell in which way an answer is not that of wheelpool."""
    accepted = case.expected.code == 0
    if answer.accepted != accepted:
        return "accepted" if answer.accepted else "refused"
    if not accepted or case.expected.wheels is None or answer.distributions is None:
        return None
    ours = format_distributions(case.expected.wheels)
    return None if answer.distributions == ours else f"gave {', '.join(answer.distributions)}"


@pytest.mark.parametrize("name", SELECTED)
def test_input_gets_the_answer_of_pip_or_uv(
    name: str, tmp_path: Path, backends: Path, pip: TemplateProcess
) -> None:
    case = CASES[name]
    by_uv = ask("uv", case, tmp_path / "uv", backends, pip)
    difference = find_difference(case, by_uv)
    outputs = [by_uv.output]
    if difference is not None:
        by_pip = ask("pip", case, tmp_path / "pip", backends, pip)
        outputs.append(by_pip.output)
        if find_difference(case, by_pip) != difference:
            difference = None
    assert difference == (
        EXPECTED_DIFFERENCES[name][0] if name in EXPECTED_DIFFERENCES else None
    ), "\n".join(outputs)


def test_expected_differences_name_inputs() -> None:
    assert EXPECTED_DIFFERENCES.keys() - CASES.keys() == set()
