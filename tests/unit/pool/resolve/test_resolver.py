"""The resolver asks for what it misses, and says who wanted what when nothing fits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from pool.common.errors import RequirementError
from pool.requirements.request import ALL, Constraint, FormatControl
from pool.resolve.manifest import DirectDist, InstalledDist, Manifest
from pool.resolve.resolver import (
    KnownMetadata,
    MissingMetadata,
    Resolution,
    parse_build_requirements,
    resolve,
)
from tests.support.index_files import INTERPRETER, make_index_file

if TYPE_CHECKING:
    from pool.sources.index.simple_api import IndexFile


class World:
    """All that the indexes know: files, and what their metadata says."""

    def __init__(self) -> None:
        self.pages: dict[str, list[IndexFile]] = {}
        self.metadata: dict[str, str] = {}
        self.directs: dict[str, DirectDist] = {}

    def has(
        self, filename: str, *requires: str, python: str = "", page_python: str | None = None
    ) -> None:
        file = make_index_file(filename, requires_python=page_python)
        self.pages.setdefault(filename.partition("-")[0], []).append(file)
        lines = [f"Requires-Dist: {text}" for text in requires]
        lines += [f"Requires-Python: {python}"] if python else []
        self.metadata[filename] = "\n".join(
            ["Metadata-Version: 2.1", *lines, "", "Requires-Dist: not-a-header"]
        )

    def points(self, url: str, name: str, version: str, *requires: str) -> None:
        lines = [f"Requires-Dist: {text}" for text in requires]
        metadata = "\n".join(["Metadata-Version: 2.1", *lines])
        name = canonicalize_name(name)
        self.directs[url] = DirectDist(url=url, name=name, version=version, metadata=metadata)

    def chosen(self, *requirements: str, **rules: Any) -> list[str]:
        """Resolve by some rules; return names with versions."""
        return [str(choice) for choice in self.answer(*requirements, **rules)[0].candidates]

    def resolved(self, *requirements: str) -> tuple[list[str], list[MissingMetadata]]:
        """Resolve, giving what is asked for; return the files and what was asked, in order."""
        answer, asked = self.answer(*requirements)
        return [file.filename for file in answer.files], asked

    def answer(self, *requirements: str, **rules: Any) -> tuple[Resolution, list[MissingMetadata]]:
        facts, asked = KnownMetadata(), []
        asked_for = Manifest(
            requirements=parse_build_requirements(requirements, INTERPRETER), **rules
        )
        while isinstance(
            answer := resolve(asked_for, facts, INTERPRETER, "the indexes"), MissingMetadata
        ):
            assert answer.pages or answer.metadata or answer.directs
            asked.append(answer)
            for name in answer.pages:
                assert name not in facts.pages
                facts.pages[name] = tuple(self.pages.get(name, ()))
            for file in answer.metadata:
                assert file.filename not in facts.metadata
                facts.metadata[file.filename] = self.metadata[file.filename]
            for requirement in answer.directs:
                assert requirement.url not in facts.directs
                facts.directs[requirement.url or ""] = self.directs[requirement.url or ""]
        assert isinstance(answer, Resolution)
        return answer, asked

    def refusal(self, *requirements: str, **rules: Any) -> str:
        with pytest.raises(RequirementError) as caught:
            self.answer(*requirements, **rules)
        return f"{caught.value} {caught.value.hint}".strip()


@pytest.fixture
def world() -> World:
    return World()


def wheel(name: str, version: str) -> str:
    return f"{name}-{version}-py3-none-any.whl"


def test_nothing_needs_nothing(world: World) -> None:
    assert world.resolved() == ([], [])


def test_missing_metadata_is_requested_in_batches(world: World) -> None:
    world.has(wheel("a", "1"), "c", "d")
    world.has(wheel("b", "1"))
    world.has(wheel("c", "1"))
    world.has(wheel("d", "1"))
    files, asked = world.resolved("a", "b")
    assert files == [wheel(name, "1") for name in "abcd"]
    first, second, third, fourth = asked
    assert first.pages == ("a", "b")
    assert {file.filename for file in second.metadata} == {wheel("a", "1"), wheel("b", "1")}
    assert third.pages == ("c", "d")
    assert {file.filename for file in fourth.metadata} == {wheel("c", "1"), wheel("d", "1")}


def test_the_newest_version_that_fits_all_is_chosen(world: World) -> None:
    for version in ("1", "2", "3"):
        world.has(wheel("a", version))
    world.has(wheel("b", "1"), "a<3")
    assert world.resolved("a", "b")[0] == [wheel("a", "2"), wheel("b", "1")]


def test_an_older_version_is_tried_where_the_newest_excludes_another(world: World) -> None:
    world.has(wheel("a", "2"), "c>=2")
    world.has(wheel("a", "1"), "c")
    world.has(wheel("b", "1"), "c<2")
    world.has(wheel("c", "1"))
    world.has(wheel("c", "2"))
    assert world.resolved("a", "b")[0] == [wheel("a", "1"), wheel("b", "1"), wheel("c", "1")]


def test_markers_are_those_of_the_target(world: World) -> None:
    world.has(wheel("a", "1"), 'w; sys_platform == "win32"', 'l; sys_platform == "linux"')
    world.has(wheel("l", "1"))
    files, asked = world.resolved("a", 'nope; python_version < "3"')
    assert files == [wheel("a", "1"), wheel("l", "1")]
    assert all("w" not in missing.pages for missing in asked)


def test_extras_add_their_requirements(world: World) -> None:
    world.has(wheel("a", "1"), 'b; extra == "fast-one"', 'c; extra == "other"', "d")
    for name in "bd":
        world.has(wheel(name, "1"))
    assert world.resolved("a[Fast_One]")[0] == [wheel(name, "1") for name in "abd"]
    assert world.resolved("a")[0] == [wheel(name, "1") for name in "ad"]


def test_an_extra_of_itself_is_followed(world: World) -> None:
    world.has(wheel("a", "1"), 'a[x]; extra == "all"', 'b; extra == "x"')
    world.has(wheel("b", "1"))
    assert world.resolved("a[all]")[0] == [wheel("a", "1"), wheel("b", "1")]


def test_a_project_with_only_an_sdist_is_requested_as_a_build(world: World) -> None:
    world.has("a-1.tar.gz", "b")
    world.has(wheel("b", "1"))
    files, asked = world.resolved("a")
    assert files == ["a-1.tar.gz", wheel("b", "1")]
    assert [file.kind for missing in asked for file in missing.metadata] == ["sdist", "wheel"]


def test_no_sdist_is_built_while_pages_are_missing(world: World) -> None:
    """The first choice may still be dropped; a needless build is expensive."""
    world.has("a-2.tar.gz")
    world.has("a-1.tar.gz")
    world.has(wheel("b", "1"), "c")
    world.has(wheel("c", "1"), "a<2")
    files, asked = world.resolved("a", "b")
    assert files == ["a-1.tar.gz", wheel("b", "1"), wheel("c", "1")]
    built = [
        file.filename for missing in asked for file in missing.metadata if file.kind == "sdist"
    ]
    assert "a-1.tar.gz" in built


def test_a_wheel_goes_before_the_sdist_of_its_version(world: World) -> None:
    world.has("a-1.tar.gz")
    world.has(wheel("a", "1"))
    assert world.resolved("a")[0] == [wheel("a", "1")]


def test_a_wheel_with_requires_python_only_in_its_metadata_is_skipped(world: World) -> None:
    world.has(wheel("a", "2"), python=">=3.12")
    world.has(wheel("a", "1"), python=">=3.9")
    assert world.resolved("a")[0] == [wheel("a", "1")]
    assert "a 2 needs Python>=3.12; this is Python 3.11.7" in world.refusal("a==2")


def test_a_circle_of_requirements_is_no_trouble(world: World) -> None:
    world.has(wheel("a", "1"), "b")
    world.has(wheel("b", "1"), "a")
    assert world.resolved("a")[0] == [wheel("a", "1"), wheel("b", "1")]


def test_a_conflict_names_each_requirement_and_its_parent(world: World) -> None:
    world.has(wheel("a", "1"), "c>=2")
    world.has(wheel("b", "1"), "c<2")
    world.has(wheel("c", "1"))
    world.has(wheel("c", "2"))
    message = world.refusal("a", "b")
    assert "exclude each other" in message
    assert "a 1 needs c>=2" in message
    assert "b 1 needs c<2" in message


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        ("nope", "the project needs nope, but no project of that name was found"),
        ("a>=9", "the project needs a>=9, but no such version; there are 1"),
        ("b", "b 1 needs a>=2, but no such version; there are 1"),
        ("old", "the project needs old, but version 1 needs Python <3, this is 3.11.7"),
        ("win", "but there are only wheels for other platforms or interpreters: win-1-cp311"),
        (
            "deep",
            "deep 1 needs nope, but no project of that name was found check the name and the version; searched: the indexes",
        ),
        ("a =", "build requirement 'a ='"),
    ],
)
def test_a_dead_end_is_explained(world: World, requirement: str, message: str) -> None:
    world.has(wheel("a", "1"))
    world.has(wheel("b", "1"), "a>=2")
    world.has("old-1.tar.gz", page_python="<3")
    world.has("win-1-cp311-cp311-win_amd64.whl")
    world.has(wheel("deep", "1"), "nope")
    refused = world.refusal(requirement)
    assert message in refused
    assert "\n" not in refused


def test_resolve_old_spelling_of_a_requirement_is_read(world: World) -> None:
    world.has(wheel("celery", "4.1.1"), "pytz (>dev)", python=">=2.7.*")
    world.has(wheel("pytz", "1"))
    assert world.chosen("celery") == ["celery 4.1.1", "pytz 1"]


@pytest.mark.parametrize(
    ("requires", "python", "reason"),
    [
        ("b (>= 1", "", "has a requirement that cannot be read: 'b (>= 1'"),
        ("b; os_name ~= 'x'", "", "has a requirement that cannot be read: \"b; os_name ~= 'x'\""),
        ("b", "new", "has a Requires-Python that cannot be read: 'new'"),
    ],
)
def test_resolve_unreadable_metadata_makes_its_version_unfit(
    world: World, requires: str, python: str, reason: str
) -> None:
    world.has(wheel("b", "1"))
    world.has(wheel("a", "2"), requires, python=python)
    with pytest.raises(RequirementError, match=re.escape(f"a 2 {reason}")):
        world.resolved("a")
    world.has(wheel("a", "1"))
    assert world.resolved("a")[0] == [wheel("a", "1")]


URL = "https://me:secret@x.test/c.tar.gz"


def constraint(text: str) -> Constraint:
    return Constraint(requirement=Requirement(text), origin="constraints.txt:1")


def installed_dist(name: str, version: str, *requires: str) -> dict[Any, InstalledDist]:
    metadata = "\n".join(f"Requires-Dist: {text}" for text in requires)
    canonical = canonicalize_name(name)
    return {canonical: InstalledDist(name=canonical, version=version, metadata=metadata)}


def test_a_direct_url_is_taken_regardless_of_the_index(world: World) -> None:
    world.has(wheel("a", "1"), "c>=1")
    world.has(wheel("c", "9"))
    world.points(URL, "c", "1.5", "d; extra == 'fast'")
    world.has(wheel("d", "1"))
    assert world.chosen("a", f"c @ {URL}") == ["a 1", "c 1.5"]
    assert world.chosen("a", f"c[fast] @ {URL}") == ["a 1", "c 1.5", "d 1"]
    assert world.chosen("a", constraints=(constraint(f"c @ {URL}"),)) == ["a 1", "c 1.5"]


def test_a_requirement_of_a_requirement_may_point(world: World) -> None:
    world.has(wheel("a", "1"), f"c @ {URL}")
    world.has(wheel("c", "9"))
    world.points(URL, "c", "1.5")
    assert world.chosen("a", "c") == ["a 1", "c 1.5"]
    refused = world.refusal("a", "c>=2")
    assert "a 1 needs c @ https://***@x.test/c.tar.gz" in refused
    assert "the project needs c>=2" in refused


def test_constraints_bind_without_asking(world: World) -> None:
    world.has(wheel("a", "1"), "c")
    world.has(wheel("c", "1"))
    world.has(wheel("c", "2"))
    assert world.chosen("a", constraints=(constraint("c<2"), constraint("b<1"))) == ["a 1", "c 1"]
    refused = world.refusal("a", "c>=2", constraints=(constraint("c<2"),))
    assert "constraints.txt:1 allows only c<2" in refused
    assert "the project needs c>=2" in refused


def test_the_installed_version_is_preferred_where_it_fits(world: World) -> None:
    world.has(wheel("a", "1"), "c")
    world.has(wheel("c", "2"), "e")
    world.has(wheel("d", "1"))
    world.has(wheel("e", "1"))
    assert world.chosen("a", installed=installed_dist("c", "1", "d")) == ["a 1", "c 1", "d 1"]
    assert world.chosen("a", "c>=2", installed=installed_dist("c", "1", "d")) == [
        "a 1",
        "c 2",
        "e 1",
    ]
    # The index is not asked about it: it may not have it.
    _, asked = world.answer("a", installed=installed_dist("c", "1"))
    assert all("c" not in missing.pages for missing in asked)


def test_formats_are_as_with_pip(world: World) -> None:
    world.has(wheel("a", "2"))
    world.has("a-1.tar.gz")
    assert world.chosen("a") == ["a 2"]
    assert world.chosen("a", formats=FormatControl(no_binary=frozenset({ALL}))) == ["a 1"]
    everything, a = frozenset({ALL}), frozenset({"a"})
    assert world.chosen("a", formats=FormatControl(only_binary=everything, no_binary=a)) == ["a 1"]
    refused = world.refusal("a<2", formats=FormatControl(only_binary=a))
    assert "--only-binary forbids to build it" in refused
    assert "--no-binary forbids" in world.refusal("a>=2", formats=FormatControl(no_binary=a))


def test_a_build_uses_an_sdist_where_one_exists(world: World) -> None:
    world.has(wheel("a", "2"))
    world.has("a-1.tar.gz")
    world.has(wheel("b", "2"))
    built = frozenset(map(canonicalize_name, "ab"))
    assert world.chosen("a", "b", from_source=built) == ["a 1", "b 2"]


def test_hashes_and_named_files_decide(world: World) -> None:
    one, two = (make_index_file(wheel("a", version)) for version in "12")
    one = msgspec.structs.replace(one, hashes={"sha256": "11"})
    two = msgspec.structs.replace(two, hashes={"sha256": "22"})
    world.pages["a"] = [one, two]
    world.metadata = {wheel("a", "1"): "", wheel("a", "2"): ""}
    a = canonicalize_name("a")
    assert world.chosen("a", hashes={a: frozenset({"sha256:11"})}) == ["a 1"]
    answer, asked = world.answer("a", files={a: (one,)})
    assert [str(choice) for choice in answer.candidates] == ["a 1"]
    assert not any(missing.pages for missing in asked)


def test_pre_releases_count_where_all_may(world: World) -> None:
    world.has(wheel("a", "1"))
    world.has(wheel("a", "2rc1"))
    assert world.chosen("a") == ["a 1"]
    assert world.chosen("a", pre=True) == ["a 2rc1"]


def test_earlier_choices_are_repeated(world: World) -> None:
    world.has(wheel("a", "1"))
    world.has(wheel("a", "2"))
    preferred = {canonicalize_name("a"): Version("1")}
    assert world.chosen("a", preferred=preferred) == ["a 1"]
    assert world.chosen("a>1", preferred=preferred) == ["a 2"]


def test_without_dependencies_only_names_count(world: World) -> None:
    world.has(wheel("a", "1"), "nope")
    answer, asked = world.answer("a", deps=False)
    assert [str(choice) for choice in answer.candidates] == ["a 1"]
    assert [missing.pages for missing in asked] == [("a",)]


def test_the_result_names_parents_and_requirements(world: World) -> None:
    world.has(wheel("a", "1"), "b[x]>=1")
    world.has(wheel("b", "1"), "c; extra == 'x'")
    world.has(wheel("c", "1"))
    answer, _ = world.answer("a")
    a, b, c = (canonicalize_name(name) for name in "abc")
    assert [str(need) for need in answer.required_by[b]] == ["a 1 needs b[x]>=1"]
    assert [str(need) for need in answer.required_by[c]] == ['b 1 needs c; extra == "x"']
    assert answer.closure([a]) == {a, b, c}
    assert answer.closure([b]) == {b, c}


def test_versions_that_need_an_excluded_version_are_not_tried_one_by_one(world: World) -> None:
    for number in range(1, 40):
        world.has(wheel("a", f"1.{number}"))
        world.has(wheel("b", f"2.{number}"), "a>=2")
    refused = world.refusal("a<2", "b")
    assert "the project needs b; b 2.39 needs a>=2 (and 38 more versions alike)" in refused
    assert "the project needs a<2" in refused
    # The older they are, the more of them are looked at together.
    world.has(wheel("b", "1"), "a")
    answer, asked = world.answer("a<2", "b")
    assert [str(choice) for choice in answer.candidates] == ["a 1.39", "b 1"]
    assert len(asked) < 12


@pytest.mark.parametrize("dep", ["dep", "dep @ https://x.test/dep-1.zip"])
def test_required_hashes_apply_to_dependencies(world: World, dep: str) -> None:
    world.has(wheel("top", "1"), dep)
    world.has(wheel("dep", "1"))
    world.points("https://x.test/dep-1.zip", "dep", "1")
    top, along = ({canonicalize_name(n): frozenset({"sha256:1"})} for n in ("top", "dep"))
    said = world.refusal("top", require_hashes=True, hashes=top)
    assert f"top 1 needs {dep}, and no hash of it is given" in said
    assert world.chosen("top", require_hashes=True, hashes=top | along) == ["dep 1", "top 1"]
    there = {"dep": InstalledDist(name=canonicalize_name("dep"), version="1", metadata="")}
    if "@" not in dep:
        chosen = world.chosen("top", require_hashes=True, hashes=top, installed=there)
        assert chosen == ["dep 1", "top 1"], "what is there already does not come"


def test_a_yanked_version_is_not_ruled_out_while_another_may_pin_it(world: World) -> None:
    world.has(wheel("base", "1"))
    world.pages["base"] = [msgspec.structs.replace(world.pages["base"][0], yanked=True)]
    world.has(wheel("base", "2"))
    world.has(wheel("pins", "1"), "base==1")
    world.has(wheel("top", "1"), "base<2")
    assert world.chosen("base>=1", "top", "pins") == ["base 1", "pins 1", "top 1"]
