"""A home of its own for the command under test, and trees that tell when they are built.

Everything here runs real processes with real backends. The backends come from this environment's
own installation, repacked as wheels into a folder that pip would call find-links: no network.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path

import pool
from tests.support.makers import make_tree
from tests.support.template_process import Limits, TemplateProcess

BIN = Path(sys.executable).parent

TIMED_SETUP = """
import atexit, os, time
from pathlib import Path
from setuptools import setup

def tell(what):
    with open(os.environ["TIMES"], "a") as times:
        times.write(f"{what} {os.getpid()} {time.monotonic()}\\n")

tell("start")
atexit.register(tell, "end")
until = Path(os.environ.get("HOLD", "/nonexistent"))
deadline = time.monotonic() + 60
while until.exists() and time.monotonic() < deadline:
    time.sleep(0.01)
time.sleep(float(os.environ.get("NAP", "0.05")))
setup(name=NAME, version="1.0", py_modules=[NAME])
"""

EDITABLE = """
def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    stem = WHEEL.partition("-")[0]
    for name in [name for name in FILES if ".dist-info/" not in name]:
        del FILES[name]
    FILES[f"__editable__.{stem}.pth"] = os.getcwd() + "\\n"
    return build_wheel(wheel_directory)
"""


def make_editable_tree(
    folder: Path, name: str, requires: tuple[str, ...] = (), *, backend: str = ""
) -> Path:
    """Make a tree that can be installed as a link (PEP 660) and needs nothing to be built."""
    return make_tree(
        folder,
        name,
        requires=requires,
        backend=EDITABLE + backend,
        files={f"{name}.py": "value = 1\n"},
    )


def repack_installed(name: str, folder: Path) -> Path:
    """Repack an installed pure-Python distribution as the wheel it came from."""
    dist = distribution(name)
    files = [file for file in dist.files or () if ".." not in file.parts and file.suffix != ".pyc"]
    kept = [file for file in files if file.name not in ("RECORD", "INSTALLER", "REQUESTED")]
    record = next(file for file in files if file.name == "RECORD")
    rows = []
    wheel = folder / f"{dist.name.replace('-', '_')}-{dist.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in kept:
            data = Path(str(file.locate())).read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            archive.writestr(file.as_posix(), data)
            rows.append(f"{file.as_posix()},sha256={digest},{len(data)}")
        archive.writestr(record.as_posix(), "\n".join([*rows, f"{record.as_posix()},,", ""]))
    return wheel


def make_setuptools_tree(
    tree: Path, name: str, setup: str = TIMED_SETUP, requires: tuple[str, ...] = ()
) -> Path:
    """Make a tree with a setup.py that writes to ``$TIMES`` when it starts and ends."""
    tree.mkdir(parents=True)
    (tree / "setup.py").write_text(f"NAME = {name!r}\n" + textwrap.dedent(setup))
    (tree / f"{name}.py").write_text("value = 1\n")
    (tree / "pyproject.toml").write_text(
        f"[build-system]\nrequires = {json.dumps(['setuptools', *requires])}\n"
        'build-backend = "setuptools.build_meta"\n'
    )
    return tree


def pack_sdist(folder: Path, tree: Path, version: str = "1.0") -> Path:
    """Pack a tree as the sdist of a project that is named like it."""
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{tree.name}-{version}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tree, f"{tree.name}-{version}")
    return archive


def find_python_with_headers() -> str | None:
    """Return an interpreter of another version that has headers to compile with."""
    mine = f"{sys.version_info.major}.{sys.version_info.minor}"
    versions = Path.home() / ".pyenv" / "versions"
    found = [str(path) for path in sorted(versions.glob("3.*/bin/python3"), reverse=True)]
    found += [path for minor in range(9, 16) if (path := shutil.which(f"python3.{minor}"))]
    for python in found:
        ask = "import sys, sysconfig, os; print('%d.%d' % sys.version_info[:2], os.path.exists(sysconfig.get_paths()['include'] + '/Python.h'))"
        told = subprocess.run(
            [python, "-I", "-c", ask], capture_output=True, text=True, check=False
        ).stdout.split()
        if told and told[0] != mine and told[1] == "True" and int(told[0].split(".")[1]) >= 9:
            return python
    return None


def most_at_once(times: Path) -> int:
    """Return how many processes were ever between their start and their end."""
    moments = []
    for line in times.read_text().splitlines():
        what, _, at = line.split()
        moments.append((float(at), 1 if what == "start" else -1))
    running = most = 0
    for _, step in sorted(moments):
        running += step
        most = max(most, running)
    return most


@dataclass
class CommandResult:
    """A command that has ended."""

    code: int
    out: str
    err: str
    state: pool.RunState
    """The fold of its journal; empty where there is none."""

    def outcome(self, name: str) -> pool.Outcome | None:
        """Return the outcome of the last build of that name."""
        return [build for build in self.state.builds.values() if build.name == name][-1].outcome


@dataclass
class Sandbox:
    """Runs ``wheelpool`` with a home, caches and an index of its own."""

    root: Path
    wheels: Path
    environ: dict[str, str] = field(default_factory=dict)
    runs: int = 0
    template: TemplateProcess | None = None
    """What `run` forks its commands from; without one, they are started as from a shell."""

    def __post_init__(self) -> None:
        self.out = self.root / "wheelhouse"
        self.times = self.root / "times"
        kept = ("PATH", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "CC", "CFLAGS")
        self.environ = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "HOME": str(self.root / "home"),
            "XDG_CACHE_HOME": str(self.root / "cache"),
            "XDG_STATE_HOME": str(self.root / "state"),
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "TMPDIR": str(self.root / "tmp"),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "TIMES": str(self.times),
            "PYTHONWARNINGS": "",
            **self.environ,
        }
        (self.root / "tmp").mkdir(exist_ok=True)

    def running(self) -> int:
        """Return how many timed setup scripts have begun and not ended."""
        lines = self.times.read_text().splitlines() if self.times.exists() else []
        return sum(1 if line.startswith("start") else -1 for line in lines)

    def argv(self, *arguments: str | Path) -> list[str]:
        """Return a command line with a journal of its own and events on stdout."""
        self.runs += 1
        self.log = self.root / f"run{self.runs}.jsonl"
        given = [str(argument) for argument in arguments]
        command = [str(BIN / "wheelpool"), *given]
        if given[0] in ("build", "install"):
            command += ["--log", str(self.log), "--no-ui", "--json"]
        if given[0] == "build":
            command += ["-o", str(self.out)]
        return command

    def start(self, *arguments: str | Path, **environ: str) -> subprocess.Popen[str]:
        """Start a command and let it run."""
        return subprocess.Popen(
            self.argv(*arguments),
            cwd=self.root,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self, process: subprocess.Popen[str], log: Path | None = None) -> CommandResult:
        """Wait for its end."""
        out, err = process.communicate(timeout=300)
        return self._result(process.returncode, out, err, log or self.log)

    def run(self, *arguments: str | Path, **environ: str) -> CommandResult:
        """Run a command to its end."""
        if self.template is None or any(name.startswith("PYTHON") for name in environ):
            return self.finish(self.start(*arguments, **environ))
        done = self.template.run(
            self.argv(*arguments)[1:],
            environ=self.environ | environ,
            folder=self.root,
            logs=self.root / "streams",
            limits=Limits(seconds=300),
        )
        return self._result(done.code, done.out, done.err, self.log)

    def _result(self, code: int, out: str, err: str, log: Path) -> CommandResult:
        """Return the result; what it reported live and its journal must give the same state."""
        state = pool.RunState()
        if log.exists():
            with pool.JournalReader(log) as reader:
                pool.apply_all(state, reader.read())
            assert state == live_state(out), "the journal does not fold to what was reported live"
        return CommandResult(code, out, err, state)


def live_state(out: str) -> pool.RunState:
    """Fold the events of ``--json``."""
    state = pool.RunState()
    for line in out.splitlines()[1:]:
        pool.apply(state, pool.decode(line.encode()))
    return state
