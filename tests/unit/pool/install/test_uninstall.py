"""Distributions go as they came: all that their RECORDs name, and nothing else."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

import pytest

from pool.common.errors import LockTimeoutError, RequirementError
from pool.install.installed import installed_distributions
from pool.install.uninstall import uninstall

if TYPE_CHECKING:
    from pool.common.model import Holder
    from tests.support.installs import Yard


def nobody(holder: Holder | None) -> None:
    """Nobody is waited for."""
    raise AssertionError(holder)


def test_all_that_was_asked_for_goes_and_what_needs_it_is_told(yard: Yard) -> None:
    yard.put(yard.wheel("a"), yard.wheel("b", requires=["a>=1"]), yard.wheel("c"))
    told = uninstall(["A", "c", "c"], yard.env.prefix, {}, on_wait=nobody)
    assert told == [
        "removed a 1.0",
        "removed c 1.0",
        "b 1.0 needs a>=1, which is not installed",
    ]
    assert set(installed_distributions(yard.env)) == {"b"}
    assert not (yard.env.layout.purelib / "a.py").exists()
    assert not (yard.env.prefix / ".wheelpool").exists()


def test_where_one_is_not_there_none_goes(yard: Yard) -> None:
    yard.put(yard.wheel("a"))
    with pytest.raises(RequirementError, match="nope: not installed in"):
        uninstall(["a", "nope"], yard.env.prefix, {}, on_wait=nobody)
    assert set(installed_distributions(yard.env)) == {"a"}


def test_who_has_the_environment_is_waited_for_by_name(yard: Yard) -> None:
    yard.put(yard.wheel("a"))
    seen: list[Holder | None] = []
    with yard.env.lock_path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LockTimeoutError, match="still locked"):
            uninstall(["a"], yard.env.prefix, {}, on_wait=seen.append, timeout=0.0)
    assert len(seen) == 1
    assert set(installed_distributions(yard.env)) == {"a"}
