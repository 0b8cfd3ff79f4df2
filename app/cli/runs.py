"""The commands for saved runs: runs, log, replay, report, diff."""

from __future__ import annotations

import gc
import sys
import time
from typing import TYPE_CHECKING

import click

from app.cli.completion import complete_journals, complete_logged_builds
from app.cli.help_format import Command, CommandGroup
from app.cli.options import with_options
from app.cli.terminal import is_ascii_only, is_interactive, load_sources, run_screen

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["diff", "print_log", "replay", "report", "saved_runs"]


_POLL_SECONDS = 0.1
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
_LOG_EXAMPLES = """\b
Examples:
  wheelpool log numpy               of the newest run
  wheelpool log numpy==2.4.6 --run 20261121-0312
  wheelpool log b3 -f               until the build has ended
"""
_REPLAY_EXAMPLES = """\b
Examples:
  wheelpool replay 20261121-0312            by the beginning of its id
  wheelpool replay run.jsonl --speed 8      one hour in eight minutes
  wheelpool replay run.jsonl --at 12:30     paused there; space plays
  wheelpool replay run.zip --at failure     paused at the first failure
  wheelpool replay run.zip --no-ui          the lines of a headless run
"""
_REPORT_EXAMPLES = """\b
Examples:
  wheelpool report                          a summary of the newest run
  wheelpool report --junit junit.xml --summary summary.md
  wheelpool report 20261121-0312 --trace trace.json --html report.html
  wheelpool report run.jsonl --summary - | less
  wheelpool report --timings                also where the time went
"""
_DIFF_EXAMPLES = """\b
Examples:
  wheelpool diff                            the two newest runs
  wheelpool diff 20261121-0312              that run and the newest
  wheelpool diff good.jsonl bad.jsonl --no-ui
  wheelpool diff main.zip branch.zip --exit-code --json > diff.json

\b
Exit codes: 0, 2 bad usage or input. With --exit-code 1 if a build of B failed
newly, did not finish, or exceeds the threshold.
"""


@with_options("log")
@click.command(name="log", cls=Command, epilog=_LOG_EXAMPLES)
@click.argument("build", shell_complete=complete_logged_builds)
def print_log(build: str, saved_run: str | None, follow: bool) -> None:  # noqa: FBT001 - click passes it by name
    """Print the log of a build.

    BUILD is a name, a name and version, or an id. Of several attempts, the last one is shown. On a
    terminal, the log is shown in a pager.
    """
    from app.config.paths import state_dir
    from app.runs import bundle, store
    from app.runs.log_reader import LogReader
    from pool import JournalReader

    path = store.find_run(state_dir(), saved_run) if saved_run else store.newest_run(state_dir())
    with bundle.open_journal(path) as journal, JournalReader(journal) as reader:
        log = LogReader(reader, build)
        if follow:
            for line in log.follow(_poll_delays()):
                print(line, flush=True)
        elif sys.stdout.isatty():
            click.echo_via_pager(f"{line}\n" for line in log.read())
        else:
            for line in log.read():
                print(line)


def _poll_delays() -> Iterator[None]:
    while True:
        yield
        time.sleep(_POLL_SECONDS)


@with_options("replay")
@click.command(cls=Command, epilog=_REPLAY_EXAMPLES)
@click.argument("log", shell_complete=complete_journals)
def replay(log: str, speed: float, at: str | None, **flags: object) -> int:
    """Replay a saved run with its original timing.

    LOG is an id from `wheelpool runs` or the beginning of one, a journal, the directory of a run,
    or an exported run.
    """
    from app.config.display import derive_display_options
    from app.config.paths import state_dir
    from app.runs import bundle, store
    from app.source.replay import ReplaySource
    from pool import SystemClock

    sources = load_sources(flags)
    display = derive_display_options(sources)
    with bundle.open_journal(store.find_run(state_dir(), log)) as path:
        source = ReplaySource(path, SystemClock(), speed=speed)
        # A long run has millions of objects, which live as long as the process.
        gc.freeze()
        if at is not None:
            source.pause_at(at)
        if display.no_ui or not is_interactive(sources):
            from app.plain import run as headless

            headless.print_replay(source, display)
        else:
            from app.tui.app import WheelpoolApp

            screen = WheelpoolApp(source, ascii_only=is_ascii_only(), theme=display.theme)
            if crash := run_screen(screen, display):
                raise crash
    return 0


@with_options("report")
@click.command(cls=Command, epilog=_REPORT_EXAMPLES)
@click.argument("log", required=False, shell_complete=complete_journals)
def report(
    log: str | None,
    timings: bool | None,  # noqa: FBT001 - click passes it by name
    as_json: bool,  # noqa: FBT001 - click passes it by name
    **files: str | None,
) -> None:
    """Summarize a saved run, or write reports of it.

    LOG is the same as for replay; the default is the newest run. FILE may be - for stdout. --json
    prints the timings. A run in progress, or one that was killed, is reported up to the end of its
    journal; builds that were running are marked as unfinished.
    """
    from app.config.paths import state_dir
    from app.plain import report

    paths = {name: _check_file(name, file) for name, file in files.items() if file is not None}
    to_stdout = [*paths.values()].count("-")
    if to_stdout + (as_json or bool(timings)) > 1:
        raise click.UsageError("only one report can be written to stdout")
    # The variable and the key are for summaries; they must not spoil a report on stdout.
    printed = not to_stdout and load_sources({"timings": timings}).boolean("timings")
    report.write_reports(state_dir(), log, paths, timings=printed, as_json=as_json)


def _check_file(name: str, file: str) -> str:
    if not file:
        raise click.UsageError(f"--{name}: the file name is empty")
    return file


@with_options("diff")
@click.command(cls=Command, epilog=_DIFF_EXAMPLES)
@click.argument("logs", nargs=-1, metavar="[A] [B]", shell_complete=complete_journals)
def diff(
    logs: tuple[str, ...],
    threshold: float,
    exit_code: bool,  # noqa: FBT001 - click passes it by name
    as_json: bool,  # noqa: FBT001 - click passes it by name
    **flags: object,
) -> int:
    """Compare two saved runs: failures, times, memory.

    Longer waits and added or missing builds are listed as well. A and B are the same as LOG for
    replay. Without B, A is compared with the newest run; without both, the two newest runs. Builds
    are matched by name, all attempts of one together. Increases below 1 s or 32 MiB are ignored.
    """
    from app.config.display import derive_display_options
    from app.config.paths import state_dir
    from app.runs import compare_text
    from app.runs.compare import Threshold

    if len(logs) > 2:
        raise click.UsageError(f"expected at most two runs, got {len(logs)}")
    sources = load_sources(flags)
    with compare_text.open_journals(*compare_text.choose_journals(state_dir(), logs)) as paths:
        limit = Threshold(share=threshold / 100)
        display = derive_display_options(sources)
        if as_json or display.no_ui or not is_interactive(sources):
            a, b, comparison = compare_text.compare_journals(*paths, limit)
            if as_json:
                print(compare_text.to_json(a, b, comparison))
            else:
                compare_text.print_lines(compare_text.comparison_lines(a, b, comparison))
        else:
            from app.tui.screens.compare import DiffApp

            screen = DiffApp(*paths, limit, ascii_only=is_ascii_only(), theme=display.theme)
            if crash := run_screen(screen, display):
                raise crash
            comparison = screen.comparison
        return int(exit_code and comparison.worse)


@with_options("runs export")
@click.command(name="export", cls=Command, epilog=_EXPORT_EXAMPLES)
@click.argument("run", shell_complete=complete_journals)
def export_run(run: str, archive: str) -> None:
    """Export a run as one zip file.

    The file has the journal and the logs of the builds, without credentials. wheelpool replay and
    wheelpool report open it.
    """
    from pathlib import Path

    from app.config.paths import state_dir
    from app.plain import report

    print(report.export_run(state_dir(), run, Path(archive)))


@with_options("runs")
@click.group(
    name="runs",
    cls=CommandGroup,
    groups={"Commands": (export_run,)},
    invoke_without_command=True,
    epilog=_RUNS_EXAMPLES,
)
@click.pass_context
def saved_runs(context: click.Context, count: int) -> None:
    """List saved runs, newest first."""
    if context.invoked_subcommand:
        return
    from app.config.paths import state_dir
    from app.runs import store

    for line in store.format_table(store.list_runs(state_dir(), count)):
        print(line)
