"""Everything that a user can name, from files and flags to wheels, without any network."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import pool
from tests.support.file_index import IndexServer, serve_index
from tests.support.makers import make_sdist, make_tree, make_wheel
from tests.support.sandbox import CommandResult, Sandbox

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=trunk"]


@pytest.fixture
def links(sandbox: Sandbox) -> Path:
    """A folder with three versions of alpha and one each of beta and gamma, as sdists."""
    folder = sandbox.root / "links"
    folder.mkdir()
    for version in ("1.0", "1.5", "2.0"):
        make_sdist(folder, "alpha", version)
    make_sdist(folder, "beta")
    make_sdist(folder, "gamma")
    sandbox.environ["PIP_FIND_LINKS"] = str(folder)
    return folder


@pytest.fixture
def server(sandbox: Sandbox, links: Path) -> Iterator[IndexServer]:
    """The same behind HTTP."""
    sandbox.environ["NO_PROXY"] = "127.0.0.1"
    with serve_index(sandbox.root / "index") as server:
        server.add_files(links.iterdir())
        yield server


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def wheels(sandbox: Sandbox) -> list[str]:
    """Return names and versions of what is in the output folder."""
    return sorted("-".join(path.name.split("-")[:2]) for path in sandbox.out.glob("*.whl"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_success(done: CommandResult) -> CommandResult:
    assert done.code == 0, done.err
    return done


def failed(done: CommandResult) -> pool.BuildState:
    """Return the one build that failed, while the others did not."""
    assert done.code == 1, done.err
    (bad,) = [b for b in done.state.builds.values() if b.outcome is pool.Outcome.FAILED]
    assert bad.reference != "internal"
    return bad


def refused(sandbox: Sandbox, done: CommandResult, *words: str) -> None:
    """It was refused before anything began."""
    assert done.code == 2, done.err
    assert not sandbox.log.exists()
    assert not sandbox.out.exists()
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err


def test_nested_files_constraints_markers_comments_and_variables(
    sandbox: Sandbox, links: Path
) -> None:
    del sandbox.environ["PIP_FIND_LINKS"]
    write(
        sandbox.root / "reqs" / "base.txt",
        "# what is needed\n"
        "-r more/extra.txt\n"
        "-c limits.txt\n"
        "--find-links ${LINKS}\n"
        'alpha \\\n  >=1 ; python_version >= "3"  # continued\n'
        'omega ; python_version < "3"\n',
    )
    write(sandbox.root / "reqs" / "more" / "extra.txt", "beta == 1.0\n")
    write(sandbox.root / "reqs" / "limits.txt", "alpha < 2\ngamma == 0.1\n")
    done = check_success(sandbox.run("build", "-r", "reqs/base.txt", LINKS=str(links)))
    assert wheels(sandbox) == ["alpha-1.5", "beta-1.0"]
    origins = {build.name: build.origin for build in done.state.builds.values()}
    assert origins == {"alpha": "reqs/base.txt:5", "beta": "reqs/more/extra.txt:1"}


def test_hashes_right_and_wrong(sandbox: Sandbox, links: Path) -> None:
    right, wrong = sha256(links / "alpha-1.5.tar.gz"), "0" * 64
    file = write(
        sandbox.root / "r.txt",
        f"alpha==1.5 --hash=sha256:{right} --hash=sha256:{wrong}\nbeta==1.0 --hash=sha256:{wrong}\n",
    )
    done = sandbox.run("build", "-r", file)
    bad = failed(done)
    assert bad.reference == "wrong-hash"
    assert "beta-1.0.tar.gz" in bad.message
    assert wrong in bad.message
    assert wheels(sandbox) == ["alpha-1.5"]


def test_a_wrong_hash_of_a_direct_url_is_refused(
    sandbox: Sandbox, links: Path, server: IndexServer
) -> None:
    wrong = "0" * 64
    for url in ((links / "beta-1.0.tar.gz").as_uri(), server.file_url("beta-1.0.tar.gz")):
        bad = failed(sandbox.run("build", f"beta @ {url}#sha256={wrong}", "gamma"))
        assert bad.reference == "wrong-hash"
        assert "beta-1.0.tar.gz" in bad.message
        assert wheels(sandbox) == ["gamma-1.0"]


def test_hashes_that_contradict_each_other(sandbox: Sandbox, links: Path) -> None:
    one, other = "1" * 64, "2" * 64
    write(sandbox.root / "r.txt", f"beta==1.0 --hash=sha256:{one}\n")
    write(sandbox.root / "c.txt", f"beta==1.0 --hash=sha256:{other}\n")
    done = sandbox.run("build", "-r", "r.txt", "-c", "c.txt")
    refused(sandbox, done, "beta", "contradict")


def test_hashes_that_all_must_have(sandbox: Sandbox, links: Path) -> None:
    write(sandbox.root / "r.txt", "beta==1.0\n")
    refused(sandbox, sandbox.run("build", "-r", "r.txt", "--require-hashes"), "beta")
    write(sandbox.root / "r.txt", f"beta==1.0 --hash=sha256:{'0' * 64}\ngamma==1.0\n")
    refused(sandbox, sandbox.run("build", "-r", "r.txt"), "r.txt:2", "gamma", "--hash")
    digest = sha256(links / "beta-1.0.tar.gz")
    write(sandbox.root / "r.txt", f"beta==1.0 --hash=sha256:{digest}\n")
    check_success(sandbox.run("build", "-r", "r.txt", "--require-hashes"))


def test_direct_references_and_urls(sandbox: Sandbox, links: Path, server: IndexServer) -> None:
    tree = make_tree(sandbox.root / "src", "delta")
    packed = sandbox.root / "several-1.0.tar.gz"
    subprocess.run(
        ["tar", "-czf", packed, "-C", sandbox.root / "src", "--transform", "s,^,several/,", "."],
        check=True,
    )
    shutil.copy(packed, server.root / "files")
    url = f"{server.file_url(packed.name)}#subdirectory=./{tree.name}"
    check_success(
        sandbox.run(
            "build",
            f"alpha @ {(links / 'alpha-1.0.tar.gz').as_uri()}",
            f"{server.file_url('beta-1.0.tar.gz')}#sha256={sha256(links / 'beta-1.0.tar.gz')}",
            f"delta @ {url}",
            f"gamma @ {make_tree(sandbox.root / 'src2', 'gamma', '7.0').as_uri()}",
        )
    )
    assert wheels(sandbox) == ["alpha-1.0", "beta-1.0", "delta-1.0", "gamma-7.0"]
    bad = failed(sandbox.run("build", f"zeta @ {server.file_url('beta-1.0.tar.gz')}"))
    assert "zeta" in bad.message
    bad = failed(sandbox.run("build", server.file_url("none-1.0.tar.gz")))
    assert "404" in bad.message


@pytest.fixture
def repository(sandbox: Sandbox) -> Path:
    """A repository with version 1.0 at a tag, 2.0 on a branch, and 3.0 where it is."""
    repository = sandbox.root / "repo"
    repository.mkdir()

    def git(*words: str) -> None:
        subprocess.run([*GIT, *words], cwd=repository, check=True, capture_output=True)

    git("init")
    for version, name in (("1.0", ("tag", "one")), ("2.0", ("branch", "dev")), ("3.0", ())):
        made = make_tree(sandbox.root / "made", "alpha", version)
        shutil.rmtree(repository / "packages", ignore_errors=True)
        shutil.copytree(made, repository / "packages" / "alpha")
        git("add", "-A")
        git("commit", "-m", version)
        if name:
            git(*name)
    return repository


@needs_git
def test_git_at_a_commit_a_tag_and_a_branch(sandbox: Sandbox, repository: Path) -> None:
    where, below = f"git+{repository.as_uri()}", "#subdirectory=packages/alpha"
    said = subprocess.run(
        ["git", "rev-parse", "one"], cwd=repository, check=True, capture_output=True, text=True
    )
    commit = said.stdout.strip()
    for number, reference in enumerate((f"@{commit}", "@one", "@dev", "")):
        sandbox.out = sandbox.root / f"out{number}"
        check_success(sandbox.run("build", f"alpha @ {where}{reference}{below}", "--no-cache"))
        assert wheels(sandbox) == [["alpha-1.0", "alpha-1.0", "alpha-2.0", "alpha-3.0"][number]]
    for reference, word in (("@nothing", "nothing"), ("@" + "0" * 40, "0" * 40)):
        bad = failed(sandbox.run("build", f"alpha @ {where}{reference}{below}"))
        assert word in bad.message
    bad = failed(sandbox.run("build", f"alpha @ {where}#subdirectory=elsewhere"))
    assert "elsewhere" in bad.message


def test_dependency_groups(sandbox: Sandbox, links: Path) -> None:
    groups = '[dependency-groups]\ntest = ["alpha<2", {include-group = "more"}]\nmore = ["beta"]\n'
    write(sandbox.root / "pyproject.toml", groups)
    write(sandbox.root / "sub" / "pyproject.toml", '[dependency-groups]\nown = ["gamma"]\n')
    check_success(sandbox.run("build", "--group", "test", "--group", "sub/pyproject.toml:own"))
    assert wheels(sandbox) == ["alpha-1.5", "beta-1.0", "gamma-1.0"]
    shutil.rmtree(sandbox.out)
    refused(sandbox, sandbox.run("build", "--group", "tset"), "tset", "test")


def test_extras_of_a_tree_add_their_requirements(sandbox: Sandbox, links: Path) -> None:
    project = (
        '[build-system]\nrequires = []\nbuild-backend = "inline_backend"\nbackend-path = ["."]\n'
        '[project]\nname = "tree"\nversion = "1.0"\ndependencies = ["beta"]\n'
        '[project.optional-dependencies]\nfast = ["alpha<2"]\nslow = ["gamma"]\n'
    )
    tree = make_tree(sandbox.root / "src", "tree", files={"pyproject.toml": project})
    check_success(sandbox.run("build", f"./src/{tree.name}[fast]", "--deps"))
    assert wheels(sandbox) == ["alpha-1.5", "beta-1.0", "tree-1.0"]


def test_wrong_lines_are_all_named_and_nothing_starts(sandbox: Sandbox, links: Path) -> None:
    write(
        sandbox.root / "r.txt",
        "alpha\nbeta=1.0\n-r missing.txt\n./nowhere\n--no-such-option\ngamma --hash=sha256:12\n",
    )
    done = sandbox.run("build", "-r", "r.txt")
    refused(sandbox, done, *(f"r.txt:{number}: " for number in (2, 3, 4, 5, 6)), "missing.txt")
    refused(sandbox, sandbox.run("build", "-r", "gone.txt"), "gone.txt")
    write(sandbox.root / "loop.txt", "-r loop.txt\n")
    refused(sandbox, sandbox.run("build", "-r", "loop.txt"), "loop.txt:1", "includes itself")


def test_wheels_and_sdists_as_flags_choose(sandbox: Sandbox, links: Path) -> None:
    for name in ("beta", "gamma"):
        make_wheel(links, name)
    make_sdist(links, "app", requires=["beta", "gamma"])

    def taken(*flags: str) -> dict[str, pool.Outcome | None]:
        done = check_success(sandbox.run("build", *flags, "--no-cache"))
        builds = [build for build in done.state.builds.values() if build.purpose == "wheel"]
        return {build.name: build.outcome for build in builds}

    built, fetched = pool.Outcome.BUILT, pool.Outcome.FETCHED
    assert taken("beta") == {"beta": built}
    assert taken("beta", "--only-binary", "beta") == {"beta": fetched}
    assert taken("app", "--deps") == {"app": built, "beta": fetched, "gamma": fetched}
    deps = taken("app", "--deps", "--no-binary", "beta")
    assert deps == {"app": built, "beta": built, "gamma": fetched}
    deps = taken("app", "--deps", "--no-binary", ":all:", "--only-binary", "gamma")
    assert deps == {"app": built, "beta": built, "gamma": fetched}
    bad = failed(sandbox.run("build", "alpha", "--only-binary", ":all:"))
    assert "--only-binary" in bad.message


def test_pre_releases_count_when_they_are_wanted(sandbox: Sandbox, links: Path) -> None:
    make_sdist(links, "alpha", "3.0rc1")
    check_success(sandbox.run("build", "alpha"))
    assert wheels(sandbox) == ["alpha-2.0"]
    check_success(sandbox.run("build", "alpha", "--pre"))
    assert wheels(sandbox) == ["alpha-2.0", "alpha-3.0rc1"]


def test_pips_configuration_and_our_variables_count(sandbox: Sandbox, links: Path) -> None:
    write(sandbox.root / "c.txt", "alpha<2\n")
    write(sandbox.root / "r.txt", "alpha\n")
    check_success(sandbox.run("build", "alpha", PIP_CONSTRAINT="c.txt"))
    assert wheels(sandbox) == ["alpha-1.5"]
    check_success(sandbox.run("build", WHEELPOOL_REQUIREMENT="r.txt", WHEELPOOL_OUT_DIR="ignored"))
    assert wheels(sandbox) == ["alpha-1.5", "alpha-2.0"]
    make_sdist(links, "alpha", "3.0rc1")
    make_wheel(links, "beta")
    config = write(sandbox.root / "pip.conf", "[global]\npre = true\nonly-binary = beta\n")
    done = check_success(sandbox.run("build", "alpha", "beta", PIP_CONFIG_FILE=str(config)))
    assert done.outcome("beta") is pool.Outcome.FETCHED
    assert wheels(sandbox)[2:] == ["alpha-3.0rc1", "beta-1.0"]


def lock(folder: Path, *packages: tuple[str, str, str]) -> Path:
    """Write a lock of sdists that lie beside it: file, name, digest."""
    text = 'lock-version = "1.0"\ncreated-by = "tests"\n'
    for file, name, digest in packages:
        text += (
            f'[[packages]]\nname = "{name}"\nversion = "1.0"\n'
            f'sdist = {{path = "{file}", hashes = {{sha256 = "{digest}"}}}}\n'
        )
    return write(folder / "pylock.toml", text)


def test_a_lock_names_files_and_hashes(sandbox: Sandbox, links: Path) -> None:
    sandbox.environ["PIP_FIND_LINKS"] = os.devnull
    right = [("beta-1.0.tar.gz", "beta", sha256(links / "beta-1.0.tar.gz"))]
    lock(links, *right, ("gamma-1.0.tar.gz", "gamma", "0" * 64))
    bad = failed(sandbox.run("build", "--pylock", "links/pylock.toml"))
    assert bad.reference == "wrong-hash"
    assert "gamma-1.0.tar.gz" in bad.message
    assert wheels(sandbox) == ["beta-1.0"]
    shutil.rmtree(sandbox.out)
    lock(links, *right, ("gone-1.0.tar.gz", "gone", "0" * 64))
    done = sandbox.run("build", "--pylock", "links/pylock.toml")
    assert "gone-1.0.tar.gz" in failed(done).message
    write(sandbox.root / "broken.toml", "lock-version = 1\n")
    shutil.rmtree(sandbox.out)
    refused(sandbox, sandbox.run("build", "--pylock", "broken.toml"), "broken.toml")
