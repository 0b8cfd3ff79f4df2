"""Uninstalled distributions lose all files of their RECORDs, and no others."""

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


def fail_on_wait(holder: Holder | None) -> None:
    """Fail: the lock must be free."""
    raise AssertionError(holder)


def test_all_named_distributions_are_removed_and_dependents_reported(yard: Yard) -> None:
    yard.put(yard.wheel("a"), yard.wheel("b", requires=["a>=1"]), yard.wheel("c"))
    report = uninstall(["A", "c", "c"], yard.env.prefix, {}, on_wait=fail_on_wait)
    assert report == [
        "removed a 1.0",
        "removed c 1.0",
        "b 1.0 needs a>=1, which is not installed",
    ]
    assert set(installed_distributions(yard.env)) == {"b"}
    assert not (yard.env.layout.purelib / "a.py").exists()
    assert not (yard.env.prefix / ".wheelpool").exists()


def test_if_one_is_not_installed_none_is_removed(yard: Yard) -> None:
    yard.put(yard.wheel("a"))
    with pytest.raises(RequirementError, match="nope: not installed in"):
        uninstall(["a", "nope"], yard.env.prefix, {}, on_wait=fail_on_wait)
    assert set(installed_distributions(yard.env)) == {"a"}


def test_the_holder_of_the_environments_lock_is_reported(yard: Yard) -> None:
    yard.put(yard.wheel("a"))
    seen: list[Holder | None] = []
    with yard.env.lock_path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LockTimeoutError, match="still locked"):
            uninstall(["a"], yard.env.prefix, {}, on_wait=seen.append, timeout=0.0)
    assert len(seen) == 1
    assert set(installed_distributions(yard.env)) == {"a"}
