"""Requirement files, however they are written: the same meaning, or an error with a place."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pool.common.errors import RequirementsFileError
from pool.requirements.requirements_txt import RequirementsFile, read_requirements

WORDS = [
    "six",
    "attrs>=1,<2",
    "idna[a,b] == 1.0",
    "rich ; python_version > '3'",
    "a @ https://x.test/a.zip ; os_name == 'posix'",
    "https://x.test/b-1.tar.gz#egg=b",
    "git+https://x.test/c.git@v1#egg=c&subdirectory=d",
    "--pre",
    "-i https://x.test/simple",
    "--no-binary :all:",
    "pytest -C k=v --config-settings 'l=m n'",
]


def read(text: str) -> RequirementsFile:
    with TemporaryDirectory() as folder:
        Path(folder, "r.txt").write_bytes(text.encode("utf-8", "surrogatepass"))
        return read_requirements("r.txt", Path(folder), environ={"SIX": "six"})


def meaning(said: RequirementsFile) -> object:
    wishes = [
        (wish.target, wish.extras, str(wish.marker), wish.config_settings)
        for wish in said.requirements
    ]
    return wishes, said.index_url, said.formats, said.pre


@st.composite
def rewritten(draw: st.DrawFn, lines: list[str]) -> str:
    """Write lines differently: continued at spaces, indented, with comments and empty lines."""
    space = st.sampled_from([" ", "  ", " \\\n ", "\\\n\\\n "])
    between = st.lists(st.sampled_from(["", "   ", "# no", "\t# no \\", "#six"]), max_size=2)
    written = []
    for line in lines:
        written += draw(between)
        indent = draw(st.sampled_from(["", "  ", "\t"]))
        behind = draw(st.sampled_from(["", "  ", " # why", "\t#", " # \N{SNOWMAN}", " \\\n# ends"]))
        spaced = re.sub(r" (?![^']*'[^']*$)", lambda _: draw(space), line)
        written.append(f"{indent}{spaced}{behind}")
    return "\n".join(written) + draw(st.sampled_from(["", "\n", "\n\n"]))


@given(st.data())
def test_how_a_file_is_written_does_not_matter(data: st.DataObject) -> None:
    lines = data.draw(st.lists(st.sampled_from(WORDS), max_size=6))
    assert meaning(read(data.draw(rewritten(lines)))) == meaning(read("\n".join(lines)))


PIECES = st.sampled_from(
    [
        *WORDS,
        *"\\#;@[]-=/.~ \n\t'\"",
        "-r",
        "-c",
        "-e",
        "-f",
        "--hash",
        "${SIX}",
        "file:",
        "git+",
        "https://",
        "name @ ",
        "r.txt",
        "[::1",
        "sha256:",
        "\x00",
        "# coding: ",
        "utf-16",
        "%00",
    ]
)


@given(st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join))
@example("~nobody-of-that-name/x")
@example("-c ~nobody/x\n-f \0")
@example("-r \0")
@example("file:%00")
def test_any_text_is_parsed_or_refused_in_one_line(text: str) -> None:
    try:
        read(text)
    except (RequirementsFileError, ExceptionGroup) as problem:
        problems = problem.exceptions if isinstance(problem, ExceptionGroup) else (problem,)
        for one in problems:
            assert isinstance(one, RequirementsFileError)
            assert re.match(r"r\.txt(:\d+)?: ", str(one))
            assert len(str(one).splitlines()) == 1


@pytest.mark.parametrize("line", WORDS)
def test_the_lines_are_right_by_themselves(line: str) -> None:
    assert read(line)
