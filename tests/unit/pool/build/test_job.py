"""Build requests: redacted config settings, and the name and version of a source."""

from __future__ import annotations

from pathlib import Path

import pytest

from pool.build.job import BuildRequest, infer_identity
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


LONG = "9" * 5000


@pytest.mark.parametrize(
    ("filename", "identity"),
    [
        ("x-1.0.tar.gz", ("x", "1.0")),
        ("X_y-1.0-py3-none-any.whl", ("X_y", "1.0")),
        ("x-new.tar.gz", ("x-new", None)),
        (f"x-{LONG}.tar.gz", (f"x-{LONG}", None)),
        (f"x-1!{LONG}.zip", (f"x-1!{LONG}", None)),
    ],
)
def test_infer_identity_of_a_url_takes_its_filename(
    filename: str, identity: tuple[str, str | None]
) -> None:
    source = parse_target(f"https://h/{filename}", Path())
    assert infer_identity(source) == identity
