"""Precedence of flags, environment and file; messages about invalid values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pool
from app.config.sources import ConfigSources, read_file

if TYPE_CHECKING:
    from collections.abc import Mapping


def sources(
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: Mapping[str, object] | None = None,
) -> ConfigSources:
    return ConfigSources(flags or {}, environ or {}, file or {})


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
def test_the_first_source_with_a_value_counts(
    flag: str | None, environ: dict[str, str], key: int | None, expected: int
) -> None:
    assert sources({"builds": flag}, environ, {"builds": key}).integer("builds", 7) == expected


def test_the_default_of_the_table_counts_without_any_source() -> None:
    assert sources().integer("downloads") == 8
    assert sources().integer("retries") == 2


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "257", "", "٣x"])
def test_an_invalid_limit_is_refused_by_its_flag(value: str) -> None:
    with pytest.raises(pool.SettingsError, match=r"^--builds: .* from 1 to 256$"):
        sources({"builds": value}).integer("builds", 1)


@pytest.mark.parametrize("value", ["-1", "3", "x"])
def test_a_number_outside_its_own_range_is_refused(value: str) -> None:
    with pytest.raises(pool.SettingsError, match=r"^--retries: .* from 0 to 2$"):
        sources({"retries": value}).integer("retries")


@pytest.mark.parametrize(
    ("config", "source"),
    [
        (sources(environ={OURS: "x"}), OURS),
        (sources(environ={UVS: "x"}), UVS),
        (sources(file={"builds": 0}), "builds in wheelpool.toml"),
    ],
)
def test_an_error_names_the_source(config: ConfigSources, source: str) -> None:
    with pytest.raises(pool.SettingsError, match=f"^{source}: "):
        config.integer("builds", 1)


@pytest.mark.parametrize(("text", "expected"), [("1", True), ("Yes", True), ("off", False)])
def test_a_boolean_has_several_spellings(text: str, expected: bool) -> None:
    assert sources(environ={"WHEELPOOL_COPY": text}).boolean("copy") is expected


def test_a_flag_switches_off_a_setting_of_the_environment() -> None:
    assert not sources({"copy": False}, {"WHEELPOOL_COPY": "1"}).boolean("copy")


def test_an_invalid_boolean_is_refused() -> None:
    with pytest.raises(pool.SettingsError, match="WHEELPOOL_COPY: 'maybe'"):
        sources(environ={"WHEELPOOL_COPY": "maybe"}).boolean("copy")


@pytest.mark.parametrize("value", ["-1", "soon", "nan", "inf"])
def test_a_timeout_is_a_number_of_seconds(value: str) -> None:
    with pytest.raises(pool.SettingsError, match="--lock-timeout"):
        sources({"lock_timeout": value}).seconds("lock_timeout")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (sources({"memory": "8G"}, {"WHEELPOOL_MEMORY": "off"}), 8 << 30),
        (sources(environ={"WHEELPOOL_MEMORY": "1200M"}, file={"memory": "1G"}), 1200 << 20),
        (sources(file={"memory": "512MiB"}), 512 << 20),
        (sources(file={"memory": 1 << 30}), 1 << 30),
        (sources(file={"memory": "off"}), None),
    ],
)
def test_any_source_can_set_the_memory_budget(config: ConfigSources, expected: int | None) -> None:
    assert config.memory_budget() == expected


def test_an_invalid_budget_is_refused_by_its_source() -> None:
    assert (sources().memory_budget() or 0) > 0, "auto is the default"
    with pytest.raises(pool.SettingsError, match="--memory: 'much' is not an amount of memory"):
        sources({"memory": "much"}).memory_budget()


def test_repeatable_values_come_from_one_source() -> None:
    environ = {"WHEELPOOL_NO_BINARY": "a b"}
    file = {"no_binary": ["c"]}
    assert sources({"no_binary": ("x", "y")}, environ, file).strings("no_binary") == ("x", "y")
    assert sources({"no_binary": ()}, environ, file).strings("no_binary") == ("a", "b")
    assert sources({}, {}, file).strings("no_binary") == ("c",)
    assert sources().strings("no_binary") == ()


def test_paths_are_relative_to_the_directory_and_know_the_home() -> None:
    config = sources({"out_dir": "w", "log": "~/x.jsonl"})
    assert config.path("out_dir", Path("/here")) == Path("/here/w")
    assert config.path("log", Path("/here")) == Path("~/x.jsonl").expanduser()


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(pool.SettingsError, match="--out-dir: the path is empty"):
        sources({"out_dir": ""}).path("out_dir", Path("/here"))


def test_a_bare_interpreter_is_searched_for_on_path() -> None:
    here = Path("/here")
    assert sources({"python": "python3.12"}).program("python", here) == Path("python3.12")
    assert sources({"python": "./python"}).program("python", here) == Path("/here/python")


def test_an_option_outside_the_table_is_an_error() -> None:
    with pytest.raises(LookupError, match="colour"):
        sources().string("colour")


def test_a_missing_configuration_file_has_no_values(tmp_path: Path) -> None:
    assert read_file(tmp_path / "none.toml") == {}


def test_values_of_the_file_have_the_names_of_options(tmp_path: Path) -> None:
    file = tmp_path / "wheelpool.toml"
    file.write_text(
        "builds = 3\nout-dir = 'w'\nfind-links = ['a']\nlock-timeout = 5\nmemory = 1024\n"
        "[config-settings]\na = '1'\nb = ['2', '3']\n"
    )
    assert read_file(file) == {
        "builds": 3,
        "out_dir": "w",
        "find_links": ["a"],
        "lock_timeout": 5.0,
        "memory": 1024,
        "config_settings": {"a": "1", "b": ["2", "3"]},
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("buidls = 3", ":1: unknown key buidls"),
        ("# x\n\n'bui lds' = 3", ":3: unknown key bui lds"),
        ("[tool.wheelpool]\nbuilds = 3", ":1: unknown key tool"),
        ("jobs = 2\nbuilds = '3'", ":2: builds: expected int, got str"),
        ("find-links = 'x'", ":1: find-links: expected array, got str"),
        ("find-links = [\n1]", ":1: find-links[0]: expected str, got int"),
        ("[config-settings]\na = 1", ":1: config-settings[...]: expected"),
        ("{a = 1}", ": not valid TOML"),
        ("builds = ", ": not valid TOML: Invalid value"),
    ],
)
def test_a_broken_configuration_is_refused_by_file_and_key(
    tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "wheelpool.toml"
    file.write_text(text)
    with pytest.raises(pool.SettingsError) as caught:
        read_file(file)
    assert str(caught.value).startswith(f"{file}{words}")
    assert "\n" not in str(caught.value)


def test_an_unknown_key_is_refused_with_the_keys_that_exist(tmp_path: Path) -> None:
    file = tmp_path / "wheelpool.toml"
    file.write_text("log = 'x'")
    with pytest.raises(pool.SettingsError, match="unknown key log") as caught:
        read_file(file)
    assert caught.value.hint.startswith("the keys are deps, no-binary, ")


def test_a_configuration_that_is_not_text_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "wheelpool.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(pool.SettingsError, match=r"wheelpool\.toml"):
        read_file(file)
