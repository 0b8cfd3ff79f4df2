"""Explanations of choices: the requirements with their parents, and the rejected versions."""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pool.events.types import SelectedVersion
from pool.requirements.request import ALL, FormatControl
from pool.resolve.explain import explain_selection
from pool.resolve.manifest import InstalledDist, Manifest, RequirementInfo
from pool.resolve.resolver import KnownMetadata, Resolution, resolve
from pool.sources.index.simple_api import IndexFile
from tests.support.index_files import INTERPRETER, make_index_file


def picked(requirement: str, *files: IndexFile, **rules: object) -> SelectedVersion:
    need = RequirementInfo(Requirement(requirement), "you requested")
    asked = Manifest(requirements=(need,), **rules)  # type: ignore[arg-type] # passed on
    facts = KnownMetadata(pages={need.name: files}, metadata={file.filename: "" for file in files})
    answer = resolve(asked, facts, INTERPRETER)
    assert isinstance(answer, Resolution)
    (only,) = explain_selection(answer, asked, facts, INTERPRETER)
    return only


def test_each_newer_version_has_its_reason() -> None:
    told = picked(
        "a<8",
        make_index_file("a-1.tar.gz"),
        make_index_file("a-4rc1.tar.gz"),
        make_index_file("a-5.tar.gz", yanked=True),
        make_index_file("a-6.tar.gz", requires_python=">=3.13"),
        make_index_file("a-7-cp311-cp311-win_amd64.whl"),
        make_index_file("a-8.tar.gz"),
    )
    assert (told.name, told.version, told.kind, told.file) == ("a", "1", "sdist", "a-1.tar.gz")
    assert told.by == ("you requested a<8",)
    assert told.passed_over == (
        "8: you requested a<8",
        "7: no file of it can be used here",
        "6: needs Python >=3.13",
        "5: yanked",
        "4rc1: a pre-release",
    )


def test_of_many_newer_versions_the_newest_are_named() -> None:
    files = [make_index_file(f"a-{number}-py3-none-any.whl") for number in range(1, 10)]
    told = picked("a==1", *files)
    assert len(told.passed_over) == 6
    assert told.passed_over[-1] == "and 3 more"


def test_explain_selection_unreadable_newer_version_has_its_reason() -> None:
    old, new = make_index_file("a-1-py3-none-any.whl"), make_index_file("a-2-py3-none-any.whl")
    metadata = {old.filename: "", new.filename: "Requires-Dist: b (>1\n"}
    need = RequirementInfo(Requirement("a"), "you requested")
    manifest = Manifest(requirements=(need,))
    store = KnownMetadata(pages={need.name: (old, new)}, metadata=metadata)
    resolution = resolve(manifest, store, INTERPRETER)
    assert isinstance(resolution, Resolution)
    (only,) = explain_selection(resolution, manifest, store, INTERPRETER)
    assert only.passed_over == ("2: has a requirement that cannot be read: 'b (>1'",)


def test_formats_are_a_reason() -> None:
    files = [make_index_file("a-1.tar.gz"), make_index_file("a-2-py3-none-any.whl")]
    told = picked("a", *files, formats=FormatControl(no_binary=frozenset({ALL})))
    assert told.passed_over == ("2: no file of it can be used here",)


def test_an_installed_version_is_explained_as_installed() -> None:
    name = canonicalize_name("a")
    kept = {name: InstalledDist(name=name, version="1", metadata="")}
    told = picked("a", make_index_file("a-2.tar.gz"), installed=kept)
    assert (told.kind, told.version, told.passed_over) == ("installed", "1", ())
