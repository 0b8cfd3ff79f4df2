"""``KEY=VALUE`` of command line, environment and requirements files is one grammar."""

from __future__ import annotations

import pytest

from pool.requirements.config_settings import parse_config_settings


@pytest.mark.parametrize(
    ("texts", "settings"),
    [
        ([], {}),
        (["a=1", "b=x=y", "c="], {"a": "1", "b": "x=y", "c": ""}),
        (["a=1", "b=2", "a=3", "a=1"], {"a": ["1", "3", "1"], "b": "2"}),
    ],
)
def test_a_repeated_key_makes_a_list(texts: list[str], settings: dict[str, object]) -> None:
    assert parse_config_settings(texts, "-C") == settings


@pytest.mark.parametrize("text", ["", "a", "=1"])
def test_a_text_without_key_or_equals_sign_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^-C {text}: must be KEY=VALUE$"):
        parse_config_settings(["a=1", text], "-C")
