"""Workflow commands: wheelpool's are executed, those in a build's log are not."""

from __future__ import annotations

import pytest

import pool
from app.reports.github import WorkflowCommands, error_annotations
from app.text.lines import Line
from pool import events

A, B = pool.BuildId("b1"), pool.BuildId("b2")


def around(*lines: Line) -> list[str]:
    commands = WorkflowCommands("t0ken")
    return [told.text for line in lines for told in commands.wrap(line)]


def state_with(*story: events.KnownEvent) -> pool.RunState:
    state = pool.RunState()
    pool.apply_all(state, story)
    return state


def test_a_log_is_a_group_in_which_nothing_is_obeyed() -> None:
    told = around(
        Line(word="log", text="┄┄┄┄ a: the log ┄┄┄┄"),
        Line(text="::add-path::x"),
        Line(text="fine"),
        Line(word="log.end", text="a: end of the log"),
    )
    assert told == [
        "::group::a: the log",
        "::stop-commands::t0ken",
        "::add-path::x",
        "fine",
        "::t0ken::",
        "::endgroup::",
    ]


@pytest.mark.parametrize("text", ["::error::x", "  ::error::x", "failed  a  ##[add-path]x"])
def test_a_line_that_looks_like_a_command_is_shown_and_not_obeyed(text: str) -> None:
    assert around(Line(text=text)) == ["::stop-commands::t0ken", text, "::t0ken::"]


def test_other_lines_are_left_as_they_are() -> None:
    assert around(Line(text="built  a::b")) == ["built  a::b"]


def test_an_annotation_is_escaped_as_the_runner_unescapes_it() -> None:
    queued = events.BuildQueued(build=A, name="a:b,c", target="a", log="a")
    end = events.BuildFinished(
        build=A,
        outcome=pool.Outcome.FAILED,
        message="50%\r\nof: it, all",
        hint="do x",
        rerun="cd a && make",
    )
    output = events.BuildOutput(build=A, lines=1, bytes=2, last="x")
    (line,) = error_annotations(end, state_with(queued, output, end))
    assert line.text == (
        "::error title=a%3Ab%2Cc failed::50%25%0D%0Aof: it, all%0Afix: do x"
        "%0Alog: a%0Arerun: cd a && make"
    )


def test_a_try_that_is_made_again_is_no_error_yet() -> None:
    queued = events.BuildQueued(build=A, name="a", target="a", log="a")
    again = events.BuildQueued(build=B, name="a", target="a", log="b", retry_of=A)
    end = events.BuildFinished(build=A, outcome=pool.Outcome.FAILED, message="killed")
    assert not list(error_annotations(end, state_with(queued, again, end)))


def test_failures_of_the_run_are_errors() -> None:
    failed = events.EnvironmentFailed(environment="/x/y/.venv", reference="r", message="full")
    assert [line.text for line in error_annotations(failed, pool.RunState())] == [
        "::error title=not installed into .venv::full"
    ]
    failed_search = events.ResolveFailed(reference="r", message="a conflict", hint="relax")
    assert [line.text for line in error_annotations(failed_search, pool.RunState())] == [
        "::error title=not resolved::a conflict%0Afix: relax"
    ]
