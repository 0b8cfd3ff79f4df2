"""The sources of configuration: flags, then environment variables, then wheelpool.toml.

`ConfigSources` returns the value of an option from the first source that has one; errors name that
source. The options themselves are in `app.config.options`. This is the one module that reads the
process's environment. Deliberately knows nothing of the engine's settings: `app.config.settings`
derives those.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import pool
from app.config import options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.config.options import Kind, Option

__all__ = ["ConfigSources", "environment", "read_file"]

MAX_BYTES = 1 << 20
"""Bytes of a configuration file."""
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")
_TOML_TYPES: dict[Kind, Any] = {
    "flag": bool,
    "count": int,
    "seconds": float,
    "size": str | int,
    "pair": dict[str, str | list[str]],
}
"""The types in wheelpool.toml; all others are strings, or arrays of them."""


def environment() -> dict[str, str]:
    """Return a copy of the process's environment."""
    return dict(os.environ)  # noqa: TID251 - the one place that reads it; callers pass it on


def read_file(path: Path | None) -> dict[str, object]:
    """Read a configuration file; return its values by the names of options.

    A file that does not exist, or None, has no values.

    Raises:
        SettingsError: it is not TOML, or has an unknown key or a value of a wrong type.
    """
    if path is None:
        return {}
    keys = {option.name: option for option in options.OPTIONS if option.key}
    text = ""
    try:
        text = _read_text(path)
        import tomllib  # noqa: PLC0415 - most users have no such file

        parsed = msgspec.convert(tomllib.loads(text), _file_type(keys))
    except FileNotFoundError:
        return {}
    except msgspec.ValidationError as problem:
        hint = "the keys are " + ", ".join(option.key for option in keys.values())
        line = _line_of(problem, text)
        raise pool.SettingsError(
            f"{path}{line}: {_key_and_reason(problem)}", hint=hint
        ) from problem
    except OSError as problem:
        raise pool.SettingsError(f"{path}: {pool.os_error_text(problem)}") from problem
    except (ValueError, RecursionError) as problem:
        raise pool.SettingsError(f"{path}: not valid TOML: {problem}") from problem
    values = ((name, getattr(parsed, name)) for name in keys)
    return {name: value for name, value in values if value is not None}


def _read_text(path: Path) -> str:
    """Return the text of a file; a pipe would be waited for, and a device has no end."""
    if path.exists() and not path.is_file():
        raise pool.SettingsError(f"{path}: not a regular file")
    with path.open("rb") as file:
        return pool.read_limited(file, MAX_BYTES).decode("utf-8-sig")


def _line_of(problem: msgspec.ValidationError, text: str) -> str:
    """Return ``:3`` for the line of the key that an error is about; empty if it is not found."""
    match = re.search(r"unknown field `([^`]*)`|at `\$\.([^`.\[]*)", str(problem))
    key = re.escape(match[1] or match[2]) if match else "(?!)"
    lines = enumerate(text.splitlines(), 1)
    pattern = re.compile(rf"""\s*\[*\s*["']?{key}["']?\s*[].=]""")
    return next((f":{number}" for number, line in lines if pattern.match(line)), "")


def _file_type(keys: Mapping[str, Option]) -> type[msgspec.Struct]:
    """Return a struct with a field for each configuration key."""
    return msgspec.defstruct(
        "ConfigFile",
        [(name, _toml_type(option) | None, None) for name, option in keys.items()],
        rename={name: option.key for name, option in keys.items()},
        forbid_unknown_fields=True,
    )


def _toml_type(option: Option) -> Any:  # noqa: ANN401 - a type, for msgspec
    if option.repeatable and option.kind != "pair":
        return list[str]
    return _TOML_TYPES.get(option.kind, str)


def _key_and_reason(problem: msgspec.ValidationError) -> str:
    """Return the message with the key in front: ``builds: expected int, got str``."""
    text = str(problem).replace("`", "").replace(" | null", "")
    reason, _, key = text.partition(" - at $.")
    reason = reason.replace("Object contains unknown field", "unknown key")
    reason = reason[:1].lower() + reason[1:]
    return f"{key}: {reason}" if key else reason


class ConfigSources:
    """The values of options from flags, environment and file, in this order of precedence.

    Args:
        flags: values from the command line by option name; None and empty tuples are unset.
        environ: the environment.
        file: values from the configuration file by option name.
    """

    def __init__(
        self, flags: Mapping[str, object], environ: Mapping[str, str], file: Mapping[str, object]
    ) -> None:
        self.flags = flags
        self.environ = environ
        self.file = file

    def find(self, name: str) -> tuple[str, object]:
        """Return the name of the source of a value, and the value; None if no source has one.

        A value from the environment is a string; one from a flag or the file has its own type.
        """
        option = options.find_option(name)
        if (flag := self.flags.get(name)) not in (None, ()):
            return option.long_flag, flag
        for variable in option.variables:
            if text := self.environ.get(variable, "").strip():
                return variable, text
        return f"{option.key} in wheelpool.toml", self.file.get(name)

    def integer(self, name: str, default: int | None = None) -> int:
        """Return a number within the option's range, `default` or the option's own default."""
        source, value = self.find(name)
        option = options.find_option(name)
        if value is None:
            return int(option.default or 0) if default is None else default
        least = 1 if option.minimum is None else int(option.minimum)
        most = pool.MAX_BUILDS if option.maximum is None else int(option.maximum)
        try:
            number = int(str(value))
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise pool.SettingsError(
                f"{source}: {str(value)!r} is not an integer from {least} to {most}"
            )
        return number

    def memory_budget(self) -> int | None:
        """Return the budget in bytes, computed for this machine; None for no budget."""
        source, value = self.find("memory")
        default = options.find_option("memory").default
        try:
            return pool.parse_budget(str(default if value is None else value))
        except pool.SettingsError as problem:
            raise pool.SettingsError(f"{source}: {problem}", hint=problem.hint) from problem

    def seconds(self, name: str) -> float | None:
        """Return a duration; None if no source has one."""
        source, value = self.find(name)
        if value is None:
            return None
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            raise pool.SettingsError(f"{source}: {str(value)!r} is not a number of seconds")
        return number

    def string(self, name: str) -> str | None:
        """Return a string; None if no source has one."""
        _, value = self.find(name)
        return None if value is None else str(value)

    def strings(self, name: str) -> tuple[str, ...]:
        """Return all values of a repeatable option from its first source; variables by word."""
        match self.find(name)[1]:
            case None:
                return ()
            case str(text):
                return tuple(text.split())
            case list(values) | tuple(values):
                return tuple(map(str, values))
            case other:
                raise TypeError(f"{name}: {other!r} is not a list")

    def boolean(self, name: str, *, default: bool = False) -> bool:
        """Return whether a flag is set; `default` if no source sets it."""
        source, value = self.find(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        text = str(value).lower()
        if text not in _TRUE + _FALSE:
            raise pool.SettingsError(f"{source}: {value!r} is not a boolean (true or false)")
        return text in _TRUE

    def choice(self, name: str) -> str | None:
        """Return one of the option's choices; None if no source has one."""
        source, value = self.find(name)
        choices = options.find_option(name).choices
        if value is not None and value not in choices:
            raise pool.SettingsError(f"{source}: {value!r} is not one of {', '.join(choices)}")
        return None if value is None else str(value)

    def path(self, name: str, cwd: Path) -> Path | None:
        """Return an absolute path; None if no source has one."""
        source, value = self.find(name)
        if value is None:
            return None
        if not (text := str(value)):
            raise pool.SettingsError(f"{source}: the path is empty")
        return cwd / pool.expand_user(text)

    def program(self, name: str, cwd: Path) -> Path | None:
        """Return the path of a program, or its bare name, to be searched for on PATH."""
        path = self.path(name, cwd)
        _, value = self.find(name)
        return Path(str(value)) if path and "/" not in str(value) else path
