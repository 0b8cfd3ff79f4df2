"""The cap holds at every moment, nested builds included, and can be changed while it runs."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

import pool
from tests.support.sandbox import Sandbox, make_setuptools_tree, most_at_once, pack_sdist
from tests.support.terminal import wait_until

if TYPE_CHECKING:
    pass

pytestmark = [pytest.mark.slow, pytest.mark.exclusive]


@pytest.mark.parametrize("cap", [1, 3])
def test_twelve_trees_never_overlap_more_than_the_cap(sandbox: Sandbox, cap: int) -> None:
    trees = [make_setuptools_tree(sandbox.root / f"t{n}", f"t{n}") for n in range(12)]
    done = sandbox.run("build", *trees, "-j", str(cap), NAP="0.2")
    assert done.code == 0, done.err
    assert most_at_once(sandbox.times) == cap
    assert len(list(sandbox.out.glob("*.whl"))) == 12


@pytest.mark.parametrize("cap", [1, 3])
def test_nested_builds_count_and_three_levels_do_not_deadlock(sandbox: Sandbox, cap: int) -> None:
    links = sandbox.root / "links"
    below: tuple[str, ...] = ()
    for level in ("low", "mid", "high"):
        pack_sdist(links, make_setuptools_tree(sandbox.root / "src" / level, level, requires=below))
        below = (level,)
    trees = [
        make_setuptools_tree(sandbox.root / f"t{n}", f"t{n}", requires=("high",)) for n in range(4)
    ]
    done = sandbox.run("build", *trees, "-j", str(cap), "--find-links", links)
    assert done.code == 0, done.err
    assert most_at_once(sandbox.times) <= cap
    nested = [build for build in done.state.builds.values() if build.nested]
    assert sorted(build.name for build in nested) == ["high", "low", "mid"], "each is built once"
    assert {path.name[:2] for path in sandbox.out.glob("*.whl")} == {"t0", "t1", "t2", "t3"}


def test_requirements_in_a_circle_are_named(sandbox: Sandbox) -> None:
    links = sandbox.root / "links"
    for name, other in (("egg", "hen"), ("hen", "egg")):
        pack_sdist(
            links, make_setuptools_tree(sandbox.root / "src" / name, name, requires=(other,))
        )
    tree = make_setuptools_tree(sandbox.root / "farm", "farm", requires=("hen",))
    good = make_setuptools_tree(sandbox.root / "good", "good")
    done = sandbox.run("build", tree, good, "--find-links", links, "-j", "1")
    assert done.code == 1
    assert done.outcome("good") is pool.Outcome.BUILT
    assert done.outcome("farm") is pool.Outcome.SKIPPED
    messages = " ".join(build.message for build in done.state.builds.values())
    assert "egg needs hen needs egg" in messages or "hen needs egg needs hen" in messages


def test_signals_raise_and_lower_the_cap_of_a_run(sandbox: Sandbox) -> None:
    trees = [make_setuptools_tree(sandbox.root / f"t{n}", f"t{n}") for n in range(6)]
    hold = sandbox.root / "hold"
    hold.touch()
    process = sandbox.start("build", *trees, "-j", "1", HOLD=str(hold))
    wait_until(lambda: sandbox.running() == 1)
    process.send_signal(signal.SIGUSR1)
    wait_until(lambda: sandbox.running() == 2)
    process.send_signal(signal.SIGUSR2)
    wait_until(lambda: '"new":1' in sandbox.log.read_text())
    assert sandbox.running() == 2, "lowering ends nobody"
    hold.unlink()
    done = sandbox.finish(process)
    assert done.code == 0, done.err
    assert most_at_once(sandbox.times) == 2
    assert done.state.limits[pool.LimitName.BUILDS].cap == 1
