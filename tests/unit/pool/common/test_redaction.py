"""Values named as secrets, and credentials in URLs, are replaced by stars."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.build.frontend.hooks import HookCall
from pool.build.frontend.rerun import rerun_command
from pool.common.redaction import redact_args, redact_settings, redact_urls
from pool.common.text import clean_line
from tests.support.build_keys import build_key


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://me:s3cret@host/x, or not", "see https://***@host/x, or not"),
        ("https://s3@cret@host/x@v1", "https://***@host/x@v1"),
        (
            "https://host/x?a=1&access_token=s3cret&b=2#c",
            "https://host/x?a=1&access_token=***&b=2#c",
        ),
        ("https://host/x?X-Amz-Signature=s3cret", "https://host/x?X-Amz-Signature=***"),
        ("https://host/token=x/y?page=2", "https://host/token=x/y?page=2"),
        ("me@host and token=x", "me@host and token=x"),
    ],
)
def test_urls_are_shown_without_credentials(text: str, shown: str) -> None:
    assert redact_urls(text) == shown
    assert clean_line(f"\x1b[1m{text}\x1b[0m".encode()) == shown


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["-C", "my-token=s3cret"], ["-C", "my-token=***"]),
        (["-Cmy-token=s3cret"], ["-Cmy-token=***"]),
        (["--config-setting=a.password=s3=cret"], ["--config-setting=a.password=***"]),
        (["--token", "s3cret", "x"], ["--token", "***", "x"]),
        (["env", "API_KEY=s3\ncret", "make"], ["env", "API_KEY=***", "make"]),
        (["-i", "https://me:s3cret@host"], ["-i", "https://***@host"]),
        (["-C", "jobs=2", "./tokenizer"], ["-C", "jobs=2", "./tokenizer"]),
    ],
)
def test_command_lines_are_shown_without_secrets(words: list[str], shown: list[str]) -> None:
    assert list(redact_args(words)) == shown


def test_settings_are_shown_without_secrets() -> None:
    settings: dict[str, str | list[str]] = {
        "my-token": ["a", "b"],
        "Secret": "c",
        "index": "https://me:d@host",
        "jobs": "2",
    }
    assert redact_settings(settings) == {
        "my-token": ["***", "***"],
        "Secret": "***",
        "index": "https://***@host",
        "jobs": "2",
    }


@given(st.text())
def test_text_without_urls_stays(text: str) -> None:
    assert redact_urls(text.replace("://", "")) == text.replace("://", "")


def _called(settings: dict[str, str | list[str]]) -> str:
    here = Path("/tree")
    call = HookCall(
        build=build_key(),
        tree=here,
        python=Path("/env/bin/python"),
        backend="backend",
        backend_path=(),
        hook="build_wheel",
        config_settings=settings,
        output=here,
        log=here,
        fds=(),
        environ={},
    )
    return rerun_command(call)


def test_by_hand_a_secret_is_to_be_filled_in() -> None:
    line = _called({"my-token": "s3cret", "jobs": "2"})
    assert "s3cret" not in line
    assert "'jobs': '2'" in line.replace("'\"'\"'", "'")
    assert line.endswith("  # replace *** by the secret value")
    assert "#" not in _called({"jobs": "2"})
