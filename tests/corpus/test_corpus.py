"""Each input of the corpus gets its expected answer, and leaves nothing behind."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.corpus import CASES
from tests.support.sandbox import Sandbox

if TYPE_CHECKING:
    from tests.corpus.case import Case
    from tests.corpus.http_server import CaseServer
    from tests.support.template_process import TemplateProcess

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}-{case.name}")
def test_input_gets_the_expected_answer(
    case: Case,
    tmp_path: Path,
    backends: Path,
    template: TemplateProcess,
    case_server: CaseServer,
) -> None:
    folder, home, temporary = (tmp_path / name for name in ("work", "home", "tmp"))
    for new in (folder, home, temporary):
        new.mkdir()
    sandbox = Sandbox(root=home, wheels=backends)
    case_server.answer = case.serve or case_server.answer
    arguments = [case_server.expand(str(word)) for word in case.make(folder)]
    if arguments[0] == "build":
        arguments += ["--no-ui", "-o", "out"]
    environ = {**sandbox.environ, "TMPDIR": str(temporary), **dict(case.environ)}
    environ = {
        name: case_server.expand(value).replace("{folder}", str(folder))
        for name, value in environ.items()
    }
    done = template.run(arguments, environ=environ, folder=folder, logs=tmp_path)
    output = done.out + done.err
    assert done.code == case.expected.code, output
    # The log of a failed build may end with a traceback of its backend.
    assert "an error of wheelpool's own" not in output
    for words in case.expected.words:
        assert words in output
    if case.expected.wheels is not None:
        out = folder / "out"
        names = sorted(path.name for path in out.iterdir()) if out.exists() else []
        assert names == list(case.expected.wheels)
    # Like uv, a build of a tree leaves the file that uv locks.
    assert not [path for path in temporary.iterdir() if not path.match("uv-*.lock")]


def test_names_of_cases_are_unique() -> None:
    counts = Counter((case.kind, case.name) for case in CASES)
    assert [name for name, count in counts.items() if count > 1] == []
