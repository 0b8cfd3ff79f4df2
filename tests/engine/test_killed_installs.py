"""Killed by SIGKILL before any change of the disk: old or new, never neither, and mended next."""

from __future__ import annotations

import os
import shutil
import signal
from functools import partial
from typing import TYPE_CHECKING

import pytest
from packaging.utils import canonicalize_name

from pool.install.environment_files import STAGING_DIR
from pool.install.staging import discard
from pool.install.transaction import commit, recover, remove_leftovers
from tests.support.installs import Yard, content, leftovers, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from pool.cache.unpacked_wheels import UnpackedWheel

POINTS = {"INFO/entry_points.txt": "[console_scripts]\nx = x:main\n"}
OLD = {
    "x/__init__.py": "from x.part import v\nimport xhelp\ndef main(): pass\n",
    "x/part.py": "v = 1\n",
    "xhelp.py": "v = 1\n",
    "ns/x/__init__.py": "v = 1\n",
    "ns/gone.py": "",
    "gone/__init__.py": "",
    "x_old.pth": "import xhelp\n",
    "DATA/data/share/x": "1",
    **POINTS,
}
NEW = {
    "x/__init__.py": "from x.piece import v\nimport xhelp, xnew\ndef main(): pass\n",
    "x/piece.py": "v = 2\n",
    "xhelp.py": "v = 2\n",
    "xnew/__init__.py": "",
    "ns/x/__init__.py": "v = 2\n",
    "x_new.pth": "import xnew\n",
    "DATA/data/share/x": "2",
    **POINTS,
}
LOOK = """
import importlib.metadata as m, importlib.util as u
import x, xhelp, ns.x, other, ns.other
names = {d.name for d in m.distributions()}
assert {"x", "other"} <= names, names
there = "fresh" in names
assert not there or u.find_spec("fresh")
print(x.v, xhelp.v, ns.x.v, other.__version__, m.version("x"), m.version("other"))
"""


class Scene:
    """An environment with old versions, and the set that replaces them."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard
        other = {"other.py": "__version__ = '1.0'\n", "ns/other.py": ""}
        yard.put(yard.wheel("x", "1.0", OLD), yard.wheel("other", "1.0", other), yard.wheel("bye"))
        self.new: list[UnpackedWheel] = [
            yard.wheel("x", "2.0", NEW),
            yard.wheel("fresh"),
            yard.wheel("other", "2.0", {**other, "other.py": "__version__ = '2.0'\n"}),
        ]
        self.before = content(yard.env.prefix)
        self.steps: list[str] = []
        after = self.fresh()
        self.put(after, self.steps.append)
        self.after = content(after.env.prefix)
        assert len(self.steps) > 20
        assert sum(step.startswith("exchange") for step in self.steps) > 3

    def put(self, yard: Yard, step: Callable[[str], None], *, exchanges: bool = True) -> None:
        staged = yard.stage(*self.new, remove=[canonicalize_name("bye")])
        commit(staged, on_change=step, use_exchange=exchanges)
        discard(staged)

    def mend(self, yard: Yard, step: Callable[[str], None]) -> None:
        recover(yard.env, on_change=step)

    def fresh(self) -> Yard:
        """Return a copy, always at the same place."""
        if (self._yard.folder / "copy").exists():
            for name in ("bin", f"lib/{self._yard.site.parent.name}/site-packages"):
                if (link := self._yard.folder / "copy" / name).is_symlink():
                    shutil.rmtree(link.resolve().parent)
        shutil.rmtree(self._yard.folder / "copy", ignore_errors=True)
        return self._yard.copy_to("copy")


@pytest.fixture
def scene(yard: Yard) -> Scene:
    return Scene(yard)


@pytest.fixture(params=["yard", "spread_yard"])
def any_scene(request: pytest.FixtureRequest) -> Scene:
    """On one volume, and on more than one."""
    return Scene(request.getfixturevalue(request.param))


def killed(do: Callable[[Callable[[str], None]], object], at: int) -> bool:
    """Do it in a process that kills itself before one of its changes; False if it was done."""
    child = os.fork()
    if child == 0:
        steps: list[str] = []

        def step(said: str) -> None:
            steps.append(said)
            if len(steps) == at + 1:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            do(step)
        finally:
            os._exit(len(steps) == 0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    return False


def usable(yard: Yard) -> None:
    """Check that everything can be imported, each module wholly old or wholly new."""
    for said in run(yard.env, LOOK).split():
        assert said in ("1", "2", "1.0", "2.0")


def test_whenever_it_is_killed_it_is_usable_and_the_next_finishes_it(any_scene: Scene) -> None:
    scene = any_scene
    for at in range(len(scene.steps)):
        yard = scene.fresh()
        assert killed(partial(scene.put, yard), at)
        usable(yard)
        committed = at > 1
        if not committed:
            assert content(yard.env.prefix) == scene.before
        notes = recover(yard.env)
        assert len(notes) == committed
        remove_leftovers(yard.env)
        assert content(yard.env.prefix) == (scene.after if committed else scene.before)
        assert leftovers(yard.env) == []


def test_without_exchanges_the_next_finishes_it_too(scene: Scene) -> None:
    put = partial(scene.put, exchanges=False)
    at = 2
    while killed(partial(put, yard := scene.fresh()), at):
        assert len(recover(yard.env)) == 1
        assert content(yard.env.prefix) == scene.after
        at += 1
    assert at > len(scene.steps)


def test_only_one_distribution_at_a_time_is_between_old_and_new(scene: Scene) -> None:
    ours = {
        "x": ("x", "xhelp.py", "xnew/", "ns/x/", "ns/gone.py", "gone/", "share/x", "bin/x"),
        "other": ("other", "ns/other"),
        "fresh": ("fresh",),
        "bye": ("bye",),
    }
    for at in range(len(scene.steps)):
        yard = scene.fresh()
        killed(partial(scene.put, yard), at)
        states = [content(yard.env.prefix), scene.before, scene.after]
        between = []
        for name, paths in ours.items():
            now, before, after = (_only(state, paths) for state in states)
            if now not in (before, after):
                between.append(name)
        assert len(between) <= 1


def _only(state: dict[str, bytes], paths: tuple[str, ...]) -> dict[str, bytes]:
    """Return the files of one distribution, without bytecode."""
    return {
        path: data
        for path, data in state.items()
        if path.rpartition("site-packages/")[2].startswith(paths) and not path.endswith(".pyc")
    }


def test_whenever_recovery_is_killed_the_next_one_finishes(scene: Scene) -> None:
    """From each fourth place where a commit can be killed."""
    for at in range(2, len(scene.steps), 4):
        for again in range(len(scene.steps) - at):
            yard = scene.fresh()
            assert killed(partial(scene.put, yard), at)
            assert killed(partial(scene.mend, yard), again)
            assert len(recover(yard.env)) == 1
            remove_leftovers(yard.env)
            assert content(yard.env.prefix) == scene.after
            assert leftovers(yard.env) == []


def test_the_next_commit_mends_first(scene: Scene) -> None:
    yard = scene.fresh()
    killed(partial(scene.put, yard), len(scene.steps) // 2)
    done = yard.put(remove=[canonicalize_name("fresh")])
    assert [str(change) for change in done.changes] == ["fresh 1.0 removed"]
    (note,) = done.notes
    assert note.startswith("finished an interrupted installation: x 1.0 -> 2.0, fresh 1.0, ")


def test_recovery_leaves_files_changed_since_alone(scene: Scene) -> None:
    """As another tool that installs without looking for remains."""
    yard = scene.fresh()
    killed(partial(scene.put, yard), 3)
    helper = yard.site / "xhelp.py"
    helper.write_text("v = 'theirs'\n")
    notes = recover(yard.env)
    assert notes[1:] == (f"left alone, because another program changed it meanwhile: {helper}",)
    assert helper.read_text() == "v = 'theirs'\n"


def test_killed_while_laying_out_leaves_rubbish_only(any_scene: Scene) -> None:
    scene = any_scene
    yard = scene.fresh()

    def lay_out(step: Callable[[str], None]) -> None:
        yard.stage(*scene.new)
        step("killed")

    assert killed(lay_out, 0)
    (yard.env.prefix / STAGING_DIR / ".unnamed").mkdir()
    assert content(yard.env.prefix) == scene.before
    assert recover(yard.env) == ()
    remove_leftovers(yard.env)
    assert leftovers(yard.env) == []
