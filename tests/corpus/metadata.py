"""METADATA as other people have published it: old spellings, and what has no meaning."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from tests.corpus.case import Case, built, failed
from tests.support.makers import make_sdist, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ARGUMENTS = ["build", "a", "--deps", "--no-index", "--find-links", "links"]
A, B = "a-1.0-py3-none-any.whl", "b-1.0-py3-none-any.whl"
OLDER = "a-0.5-py3-none-any.whl"


def _links(folder: Path) -> Path:
    links = folder / "links"
    make_wheel(links, "b")
    return links


def _wheel_with(*headers: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        make_wheel(_links(folder), "a", headers=headers)
        return ARGUMENTS

    return make


def _older_wheel_and(*headers: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        make_wheel(folder / "links", "a", "0.5")
        return _wheel_with(*headers)(folder)

    return make


def _sdist_with(text: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        make_sdist(_links(folder), "a", requires=[text])
        return ARGUMENTS

    return make


def _latin_1_wheel(folder: Path) -> list[str]:
    arguments = _wheel_with("Author: Jorg", "Requires-Dist: b (>dev)")(folder)
    wheel = folder / "links" / A
    with zipfile.ZipFile(wheel) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data.replace(b"Jorg", b"J\xf6rg"))
    return arguments


READ_AS_TODAY = {
    "greater-than-dev": "b (>dev)",
    "greater-than-star": "b>=0.9.*",
    "less-than-star": "b<2.7.*",
    "compatible-star": "b~=1.0.*",
    "two-stars": "b==1.*.*",
    "missing-dot": "b (!=3.0*)",
    "missing-comma": "b (>=0.9<2)",
    "spaces-for-commas": "b >=0.9 <2",
    "not-equal-tilde": "b (!=~5.0,>=0.4)",
    "trailing-comma": "b>=0.9,",
    "two-commas": "b>=0.9,,<2",
    "trailing-quote": "b>=0.9'",
    "quoted-version": "b >= '0.9'",
    "quoted-name": "'b' >=0.9",
    "quote-then-comma": "b>=0.9,<2',",
    "zero-after-alpha": "b>=0.9a1.0",
    "empty-marker": "b>=0.9;",
    "parentheses": "b (>=0.9)",
    "parentheses-marker": "b (>=0.9.*); python_version >= '3'",
    "upper-case": "B (>dev)",
    "post-release-dash": "b>=0.9-1",
    "tab": "b\t(>=0.9)",
    "date-version": "b>=0.0.20040101",
    "space-in-version": "b >= 0.9",
    "extra-unknown": "b[nope]>=0.9",
}
UNREADABLE = {
    "open-parenthesis": "b (>=0.9",
    "two-names": "b c",
    "no-operator": "b 1.0 2.0",
    "caret": "b ^1.0",
    "arrow": "b=>0.9",
    "word-version": "b (>latest)",
    "only-operator": "b>=",
    "marker-without-meaning": "b; os_name ~= 'x'",
    "marker-unknown-name": "b; weather == 'rain'",
    "marker-open": "b; extra == 'x",
    "name-of-dashes": "--b",
    "url-without-scheme": "b @",
    "deep-marker": "b; " + "(" * 1500 + "os_name == 'x'" + ")" * 1500,
    "long-number": "b>=" + "9" * 5000,
    "number-in-marker": "b; python_version > '" + "9" * 5000 + "'",
    "control-characters": "b\x1b[31m >",
    "empty": " ",
}
PYTHONS_READ = {
    "star": ">=3.6.*",
    "less-than-star": ">=3.6,<9.*",
    "quoted": ">='3.6'",
    "trailing-comma": ">=3.6,",
    "missing-comma": ">=3.6 <9",
    "stray-quote": ">=2.7, !=3.0.*'",
}
PYTHONS_UNREADABLE = {
    "words": "three and newer",
    "x": ">=3.x",
    "long-number": ">=" + "9" * 5000,
    "bare-number": "3",
}


CASES = [
    *(
        Case(f"requirement-{name}", "A2", _wheel_with(f"Requires-Dist: {text}"), built(A, B))
        for name, text in READ_AS_TODAY.items()
    ),
    *(
        Case(
            f"requirement-older-for-{name}",
            "A2",
            _older_wheel_and(f"Requires-Dist: {text}"),
            built(OLDER),
        )
        for name, text in UNREADABLE.items()
    ),
    *(
        Case(f"python-{name}", "A2", _wheel_with(f"Requires-Python: {text}"), built(A))
        for name, text in PYTHONS_READ.items()
    ),
    *(
        Case(
            f"python-older-for-{name}",
            "A2",
            _older_wheel_and(f"Requires-Python: {text}"),
            built(OLDER),
        )
        for name, text in PYTHONS_UNREADABLE.items()
    ),
    *(
        Case(f"sdist-{name}", "A2", _sdist_with(READ_AS_TODAY[name]), built(A, B))
        for name in ("greater-than-dev", "missing-comma", "quoted-version")
    ),
    Case(
        "requirement-unreadable",
        "A2",
        _wheel_with("Requires-Dist: b (>=0.9"),
        failed("a 1.0 has a requirement that cannot be read: 'b (>=0.9'"),
    ),
    Case(
        "python-unreadable",
        "A2",
        _wheel_with("Requires-Python: three"),
        failed("a 1.0 has a Requires-Python that cannot be read: 'three'"),
    ),
    Case(
        "sdist-unreadable",
        "A2",
        _sdist_with("b (>=0.9"),
        failed("a 1.0 has a requirement that cannot be read: 'b (>=0.9'"),
    ),
    Case("requirement-folded", "A2", _wheel_with("Requires-Dist: b\n        (>=0.9)"), built(A, B)),
    Case("author-latin-1", "A2", _latin_1_wheel, built(A, B)),
    Case(
        "requirement-twice",
        "A2",
        _wheel_with("Requires-Dist: b (>dev)", "Requires-Dist: b<2.*"),
        built(A, B),
    ),
    Case(
        "marker-false-unreadable-version",
        "A2",
        _older_wheel_and("Requires-Dist: b (>=x); python_version < '3'"),
        built(OLDER),
    ),
]
