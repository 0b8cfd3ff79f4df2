"""The cap holds at every moment, nested builds included, and can be changed while it runs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import pool
from tests.integration.sandbox import Sandbox, most_at_once, setuptools_tree
from tests.makers import make_sdist


@pytest.mark.parametrize("cap", [1, 3])
def test_twelve_trees_never_overlap_more_than_the_cap(sandbox: Sandbox, cap: int) -> None:
    trees = [setuptools_tree(sandbox.root / f"t{n}", f"t{n}") for n in range(12)]
    done = sandbox.run("build", *trees, "-j", str(cap))
    assert done.code == 0, done.err
    assert most_at_once(sandbox.times) == cap
    assert len(list(sandbox.out.glob("*.whl"))) == 12
