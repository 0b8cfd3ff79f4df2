"""Requirements as text: what is read, what is refused, and that nothing else is raised."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import InvalidMarker
from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier
from packaging.version import InvalidVersion

from pool.common.pep508 import (
    lenient_requirement,
    lenient_specifiers,
    strict_marker,
    strict_requirement,
    strict_version,
)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("pytz (>dev)", "pytz>0.0.0.dev0"),
        ("elasticsearch-dsl (>=7.2.0<8.0.0)", "elasticsearch-dsl<8.0.0,>=7.2.0"),
        ("jupyter-core (!=~5.0,>=4.12)", "jupyter-core!=5.0.*,>=4.12"),
        ("jupyter-core (!=~5,>=4.12)", "jupyter-core!=5.*,>=4.12"),
        ("torch (>=1.9.*)", "torch>=1.9"),
        ("foo>2.7.*", "foo>2.7"),
        ("foo<3.4.*", "foo<3.4"),
        ("foo~=3.7.*", "foo~=3.7"),
        ("foo==1.0.*.*", "foo==1.0.*"),
        ("pyzmq (>=2.7,!=3.0*,!=3.1*)", "pyzmq!=3.0.*,!=3.1.*,>=2.7"),
        ("pyzmq >=3.6,", "pyzmq>=3.6"),
        ("foo>=1,,<2", "foo<2,>=1"),
        ("foo>=1.0;", "foo>=1.0"),
        ("foo >= '2.7'", "foo>=2.7"),
        ('\'numpy\' >=1.19"; python_version >= "3.7"', 'numpy>=1.19; python_version >= "3.7"'),
        ("botocore>=1.3.0,<1.4.0',", "botocore<1.4.0,>=1.3.0"),
        ("foo>=9.0.0a1.0", "foo>=9.0.0a1"),
        ("foo[a, b] (>=1.*)", "foo[a,b]>=1"),
        ("foo (>=1.*); extra == 'x'", 'foo>=1; extra == "x"'),
        ("foo==1.0*", "foo==1.0.*"),
    ],
)
def test_lenient_requirement_old_spelling_is_read_as_today(text: str, meaning: str) -> None:
    assert str(lenient_requirement(text)) == meaning


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (">=2.7, !=3.0.*, !=3.1.*', !=3.2.*'", "!=3.0.*,!=3.1.*,!=3.2.*,>=2.7"),
        (">=2.7,!=3.0.*,<3.4.*", "!=3.0.*,<3.4,>=2.7"),
        ('>="3.6"', ">=3.6"),
        (">=3.6 <4", "<4,>=3.6"),
        ("", ""),
    ],
)
def test_lenient_specifiers_old_spelling_is_read_as_today(text: str, meaning: str) -> None:
    assert str(lenient_specifiers(text)) == meaning


BEYOND_REPAIR = (
    "foo (>=1.0",
    "foo bar",
    "foo (broken)",
    "foo>=",
    "foo=>1",
    "foo ^1",
    "foo>=1 and <2",
    "foo>=1; extra == ",
    "foo @ ",
    "-foo>=1",
    "[a]>=1",
    "",
    "foo" + "a" * 5000,
    "foo==" + "9" * 5000,
    "foo; " + "(" * 1500 + "os_name=='x'" + ")" * 1500,
)


@pytest.mark.parametrize("text", BEYOND_REPAIR, ids=lambda text: text[:20])
def test_lenient_requirement_without_clear_meaning_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequirement):
        lenient_requirement(text)


def test_strict_readers_long_numbers_raise_their_own_error() -> None:
    with pytest.raises(InvalidVersion):
        strict_version("9" * 5000)
    with pytest.raises(InvalidRequirement):
        strict_requirement("foo==" + "9" * 5000)
    with pytest.raises(InvalidMarker):
        strict_marker("(" * 1900 + "os_name=='x'" + ")" * 1900)


_PIECES = st.sampled_from(
    [
        *("foo", "[a]", "(", ")", ">=", "==", "!=~", "~=", "1.0", "*", ".*", "dev", ",", ";", "'"),
        *(" ", "extra == 'x'", "@ https://h/x", "9" * 4500, "(" * 400, "\n", "\0", "\ud800"),
    ]
)


@given(st.lists(_PIECES | st.text(max_size=5), max_size=12).map("".join))
def test_lenient_readers_of_any_text_raise_only_their_own_errors(text: str) -> None:
    for read, error in (
        (lenient_requirement, InvalidRequirement),
        (lenient_specifiers, InvalidSpecifier),
        (strict_version, InvalidVersion),
        (strict_marker, InvalidMarker),
    ):
        with suppress(error):
            read(text)


@given(st.lists(_PIECES, max_size=8).map("".join))
def test_lenient_requirement_that_is_valid_is_unchanged(text: str) -> None:
    try:
        strict = strict_requirement(text)
    except InvalidRequirement:
        return
    assert lenient_requirement(text) == strict
