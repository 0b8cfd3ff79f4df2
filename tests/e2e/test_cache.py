"""The wheel cache: what was built before in just the same way is not built again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pool
from pool.events import types as v
from tests.support.makers import make_sdist, make_tree
from tests.support.sandbox import (
    BIN,
    CommandResult,
    Sandbox,
    find_python_with_headers,
    make_setuptools_tree,
    pack_sdist,
)
from tests.support.terminal import wait_until

pytestmark = pytest.mark.slow

BUILT, CACHED = pool.Outcome.BUILT, pool.Outcome.CACHED
CHANGES_ITSELF = """
from pathlib import Path
from setuptools import setup
source = Path(__file__).with_name(NAME + ".py")
source.write_text(source.read_text() + "value += 1\\n")
setup(name=NAME, version="1.0", py_modules=[NAME])
"""


def check_success(done: CommandResult) -> CommandResult:
    assert done.code == 0, done.err
    return done


def outcomes(done: CommandResult) -> dict[str, pool.Outcome | None]:
    return {build.name: build.outcome for build in done.state.builds.values() if not build.nested}


def digests(sandbox: Sandbox) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sandbox.out.glob("*.whl")
    }


def remarks(sandbox: Sandbox) -> str:
    with pool.JournalReader(sandbox.log) as reader:
        return " ".join(event.text for event in reader.read() if isinstance(event, v.Note))


def test_the_same_request_again_is_cached_and_the_wheels_are_the_same(sandbox: Sandbox) -> None:
    tree = make_setuptools_tree(sandbox.root / "tree", "tree")
    links = sandbox.root / "links"
    pack_sdist(links, make_setuptools_tree(sandbox.root / "src" / "packed", "packed"))
    request = ("build", tree, "packed", "--find-links", links)
    assert set(outcomes(check_success(sandbox.run(*request))).values()) == {BUILT}
    first = digests(sandbox)
    shutil.rmtree(sandbox.out)
    sandbox.times.unlink()
    done = check_success(sandbox.run(*request))
    assert set(outcomes(done).values()) == {CACHED}
    assert digests(sandbox) == first
    assert not sandbox.times.exists(), "no setup.py was run"
    assert not any("unpack" in build.phases for build in done.state.builds.values())
    assert all(
        build.sha256 == first[Path(build.wheel or "").name] for build in done.state.builds.values()
    )


def test_content_counts_and_times_do_not(sandbox: Sandbox) -> None:
    tree = make_setuptools_tree(sandbox.root / "tree", "tree")
    check_success(sandbox.run("build", tree))
    for path in (tree, *tree.iterdir()):
        os.utime(path, (1, 1))
    assert outcomes(check_success(sandbox.run("build", tree))) == {"tree": CACHED}
    elsewhere = sandbox.root / "elsewhere"
    shutil.copytree(tree, elsewhere)
    assert outcomes(check_success(sandbox.run("build", elsewhere))) == {"elsewhere": CACHED}
    (tree / "tree.py").write_text("value = 2\n")
    assert outcomes(check_success(sandbox.run("build", tree))) == {"tree": BUILT}
    (tree / "new.txt").touch()
    assert outcomes(check_success(sandbox.run("build", tree))) == {"tree": BUILT}


def test_a_tree_that_changes_while_it_is_built_is_not_cached(sandbox: Sandbox) -> None:
    tree = make_setuptools_tree(sandbox.root / "tree", "tree", CHANGES_ITSELF)
    for _ in range(2):
        assert outcomes(check_success(sandbox.run("build", tree))) == {"tree": BUILT}
        assert "changed while it was built" in remarks(sandbox)


def test_a_change_of_a_tree_while_it_is_built_is_built_next(sandbox: Sandbox) -> None:
    tree = make_setuptools_tree(sandbox.root / "tree", "tree")
    hold = sandbox.root / "hold"
    hold.touch()
    process = sandbox.start("build", tree, HOLD=str(hold))
    wait_until(lambda: sandbox.running() == 1)
    (tree / "tree.py").write_text("value = 2\n")
    hold.unlink()
    check_success(sandbox.finish(process))
    assert outcomes(check_success(sandbox.run("build", tree))) == {"tree": BUILT}


@pytest.fixture
def rebuilds(sandbox: Sandbox) -> Callable[..., None]:
    """A check that something is built anew, and then is cached."""

    def check(*flags: str | Path, **environ: str) -> None:
        for outcome in (BUILT, CACHED):
            done = check_success(sandbox.run("build", *flags, **environ))
            assert set(outcomes(done).values()) == {outcome}, (flags, environ)

    return check


def test_compiler_flags_settings_and_requirements_count(
    sandbox: Sandbox, rebuilds: Callable[..., None]
) -> None:
    links = sandbox.root / "links"
    links.mkdir()
    make_sdist(links, "helper", "1.0")
    make_sdist(links, "app", build_requires=["helper"], backend="\nimport helper\n")
    sandbox.environ["PIP_FIND_LINKS"] = str(links)
    rebuilds("app")
    rebuilds("app", CFLAGS="-O1")
    rebuilds("app", CFLAGS="-O2")
    rebuilds("app", "-C", "fast=1")
    rebuilds("app", "-C", "fast=2")
    rebuilds("app", APP_WITH_EVERYTHING="1")
    done = check_success(sandbox.run("build", "app", UNRELATED="1"))
    assert outcomes(done) == {"app": CACHED}
    make_sdist(links, "helper", "1.1")
    rebuilds("app")


def test_requirements_of_the_backend_change_the_key(
    sandbox: Sandbox, rebuilds: Callable[..., None]
) -> None:
    links = sandbox.root / "links"
    links.mkdir()
    asks = "\ndef get_requires_for_build_wheel(config_settings=None):\n    return ['helper']\n"
    make_sdist(links, "helper", "1.0")
    make_sdist(links, "app", backend=asks)
    sandbox.environ["PIP_FIND_LINKS"] = str(links)
    rebuilds("app")
    make_sdist(links, "helper", "1.1")
    rebuilds("app")


def test_another_interpreter_counts_and_another_environment_of_one_does_not(
    sandbox: Sandbox, rebuilds: Callable[..., None]
) -> None:
    tree = make_tree(sandbox.root / "src", "app")
    rebuilds(tree)
    venv = sandbox.root / "venv"
    subprocess.run([BIN / "uv", "venv", "-q", "--python", sys.executable, venv], check=True)
    done = check_success(sandbox.run("build", tree, "--python", venv / "bin" / "python"))
    assert outcomes(done) == {"app": CACHED}
    if (other := find_python_with_headers()) is None:
        pytest.skip("this machine has no other Python with headers")
    rebuilds(tree, "--python", other)
    assert outcomes(check_success(sandbox.run("build", tree))) == {"app": CACHED}


def test_flags_that_pass_the_cache_over(sandbox: Sandbox) -> None:
    trees = [make_tree(sandbox.root / "src", name) for name in ("one", "two")]
    check_success(sandbox.run("build", *trees))
    both = dict.fromkeys(("one", "two"), BUILT)
    assert outcomes(check_success(sandbox.run("build", *trees, "--no-cache"))) == both
    assert outcomes(check_success(sandbox.run("build", *trees, "--refresh", ":all:"))) == both
    done = check_success(sandbox.run("build", *trees, "--refresh", "ONE"))
    assert outcomes(done) == {"one": BUILT, "two": CACHED}


def test_a_refreshed_wheel_takes_the_place_of_the_old_one(sandbox: Sandbox) -> None:
    # The time is an input that no cache can compare.
    reads = "\nimport time\nFILES['stamp.py'] = f'at = {time.time_ns()}\\n'\n"
    tree = make_tree(sandbox.root / "src", "app", backend=reads)
    check_success(sandbox.run("build", tree))
    old = digests(sandbox)
    check_success(sandbox.run("build", tree, "--refresh", "app"))
    new = digests(sandbox)
    assert new != old
    assert outcomes(check_success(sandbox.run("build", tree))) == {"app": CACHED}
    assert digests(sandbox) == new


def test_two_processes_build_an_sdist_once(sandbox: Sandbox) -> None:
    archive = pack_sdist(
        sandbox.root / "dl", make_setuptools_tree(sandbox.root / "src" / "app", "app")
    )
    hold = sandbox.root / "hold"
    hold.touch()
    first = sandbox.start("build", archive, HOLD=str(hold))
    log = sandbox.log
    wait_until(lambda: sandbox.running() == 1)
    # get_requires and build_wheel each run the script: what counts is who is in build_wheel.
    second = sandbox.start("build", archive, HOLD=str(hold))
    wait_until(lambda: log.exists() and '"phase":"get_requires"' in log.read_text())
    hold.unlink()
    done = [sandbox.finish(first, log), sandbox.finish(second)]
    assert sorted(str(check_success(one).outcome("app")) for one in done) == ["built", "cached"]


def test_the_second_waits_visibly_for_the_first(sandbox: Sandbox) -> None:
    """Only build_wheel is slow here, so that the second one finds the first at it."""
    hold = sandbox.root / "hold"
    hold.touch()
    slow = f"""
import os, time
_build = build_wheel
def build_wheel(*arguments):
    with open(os.environ["TIMES"], "a") as times:
        times.write(f"start {{os.getpid()}} {{time.monotonic()}}\\n")
    while os.path.exists({str(hold)!r}):
        time.sleep(0.01)
    return _build(*arguments)
"""
    (sandbox.root / "dl").mkdir()
    archive = make_sdist(sandbox.root / "dl", "app", backend=slow)
    first = sandbox.start("build", archive)
    log = sandbox.log
    wait_until(lambda: sandbox.running() == 1)
    second = sandbox.start("build", archive)
    wait_until(lambda: sandbox.log.exists() and "lock.waiting" in sandbox.log.read_text())
    with pool.JournalReader(sandbox.log) as reader:
        (waiting,) = [event for event in reader.read() if isinstance(event, v.LockWaiting)]
    assert waiting.holder
    assert waiting.holder.pid == first.pid
    assert waiting.lock == "the cache entry of app 1.0"
    hold.unlink()
    assert check_success(sandbox.finish(first, log)).outcome("app") is BUILT
    assert check_success(sandbox.finish(second)).outcome("app") is CACHED
    assert len(sandbox.times.read_text().splitlines()) == 1, "it was built once"


def cached_wheels(sandbox: Sandbox) -> list[Path]:
    return sorted((sandbox.root / "cache" / "wheelpool" / "built-1" / "wheels").glob("*/*.whl"))


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "entry"])
def test_a_damaged_entry_is_reported_and_built_again(sandbox: Sandbox, damage: str) -> None:
    tree = make_tree(sandbox.root / "src", "app")
    check_success(sandbox.run("build", tree))
    (wheel,) = cached_wheels(sandbox)
    match damage:
        case "cut":
            wheel.write_bytes(wheel.read_bytes()[:100])
        case "changed":
            data = wheel.read_bytes()
            wheel.write_bytes(data[:60] + bytes([data[60] ^ 1]) + data[61:])
        case "gone":
            wheel.unlink()
        case "entry":
            for key in (wheel.parents[2] / "keys").iterdir():
                key.write_text("{")
    assert outcomes(check_success(sandbox.run("build", tree))) == {"app": BUILT}
    assert "damaged" in remarks(sandbox)
    assert outcomes(check_success(sandbox.run("build", tree))) == {"app": CACHED}


def test_pruning_waits_for_runs_that_are_alive(sandbox: Sandbox) -> None:
    tree = make_setuptools_tree(sandbox.root / "tree", "tree")
    hold = sandbox.root / "hold"
    hold.touch()
    run = sandbox.start("build", tree, HOLD=str(hold))
    wait_until(lambda: sandbox.running() == 1)
    prune = subprocess.Popen(
        [BIN / "wheelpool", "cache", "prune", "--all"],
        env=sandbox.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert prune.stderr
    said = prune.stderr.readline()
    assert f"1 run is using the cache (pid {run.pid}); waiting" in said
    hold.unlink()
    check_success(sandbox.finish(run))
    out, _ = prune.communicate(timeout=60)
    assert prune.returncode == 0
    assert "removed built wheels: 1" in out
    assert outcomes(check_success(sandbox.run("build", tree))) == {"tree": BUILT}


def test_a_build_requirement_that_was_built_is_cached_too(sandbox: Sandbox) -> None:
    links = sandbox.root / "links"
    links.mkdir()
    make_sdist(links, "helper")
    trees = [make_tree(sandbox.root / "src", name, build_requires=["helper"]) for name in "ab"]
    sandbox.environ["PIP_FIND_LINKS"] = str(links)
    assert check_success(sandbox.run("build", trees[0])).outcome("helper") is BUILT
    shutil.rmtree(sandbox.root / "cache" / "wheelpool" / "wheels")
    assert check_success(sandbox.run("build", trees[1])).outcome("helper") is CACHED


def test_the_cache_lists_its_contents(sandbox: Sandbox) -> None:
    check_success(sandbox.run("build", make_tree(sandbox.root / "src", "app")))
    told = subprocess.run(
        [BIN / "wheelpool", "cache", "info"],
        env=sandbox.environ, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "built wheels" in told
    assert json.dumps(str(sandbox.root / "cache" / "wheelpool"))[1:-1] in told
