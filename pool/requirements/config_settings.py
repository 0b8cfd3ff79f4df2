"""Config settings of build backends (PEP 517), as ``-C KEY=VALUE`` gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["parse_config_settings"]


def parse_config_settings(texts: Iterable[str], source: str) -> dict[str, str | list[str]]:
    """Parse ``KEY=VALUE``; a key that is given again makes a list, as in pip and build.

    Args:
        texts: one for each option.
        source: the option or variable, for the message.

    Raises:
        ValueError: a text has no key or no ``=``; the message says which.
    """
    settings: dict[str, str | list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ValueError(f"{source} {text}: must be KEY=VALUE")
        match settings.get(key):
            case None:
                settings[key] = value
            case str(first):
                settings[key] = [first, value]
            case list(values):
                values.append(value)
    return settings
