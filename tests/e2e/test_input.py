"""Bad input: one clear line, exit code 2 and nothing started; or a failed build beside good ones."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

import pool
from tests.support.sandbox import CommandResult, Sandbox, make_setuptools_tree, pack_sdist

BACKEND = '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n'


def backend_tree(tree: Path, body: str) -> Path:
    """Make a tree whose backend is in it and does something odd."""
    tree.mkdir()
    (tree / "pyproject.toml").write_text(BACKEND)
    (tree / "b.py").write_text(f"def build_wheel(out, settings=None, metadata=None):\n    {body}\n")
    return tree


def refused(done: CommandResult, *words: str) -> None:
    """It was refused before anything began, in one line and maybe a hint."""
    assert done.code == 2, done.err
    for word in words:
        assert word in done.err
    assert "Traceback" not in done.err
    assert len(done.err.strip().splitlines()) <= 2, done.err
    assert not done.state.builds


def failed(
    sandbox: Sandbox, *targets: str | Path, flags: tuple[str | Path, ...] = ()
) -> pool.BuildState:
    """Build targets and one good tree; return the one that failed."""
    good = make_setuptools_tree(sandbox.root / "good", "good")
    done = sandbox.run("build", *targets, good, *flags)
    assert done.code == 1, done.err
    assert done.outcome("good") is pool.Outcome.BUILT
    (bad,) = [b for b in done.state.builds.values() if b.outcome is pool.Outcome.FAILED]
    assert bad.reference != "internal"
    assert [path.name for path in sandbox.out.iterdir()] == ["good-1.0-py3-none-any.whl"]
    return bad


def test_missing_paths_and_folders_without_a_project_are_reported(sandbox: Sandbox) -> None:
    (sandbox.root / "empty").mkdir()
    refused(sandbox.run("build", "./liib"), "wheelpool: ./liib: no such file or directory")
    refused(sandbox.run("build", "./empty"), "./empty: not a project")
    refused(sandbox.run("build", "six=="), "six==")
    done = sandbox.run("build", "./liib", "./empty")
    assert done.code == 2
    assert "./liib" in done.err
    assert "./empty" in done.err, "all of them are named"


def test_a_log_that_is_none(sandbox: Sandbox) -> None:
    notes = sandbox.root / "notes.txt"
    notes.write_text("hello\n")
    refused(sandbox.run("replay", notes), "notes.txt: no header of a wheelpool log")
    refused(sandbox.run("replay", sandbox.root / "nothing.jsonl"), "nothing.jsonl")


def test_an_output_folder_that_cannot_be_written(sandbox: Sandbox) -> None:
    tree = make_setuptools_tree(sandbox.root / "tree", "tree")
    (sandbox.root / "file").touch()
    sandbox.out = sandbox.root / "file" / "wheelhouse"
    refused(sandbox.run("build", tree), "cannot write wheels there", "--out-dir")


def test_bad_values_of_flags_and_variables(sandbox: Sandbox) -> None:
    tree = make_setuptools_tree(sandbox.root / "tree", "tree")
    for flags in (("-j", "0"), ("-j", "many"), ("-C", "novalue"), ("--python", "/no/such/python")):
        done = sandbox.run("build", tree, *flags)
        assert done.code == 2, (flags, done.err)
        assert "Traceback" not in done.err
    done = sandbox.run("build", tree, WHEELPOOL_CONCURRENT_BUILDS="lots")
    refused(done, "WHEELPOOL_CONCURRENT_BUILDS", "lots")


def test_a_broken_pyproject(sandbox: Sandbox) -> None:
    tree = make_setuptools_tree(sandbox.root / "tree", "tree")
    (tree / "pyproject.toml").write_text("[build-system\n")
    bad = failed(sandbox, tree)
    assert "pyproject.toml: not valid TOML" in bad.message
    assert "line 1" in bad.message


def test_requirements_without_a_candidate_are_reported(sandbox: Sandbox) -> None:
    bad = failed(sandbox, "no-such-thing-anywhere==1.0")
    assert "no project of that name was found" in bad.message
    assert str(sandbox.wheels) in bad.hint


def test_a_requirement_without_an_sdist(sandbox: Sandbox) -> None:
    build = failed(sandbox, "setuptools", flags=("--no-binary", "setuptools"))
    assert "there are only wheels, and --no-binary forbids to take one" in build.message
    done = sandbox.run("build", "setuptools")
    assert (done.code, done.outcome("setuptools")) == (0, pool.Outcome.FETCHED)
    assert "wheel only" in done.err


def test_a_wrong_hash(sandbox: Sandbox) -> None:
    index = sandbox.root / "index" / "thing"
    tree = make_setuptools_tree(sandbox.root / "src" / "thing", "thing")
    archive = pack_sdist(index, tree)
    wrong = hashlib.sha256(b"something else").hexdigest()
    (index / "index.html").write_text(f'<a href="{archive.name}#sha256={wrong}">{archive.name}</a>')
    url = (sandbox.root / "index").as_uri()
    sandbox.environ["PIP_NO_INDEX"] = "0"
    bad = failed(sandbox, "thing", flags=("--index-url", url))
    assert bad.reference == "wrong-hash"
    assert wrong in bad.message


def test_a_truncated_archive(sandbox: Sandbox) -> None:
    archive = pack_sdist(
        sandbox.root / "dl", make_setuptools_tree(sandbox.root / "src" / "thing", "thing")
    )
    archive.write_bytes(archive.read_bytes()[:200])
    bad = failed(sandbox, archive)
    assert "thing-1.0.tar.gz" in bad.message
    assert bad.reference == "bad-archive"


@pytest.mark.parametrize("kind", ["traversal", "absolute", "symlink", "hardlink", "device"])
def test_archives_that_lead_out(sandbox: Sandbox, kind: str) -> None:
    archive = sandbox.root / "evil-1.0.tar.gz"
    member = tarfile.TarInfo("evil-1.0/x")
    data = b"gotcha"
    match kind:
        case "traversal":
            member.name = "evil-1.0/../../../gotcha"
        case "absolute":
            member.name = str(sandbox.root / "gotcha")
        case "symlink":
            member.type, member.linkname = tarfile.SYMTYPE, "../../../gotcha"
        case "hardlink":
            member.type, member.linkname = tarfile.LNKTYPE, "../../gotcha"
        case "device":
            member.type = tarfile.FIFOTYPE
    if member.isreg():
        member.size = len(data)
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(member, io.BytesIO(data))
    bad = failed(sandbox, archive)
    assert bad.reference == "bad-archive"
    assert "evil-1.0.tar.gz" in bad.message
    assert not list(sandbox.root.rglob("gotcha"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise SystemExit(0)", "without a result"),
        ("return None", "None"),
        ("return 'gone-1.0-py3-none-any.whl'", "no such file"),
        ("open(out + '/x.whl', 'w').close(); return 'x.whl'", "x.whl"),
    ],
)
def test_backends_that_break_their_contract(sandbox: Sandbox, body: str, words: str) -> None:
    assert words in failed(sandbox, backend_tree(sandbox.root / "odd", body)).message


def test_a_backend_that_does_not_exist(sandbox: Sandbox) -> None:
    tree = make_setuptools_tree(sandbox.root / "tree", "tree")
    (tree / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "nope.api"\n'
    )
    bad = failed(sandbox, tree)
    assert "nope" in bad.message
    assert "cannot be imported" in bad.message


def test_a_build_requirement_without_a_candidate_is_reported(sandbox: Sandbox) -> None:
    tree = make_setuptools_tree(sandbox.root / "tree", "tree", requires=("no-such-thing-anywhere",))
    assert "no-such-thing-anywhere" in failed(sandbox, tree).message


def test_a_million_lines_and_raw_escapes(sandbox: Sandbox) -> None:
    loud = "print('x' * 30 + '\\n', end='', flush=True) if 0 else __import__('sys').stdout.write('line\\n' * 1_000_000)"
    bad = failed(
        sandbox,
        backend_tree(sandbox.root / "loud", f"{loud}; raise ValueError('\\x1b[2Jred\\x07')"),
    )
    assert bad.lines > 1_000_000
    assert "\x1b" not in bad.message + bad.last
    assert "red" in bad.message


def test_escapes_never_reach_the_terminal(sandbox: Sandbox) -> None:
    tree = backend_tree(
        sandbox.root / "loud",
        "print('\\x1b]0;owned\\x07\\x1b[31mred'); raise ValueError('\\x1b[2J')",
    )
    argv = [word for word in sandbox.argv("build", tree) if word != "--json"]
    done = subprocess.run(
        argv, env=sandbox.environ, capture_output=True, check=False, cwd=sandbox.root
    )
    assert done.returncode == 1
    assert b"red" in done.stderr
    assert b"\x1b" not in done.stdout + done.stderr
    assert b"\x07" not in done.stdout + done.stderr
