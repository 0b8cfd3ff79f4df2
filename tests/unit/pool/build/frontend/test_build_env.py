"""Build environments: installed wheels work, and nothing outside of them is used or changed."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pool.build.frontend import build_env as environment
from pool.cache.unpacked_wheels import UnpackedWheel, UnpackedWheels
from pool.system.interpreter import Interpreter, probe
from tests.support.interpreters import find_python
from tests.support.wheels import INFO, sha256, tiny_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pool.build.frontend.build_env import BuildEnvironment

TINY = {
    "tiny/__init__.py": "value = 1\ndef main(): print('from', __file__)\n",
    f"{INFO}/entry_points.txt": "[console_scripts]\ntiny = tiny:main\n",
    "tiny-1.0.data/scripts/tiny-script": "#!python\nimport tiny, sys; print(tiny.value, sys.prefix)\n",
    "tiny-1.0.data/scripts/tiny-shell": "#!/bin/sh\necho shell\n",
    "tiny-1.0.data/headers/tiny.h": "int tiny;\n",
    "tiny-1.0.data/data/share/tiny.txt": "shared\n",
    "tiny-1.0.data/platlib/fast.py": "value = 2\n",
}


@pytest.fixture(scope="module")
def python() -> Interpreter:
    return probe(None, os.environ)


@pytest.fixture
def stored(tmp_path: Path, python: Interpreter) -> Callable[..., UnpackedWheel]:
    def make(files: dict[str, str], target: Interpreter = python) -> UnpackedWheel:
        wheel = tiny_wheel(tmp_path / "wheels", files)
        return UnpackedWheels(tmp_path / "store").add(wheel, sha256(wheel), target)

    return make


def output_of(env: BuildEnvironment, *argv: str, base: dict[str, str] | None = None) -> str:
    """Return what a command prints as a hook would be run."""
    environ = env.environ({"PATH": os.environ["PATH"], **(base or {})})
    done = subprocess.run(
        argv, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_create_makes_a_virtual_environment(
    tmp_path: Path, python: Interpreter, stored: Callable[..., UnpackedWheel]
) -> None:
    env = environment.create(tmp_path / "env", python, [stored(TINY)])
    script = "import json, sys, tiny, fast; print(json.dumps([sys.prefix, sys.base_prefix, tiny.__file__, fast.value]))"
    prefix, base, module, value = json.loads(output_of(env, "python", "-c", script))
    assert prefix == str(env.path)
    assert base == sys.base_prefix
    assert module == str(env.path / python.site / "tiny/__init__.py")
    assert value == 2


def test_an_environment_sees_only_its_own_packages(tmp_path: Path, python: Interpreter) -> None:
    env = environment.create(tmp_path / "env", python, [])
    (tmp_path / "leak.py").touch()
    script = "import importlib.util as u; print([n for n in ('leak', 'pytest', 'pip') if u.find_spec(n)])"
    assert output_of(env, "python", "-c", script, base={"PYTHONPATH": str(tmp_path)}) == "[]"


def test_commands_run_with_the_environments_interpreter(
    tmp_path: Path, python: Interpreter, stored: Callable[..., UnpackedWheel]
) -> None:
    env = environment.create(tmp_path / "a folder", python, [stored(TINY)])
    assert output_of(env, "tiny") == f"from {env.path / python.site / 'tiny/__init__.py'}"
    assert output_of(env, "tiny-script") == f"1 {env.path}"
    assert output_of(env, "tiny-shell") == "shell"


def test_headers_and_data_go_to_their_folders(
    tmp_path: Path, python: Interpreter, stored: Callable[..., UnpackedWheel]
) -> None:
    env = environment.create(tmp_path / "env", python, [stored(TINY)])
    assert (env.path / "include/site/tiny/tiny.h").is_file()
    assert (env.path / "share/tiny.txt").is_file()


def test_importlib_metadata_finds_installed_wheels(
    tmp_path: Path, python: Interpreter, stored: Callable[..., UnpackedWheel]
) -> None:
    env = environment.create(tmp_path / "env", python, [stored(TINY)])
    script = "import importlib.metadata as m; print(m.version('tiny'), *m.entry_points(group='console_scripts'))"
    assert output_of(env, "python", "-c", script).startswith("1.0 EntryPoint(name='tiny'")


def test_cached_bytecode_is_used_and_not_compiled_again(
    tmp_path: Path, python: Interpreter, stored: Callable[..., UnpackedWheel]
) -> None:
    wheel = stored(TINY)
    env = environment.create(tmp_path / "env", python, [wheel])
    bytecode = f"tiny/__pycache__/__init__.{python.cache_tag}.pyc"
    output_of(env, "python", "-c", "import tiny", base={"PYTHONDONTWRITEBYTECODE": "1"})
    assert (env.path / python.site / bytecode).samefile(wheel.path / "purelib" / bytecode)


def test_a_build_that_replaces_a_module_does_not_change_the_cache(
    tmp_path: Path, python: Interpreter, stored: Callable[..., UnpackedWheel]
) -> None:
    wheel = stored(TINY)
    env = environment.create(tmp_path / "env", python, [wheel])
    patched = tmp_path / "patched.py"
    patched.write_text("value = 5\n")
    patched.rename(env.path / python.site / "tiny/__init__.py")
    assert output_of(env, "python", "-c", "import tiny; print(tiny.value)") == "5"
    again = environment.create(tmp_path / "again", python, [wheel])
    assert output_of(again, "python", "-c", "import tiny; print(tiny.value)") == "1"


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_files_are_copied_if_links_cannot_be_made(
    tmp_path: Path,
    python: Interpreter,
    stored: Callable[..., UnpackedWheel],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    def refuse(source: str, target: str) -> None:
        raise OSError(number, os.strerror(number))

    wheel = stored(TINY)
    monkeypatch.setattr(os, "link", refuse)
    env = environment.create(tmp_path / "env", python, [wheel])
    module = env.path / python.site / "tiny/__init__.py"
    assert module.stat().st_nlink == 1
    # With its time, or the bytecode would be of no use.
    assert module.stat().st_mtime_ns == (wheel.path / "purelib/tiny/__init__.py").stat().st_mtime_ns


def test_of_two_wheels_with_one_file_the_later_wins(
    tmp_path: Path, python: Interpreter, stored: Callable[..., UnpackedWheel]
) -> None:
    first, second = stored({"tiny/a.py": "value = 1\n"}), stored({"tiny/a.py": "value = 22\n"})
    env = environment.create(tmp_path / "env", python, [first, second])
    assert output_of(env, "python", "-c", "import tiny.a; print(tiny.a.value)") == "22"
    assert (first.path / "purelib/tiny/a.py").read_text() == "value = 1\n"


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.12", "3.13"])
def test_another_python_version_has_its_own_bytecode_and_folder(
    tmp_path: Path, stored: Callable[..., UnpackedWheel], version: str
) -> None:
    target = probe(find_python(version), os.environ)
    env = environment.create(tmp_path / "env", target, [stored(TINY, target)])
    script = "import sys, tiny; print('%d.%d' % sys.version_info[:2], sys.prefix, tiny.__cached__)"
    cached = env.path / target.site / f"tiny/__pycache__/__init__.{target.cache_tag}.pyc"
    assert output_of(env, "python", "-c", script) == f"{version} {env.path} {cached}"
    assert cached.exists()
    assert output_of(env, "tiny-script") == f"1 {env.path}"


def test_an_environment_is_created_from_the_interpreter_of_another_one(
    tmp_path: Path, stored: Callable[..., UnpackedWheel]
) -> None:
    subprocess.run(
        [find_python("3.9"), "-m", "venv", "--without-pip", tmp_path / "outer"], check=True
    )
    target = probe(tmp_path / "outer/bin/python", os.environ)
    env = environment.create(tmp_path / "env", target, [stored(TINY, target)])
    assert output_of(env, "tiny-script") == f"1 {env.path}"


def test_hooks_inherit_no_variables_that_change_a_build(
    tmp_path: Path, python: Interpreter
) -> None:
    env = environment.create(tmp_path / "env", python, [])
    base = {
        "PATH": "/usr/bin",
        "HOME": "/home/me",
        "CC": "clang",
        "MAKEFLAGS": " -j4",
        "CONDA_PREFIX": "/conda",
        "PYTHONPATH": "/x",
        "PYTHONHOME": "/x",
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPYCACHEPREFIX": "/x",
        "__PYVENV_LAUNCHER__": "/x",
        "VIRTUAL_ENV": "/x",
        "VIRTUAL_ENV_PROMPT": "x",
        "PIP_INDEX_URL": "https://me:secret@host/simple",
        "PIP_EXTRA_INDEX_URL": "https://one/simple https://token@two/simple",
        "PIP_FIND_LINKS": "/wheels",
        "UV_PUBLISH_TOKEN": "secret",
        "UV_INDEX_PRIVATE_PASSWORD": "secret",
        "TWINE_PASSWORD": "secret",
    }
    assert env.environ(base) == {
        "PATH": f"{env.bin}:/usr/bin",
        "HOME": "/home/me",
        "CC": "clang",
        "MAKEFLAGS": " -j4",
        "CONDA_PREFIX": "/conda",
        "PIP_FIND_LINKS": "/wheels",
        "VIRTUAL_ENV": str(env.path),
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "GIT_OPTIONAL_LOCKS": "0",
    }
