"""``wheelpool doctor``: a line for each finding, on any machine."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
from pathlib import Path

import pytest

from app.cli.main import run
from app.plain.doctor import to_json, to_lines
from pool.engine.doctor import Doctor, Finding
from pool.scheduling.history import BuildHistory
from pool.system import process_limits
from pool.system.processors import count_processors
from tests.support.fakes import ManualClock


def looked(root: Path, **environ: str) -> dict[str, Finding]:
    given = {"PATH": str(root / "bin"), "PIP_CONFIG_FILE": os.devnull, "HOME": str(root)}
    where = Doctor(
        cache_dir=root / "cache", state_dir=root / "state", environ={**given, **environ}, root=root
    )
    return {finding.what: finding for finding in where.findings()}


def test_a_bare_machine_is_described_without_an_error(tmp_path: Path) -> None:
    found = looked(tmp_path)
    assert found["python"].state == found["cache"].state == "ok"
    assert found["git"] == Finding(what="git", state="missing", text="not on PATH")
    assert found["ninja"].state == "note"
    assert found["cgroup"].text.startswith("none")
    assert found["pressure"].state == "note"
    assert found["history"].text.startswith("nothing is known")
    assert found["uv's tree lock"].state == "note"
    assert not list(tmp_path.iterdir()), "nothing was changed"


def test_history_of_builds_is_summed_up(tmp_path: Path) -> None:
    history = BuildHistory(tmp_path / "state" / "history.sqlite")
    history.record("quick", "1", seconds=1.0, peak=3 << 30)
    history.record("slow", "1", seconds=90.0, peak=1 << 20)
    text = looked(tmp_path)["history"].text
    assert text == "2 distributions known; largest quick (3.0 GiB), slowest slow (90.0 s)"


def test_unreadable_history_is_reported(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/history.sqlite").write_text("no database, but long enough to look at" * 9)
    found = looked(tmp_path)["history"]
    assert found.state == "note"
    assert found.text.endswith("history.sqlite: file is not a database")


def test_folders_are_described_with_modes_and_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    assert looked(tmp_path)["cache"].text.endswith("mode 0777: every user may write to it")
    assert looked(tmp_path)["locks"].state == "ok"

    def refuse(_fd: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    found = looked(tmp_path)["locks"]
    assert found.state == "missing"
    assert "cache  cannot be locked (no locks available)" in found.text


def test_low_limits_are_described_with_their_caps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (40, 40))
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(process_limits, "processes_of_user", lambda: 20)
    found = looked(tmp_path)
    assert found["open files"].state == found["processes"].state == "note"
    assert found["processes"].text.startswith("20 more for this user (ulimit -u)")
    usable = count_processors(tmp_path).usable
    caps = ": not more than --builds 1, --jobs 1" if usable > 1 else ""
    assert found["processes"].text.endswith(caps)


@pytest.mark.parametrize(
    ("what", "environ", "state", "words"),
    [
        ("proxies", {}, "ok", "none"),
        (
            "proxies",
            {"HTTPS_PROXY": "http://me:secret@p.test:1", "NO_PROXY": "[::1]"},
            "ok",
            "p.test",
        ),
        ("proxies", {"ALL_PROXY": "quic://p"}, "note", "quic is not a kind of proxy"),
        ("keyring", {}, "ok", "disabled"),
        ("keyring", {"UV_KEYRING_PROVIDER": "subprocess"}, "missing", "no program keyring on PATH"),
        ("keyring", {"PIP_KEYRING_PROVIDER": "pass"}, "note", "keyring provider 'pass'"),
        ("pip and uv", {}, "ok", "all settings"),
        ("pip and uv", {"PIP_BUILD_CONSTRAINT": "c.txt"}, "note", "PIP_BUILD_CONSTRAINT"),
        ("indexes", {"PIP_TIMEOUT": "soon"}, "note", "pip's timeout"),
    ],
)
def test_settings_of_the_network_are_described(
    tmp_path: Path, what: str, environ: dict[str, str], state: str, words: str
) -> None:
    found = looked(tmp_path, **environ)[what]
    assert (found.state, "secret" in found.text) == (state, False)
    assert words in found.text


def test_limit_of_memory_of_a_process_is_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (1 << 30, 1 << 30))
    assert looked(tmp_path)["address space"] == Finding(
        what="address space", state="note", text="each process may have 1.0 GiB (ulimit -v)"
    )


def test_quota_of_processors_is_the_reason_of_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/a/b\n")
    (tmp_path / "sys/fs/cgroup/a/b").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/a/cpu.max").write_text("150000 100000\n")
    text = looked(tmp_path)["processors"].text
    assert text.startswith("2")
    assert "the CPU quota of the cgroup is 1.5" in text


def test_pressure_is_a_percentage(tmp_path: Path) -> None:
    (tmp_path / "proc/pressure").mkdir(parents=True)
    told = "some avg10=1.50 avg60=0.20 avg300=0.03 total=1\nfull avg10=0.00 avg60=0.00\n"
    (tmp_path / "proc/pressure/memory").write_text(told)
    assert (
        looked(tmp_path)["pressure"].text == "memory was waited for 1.50 % of 10 s, 0.03 % of 5 min"
    )


def test_limits_of_a_cgroup_and_credentials_are_handled(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    for name, text in (("max", "1073741824"), ("current", "1048576"), ("events", "oom_kill 3")):
        (tmp_path / f"sys/fs/cgroup/memory.{name}").write_text(f"{text}\n")
    found = looked(tmp_path, PIP_INDEX_URL="https://me:secret@host/simple")
    assert found["cgroup"].text == "version 2, limit 1.0 GiB, 1 MiB used, 3 oom kills so far"
    assert "host/simple" in found["indexes"].text
    assert "secret" not in found["indexes"].text


def test_findings_are_lines_or_json() -> None:
    found = [
        Finding(what="git", state="ok", text="2.39"),
        Finding(what="cc", state="missing", text="not on PATH"),
    ]
    assert list(to_lines(found, ascii_only=False)) == [
        "✓ ok       git  2.39",
        "✗ missing  cc   not on PATH",
    ]
    assert next(to_lines(found, ascii_only=True)).isascii()
    assert json.loads(to_json(found))[1] == {
        "what": "cc",
        "state": "missing",
        "text": "not on PATH",
    }


def test_the_command_ends_well_and_has_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 0
    found = {one["what"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["python"]["state"] == "ok"
    assert run(["doctor"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(found)


def test_a_cache_is_measured_each_file_once_and_not_for_ever(tmp_path: Path) -> None:
    (tmp_path / "cache/wheels").mkdir(parents=True)
    (tmp_path / "cache/wheels/one").write_bytes(b"x" * (5 << 20))
    (tmp_path / "cache/two").hardlink_to(tmp_path / "cache/wheels/one")
    assert looked(tmp_path)["cache content"].text == "5 MiB"

    class Late(ManualClock):
        def monotonic(self) -> float:
            self.seconds += 1.0
            return self.seconds

    hurried = Doctor(
        cache_dir=tmp_path / "cache", state_dir=tmp_path, environ={}, root=tmp_path, clock=Late()
    )
    found = {one.what: one.text for one in hurried.findings()}
    assert found["cache content"].startswith("more than 0 MiB")
