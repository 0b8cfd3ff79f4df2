"""The command that shows the run of another process: attach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from app.cli.completion import running
from app.cli.help_format import Command
from app.cli.options import LOOKS
from app.cli.terminal import ascii_only, on_a_terminal, said_by, show

if TYPE_CHECKING:
    from app.config.sources import DisplayOptions
    from app.source.attached import AttachedSource

__all__ = ["attach"]

_ATTACH_EXAMPLES = """\b
Examples:
  wheelpool attach                          the one run that goes on
  wheelpool attach 20261121-0312            by the beginning of its id
  wheelpool attach run.jsonl --no-ui        one with --log run.jsonl, in lines

\b
Exit codes: the run's, if it has ended meanwhile; 0 detached, 1 it was killed.
"""


@click.command(cls=Command, epilog=_ATTACH_EXAMPLES)
@click.argument("run", required=False, shell_complete=running)
@LOOKS
def attach(run: str | None, **flags: Any) -> int:  # noqa: ANN401 - click's; Flags checks them
    """Show a run that another process has, and command it.

    One in another terminal, or in the background of a CI job. RUN is an id from `wheelpool runs` or
    its beginning, or a log. Leaving detaches: the run goes on. The same commands, from a shell:
    wheelpool limit, pause, resume, cancel, retry, stop.
    """
    from app.config.sources import display_options, state_dir
    from app.plain import run as headless
    from app.runs import store as runs
    from app.source.attached import AttachedSource
    from pool import SystemClock

    said = said_by(flags)
    how = display_options(said)
    with AttachedSource(runs.find_running(state_dir(), run), SystemClock()) as source:
        if how.no_ui or not on_a_terminal(said):
            return headless.follow_attached(source, how)
        return _attached(source, how)


def _attached(source: AttachedSource, how: DisplayOptions) -> int:
    """Show the screen of another process's run until the user leaves it."""
    from app.plain import run as headless
    from app.tui.app import WheelpoolApp

    screen = WheelpoolApp(
        source, ascii_only=ascii_only(), theme=how.theme, titled=how.title, bell=how.bell
    )

    def tell(refusal: str) -> None:
        screen.notify(refusal, severity="warning", markup=False)

    source.on_refusal = tell
    with headless.handle_signals(source.send, lambda _asked: screen.exit()):
        show(screen, how)
    return headless.print_parting(source)
