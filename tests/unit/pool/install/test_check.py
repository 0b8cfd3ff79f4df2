"""Requirements that are not met after something changed."""

from __future__ import annotations

import pytest
from packaging.utils import canonicalize_name

from pool.install.check import unmet_requirements
from pool.install.installed import installed_distributions
from tests.support.installs import Yard

X, Y = canonicalize_name("x"), canonicalize_name("y")


def said(yard: Yard, *changed: str) -> list[str]:
    names = [canonicalize_name(name) for name in changed]
    return unmet_requirements(
        installed_distributions(yard.env), names, yard.env.interpreter.environment
    )


def test_what_a_new_one_needs_is_looked_at(yard: Yard) -> None:
    needs = ["y<2", "Missing-One", "z>1; python_version < '3'", "extra; extra == 'more'", "y>=1"]
    yard.put(yard.wheel("x", requires=needs), yard.wheel("y", "2.1"))
    assert said(yard, "x") == [
        "x 1.0 needs y<2, but y is 2.1",
        "x 1.0 needs Missing-One, which is not installed",
    ]


def test_what_needs_a_new_one_is_looked_at(yard: Yard) -> None:
    yard.put(yard.wheel("x", requires=["y<2", "other"]), yard.wheel("y", "2.1"))
    assert said(yard, "y") == ["x 1.0 needs y<2, but y is 2.1"]
    yard.put(remove=[Y])
    assert said(yard, "y") == ["x 1.0 needs y<2, which is not installed"]


def test_what_was_broken_before_is_no_news(yard: Yard) -> None:
    yard.put(yard.wheel("x", requires=["missing"]), yard.wheel("y"))
    assert said(yard, "y") == []


@pytest.mark.parametrize("version", ["2.0rc1", "2.0.dev1", "2.0+local"])
def test_versions_that_are_there_count_whatever_they_are(yard: Yard, version: str) -> None:
    yard.put(yard.wheel("x", requires=["y>1"]), yard.wheel("y", version))
    assert said(yard, "x", "y") == []


def test_metadata_that_cannot_be_read_is_passed_over(yard: Yard) -> None:
    yard.put(yard.wheel("x", requires=["y (broken"]), yard.wheel("y"))
    assert said(yard, "x", "y") == []
    info = yard.site / "y-1.0.dist-info"
    info.rename(yard.site / "y-ancient_x.dist-info")
    yard.put(yard.wheel("x", "2.0", requires=["y>=1", "'"]))
    assert said(yard, "x") == ["x 2.0 needs y>=1, but y is ancient_x"]
