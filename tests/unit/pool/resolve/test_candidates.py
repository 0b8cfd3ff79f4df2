"""Choosing a file: versions, interpreters, yanked and pre-releases, and words where none fits."""

from __future__ import annotations

import msgspec
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag

from pool.common.errors import RequirementError
from pool.resolve.candidates import best_file
from pool.resolve.manifest import Manifest, RequirementInfo
from pool.resolve.resolver import KnownMetadata, Resolution, resolve
from pool.sources.index.simple_api import IndexFile
from tests.support.index_files import INTERPRETER, make_index_file


def best(requirement: str, *files: IndexFile) -> str:
    need = RequirementInfo(Requirement(requirement), "you requested")
    asked = Manifest(requirements=(need,), deps=False, from_source=frozenset({need.name}))
    answer = resolve(asked, KnownMetadata(pages={need.name: files}), INTERPRETER, "the indexes")
    assert isinstance(answer, Resolution)
    return answer.files[0].filename


def refusal(requirement: str, *files: IndexFile) -> str:
    with pytest.raises(RequirementError) as caught:
        best(requirement, *files)
    return f"{caught.value} {caught.value.hint}"


def test_the_newest_sdist_is_taken() -> None:
    files = [
        make_index_file("a-1.9.tar.gz"),
        make_index_file("a-1.10.tar.gz"),
        make_index_file("a-2.0-py3-none-any.whl"),
    ]
    assert best("a", *files) == "a-1.10.tar.gz"
    assert best("a<1.10", *files) == "a-1.9.tar.gz"


def test_the_newest_that_the_interpreter_can_use_is_taken() -> None:
    newer = make_index_file("a-2.tar.gz", requires_python=">=3.12")
    assert best("a", newer, make_index_file("a-1.tar.gz", requires_python=">=3.9")) == "a-1.tar.gz"
    assert "version 2 needs Python >=3.12, this is 3.11.7" in refusal("a", newer)


def test_a_tar_goes_before_a_zip() -> None:
    assert best("a", make_index_file("a-1.zip"), make_index_file("a-1.tar.gz")) == "a-1.tar.gz"


def test_pre_releases_count_when_requested_or_the_only_ones() -> None:
    files = [make_index_file("a-1.tar.gz"), make_index_file("a-2rc1.tar.gz")]
    assert best("a", *files) == "a-1.tar.gz"
    assert best("a>=2rc1", *files) == "a-2rc1.tar.gz"
    assert best("a", files[1]) == "a-2rc1.tar.gz"


def test_yanked_files_count_only_when_pinned() -> None:
    files = [make_index_file("a-1.tar.gz"), make_index_file("a-2.tar.gz", yanked=True)]
    assert best("a", *files) == "a-1.tar.gz"
    assert best("a==2", *files) == "a-2.tar.gz"
    assert "all such versions were yanked: 2" in refusal("a>1", *files)


def test_an_unknown_project_is_reported_with_the_searched_places() -> None:
    assert (
        "no project of that name was found check the name and the version; searched: the indexes"
        in refusal("nope")
    )


def test_a_missing_version_is_reported_with_the_existing_ones() -> None:
    files = [make_index_file(f"a-1.{n}.tar.gz") for n in range(8)]
    assert "no such version; there are 1.7, 1.6, 1.5, 1.4, 1.3 and 3 more" in refusal("a>2", *files)


def test_a_wheel_is_taken_where_there_is_no_sdist() -> None:
    assert best("a", make_index_file("a-1-py3-none-any.whl")) == "a-1-py3-none-any.whl"


def test_wheels_go_by_tag_then_build_number_then_the_sdist() -> None:
    ranks = {tag: rank for rank, tag in enumerate(INTERPRETER.tags)}
    names = ["a-1.tar.gz", "a-1-py3-none-any.whl", "a-1-1-cp311-cp311-linux_x86_64.whl"]
    names += ["a-1-2-cp311-cp311-linux_x86_64.whl", "a-1-cp312-cp312-linux_x86_64.whl"]
    files = [make_index_file(name) for name in names]
    order = []
    while file := best_file(files, INTERPRETER, ranks):
        order.append(file.filename)
        files.remove(file)
    assert order == [names[3], names[2], names[1], names[0]]


def test_best_file_old_spelling_of_requires_python_is_read() -> None:
    assert best("a", make_index_file("a-1.tar.gz", requires_python=">=3.6.*'")) == "a-1.tar.gz"
    newer = make_index_file("a-1.tar.gz", requires_python=">=3.12.*")
    assert "version 1 needs Python >=3.12.*, this is 3.11.7" in refusal("a", newer)


def test_explain_absence_unreadable_requires_python_is_quoted() -> None:
    file = make_index_file("a-1.tar.gz", requires_python=">=3.x.y")
    reason = "version 1 has a Requires-Python that cannot be read: '>=3.x.y'"
    assert reason in refusal("a", file)


def test_a_name_that_is_no_wheels_is_passed_over() -> None:
    odd = msgspec.structs.replace(
        make_index_file("a-1-py3-none-any.whl"), filename="a-1-py3-none.whl"
    )
    assert best_file([odd], INTERPRETER, {Tag("py3", "none", "any"): 0}) is None
    assert SpecifierSet(">=1").contains(odd.version)
