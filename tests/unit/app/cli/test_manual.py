"""``wheelpool help``: topics, pages, help of commands."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from app.cli.root import root
from app.manual import list_topics
from app.plain.manual import render_topic
from tests.support.home import Home


def help_output(*words: str) -> str:
    return CliRunner().invoke(root, ["help", *words], prog_name="wheelpool").output


def test_help_without_a_topic_lists_all_topics() -> None:
    text = help_output()
    assert all(f"\n  {topic} " in text for topic in list_topics())


@pytest.mark.parametrize("topic", list_topics())
def test_topic_is_printed_as_markdown_without_comments(topic: str) -> None:
    text = help_output(topic)
    assert text.startswith("# ")
    assert "<!--" not in text


def test_command_is_answered_with_its_help() -> None:
    expected = CliRunner().invoke(root, ["uninstall", "--help"], prog_name="wheelpool").output
    assert help_output("uninstall").rstrip() == expected.rstrip()


def test_unknown_topic_is_refused_with_the_topics(home: Home) -> None:
    done = home.run("help", "frob")
    assert done.returncode == 2
    assert done.stderr.startswith("wheelpool: no help topic 'frob'\n  topics: builds, cache,")


def test_rendered_page_is_not_wider_than_the_terminal() -> None:
    text = render_topic("memory", 60)
    assert "\x1b[" in text
    lines = text.splitlines()
    assert max(len(line) for line in lines if "\x1b" not in line) <= 60
