"""Requirements that are not met after a change."""

from __future__ import annotations

import pytest
from packaging.utils import canonicalize_name

from pool.install.check import unmet_requirements
from pool.install.installed import installed_distributions
from tests.support.installs import Yard

X, Y = canonicalize_name("x"), canonicalize_name("y")


def unmet(yard: Yard, *changed: str) -> list[str]:
    names = [canonicalize_name(name) for name in changed]
    return unmet_requirements(
        installed_distributions(yard.env), names, yard.env.interpreter.environment
    )


def test_requirements_of_a_changed_distribution_are_checked(yard: Yard) -> None:
    needs = ["y<2", "Missing-One", "z>1; python_version < '3'", "extra; extra == 'more'", "y>=1"]
    yard.put(yard.wheel("x", requires=needs), yard.wheel("y", "2.1"))
    assert unmet(yard, "x") == [
        "x 1.0 needs y<2, but y is 2.1",
        "x 1.0 needs Missing-One, which is not installed",
    ]


def test_requirements_on_a_changed_distribution_are_checked(yard: Yard) -> None:
    yard.put(yard.wheel("x", requires=["y<2", "other"]), yard.wheel("y", "2.1"))
    assert unmet(yard, "y") == ["x 1.0 needs y<2, but y is 2.1"]
    yard.put(remove=[Y])
    assert unmet(yard, "y") == ["x 1.0 needs y<2, which is not installed"]


def test_requirements_that_were_unmet_before_are_not_reported(yard: Yard) -> None:
    yard.put(yard.wheel("x", requires=["missing"]), yard.wheel("y"))
    assert unmet(yard, "y") == []


@pytest.mark.parametrize("version", ["2.0rc1", "2.0.dev1", "2.0+local"])
def test_installed_prereleases_and_unknown_versions_are_accepted(yard: Yard, version: str) -> None:
    yard.put(yard.wheel("x", requires=["y>1"]), yard.wheel("y", version))
    assert unmet(yard, "x", "y") == []


def test_unmet_requirements_unreadable_requirement_is_quoted(yard: Yard) -> None:
    yard.put(yard.wheel("x", requires=["y (broken", "y (>dev)"]), yard.wheel("y"))
    assert unmet(yard, "x", "y") == ["x 1.0 has a requirement that cannot be read: 'y (broken'"]


def test_unmet_requirements_version_that_is_none_satisfies_nothing(yard: Yard) -> None:
    yard.put(yard.wheel("x", requires=["y>=1"]), yard.wheel("y"))
    info = yard.site / "y-1.0.dist-info"
    info.rename(yard.site / "y-ancient_x.dist-info")
    yard.put(yard.wheel("x", "2.0", requires=["y>=1"]))
    assert unmet(yard, "x") == ["x 2.0 needs y>=1, but y is ancient_x"]
