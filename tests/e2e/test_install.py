"""``wheelpool install`` adds, keeps, replaces and refuses packages of an environment."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pool
from tests.support.makers import make_sdist, make_tree, make_wheel
from tests.support.sandbox import BIN, CommandResult, Sandbox, make_editable_tree
from tests.support.target import Target

FAILS = "\ndef build_wheel(*_, **__): raise SystemExit('it does not compile')\n"
UV = BIN / "uv"


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder for ``--find-links``."""
    return tmp_path / "shelf"


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path / "env")


def put(sandbox: Sandbox, target: Target, *what: str | Path) -> CommandResult:
    """Install from the shelf alone."""
    shelf = str(sandbox.root / "shelf")
    return sandbox.run("install", *what, "--into", target.path, "--no-index", "--find-links", shelf)


def install_successfully(sandbox: Sandbox, target: Target, *what: str | Path) -> pool.RunState:
    done = put(sandbox, target, *what)
    assert done.code == 0, done.err
    target.check()
    return done.state


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of an environment; locks apart."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def direct_url(target: Target, name: str) -> dict[str, object] | None:
    text = target.read_metadata(name, "direct_url.json")
    return None if text is None else dict(json.loads(text))


# Installed files


def test_dependencies_are_installed_and_only_named_ones_are_marked_requested(
    sandbox: Sandbox, target: Target, shelf: Path
) -> None:
    make_wheel(shelf, "deep")
    make_sdist(shelf, "middle", requires=["deep"])
    make_wheel(shelf, "top", requires=["middle>=1"])
    state = install_successfully(sandbox, target, "top")
    assert target.versions() == {"top": "1.0", "middle": "1.0", "deep": "1.0"}
    assert target.run("import top, middle, deep; print('ok')") == "ok"
    assert [target.read_metadata(name, "REQUESTED") for name in ("top", "middle", "deep")] == [
        "",
        None,
        None,
    ]
    assert target.read_metadata("top", "INSTALLER") == "wheelpool\n"
    assert state.environment
    assert {change.name for change in state.environment.changes} == {"top", "middle", "deep"}


def test_extras_add_their_requirements(sandbox: Sandbox, target: Target, shelf: Path) -> None:
    make_wheel(shelf, "quick")
    extra = ["Provides-Extra: fast"]
    make_wheel(shelf, "top", requires=['quick; extra == "fast"'], headers=extra)
    install_successfully(sandbox, target, "top")
    assert target.versions() == {"top": "1.0"}
    install_successfully(sandbox, target, "top[fast]")
    assert target.versions() == {"top": "1.0", "quick": "1.0"}


def test_commands_scripts_and_data_are_where_they_belong(
    sandbox: Sandbox, target: Target, shelf: Path
) -> None:
    info, data = "tools-1.0.dist-info", "tools-1.0.data"
    files = {
        "tools.py": "def main():\n    print('from the launcher')\n",
        f"{info}/entry_points.txt": "[console_scripts]\ntools-run = tools:main\n",
        f"{data}/scripts/tools-script": "#!python\nimport tools; print('from the script')\n",
        f"{data}/data/share/tools/table.txt": "1 2 3\n",
        f"{data}/purelib/extra_tools.py": "",
    }
    make_wheel(shelf, "tools", files=files)
    install_successfully(sandbox, target, "tools")
    assert target.command("tools-run") == "from the launcher"
    script = target.path / "bin" / "tools-script"
    assert script.read_text().splitlines()[0] == f"#!{target.python}"
    assert target.run(f"exec(open({str(script)!r}).read())") == "from the script"
    assert (target.path / "share/tools/table.txt").read_text() == "1 2 3\n"
    target.run("import extra_tools")


def test_direct_url_names_the_origin(
    sandbox: Sandbox, target: Target, shelf: Path, tmp_path: Path
) -> None:
    make_wheel(shelf, "listed")
    linked = make_editable_tree(tmp_path / "trees", "linked")
    copied = make_tree(tmp_path / "trees", "copied")
    archive = make_sdist(tmp_path / "files", "archive")
    wheel = make_wheel(tmp_path / "files", "whole")
    install_successfully(sandbox, target, "listed", "-e", linked, copied, archive, wheel)
    assert direct_url(target, "listed") is None
    assert direct_url(target, "linked") == {
        "url": linked.as_uri(),
        "dir_info": {"editable": True},
    }
    assert direct_url(target, "copied") == {
        "url": copied.as_uri(),
        "dir_info": {"editable": False},
    }
    for name, file in {"archive": archive, "whole": wheel}.items():
        said = direct_url(target, name)
        assert said
        assert said["url"] == file.as_uri()
        assert "archive_info" in said


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_direct_url_names_the_commit(sandbox: Sandbox, target: Target, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "trees", "kept")
    git = ["git", "-C", str(tree), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    install_successfully(sandbox, target, f"kept @ git+{tree.as_uri()}@{head}")
    assert direct_url(target, "kept") == {
        "url": tree.as_uri(),
        "vcs_info": {"vcs": "git", "requested_revision": head, "commit_id": head},
    }


# Kept and replaced distributions


def test_a_fitting_version_stays_until_an_upgrade_is_requested(
    sandbox: Sandbox, target: Target, shelf: Path
) -> None:
    make_wheel(shelf, "deep", "1.0", files={"deep.py": "v = 1\n", "deep_old.py": ""})
    make_wheel(shelf, "top", "1.0", requires=["deep"])
    install_successfully(sandbox, target, "top")
    make_wheel(shelf, "deep", "2.0", files={"deep.py": "v = 2\n"})
    make_wheel(shelf, "top", "2.0", requires=["deep"])
    assert install_successfully(sandbox, target, "top").environment.changes == ()  # type: ignore[union-attr] # see good
    assert target.versions() == {"top": "1.0", "deep": "1.0"}
    install_successfully(sandbox, target, "-U", "top")
    assert target.versions() == {"top": "2.0", "deep": "1.0"}, "only what is named"
    install_successfully(sandbox, target, "-U", "deep")
    assert target.versions() == {"top": "2.0", "deep": "2.0"}
    assert target.run("import deep; print(deep.v)") == "2"
    assert not (target.site / "deep_old.py").exists()
    target.run("import importlib.util as u; assert u.find_spec('deep_old') is None")


def test_a_constraint_limits_the_selected_version(
    sandbox: Sandbox, target: Target, shelf: Path, tmp_path: Path
) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(shelf, "deep", version)
        make_wheel(shelf, "top", version, requires=["deep"])
    (tmp_path / "limits.txt").write_text("deep<2\n")
    install_successfully(sandbox, target, "top", "-c", tmp_path / "limits.txt")
    assert target.versions() == {"top": "2.0", "deep": "1.0"}


def test_an_editable_replaces_a_wheel_and_a_wheel_an_editable(
    sandbox: Sandbox, target: Target, shelf: Path, tmp_path: Path
) -> None:
    tree = make_editable_tree(tmp_path / "trees", "part")
    wheel = make_wheel(shelf, "part", files={"part.py": "value = 'wheel'\n"})
    install_successfully(sandbox, target, wheel)
    install_successfully(sandbox, target, "-e", tree)
    assert target.run("import part; print(part.value)") == "1"
    (tree / "part.py").write_text("value = 'changed'\n")
    assert target.run("import part; print(part.value)") == "changed"
    install_successfully(sandbox, target, wheel)
    assert target.run("import part; print(part.value)") == "wheel"


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_other_tools_can_uninstall_installed_packages(
    sandbox: Sandbox, target: Target, shelf: Path, tmp_path: Path, tool: str
) -> None:
    if tool == "uv" and not UV.exists():
        pytest.skip("uv is not installed")
    points = {"whole-1.0.dist-info/entry_points.txt": "[console_scripts]\nwhole = whole:main\n"}
    files = {"whole/__init__.py": "def main(): pass\n", **points}
    make_wheel(shelf, "whole", files=files | {"whole-1.0.data/data/share/whole.txt": ""})
    before = contents(target.path)
    install_successfully(
        sandbox, target, "whole", "-e", make_editable_tree(tmp_path / "trees", "linked")
    )
    assert (target.path / "bin" / "whole").exists()
    if tool == "uv":
        argv = [str(UV), "pip", "uninstall", "--python", str(target.python), "whole", "linked"]
    else:
        pip = [sys.executable, "-m", "pip", "--python", str(target.python)]
        argv = [*pip, "uninstall", "-y", "whole", "linked"]
    done = subprocess.run(argv, env=sandbox.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert target.versions() == {}
    assert contents(target.path) == before


# Refusals


def test_a_file_of_another_distribution_is_refused_by_name(
    sandbox: Sandbox, target: Target, shelf: Path
) -> None:
    make_wheel(shelf, "first", files={"shared.py": "whose = 'first'\n"})
    make_wheel(shelf, "second", files={"shared.py": "whose = 'second'\n", "second.py": ""})
    make_wheel(shelf, "third")
    install_successfully(sandbox, target, "first")
    before = contents(target.path)
    done = put(sandbox, target, "second", "third")
    assert done.code == 1
    assert done.state.environment
    assert "second 1.0 would replace" in done.state.environment.message
    assert "shared.py of first 1.0" in done.state.environment.message
    assert done.state.environment.message in done.err
    assert contents(target.path) == before


def test_nothing_is_installed_when_one_of_several_cannot_be_built(
    sandbox: Sandbox, target: Target, shelf: Path, tmp_path: Path
) -> None:
    make_wheel(shelf, "fine")
    trees = [
        make_tree(tmp_path / "trees", "good"),
        make_tree(tmp_path / "trees", "bad", backend=FAILS),
    ]
    before = contents(target.path)
    done = put(sandbox, target, "fine", *trees)
    assert done.code == 1
    assert done.outcome("good") is pool.Outcome.BUILT
    assert done.outcome("bad") is pool.Outcome.FAILED
    assert done.state.environment
    assert done.state.environment.changes == ()
    assert "bad" in done.state.environment.message
    assert "nothing" in done.err
    assert contents(target.path) == before


def test_a_conflict_is_explained(sandbox: Sandbox, target: Target, shelf: Path) -> None:
    make_wheel(shelf, "deep", "1.0")
    make_wheel(shelf, "deep", "2.0")
    make_wheel(shelf, "one", requires=["deep<2"])
    make_wheel(shelf, "two", requires=["deep>=2"])
    before = contents(target.path)
    done = put(sandbox, target, "one", "two")
    assert done.code == 1
    assert "one 1.0 needs deep<2" in done.err
    assert "two 1.0 needs deep>=2" in done.err
    assert contents(target.path) == before


def test_environments_that_must_not_be_touched_are_refused_before_anything_starts(
    sandbox: Sandbox, tmp_path: Path, shelf: Path
) -> None:
    make_wheel(shelf, "top")
    (tmp_path / "folder").mkdir()
    wrong = {
        sys.prefix: "wheelpool itself is installed there",
        str(tmp_path / "folder"): "not an environment",
        str(tmp_path / "nowhere"): "there is no such folder",
        str(managed_python(tmp_path / "system")): "managed by the system's package manager",
    }
    for place, why in wrong.items():
        done = sandbox.run("install", "top", "--into", place, "--find-links", shelf)
        assert done.code == 2, done.err
        assert why in done.err
        assert place in done.err
        assert not sandbox.log.exists(), "nothing started"


def managed_python(folder: Path) -> Path:
    """Return a Python that says it is the system's: its library has the mark of PEP 668."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = folder / "lib" / version
    library.parent.mkdir(parents=True)
    shutil.copytree(
        Path(os.__file__).parent,
        library,
        ignore=shutil.ignore_patterns("site-packages", "test", "config-*", "__pycache__"),
        copy_function=os.symlink,
    )
    (library / "EXTERNALLY-MANAGED").write_text("[externally-managed]\nError=ask apt\n")
    (folder / "bin").mkdir()
    python = folder / "bin" / "python"
    shutil.copy2(Path(sys.base_prefix, "bin", version), python)
    return python


def test_no_active_environment_is_reported(sandbox: Sandbox, shelf: Path) -> None:
    make_wheel(shelf, "top")
    done = sandbox.run("install", "top", "--find-links", shelf)
    assert done.code == 2
    assert "none is active" in done.err
    assert "--into" in done.err


def test_the_active_environment_is_the_default(
    sandbox: Sandbox, target: Target, shelf: Path
) -> None:
    make_wheel(shelf, "top")
    done = sandbox.run("install", "top", "--find-links", shelf, VIRTUAL_ENV=str(target.path))
    assert done.code == 0, done.err
    assert target.versions() == {"top": "1.0"}


def test_a_direct_url_of_a_discarded_choice_is_not_recorded(
    sandbox: Sandbox, target: Target, shelf: Path, tmp_path: Path
) -> None:
    tree = make_tree(tmp_path / "trees", "foo", "5.0")
    make_wheel(shelf, "top", "2.0", requires=[f"foo @ {tree.as_uri()}", "helper>=2"])
    make_wheel(shelf, "top", "1.0", requires=["foo"])
    make_wheel(shelf, "foo", "1.0")
    make_wheel(shelf, "helper", "1.0")
    install_successfully(sandbox, target, "top")
    assert target.versions() == {"top": "1.0", "foo": "1.0"}


def test_where_one_has_a_hash_nothing_comes_along_without(
    sandbox: Sandbox, target: Target, shelf: Path, tmp_path: Path
) -> None:
    make_wheel(shelf, "dep")
    digest = hashlib.sha256(make_wheel(shelf, "top", requires=["dep"]).read_bytes()).hexdigest()
    (tmp_path / "r.txt").write_text(f"top==1.0 --hash=sha256:{digest}\n")
    done = put(sandbox, target, "-r", tmp_path / "r.txt")
    assert done.code == 1
    assert "top 1.0 needs dep, and no hash of it is given" in done.err
    assert target.versions() == {}
