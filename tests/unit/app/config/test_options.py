"""The table of options is consistent, and everything else is derived from it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from app.cli.help_format import Command, GroupedOption
from app.cli.options import with_options
from app.config import options
from app.config.options import OPTIONS, Option, find_option, options_of
from app.config.reference import format_options_table
from app.config.sources import ConfigSources, read_file
from app.plain.cache import DEFAULT_DAYS
from pool.run.retry import MAX_OOM_RETRIES
from tests.support.commands import COMMANDS, parameters_of

if TYPE_CHECKING:
    from pathlib import Path

SPARKLE = Option(
    "sparkle",
    "--sparkle COLOUR",
    "text",
    "Display",
    ("build",),
    "Sparkle in this colour.",
    variables=("WHEELPOOL_SPARKLE",),
    key="sparkle",
    default="gold",
    choices=("gold", "silver"),
)


def new_build_command(values: dict[str, object]) -> click.Command:
    """Return a command with the options of ``build`` that stores the values of its flags."""

    @with_options("build")
    @click.command(cls=Command)
    def build(**flags: object) -> None:
        values.update(flags)

    return build


def test_one_entry_adds_a_flag_a_variable_a_key_help_completion_and_a_reference(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(options, "OPTIONS", (*OPTIONS, SPARKLE))
    monkeypatch.setattr("app.config.reference.OPTIONS", options.OPTIONS)
    flags: dict[str, object] = {}
    build = new_build_command(flags)
    file = tmp_path / "wheelpool.toml"
    file.write_text("sparkle = 'from-file'")
    environ = {"WHEELPOOL_SPARKLE": "from-environment"}

    assert re.search(
        r"--sparkle COLOUR +Sparkle in this colour. \[default: gold\]",
        CliRunner().invoke(build, ["--help"]).output,
    )
    CliRunner().invoke(build, ["--sparkle", "from-flag"])
    assert ConfigSources(flags, environ, read_file(file)).find("sparkle") == (
        "--sparkle", "from-flag",
    )  # fmt: skip
    assert ConfigSources({}, environ, read_file(file)).find("sparkle") == (
        "WHEELPOOL_SPARKLE", "from-environment",
    )  # fmt: skip
    assert ConfigSources({}, {}, read_file(file)).find("sparkle") == (
        "sparkle in wheelpool.toml", "from-file",
    )  # fmt: skip
    completion = ShellComplete(build, {}, "build", "_BUILD_COMPLETE")
    assert [item.value for item in completion.get_completions([], "--spa")] == ["--sparkle"]
    offered = completion.get_completions(["--sparkle"], "s")
    assert [item.value for item in offered] == ["silver"]
    assert (
        "| `--sparkle COLOUR` | `WHEELPOOL_SPARKLE` | `sparkle` | Sparkle in this colour."
        in format_options_table()
    )


def test_without_the_entry_nothing_knows_the_option(tmp_path: Path) -> None:
    file = tmp_path / "wheelpool.toml"
    file.write_text("sparkle = 'gold'")
    with pytest.raises(Exception, match="unknown key sparkle"):
        read_file(file)
    assert CliRunner().invoke(new_build_command({}), ["--sparkle", "gold"]).exit_code == 2


def test_every_option_has_its_own_name_variables_and_key() -> None:
    names = [option.name for option in OPTIONS]
    variables = [variable for option in OPTIONS for variable in option.variables]
    keys = [option.key for option in OPTIONS if option.key]
    for values in names, variables, keys:
        assert sorted(values) == sorted(set(values))


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_variables_and_keys_are_named_after_the_option(option: Option) -> None:
    if option.variables:
        prefix = "WHEELPOOL_" if len(option.variables) == 1 else "WHEELPOOL_CONCURRENT_"
        assert option.variables[0] == prefix + option.name.upper()
    assert option.key in ("", option.name.replace("_", "-"))
    assert option.variables or not option.key, "what the file can set, a variable can set, too"


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_help_is_a_sentence_and_commands_exist(option: Option) -> None:
    assert option.help[0].isupper()
    assert option.help.endswith(".")
    assert set(option.commands) <= set(COMMANDS)
    assert option.commands


def test_every_command_has_the_options_of_the_table() -> None:
    for words, command in COMMANDS.items():
        shown = [p.name for p in parameters_of(command) if isinstance(p, GroupedOption)]
        assert shown == [option.name for option in options_of(words)]


def test_find_option_refuses_an_unknown_name() -> None:
    assert find_option("builds").flags == ("-j", "--builds")
    with pytest.raises(LookupError, match="sparkle"):
        find_option("sparkle")


def test_bounds_and_defaults_agree_with_the_code_that_uses_them() -> None:
    retries = find_option("retries")
    assert retries.default == retries.maximum == MAX_OOM_RETRIES
    assert find_option("older_than").default_text.startswith(f"{DEFAULT_DAYS:g},")


def test_parts_of_a_declaration() -> None:
    copy, into = find_option("copy"), find_option("into")
    assert (copy.flags, copy.long_flag, copy.metavar) == (("--copy/--no-copy",), "--copy", None)
    assert (into.flags, into.long_flag, into.metavar) == (("--into",), "--into", "ENV")
