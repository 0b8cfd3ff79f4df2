"""Wishes as the pool works on them: what counts, what is merged, what each is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import pool
from pool.requirements.request import Constraint, RequirementSpec
from pool.resolve.manifest import DirectDist, InstalledDist
from pool.run.effective_request import EffectiveRequest, url_of
from tests.support.index_files import INTERPRETER

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


def spec(text: str, origin: str = "", **more: Any) -> RequirementSpec:
    return replace(pool.parse_requirement(text, CWD, origin=origin), **more)


def effective(
    *wishes: RequirementSpec, constraints: tuple[Constraint, ...] = (), **more: Any
) -> EffectiveRequest:
    request = pool.Request(requirements=wishes, constraints=constraints)
    return EffectiveRequest(request, settings(**more), INTERPRETER)  # type: ignore[arg-type] # all it asks of it


def test_requirements_with_false_markers_are_dropped() -> None:
    request = effective(spec("a; python_version < '3'"), spec("b; python_version > '3'"))
    assert len(request) == 1
    assert request.named == {B}


def test_requirements_of_one_name_become_one_build() -> None:
    request = effective(
        spec("a>=1", "r.txt:1", hashes=frozenset({"sha256:1", "sha256:2"})),
        spec("b"),
        spec("A<3", "r.txt:2", hashes=frozenset({"sha256:2"}), config_settings={"k": "v"}),
    )
    first, second = request.build_requests()
    assert first.manifest is not None
    assert [str(need) for need in first.manifest.requirements] == [
        "r.txt:1 requires a>=1",
        "r.txt:2 requires A<3",
    ]
    assert not first.manifest.deps
    assert first.manifest.from_source == {A, B}
    assert first.hashes == {"sha256:2"}
    assert first.config_settings == {"k": "v"}
    assert (first.origin, second.origin) == ("r.txt:1", "")
    assert second.hashes == frozenset()


def test_hashes_of_constraints_are_required() -> None:
    bound = Constraint(
        requirement=Requirement("a==1"), origin="c.txt:1", hashes=frozenset({"sha256:9"})
    )
    request = effective(spec("a"), constraints=(bound,))
    assert request.hashes == {A: {"sha256:9"}}
    assert request.build_requests()[0].hashes == {"sha256:9"}


def test_a_direct_target_is_required_by_its_url_with_extras() -> None:
    pointed = spec("x @ https://host.test/x-1.0.tar.gz", extras=frozenset({"fast"}))
    request = effective(pointed, spec("b"))
    assert request.direct == (pointed,)
    url = url_of(pointed.target)
    direct = DirectDist(url=url, name=canonicalize_name("x"), version="1.0", metadata="")
    asked = request.manifest({pointed: direct}, {}, {})
    assert [str(need) for need in asked.requirements] == [
        "you requested x[fast] @ https://host.test/x-1.0.tar.gz",
        "you requested b",
    ]


def test_upgrade_drops_only_named_installed_versions() -> None:
    kept = {name: InstalledDist(name=name, version="1", metadata="") for name in (A, B)}
    assert set(effective(spec("a")).manifest({}, kept, {}).installed) == {A, B}
    assert set(effective(spec("a"), upgrade=True).manifest({}, kept, {}).installed) == {B}


def test_named_projects_are_built_from_source_unless_installed() -> None:
    before = {A: Version("1")}
    building = effective(spec("a"), deps=True).manifest({}, {}, before)
    assert building.from_source == {A}
    assert building.preferred == before
    installing = effective(spec("a"), deps=True, installs_into="active").manifest({}, {}, {})
    assert installing.from_source == frozenset()
    assert installing.deps


@pytest.mark.parametrize(("into", "purpose"), [(None, "wheel"), ("active", "editable")])
def test_editable_applies_to_installations_only(tmp_path: Path, into: Any, purpose: str) -> None:
    (tmp_path / "pyproject.toml").touch()
    tree = pool.parse_requirement(str(tmp_path), CWD, editable=True)
    request = effective(tree, installs_into=into)
    assert [order.purpose for order in request.build_requests()] == [purpose]


def test_every_direct_target_has_a_url(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    assert url_of(spec(str(tmp_path)).target) == tmp_path.as_uri()
    assert url_of(spec("https://h.test/x-1.tar.gz#egg=x").target) == "https://h.test/x-1.tar.gz"
    git = spec("git+https://h.test/x@v1#subdirectory=s").target
    assert url_of(git) == "git+https://h.test/x@v1#subdirectory=s"


def test_config_settings_apply_to_named_projects_only() -> None:
    request = effective(spec("a", config_settings={"k": "a"}), config_settings={"k": "v", "l": "w"})
    assert request.config_settings(A) == {"k": "a", "l": "w"}
    assert request.config_settings(B) == {}
    pointed = effective(spec("https://h.test/x-1.0.tar.gz"), config_settings={"k": "v"})
    assert pointed.build_requests()[0].config_settings == {"k": "v"}


def test_build_requests_hashes_of_a_constraint_hold_for_a_direct_target() -> None:
    bound = Constraint(requirement=Requirement("a"), origin="c:1", hashes=frozenset({"sha256:1"}))
    url = spec("a @ https://h.test/a-1.tar.gz")
    (build,) = effective(url, constraints=(bound,)).build_requests()
    assert build.hashes == {"sha256:1"}
    other = replace(url, hashes=frozenset({"sha256:2"}))
    with pytest.raises(pool.PoolError, match="a: the required hashes contradict each other"):
        effective(other, constraints=(bound,)).build_requests()
