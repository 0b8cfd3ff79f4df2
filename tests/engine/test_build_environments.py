"""Builds share environments, and none gets the result of what another has changed there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pool
from tests.support.makers import make_tree, make_wheel
from tests.support.pool_runs import last_build, make_settings, run_pool

if TYPE_CHECKING:
    from pathlib import Path

# The wheel has what the build has seen of its environment.
SEES = """
import glob, os, sys, time
import helper
make = build_wheel
def build_wheel(folder, config_settings=None, metadata_directory=None):
    act()
    seen = {"prefix": sys.prefix, "value": helper.value}
    seen["names"] = sorted(os.listdir(os.path.dirname(helper.__file__)))
    with open("seen", "w") as file:
        file.write(repr(seen))
    return make(folder, config_settings, metadata_directory)
def act():
    pass
"""
ADDS = """
def act():
    open(os.path.join(os.path.dirname(helper.__file__), "added.py"), "w").close()
"""
OVERWRITES = """
def act():
    with open(helper.__file__, "a") as file:
        file.write("value = 'changed'\\n")
"""
WAITS_FOR_ALL = """
def meet():
    mark = {folder!r} + "/" + os.path.basename(os.getcwd())
    if not os.path.exists(mark):
        open(mark, "w").close()
        end = time.monotonic() + 60
        while len(os.listdir({folder!r})) < {count} and time.monotonic() < end:
            time.sleep(0.01)
change = act
def act():
    meet()
    change()
"""
HELPER = {"helper.py": "value = 'right'\n"}


def tree(root: Path, name: str, code: str = "") -> Path:
    return make_tree(root, name, build_requires=["helper"], backend=SEES + code)


def seen_by(tree: Path) -> dict[str, str]:
    seen: dict[str, str] = eval((tree / "seen").read_text())
    return seen


def notes_of(state: pool.RunState, name: str) -> list[str]:
    return [note for note in last_build(state, name).notes if "environment" in note]


async def test_builds_with_the_same_requirements_share_an_environment(tmp_path: Path) -> None:
    make_wheel(tmp_path / "links", "helper", files=HELPER)
    trees = [tree(tmp_path, name) for name in ("one", "two", "three")]
    code, _ = await run_pool(make_settings(tmp_path), *trees[:2])
    assert code == 0
    code, _ = await run_pool(make_settings(tmp_path), trees[2])
    assert code == 0
    (environment,) = (tmp_path / "cache/environments-1").iterdir()
    assert {seen_by(one)["prefix"] for one in trees} == {str(environment)}


async def test_build_that_changes_its_environment_has_its_own_from_then_on(tmp_path: Path) -> None:
    make_wheel(tmp_path / "links", "helper", files=HELPER)
    adds, other = tree(tmp_path, "adds", ADDS), tree(tmp_path, "other")
    settings = make_settings(tmp_path, builds=1)
    code, state = await run_pool(settings, adds, other)
    assert code == 0
    (note,) = notes_of(state, "adds")
    assert "it has changed its build environment (lib/python" in note
    assert "added.py was added)" in note
    assert "added.py" in seen_by(adds)["names"]
    assert "added.py" not in seen_by(other)["names"]
    assert seen_by(adds)["prefix"] == seen_by(other)["prefix"]
    (adds / "more.py").touch()
    code, state = await run_pool(make_settings(tmp_path, builds=1), adds)
    assert code == 0
    assert notes_of(state, "adds") == []
    assert seen_by(adds)["prefix"] != seen_by(other)["prefix"]


async def test_builds_that_used_a_changed_environment_at_once_are_repeated(tmp_path: Path) -> None:
    make_wheel(tmp_path / "links", "helper", files=HELPER)
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    meets = WAITS_FOR_ALL.format(folder=str(meeting), count=2)
    adds, other = tree(tmp_path, "adds", ADDS + meets), tree(tmp_path, "other", meets)
    code, state = await run_pool(make_settings(tmp_path), adds, other)
    assert code == 0
    prefixes = {seen_by(adds)["prefix"], seen_by(other)["prefix"]}
    assert "added.py" not in seen_by(other)["names"]
    assert not any("environments-1" in prefix for prefix in prefixes)
    assert any("built again in one of its own" in note for note in notes_of(state, "other"))
    assert any("from now on it is built" in note for note in notes_of(state, "adds"))


async def test_overwritten_file_of_a_wheel_is_seen_by_no_other_build(tmp_path: Path) -> None:
    make_wheel(tmp_path / "links", "helper", files=HELPER)
    overwrites, other = tree(tmp_path, "overwrites", OVERWRITES), tree(tmp_path, "other")
    code, state = await run_pool(make_settings(tmp_path, builds=1), overwrites, other)
    assert code == 0
    assert any("helper.py was changed" in note for note in notes_of(state, "overwrites"))
    assert seen_by(other)["value"] == "right"
    again = tree(tmp_path, "again")
    code, _ = await run_pool(make_settings(tmp_path), again)
    assert code == 0
    assert seen_by(again)["value"] == "right"


async def test_requirements_of_the_backend_make_another_environment(tmp_path: Path) -> None:
    make_wheel(tmp_path / "links", "helper", files=HELPER)
    make_wheel(tmp_path / "links", "extra")
    wants = "\ndef get_requires_for_build_wheel(config_settings=None):\n    return ['extra']\n"
    plain, more = tree(tmp_path, "plain"), tree(tmp_path, "more", wants)
    code, _ = await run_pool(make_settings(tmp_path), plain, more)
    assert code == 0
    assert "extra.py" in seen_by(more)["names"]
    assert "extra.py" not in seen_by(plain)["names"]
    prefixes = {seen_by(one)["prefix"] for one in (plain, more)}
    assert prefixes == set(map(str, (tmp_path / "cache/environments-1").iterdir()))


async def test_environment_of_a_failed_build_is_released(tmp_path: Path) -> None:
    make_wheel(tmp_path / "links", "helper", files=HELPER)
    fails = tree(tmp_path, "fails", ADDS + "    sys.exit(3)\n")
    other = tree(tmp_path, "other")
    code, state = await run_pool(make_settings(tmp_path, builds=1), fails, other)
    assert code == 1
    assert last_build(state, "other").outcome is pool.Outcome.BUILT
    assert "added.py" not in seen_by(other)["names"]


async def test_folder_of_environments_that_cannot_be_used_is_not_used(tmp_path: Path) -> None:
    make_wheel(tmp_path / "links", "helper", files=HELPER)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/environments-1").touch()
    one = tree(tmp_path, "one")
    code, _ = await run_pool(make_settings(tmp_path), one)
    assert code == 0
    assert seen_by(one)["prefix"].endswith("/env")


async def test_process_without_variables_is_recorded(tmp_path: Path) -> None:
    make_wheel(tmp_path / "links", "helper", files=HELPER)
    (tmp_path / "input").write_text("1")
    reads = """
import subprocess, sys
import helper
make = build_wheel
def build_wheel(folder, config_settings=None, metadata_directory=None):
    code = "open(%r).read()" % os.path.join(os.path.dirname(os.getcwd()), "in" + "put")
    subprocess.run([sys.executable, "-c", code], check=True, env={})
    return make(folder, config_settings, metadata_directory)
"""
    one = make_tree(tmp_path, "one", build_requires=["helper"], backend=reads)
    for content, outcome in (("1", "built"), ("1", "cached"), ("2", "built")):
        (tmp_path / "input").write_text(content)
        code, state = await run_pool(make_settings(tmp_path), one)
        assert code == 0
        assert last_build(state, "one").outcome == outcome
