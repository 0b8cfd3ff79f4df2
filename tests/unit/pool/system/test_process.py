"""The supervisor of processes, beside the tests of hooks: housekeeping that must not fail a build."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pool.common.model import BuildKey
from pool.system.process import (
    Command,
    Process,
    ProcessSupervisor,
    capture_output,
    marker_variables,
)
from pool.system.shared_servers import has_clients
from tests.support.build_keys import build_key
from tests.support.terminal import wait_until


def test_marker_variables_name_the_supervisor_and_the_build() -> None:
    assert marker_variables("s") == {"WHEELPOOL_SUPERVISOR": "s"}
    assert marker_variables("s", build_key("b1", "r"))["WHEELPOOL_BUILD"] == "r/b1"


def test_capture_output_returns_standard_output() -> None:
    argv = [sys.executable, "-S", "-c", "print('hello')"]
    assert capture_output(argv, environ=os.environ, timeout=60.0) == "hello\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_hook_ends_well_although_children_cannot_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = ProcessSupervisor("no-descriptors")
    try:
        hook = supervisor.start(
            Command(
                build=build_key("b1"),
                argv=[sys.executable, "-S", "-c", "raise SystemExit(3)"],
                cwd=tmp_path,
                environ=os.environ,
                log=tmp_path / "b1.log",
            )
        )

        def fail(_: Path) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr(Path, "iterdir", fail)
        assert hook.wait() == 3
    finally:
        supervisor.close()


# Forks twice, leads a session of its own, and clears its environment: no mark is left.
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    os.execve(sys.executable, [sys.executable, "-S", "-c", code, sys.argv[1]], {})
os.wait()
while not (os.path.exists(sys.argv[1]) and os.path.getsize(sys.argv[1])):
    time.sleep(0.01)
"""


def start_daemon(supervisor: ProcessSupervisor, folder: Path, build: BuildKey) -> Process:
    return supervisor.start(
        Command(
            build=build,
            argv=[sys.executable, "-S", "-c", DAEMON, str(folder / f"{build.build}.pid")],
            cwd=folder,
            environ=os.environ,
            log=folder / "log",
        )
    )


@pytest.fixture
def supervisor() -> Iterator[ProcessSupervisor]:
    supervisor = ProcessSupervisor("daemons", owns_process=True)
    yield supervisor
    with suppress(OSError):  # The test may have closed it.
        supervisor.close()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a subreaper")
def test_daemon_without_a_mark_ends_with_the_only_build(
    supervisor: ProcessSupervisor, tmp_path: Path
) -> None:
    assert start_daemon(supervisor, tmp_path, build_key("b1")).wait() == 0
    assert not psutil.pid_exists(int((tmp_path / "b1.pid").read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a subreaper")
def test_daemon_without_a_mark_ends_with_the_pool_if_its_build_is_not_known(
    supervisor: ProcessSupervisor, tmp_path: Path
) -> None:
    sleeping = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
    other = supervisor.start(
        Command(build=build_key("b2"), argv=sleeping, cwd=tmp_path, environ=os.environ,
                log=tmp_path / "log")
    )  # fmt: skip
    assert start_daemon(supervisor, tmp_path, build_key("b1")).wait() == 0
    daemon = int((tmp_path / "b1.pid").read_text())
    assert psutil.pid_exists(daemon), "it may be of the other build"
    other.signal(signal.SIGKILL)
    other.wait()
    supervisor.close()
    assert not psutil.pid_exists(daemon)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a subreaper")
def test_children_of_an_embedding_program_stay(tmp_path: Path) -> None:
    supervisor = ProcessSupervisor("embedded")
    sleeping = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(sleeping, start_new_session=True) as own:
        try:
            assert start_daemon(supervisor, tmp_path, build_key("b1")).wait() == 0
            supervisor.close()
            assert own.poll() is None
        finally:
            own.kill()
            os.kill(int((tmp_path / "b1.pid").read_text()), signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(-1, 0)


# Starts a server in a session of its own, and leaves it running.
SERVES = """
import os, socket, subprocess, sys, time
code = '''
import os, socket, sys, time
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
open(sys.argv[1] + ".pid", "w").write(str(os.getpid()))
clients = []
while True:
    clients.append(server.accept())
'''
subprocess.Popen([sys.executable, "-S", "-c", code, sys.argv[1]], start_new_session=True)
while not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a subreaper")
def test_server_stays_as_long_as_a_client_is_connected_and_ends_with_the_pool(
    supervisor: ProcessSupervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # The path of a socket is short.
    hook = supervisor.start(
        Command(
            build=build_key("b1"),
            argv=[sys.executable, "-S", "-c", SERVES, "s", "connected"],
            cwd=tmp_path,
            environ=os.environ,
            log=tmp_path / "log",
        )
    )
    wait_until(lambda: Path("s.pid").exists() and Path("s.pid").read_text() != "")
    server = int(Path("s.pid").read_text())
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("s")
        wait_until(lambda: has_clients(server))
        Path("connected").touch()
        assert hook.wait() == 0
        assert psutil.pid_exists(server), "the client still uses it"
        supervisor.close()
        assert not psutil.pid_exists(server)
