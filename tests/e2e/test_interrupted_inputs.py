"""One SIGINT while hostile input is read ends the run: exit code 130, no process, no litter."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import signal
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.corpus.archive_makers import PROJECT, member, pax, project
from tests.support.makers import make_wheel
from tests.support.terminal import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.slow

MIB = 1 << 20
PACKED = 64 * MIB
"""The size of each archive: not so small that its ratio is refused before anything is written."""
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".tar": bytes,
    ".tar.gz": gzip.compress,
    ".tar.bz2": bz2.compress,
    ".tar.xz": lzma.compress,
}
SECONDS = 240.0
"""The longest wait for the beginning and for the end, also of a machine that is very busy."""


def write_bomb(path: Path, size: int) -> Path:
    """Write an sdist with a file of zeros, in many compressed streams."""
    suffix = path.name.removeprefix("t-1")
    compress = COMPRESS[suffix]
    header = project() + member("t-1/zeros", size=b"%011o" % size)
    with path.open("wb") as file:
        file.write(compress(header))
        if suffix != ".tar":
            part = compress(bytes(16 * MIB))
            for _ in range(size // (16 * MIB)):
                file.write(part)
            file.write(compress(bytes(1024)))
    os.truncate(path, max(PACKED, size if suffix == ".tar" else 0))
    return path


def write_headers(path: Path) -> Path:
    """Write an sdist of which each file has a header of nearly the largest size."""
    comment = gzip.compress(pax(("comment", b"1" * (MIB - 10_000))))
    with path.open("wb") as file:
        file.write(gzip.compress(project()))
        for number in range(20_000):
            file.write(comment + gzip.compress(member(f"t-1/{number}")))
    return path


def write_members(path: Path) -> Path:
    """Write an sdist of very many files."""
    with zipfile.ZipFile(path, "w") as packed:
        for name, data in PROJECT.items():
            packed.writestr(f"t-1/{name}", data)
        for number in range(100_000):
            packed.writestr(f"t-1/{number // 1000}/{number}", b"")
    return path


def unpacked(sandbox: Sandbox) -> list[Path]:
    """Return what was written for builds, other than the project itself."""
    builds = sandbox.root / "cache/wheelpool/builds"
    return [path for path in builds.glob("*/*/**/*") if path.is_file() and path.name not in PROJECT]


def interrupt(sandbox: Sandbox, process: subprocess.Popen[str], begun: Callable[[], bool]) -> str:
    """Send one SIGINT when the work has begun; return what it printed, and check the remains."""

    def is_begun() -> bool:
        assert process.poll() is None, process.communicate()
        return begun()

    wait_until(is_begun, seconds=SECONDS)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    wait_until(lambda: not processes_of(sandbox))
    tmp = [path.name for path in (sandbox.root / "tmp").iterdir()]
    assert [name for name in tmp if not name.startswith("uv-")] == []
    cache = sandbox.root / "cache/wheelpool"
    assert [*cache.glob("builds/*")] == []
    assert list(cache.rglob(".new-*")) == []
    return out


def processes_of(sandbox: Sandbox) -> list[list[str]]:
    """Return the commands of processes that work in a sandbox."""
    lines = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    return [line for line in lines if any(str(sandbox.root) in word for word in line)]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("t-1.tar", 4096 * MIB),
        ("t-1.tar.gz", 4096 * MIB),
        ("t-1.tar.bz2", 4096 * MIB),
        ("t-1.tar.xz", 496 * MIB),
    ],
)
def test_sigint_while_a_bomb_is_unpacked(sandbox: Sandbox, name: str, size: int) -> None:
    bomb = write_bomb(sandbox.root / name, size)
    process = sandbox.start("build", bomb)
    interrupt(
        sandbox, process, lambda: any(path.stat().st_size > MIB for path in unpacked(sandbox))
    )
    assert not list(sandbox.out.glob("*"))


@pytest.mark.parametrize(
    ("name", "write"), [("t-1.tar.gz", write_headers), ("t-1.zip", write_members)]
)
def test_sigint_while_many_members_are_unpacked(
    sandbox: Sandbox, name: str, write: Callable[[Path], Path]
) -> None:
    process = sandbox.start("build", write(sandbox.root / name))
    interrupt(sandbox, process, lambda: len(unpacked(sandbox)) > 20)


def resolving(sandbox: Sandbox) -> bool:
    return sandbox.log.exists() and '"resolve.started"' in sandbox.log.read_text()


def start_install(sandbox: Sandbox, links: str | Path) -> subprocess.Popen[str]:
    environment = sandbox.root / "env"
    python = ["python3", "-m", "venv", "--without-pip", str(environment)]
    subprocess.run(python, check=True)
    flags = ("--no-index", "--find-links", links, "--into", environment)
    return sandbox.start("install", "t", *flags)


def test_sigint_while_large_metadata_is_read(sandbox: Sandbox) -> None:
    requires = [f"project-{number}>=1.0,<2; python_version<'4'" for number in range(250_000)]
    make_wheel(sandbox.root / "links", "t", "1", requires=requires)
    process = start_install(sandbox, sandbox.root / "links")
    interrupt(sandbox, process, lambda: resolving(sandbox))
    assert not (sandbox.root / "env/.wheelpool").exists()


@pytest.mark.parametrize("command", ["build", "install"])
def test_sigint_while_requirements_come_from_a_pipe(sandbox: Sandbox, command: str) -> None:
    pipe = sandbox.root / "requirements.txt"
    os.mkfifo(pipe)
    process = sandbox.start(command, "-r", pipe)
    ends: list[int] = []

    def has_reader() -> bool:
        try:
            ends.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # It is not open for reading.
            return False
        return True

    interrupt(sandbox, process, has_reader)
    os.close(ends[0])


@pytest.mark.parametrize("words", [["report"], ["replay", "--no-ui", "--speed", "64"]])
def test_sigint_while_a_large_journal_is_read(sandbox: Sandbox, words: list[str]) -> None:
    log = sandbox.root / "run.jsonl"
    lines = (Path(__file__).parents[1] / "recordings/eve.jsonl").read_bytes().splitlines(True)
    with log.open("wb") as file:
        file.writelines(lines[:-1])
        samples = [line for line in lines if b'"sample"' in line][-20:] or lines[-20:-1]
        for _ in range(40_000):
            file.writelines(samples)
    process = sandbox.start(*words, log)
    folder = Path(f"/proc/{process.pid}/fd")

    def reads_log() -> bool:
        if not stat.S_ISDIR(folder.stat().st_mode):
            return False
        return any(path.exists() and path.samefile(log) for path in folder.iterdir())

    interrupt(sandbox, process, reads_log)


@pytest.mark.parametrize("suffix", [".py", ".pyc"])
def test_sigint_while_a_wheel_of_many_files_is_unpacked_or_compiled(
    sandbox: Sandbox, suffix: str
) -> None:
    files = {f"t/{number // 1000}/m{number}.py": f"x = {number}\n" for number in range(60_000)}
    wheel = make_wheel(sandbox.root, "t", files=files)
    environment = sandbox.root / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    cache = sandbox.root / "cache/wheelpool"
    process = sandbox.start("install", wheel, "--into", environment)
    interrupt(sandbox, process, lambda: any(cache.rglob(f"m*{suffix}")))
    assert not any(environment.rglob("m*.py"))


def test_sigint_while_a_long_page_is_parsed(sandbox: Sandbox) -> None:
    page = sandbox.root / "page.html"
    page.write_text("".join(f'<a href="t-{n}.tar.gz">t-{n}.tar.gz</a>\n' for n in range(600_000)))
    process = sandbox.start("build", "t", "--no-index", "--find-links", page)
    # The start takes less processor time than that, and the page much more.
    interrupt(sandbox, process, lambda: psutil.Process(process.pid).cpu_times().user > 1)
