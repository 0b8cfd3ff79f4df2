"""Wishes as the pool works on them: what counts, what is merged, what each is called."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import pool
from pool.requirements.request import Constraint, RequirementSpec
from pool.resolve.manifest import DirectDist, InstalledDist
from pool.run.effective_request import EffectiveRequest, url_of
from tests.support.known_metadata import MACHINE

CWD = Path("/nowhere")
A, B = canonicalize_name("a"), canonicalize_name("b")


def settings(**more: Any) -> pool.Settings:
    return pool.Settings(
        builds=1,
        jobs=1,
        downloads=1,
        installs=1,
        out_dir=CWD,
        cache_dir=CWD,
        state_dir=CWD,
        journal=None,
        index=pool.IndexSettings(index_url=""),
        environ={},
        argv=(),
        **more,
    )


def wish(text: str, origin: str = "", **more: Any) -> RequirementSpec:
    return dataclasses.replace(pool.parse_requirement(text, CWD, origin=origin), **more)


def wishlist(
    *wishes: RequirementSpec, constraints: tuple[Constraint, ...] = (), **more: Any
) -> EffectiveRequest:
    request = pool.Request(requirements=wishes, constraints=constraints)
    return EffectiveRequest(request, settings(**more), MACHINE)  # type: ignore[arg-type] # all it asks of it


def test_what_the_interpreter_rules_out_does_not_count() -> None:
    listed = wishlist(wish("a; python_version < '3'"), wish("b; python_version > '3'"))
    assert len(listed) == 1
    assert listed.named == {B}


def test_of_one_name_there_is_one_build_with_all_that_was_said() -> None:
    listed = wishlist(
        wish("a>=1", "r.txt:1", hashes=frozenset({"sha256:1", "sha256:2"})),
        wish("b"),
        wish("A<3", "r.txt:2", hashes=frozenset({"sha256:2"}), config_settings={"k": "v"}),
    )
    first, second = listed.build_requests()
    assert first.manifest is not None
    assert [str(need) for need in first.manifest.requirements] == [
        "r.txt:1 asks for a>=1",
        "r.txt:2 asks for A<3",
    ]
    assert not first.manifest.deps
    assert first.manifest.from_source == {A, B}
    assert first.hashes == {"sha256:2"}
    assert first.config_settings == {"k": "v"}
    assert (first.origin, second.origin) == ("r.txt:1", "")
    assert second.hashes == frozenset()


def test_constraints_bring_their_hashes() -> None:
    bound = Constraint(
        requirement=Requirement("a==1"), origin="c.txt:1", hashes=frozenset({"sha256:9"})
    )
    listed = wishlist(wish("a"), constraints=(bound,))
    assert listed.hashes == {A: {"sha256:9"}}
    assert listed.build_requests()[0].hashes == {"sha256:9"}


def test_what_is_pointed_at_is_asked_for_by_its_url_with_extras() -> None:
    pointed = wish("x @ https://host.test/x-1.0.tar.gz", extras=frozenset({"fast"}))
    listed = wishlist(pointed, wish("b"))
    assert listed.direct == (pointed,)
    url = url_of(pointed.target)
    direct = DirectDist(url=url, name=canonicalize_name("x"), version="1.0", metadata="")
    asked = listed.manifest({pointed: direct}, {}, {})
    assert [str(need) for need in asked.requirements] == [
        "you asked for x[fast] @ https://host.test/x-1.0.tar.gz",
        "you asked for b",
    ]


def test_an_upgrade_gives_up_what_was_named_alone() -> None:
    kept = {name: InstalledDist(name=name, version="1", metadata="") for name in (A, B)}
    assert set(wishlist(wish("a")).manifest({}, kept, {}).installed) == {A, B}
    assert set(wishlist(wish("a"), upgrade=True).manifest({}, kept, {}).installed) == {B}


def test_only_wheels_are_built_by_preference() -> None:
    before = {A: Version("1")}
    building = wishlist(wish("a"), deps=True).manifest({}, {}, before)
    assert building.from_source == {A}
    assert building.preferred == before
    installing = wishlist(wish("a"), deps=True, installs_into="active").manifest({}, {}, {})
    assert installing.from_source == frozenset()
    assert installing.deps


@pytest.mark.parametrize(("into", "purpose"), [(None, "wheel"), ("active", "editable")])
def test_editable_is_a_way_to_install(tmp_path: Path, into: Any, purpose: str) -> None:
    (tmp_path / "pyproject.toml").touch()
    tree = pool.parse_requirement(str(tmp_path), CWD, editable=True)
    listed = wishlist(tree, installs_into=into)
    assert [order.purpose for order in listed.build_requests()] == [purpose]


def test_every_kind_of_target_has_a_url(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    assert url_of(wish(str(tmp_path)).target) == tmp_path.as_uri()
    assert url_of(wish("https://h.test/x-1.tar.gz#egg=x").target) == "https://h.test/x-1.tar.gz"
    git = wish("git+https://h.test/x@v1#subdirectory=s").target
    assert url_of(git) == "git+https://h.test/x@v1#subdirectory=s"


def test_settings_of_the_run_are_for_what_was_named() -> None:
    listed = wishlist(wish("a", config_settings={"k": "a"}), config_settings={"k": "v", "l": "w"})
    assert listed.config_settings(A) == {"k": "a", "l": "w"}
    assert listed.config_settings(B) == {}
    pointed = wishlist(wish("https://h.test/x-1.0.tar.gz"), config_settings={"k": "v"})
    assert pointed.build_requests()[0].config_settings == {"k": "v"}
