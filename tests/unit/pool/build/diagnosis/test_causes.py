"""Every known cause is found in a log of a real tool, with its fix for two kinds of source.

Each file in ``causes`` is the end of a log, below lines that start with ``#``: where it is from, the
cause, and the fix for the sdist of thing 1.2 from the index, and for the tree ./thing, on Debian as
root. Its name is the name of the cause, and a word if there are several.
"""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import pytest

from pool.build.diagnosis.cause import LONGEST_SUMMARY, Cause, find_cause
from pool.build.diagnosis.causes import CAUSES
from pool.build.diagnosis.fix_context import UNKNOWN_CONTEXT, FixContext, SourceKind
from pool.build.diagnosis.log_diagnosis import diagnose
from pool.build.diagnosis.package_manager import PackageManager
from pool.common.text import clean_line

FOLDER = Path(__file__).with_name("causes")
LOGS = sorted(path.stem for path in FOLDER.glob("*.txt"))
NAMES = {cause.name for cause in CAUSES}
LONGEST_LOG = 60


def context(source: SourceKind, tree: str = "", *, isolated: bool = True) -> FixContext:
    return FixContext(
        source=source,
        name="thing",
        version="1.2",
        tree=tree,
        python="3.11",
        isolated=isolated,
        manager=PackageManager(name="apt"),
    )


def read(log: str) -> tuple[dict[str, str], list[str]]:
    """Return the expected words of a log, and its lines."""
    lines = (FOLDER / f"{log}.txt").read_text().splitlines()
    heads = list(takewhile(lambda line: line.startswith("#"), lines))
    pairs = (head.removeprefix("# ").partition(":") for head in heads[1:])
    return {key: value.strip() for key, _, value in pairs}, lines[len(heads) :]


def cause_of(log: str) -> str:
    return max((name for name in NAMES if f"{log}-".startswith(f"{name}-")), key=len)


@pytest.mark.parametrize("log", LOGS)
def test_log_of_a_known_cause_gives_its_name_and_fixes(log: str) -> None:
    expected, lines = read(log)
    found = diagnose(map(clean_line, lines))
    assert found is not None
    assert found.explanation is not None
    assert found.explanation.cause.name == cause_of(log)
    assert found.summary == expected["cause"]
    assert found.fix(context("index")) == expected["index"]
    assert found.fix(context("tree", "./thing")) == expected["tree"]


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_cause_has_a_log_of_a_real_tool(cause: Cause) -> None:
    assert cause.name in {cause_of(log) for log in LOGS}


def test_causes_have_names_of_their_own() -> None:
    assert len(NAMES) == len(CAUSES)
    assert len(CAUSES) > 90


@pytest.mark.parametrize("log", LOGS)
def test_log_of_a_known_cause_is_short_and_names_no_machine(log: str) -> None:
    expected, lines = read(log)
    assert len(lines) <= LONGEST_LOG
    assert len(expected["cause"]) <= LONGEST_SUMMARY
    text = "\n".join(lines)
    assert not any(word in text for word in ("/root", "/work/", "pyenv", "wheelpool/builds"))


@pytest.mark.parametrize("log", LOGS)
def test_fix_without_isolation_or_context_has_no_open_braces(log: str) -> None:
    found = diagnose(map(clean_line, read(log)[1]))
    assert found is not None
    kinds: tuple[SourceKind, ...] = ("index", "archive", "git", "tree")
    for kind in kinds:
        for isolated in (True, False):
            assert "{" not in found.fix(context(kind, isolated=isolated)).replace("{text", "")
    assert found.hint == found.fix(UNKNOWN_CONTEXT)


def test_words_of_causes_are_in_every_text_that_matches() -> None:
    """A cause whose words do not occur would never be found."""
    for log in LOGS:
        found = diagnose(map(clean_line, read(log)[1]))
        assert found is not None
        assert found.explanation is not None
        assert find_cause(found.cause, [found.explanation.cause]) or found.lines
