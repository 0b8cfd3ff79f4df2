"""Real sdists of the public index: every common backend, C, Cython, another interpreter.

And a whole set: fifty distributions, pinned with hashes, as a requirements file and as a lock.
"""

from __future__ import annotations

import filecmp
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest

import pool
from tests.support.paths import PINNED
from tests.support.sandbox import BIN, CommandResult, Sandbox, find_python_with_headers

pytestmark = [pytest.mark.slow, pytest.mark.public]

SDISTS = [
    "six",
    "idna",
    "attrs",
    "click",
    "packaging",
    "rich",
    "urllib3",
    "pluggy",
    "pytest",
    "tqdm",
    "markupsafe",
    "pyyaml",
    "frozenlist",
]


def test_sdists_of_all_common_backends_build(public: Sandbox) -> None:
    done = public.run("build", *SDISTS, "-j", "2")
    outcomes = {
        build.name: build.outcome for build in done.state.builds.values() if not build.nested
    }
    assert outcomes == dict.fromkeys(SDISTS, pool.Outcome.BUILT), done.err
    assert done.code == 0
    wheels = sorted(public.out.glob("*.whl"))
    assert len(wheels) == len(SDISTS)
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            assert archive.testzip() is None
    target = public.root / "installed"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(target),
    ]
    subprocess.run([*pip, *map(str, wheels)], check=True, env=public.environ)
    code = "import six, idna, attr, click, packaging, rich, urllib3, tqdm, markupsafe._speedups, yaml._yaml, frozenlist._frozenlist"
    subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(target)!r}); {code}"],
        check=True,
    )


def test_a_compiled_package_for_another_interpreter(public: Sandbox) -> None:
    python = find_python_with_headers()
    if python is None:
        pytest.skip("this machine has no other Python with headers")
    done = public.run("build", "markupsafe==3.0.3", "--python", python)
    assert done.code == 0, done.err
    (wheel,) = public.out.glob("*.whl")
    ask = "import sys; print('cp%d%d' % sys.version_info[:2])"
    tag = subprocess.run(
        [python, "-I", "-c", ask], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert f"-{tag}-{tag}-" in wheel.name
    code = f"import sys; sys.path.insert(0, {str(wheel)!r}); import markupsafe; print(markupsafe.__file__)"
    subprocess.run([python, "-I", "-c", code], check=True)
    unpacked = public.root / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    code = f"import sys; sys.path.insert(0, {str(unpacked)!r}); import markupsafe._speedups"
    subprocess.run([python, "-I", "-c", code], check=True)


def outcomes(done: CommandResult) -> Counter[pool.Outcome | None]:
    """Count how the builds ended that the user asked for."""
    return Counter(build.outcome for build in done.state.builds.values() if not build.nested)


def installs(sandbox: Sandbox, wheelhouse: Path, pins: str) -> None:
    """See that pip installs the pins from a folder alone, into a fresh environment."""
    environment = wheelhouse.with_suffix(".venv")
    requirements = wheelhouse.with_suffix(".txt")
    requirements.write_text(pins)
    subprocess.run([BIN / "uv", "venv", "-q", "--python", sys.executable, environment], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(environment)]
    isolated = {**sandbox.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    install = ["install", "-q", "--no-index", "--find-links", wheelhouse, "-r", requirements]
    subprocess.run([*pip, *map(str, install)], check=True, env=isolated)
    subprocess.run([*pip, "check"], check=True, env=isolated)
    code = "import sphinx, flask, httpx, pytest, yaml._yaml, markupsafe._speedups, build, h2"
    subprocess.run([environment / "bin" / "python", "-I", "-c", code], check=True)


def test_a_pinned_set_of_fifty_builds_and_pip_installs_from_it(public: Sandbox) -> None:
    """As a requirements file with hashes; then as a lock, with everything built before."""
    count = 50
    # The hashes are those of what the index has: what was built here has others.
    pins = re.sub(r" \\\n\s+--hash=\S+", "", PINNED.read_text())
    done = public.run("build", "-r", PINNED, "-j", "2")
    assert done.code == 0, done.err
    assert outcomes(done) == {pool.Outcome.BUILT: count}
    installs(public, public.out, pins)
    first = public.out

    lock = public.root / "pylock.toml"
    uv = [str(BIN / "uv"), "pip", "compile", "-q", "--universal", "--python-version", "3.11"]
    uv += [str(PINNED), "--format", "pylock.toml", "-o", str(lock)]
    index = pool.read_index_settings({**os.environ})
    found = {"UV_DEFAULT_INDEX": index.index_url, "UV_FIND_LINKS": ",".join(index.find_links)}
    subprocess.run(uv, check=True, env={**public.environ, **found}, cwd=public.root)
    public.out = public.root / "locked"
    done = public.run("build", "--pylock", lock, "-j", "2")
    assert done.code == 0, done.err
    assert outcomes(done) == {pool.Outcome.CACHED: count}
    names = sorted(wheel.name for wheel in first.iterdir())
    assert filecmp.cmpfiles(first, public.out, names, shallow=False) == (names, [], [])
