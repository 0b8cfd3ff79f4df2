"""The command that shows the run of another process: attach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.cli.completion import complete_runs
from app.cli.help_format import Command
from app.cli.options import with_options
from app.cli.terminal import create_screen, is_interactive, load_sources, run_screen

if TYPE_CHECKING:
    from app.config.display import DisplayOptions
    from app.source.attached import AttachedSource

__all__ = ["attach"]

_EXAMPLES = """\b
Examples:
  wheelpool attach                          the only run in progress
  wheelpool attach 20261121-0312            by the beginning of its id
  wheelpool attach run.jsonl --no-ui        by its journal, as lines

\b
Exit codes: the run's if it finished meanwhile, 0 detached, 1 it was killed, 3
the screen failed.
"""


@with_options("attach")
@click.command(cls=Command, epilog=_EXAMPLES)
@click.argument("run", required=False, shell_complete=complete_runs)
def attach(run: str | None, **flags: object) -> int:
    """Show and control a run of another process.

    The run may be in another terminal, or in the background of a CI job. RUN is an id from
    `wheelpool runs`, the beginning of one, or a journal. Leaving the screen detaches; the run
    continues. The same controls as commands: wheelpool limit, pause, resume, cancel, retry, stop.
    """
    from app.config.display import derive_display_options
    from app.config.paths import state_dir
    from app.plain import run as headless
    from app.runs import store
    from app.source.attached import AttachedSource
    from pool import SystemClock

    sources = load_sources(flags)
    display = derive_display_options(sources)
    with AttachedSource(store.find_running(state_dir(), run), SystemClock()) as source:
        if display.no_ui or not is_interactive(sources):
            return headless.follow_attached(source, display)
        return _show_screen(source, display)


def _show_screen(source: AttachedSource, display: DisplayOptions) -> int:
    """Show another process's run until the user leaves the screen."""
    from app.plain import run as headless

    screen = create_screen(source, display)

    def show_refusal(refusal: str) -> None:
        screen.notify(refusal, severity="warning", markup=False)

    source.on_refusal = show_refusal
    with headless.handle_signals(source.send, lambda _signal: screen.exit()):
        crash = run_screen(screen, display)
    code = headless.print_parting(source)
    if crash is not None:
        raise crash  # The run continues, but this command has not shown it to its end.
    return code
