"""The commands that tell a saved run again: replay, report, diff, runs."""

from __future__ import annotations

import gc
from typing import Any

import click

from app.cli.completion import files, logs
from app.cli.help_format import Command, Group
from app.cli.options import THEME, looks
from app.cli.terminal import ascii_only, on_a_terminal, said_by

__all__ = ["diff", "replay", "report", "saved_runs"]

_RUNS_EXAMPLES = """\b
Examples:
  wheelpool runs
  wheelpool runs -n 3
  wheelpool runs export 20261121-0312 -o run.zip
"""
_EXPORT_EXAMPLES = """\b
Examples:
  wheelpool runs export 20261121-0312 -o run.zip
  wheelpool runs export run.jsonl -o run.zip
"""
_REPLAY_EXAMPLES = """\b
Examples:
  wheelpool replay 20261121-0312            by the beginning of its id
  wheelpool replay run.jsonl --speed 8      its last hour in eight minutes
  wheelpool replay run.jsonl --at 12:30     as it was then; space goes on
  wheelpool replay run.zip --at failure     when something failed first
  wheelpool replay run.zip --no-ui          the words that the live run printed
"""
_REPORT_EXAMPLES = """\b
Examples:
  wheelpool report                          how the newest run went, in words
  wheelpool report --junit junit.xml --summary summary.md
  wheelpool report 20261121-0312 --trace trace.json --html report.html
  wheelpool report run.jsonl --summary - | less
"""

_DIFF_EXAMPLES = """\b
Examples:
  wheelpool diff                            the newest and the one before it
  wheelpool diff 20261121-0312              that run and the newest
  wheelpool diff good.jsonl bad.jsonl --no-ui
  wheelpool diff main.zip branch.zip --exit-code --json > diff.json

\b
Exit codes: 0, whatever differs; 2 bad input. With --exit-code 1 where a
build of B failed newly, never ended, or took longer than the threshold
allows.
"""


@click.command(cls=Command, epilog=_REPLAY_EXAMPLES)
@click.argument("log", shell_complete=logs)
@click.option(
    "--speed",
    type=click.FloatRange(0.25, 64),
    default=1.0,
    show_default=True,
    help="How fast time goes.",
)
@click.option("--at", metavar="TIME", help="Stand still there: 12:30, 90, 50%, failure, end.")
@looks("--no-ui", is_flag=True, default=None, help="All the lines at once, not a screen.")
@looks("-v", "--verbose", is_flag=True, default=None, help="Phases, requirements, locks.")
@looks("-q", "--quiet", is_flag=True, default=None, help="Only failures and the summary.")
@THEME
def replay(
    log: str,
    speed: float,
    at: str | None,
    **flags: Any,  # noqa: ANN401 - click's; Flags checks them
) -> int:
    """Show a saved run again, at its true times.

    LOG is a file, a run's folder, or an id from `wheelpool runs` or its beginning.
    """
    from app.config.sources import display_options, state_dir
    from app.runs import bundle
    from app.runs import store as runs
    from app.source.replay import ReplaySource
    from pool import SystemClock

    said = said_by(flags)
    how = display_options(said)
    with bundle.open_journal(runs.find_run(state_dir(), log)) as path:
        source = ReplaySource(path, SystemClock(), speed=speed)
        # Of a long run there may be millions, and none of them ever goes.
        gc.freeze()
        if at is not None:
            source.pause_at(at)
        if how.no_ui or not on_a_terminal(said):
            from app.plain import run as headless

            headless.print_replay(source, how)
        else:
            from app.tui.app import WheelpoolApp

            WheelpoolApp(source, ascii_only=ascii_only(), theme=how.theme).run()
    return 0


@click.command(cls=Command, epilog=_REPORT_EXAMPLES)
@click.argument("log", required=False, shell_complete=logs)
@click.option(
    "--trace",
    metavar="FILE",
    shell_complete=files,
    help="Chrome trace events; Perfetto opens them.",
)
@click.option(
    "--junit", metavar="FILE", shell_complete=files, help="JUnit XML: a case for each build."
)
@click.option("--summary", metavar="FILE", shell_complete=files, help="A summary in Markdown.")
@click.option(
    "--html", metavar="FILE", shell_complete=files, help="One page that needs nothing else."
)
def report(log: str | None, **wishes: str | None) -> None:
    """Write reports of a saved run, or say how it went.

    LOG is what replay takes; the newest run where it is left out. As a FILE, - is stdout. A run
    that was killed has reports, too: what was going on ends with its log and is marked as
    unfinished.
    """
    from app.config.sources import state_dir
    from app.plain import report

    wanted = {name: _named(name, to) for name, to in wishes.items() if to is not None}
    if [*wanted.values()].count("-") > 1:
        raise click.UsageError("only one report can be written to stdout")
    report.write_reports(state_dir(), log, wanted)


def _named(name: str, file: str) -> str:
    if not file:
        raise click.UsageError(f"--{name}: the name of the file is empty")
    return file


@click.command(cls=Command, epilog=_DIFF_EXAMPLES)
@click.argument("logs", nargs=-1, metavar="[A] [B]", shell_complete=logs)
@click.option(
    "--threshold",
    type=click.FloatRange(min=0),
    default=20.0,
    show_default=True,
    metavar="PERCENT",
    help="How much slower or larger is worth telling.",
)
@click.option("--exit-code", is_flag=True, help="End with 1 where B is worse.")
@looks("--no-ui", is_flag=True, default=None, help="Lines, not a screen.")
@looks("--json", "as_json", is_flag=True, help="All of it, for machines; implies --no-ui.")
@THEME
def diff(
    logs: tuple[str, ...],
    threshold: float,
    exit_code: bool,  # noqa: FBT001 - click passes it by name
    as_json: bool,  # noqa: FBT001 - click passes it by name
    **flags: Any,  # noqa: ANN401 - click's; Flags checks them
) -> int:
    """Compare two saved runs: what failed newly, got slower, grew.

    What waited longer, came or went is told as well. A and B are what replay takes. Without B: A
    and the newest run; without both: the two newest. Builds are matched by name, and all tries of
    one count together. Less than a second or 32 MiB more is never told.
    """
    from app.config.sources import display_options, state_dir
    from app.runs import compare_text as diff
    from app.runs.compare import Threshold

    if len(logs) > 2:
        raise click.UsageError(f"two logs are compared, {len(logs)} are named")
    said = said_by(flags)
    with diff.open_journals(*diff.choose_journals(state_dir(), logs)) as paths:
        limit = Threshold(share=threshold / 100)
        how = display_options(said)
        if as_json or how.no_ui or not on_a_terminal(said):
            a, b, comparison = diff.compare_journals(*paths, limit)
            if as_json:
                print(diff.to_json(a, b, comparison))
            else:
                diff.print_lines(diff.comparison_lines(a, b, comparison))
        else:
            from app.tui.screens.compare import DiffApp

            screen = DiffApp(*paths, limit, ascii_only=ascii_only(), theme=how.theme)
            screen.run()
            comparison = screen.comparison
        return int(exit_code and comparison.worse)


@click.command(name="export", cls=Command, epilog=_EXPORT_EXAMPLES)
@click.argument("run", shell_complete=logs)
@click.option(
    "-o",
    "file",
    metavar="FILE",
    required=True,
    shell_complete=files,
    help="Where it goes: a zip.",
)
def export_run(run: str, file: str) -> None:
    """Pack a run into one file to be sent.

    Its log is in it, and those of its builds, without credentials. wheelpool replay and wheelpool
    report open such a file.
    """
    from pathlib import Path

    from app.config.sources import state_dir
    from app.plain import report

    print(report.export_run(state_dir(), run, Path(file)))


@click.group(
    name="runs",
    cls=Group,
    parts={"Commands": (export_run,)},
    invoke_without_command=True,
    epilog=_RUNS_EXAMPLES,
)
@click.option(
    "-n", "count", type=click.IntRange(min=1), default=20, show_default=True, help="How many."
)
@click.pass_context
def saved_runs(context: click.Context, count: int) -> None:
    """List saved runs, newest first."""
    if context.invoked_subcommand:
        return
    from app.config.sources import state_dir
    from app.runs import store as runs

    for line in runs.format_table(runs.list_runs(state_dir(), count)):
        print(line)
