"""Build requests: config settings are redacted before they are shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from pool.build.job import BuildRequest
from pool.requirements.target import parse_target


@pytest.mark.parametrize(
    ("settings", "redacted"),
    [
        ({}, ()),
        ({"a": "1", "b": ["2", "3"]}, ("a=1", "b=2", "b=3")),
        ({"My-Token": "abc", "index": "https://me:pw@host/x"}, ("My-Token=***", "index=https://***@host/x")),
        ({"x": "\x1b[31mred\n"}, ("x=red",)),
    ],
)  # fmt: skip
def test_redacted_settings_have_no_secrets_and_escapes(
    settings: dict[str, str | list[str]], redacted: tuple[str, ...]
) -> None:
    request = BuildRequest(source=parse_target("x==1", Path()), config_settings=settings)
    assert request.redacted_settings == redacted
