"""Secrets that a run is given, or meets, are in nothing that it tells, keeps or makes."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support.home import home  # noqa: F401 - a fixture
from tests.support.template_process import TemplateProcess

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.home import Home

pytestmark = pytest.mark.slow

FAILS = """
import os, pathlib, subprocess, sys, time

def siblings():
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            ours = f"PPid:\\t{os.getppid()}\\n" in (process / "status").read_text()
            if ours:
                yield (process / "cmdline").read_bytes()
        except OSError:
            pass

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    assert config_settings["my-token"] == "s3cret-setting"
    assert os.environ["UPLOAD_TOKEN"] == "s3cret-variable"
    pathlib.Path("../helpers").write_bytes(b"\\n".join(siblings()))
    child = subprocess.Popen([sys.executable, "-c", "input()", "seen", "--token", "s3cret-option",
        "API_KEY=s3cret-word", "https://me:s3cret-url@h.test", "-Dauth=s3cret-define",
        "--header", "Authorization: Basic s3cret-header", "https://h.test/x?sig=s3cret-sig"],
        stdin=subprocess.PIPE)
    while '"command":"' not in pathlib.Path("../run.jsonl").read_text().rpartition(" seen ")[0]:
        time.sleep(0.01)
    child.kill()
    child.wait()
    print("get https://me:s3cret-output@h.test/x https://h.test/y?token=s3cret-query")
    print("get https://me:x/s3cret-slash@h.test/x https://me:x#s3cret-hash@h.test/y")
    print("get me:s3cret-bare@h.test/x https://h.test/?key=s3cret-key&auth=s3cret-auth")
    print("> Authorization: Bearer s3cret-bearer")
    raise RuntimeError("no https://me:s3cret-error@h.test/x https://h.test/?sig=s3cret-sig")
"""
HOLDS = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
NOWHERE = "127.0.0.1:1"
"""A port where nobody answers."""


def test_no_secret_is_printed_or_stored(home: Home) -> None:  # noqa: F811
    bad, held = home.tree("bad", FAILS), home.tree("held")
    home.configure(f'extra-index-url = ["https://me:s3cret-file@{NOWHERE}"]\n')
    (home.root / "r.txt").write_text(
        f"url @ http://me:s3cret-line@{NOWHERE}/u.zip?token=s3cret-q\n"
        f"two @ http://{NOWHERE}/u.zip?X-Amz-Signature=s3cret-1&X-Amz-Credential=s3cret-2"
        "&sig=s3cret-3&sv=1&key=s3cret-4\n"
        f"three @ http://me:x/s3cret-5@{NOWHERE}/u.zip\n"
    )
    (home.root / "holds.py").write_text(HOLDS)
    holder = subprocess.Popen(
        [sys.executable, "holds.py", held.name, "--password=s3cret-holder"],
        cwd=home.root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        done = home.run(
            *("build", bad, held, f"git+http://me:s3cret-git@{NOWHERE}/g", "-r", "r.txt"),
            *("-C", "my-token=s3cret-setting", "-C", "index=https://me:s3cret-value@h.test"),
            *("--index-url", f"https://me:s3cret-index@{NOWHERE}/?api_key=s3cret-key"),
            *("-C", "opt=--token=s3cret-o1", "-C", "args=--password s3cret-o2 -x"),
            *("-C", "list=--key", "-C", "list=s3cret-o3", "-C", "auth=s3cret-o4"),
            *("-C", "define=-DAPI_TOKEN:STRING=s3cret-o5", "-C", "sig=s3cret-o6"),
            *("-C", 'json={"secret": "s3cret-o7"}'),
            *("--extra-index-url", f"https://me:x/s3cret-i1@{NOWHERE}/simple"),
            *("--extra-index-url", f"https://me:x#s3cret-i2@{NOWHERE}/simple"),
            *("--find-links", f"http://{NOWHERE}/l?sig=s3cret-i3&sv=1"),
            *("--log", "run.jsonl", "--lock-timeout", "0.1", "--retries", "0", "--json", "-v"),
            UPLOAD_TOKEN="s3cret-variable",
            PIP_EXTRA_INDEX_URL=f"http://me:s3cret-i4@{NOWHERE}/simple?auth=s3cret-i5",
        )
        assert holder.stdin is not None
        holder.stdin.close()
    told = {"stdout": done.stdout, "stderr": done.stderr}
    assert done.returncode == 1, told
    assert "replace *** by the secret value" in done.stderr
    assert "--password=***" in done.stdout
    assert "API_KEY=***" in done.stdout
    files = ("--trace", "t", "--junit", "j", "--summary", "s", "--html", "h")
    for command in (
        ("replay", "run.jsonl", "--no-ui", "-v"),
        ("report", "run.jsonl"),
        ("report", "run.jsonl", *files),
        ("diff", "run.jsonl", "run.jsonl", "--json"),
        ("runs", "export", "run.jsonl", "-o", "z"),
    ):
        said = home.run(*command)
        assert said.returncode == 0, said
        told[" ".join(command)] = said.stdout + said.stderr
    for name in ("helpers", "run.jsonl", "t", "j", "s", "h"):
        told[name] = (home.root / name).read_text()
    with zipfile.ZipFile(home.root / "z") as bundle:
        told |= {member: bundle.read(member).decode() for member in bundle.namelist()}
    told |= _files_in(home.root / "state") | _files_in(home.root / "tmp")
    assert "get https://***@h.test/x https://h.test/y?token=***" in told["stderr"]
    leaks = {
        name: text[text.index("s3cret") - 200 :][:300]
        for name, text in told.items()
        if "s3cret" in text
    }
    assert not leaks


@pytest.mark.parametrize("option", ["--index-url", "--extra-index-url", "--find-links", "-r", "-c"])
def test_bad_url_is_refused_without_its_secret(home: Home, option: str) -> None:  # noqa: F811
    tree = str(home.tree("t"))
    with TemplateProcess() as template:
        for value in (
            f"me:s3cret@{NOWHERE}/simple",
            "me:s3cret@h.test",
            f"http://me:x/s3cret@{NOWHERE}/simple",
            f"htp://me:s3cret@{NOWHERE}/x",
            "http://me:s3cret@[bad/x",
            f"http://{NOWHERE}/x?sig=s3cret",
        ):
            done = template.run(
                ["build", tree, "absent", option, value, "--retries", "0", "--json"],
                environ=home.environ,
                folder=home.root,
                logs=home.root,
            )
            assert done.code in (1, 2), done
            assert "s3cret" not in done.out + done.err
            assert "Traceback" not in done.err
    stored = _files_in(home.root / "state")
    assert [name for name, text in stored.items() if "s3cret" in text] == []


def _files_in(folder: Path) -> dict[str, str]:
    """Return the text of all files below a folder by their paths."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): path.read_bytes().decode(errors="replace") for path in files}
