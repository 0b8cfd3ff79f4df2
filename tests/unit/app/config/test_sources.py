"""Flags before environment before configuration, and words for what cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

import pool
from app.config.sources import ConfigFile, ConfigSources, Flags, display_options, read_file


def said(
    flags: Flags | None = None,
    environ: dict[str, str] | None = None,
    file: ConfigFile | None = None,
) -> ConfigSources:
    return ConfigSources(flags or Flags(), environ or {}, file or ConfigFile())


OURS, UVS = "WHEELPOOL_CONCURRENT_BUILDS", "UV_CONCURRENT_BUILDS"


@pytest.mark.parametrize(
    ("flag", "environ", "key", "expected"),
    [
        ("2", {OURS: "3", UVS: "4"}, 5, 2),
        (None, {OURS: "3", UVS: "4"}, 5, 3),
        (None, {UVS: "4"}, 5, 4),
        (None, {OURS: "", UVS: " "}, 5, 5),
        (None, {}, 5, 5),
        (None, {}, None, 7),
    ],
)
def test_the_strongest_voice_counts(
    flag: str | None, environ: dict[str, str], key: int | None, expected: int
) -> None:
    asked = said(Flags(builds=flag), environ, ConfigFile(builds=key))
    assert asked.count("builds", 7) == expected


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "257", "", "٣x"])
def test_a_cap_that_is_none_is_refused_by_its_flag(value: str) -> None:
    with pytest.raises(pool.SettingsError, match=r"^--builds: .* from 1 to 256$"):
        said(Flags(builds=value)).count("builds", 1)


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        (said(environ={OURS: "x"}), OURS),
        (said(environ={UVS: "x"}), UVS),
        (said(file=ConfigFile(builds=0)), "builds in wheelpool.toml"),
    ],
)
def test_a_refusal_names_where_it_was_said(asked: ConfigSources, where: str) -> None:
    with pytest.raises(pool.SettingsError, match=f"^{where}: "):
        asked.count("builds", 1)


@pytest.mark.parametrize(("text", "expected"), [("1", True), ("Yes", True), ("off", False)])
def test_truth_has_several_words(text: str, expected: bool) -> None:
    assert said(environ={"WHEELPOOL_COPY": text}).truth("copy") is expected


def test_a_flag_switches_off_what_the_environment_switched_on() -> None:
    assert not said(Flags(copy=False), {"WHEELPOOL_COPY": "1"}).truth("copy")


def test_a_word_that_is_no_truth_is_refused() -> None:
    with pytest.raises(pool.SettingsError, match="WHEELPOOL_COPY: 'maybe'"):
        said(environ={"WHEELPOOL_COPY": "maybe"}).truth("copy")


@pytest.mark.parametrize("value", ["-1", "soon", "nan", "inf"])
def test_a_timeout_is_a_number_of_seconds(value: str) -> None:
    with pytest.raises(pool.SettingsError, match="--lock-timeout"):
        said(Flags(lock_timeout=value)).seconds("lock_timeout")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (said(Flags(memory="8G"), {"WHEELPOOL_MEMORY": "off"}), 8 << 30),
        (said(environ={"WHEELPOOL_MEMORY": "1200M"}, file=ConfigFile(memory="1G")), 1200 << 20),
        (said(file=ConfigFile(memory="512MiB")), 512 << 20),
        (said(file=ConfigFile(memory=1 << 30)), 1 << 30),
        (said(file=ConfigFile(memory="off")), None),
    ],
)
def test_the_memory_budget_can_be_said_anywhere(asked: ConfigSources, expected: int | None) -> None:
    assert asked.memory() == expected


def test_a_budget_that_is_none_is_refused_by_where_it_was_said() -> None:
    assert (said().memory() or 0) > 0, "auto is the default"
    with pytest.raises(pool.SettingsError, match="--memory: 'much' is no amount of memory"):
        said(Flags(memory="much")).memory()


def test_json_needs_no_screen() -> None:
    how = display_options(said(Flags(json=True)))
    assert how.no_ui
    assert how.json


def test_paths_are_relative_to_the_directory_and_know_the_home() -> None:
    asked = said(Flags(out_dir="w", log="~/x.jsonl"))
    assert asked.path("out_dir", Path("/here")) == Path("/here/w")
    assert asked.path("log", Path("/here")) == Path("~/x.jsonl").expanduser()


def test_a_bare_interpreter_is_looked_for_along_path() -> None:
    assert said(Flags(python="python3.12")).command("python", Path("/here")) == Path("python3.12")
    assert said(Flags(python="./python")).command("python", Path("/here")) == Path("/here/python")


def test_no_configuration_says_nothing(tmp_path: Path) -> None:
    assert read_file(tmp_path / "none.toml") == ConfigFile()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("buidls = 3", "unknown key buidls"),
        ('builds = "3"', "builds: expected int, got str"),
        ("find-links = 'x'", "find-links: expected array, got str"),
        ("builds = ", "Invalid value"),
    ],
)
def test_a_broken_configuration_is_named_by_file_and_key(
    tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "wheelpool.toml"
    file.write_text(text)
    with pytest.raises(pool.SettingsError) as caught:
        read_file(file)
    assert str(caught.value).startswith(f"{file}: {words}")
    assert "\n" not in str(caught.value)


def test_a_configuration_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "wheelpool.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(pool.SettingsError, match=r"wheelpool\.toml"):
        read_file(file)
