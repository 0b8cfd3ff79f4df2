"""The commands and their flags, as click has them, a module for each kind of command.

What a flag means is worked out in `app.config.sources` and `app.config.settings`. Everything but click is
imported inside the commands: ``--help`` must not wait for an engine or a screen.
"""

from __future__ import annotations

from typing import Any

import click

from app import __version__
from app.cli.attach import attach
from app.cli.build import build, install, uninstall
from app.cli.completion import completion
from app.cli.control import COMMANDS
from app.cli.help_format import Group
from app.cli.runs import diff, replay, report, saved_runs
from app.cli.system import cache, doctor

__all__ = ["root"]

_EXAMPLES = """\b
Examples:
  wheelpool build ./tree downloads/attrs-26.1.0.tar.gz six==1.17.0 -j 2
  wheelpool build ./a ./b --no-ui -o wheelhouse --log run.jsonl
  wheelpool build -r requirements.txt -o wheelhouse
  wheelpool install -e ./core -e ./plugin --into .venv
  wheelpool replay run.jsonl
"""
_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
_PARTS = {
    "Wheels and environments": (build, install, uninstall),
    "A run that goes on": (attach, *COMMANDS),
    "Saved runs": (saved_runs, replay, report, diff),
    "This machine": (cache, doctor, completion),
}


@click.group(cls=Group, parts=_PARTS, context_settings=_SETTINGS, epilog=_EXAMPLES)
@click.version_option(__version__, message="wheelpool %(version)s")
def root() -> None:
    """Build Python wheels from source, many at a time, under one limiter that holds."""
