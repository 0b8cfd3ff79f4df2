"""The command ``wheelpool`` with all its commands; each kind of command has its own module.

Everything but click is imported when a command runs: ``--help`` must not wait for an engine or a
screen.
"""

from __future__ import annotations

from typing import Any

import click

from app import __version__
from app.cli.attach import attach
from app.cli.build import build, install, uninstall
from app.cli.completion import completion
from app.cli.control import CONTROL_COMMANDS
from app.cli.help_format import CommandGroup
from app.cli.manual import show_help
from app.cli.runs import diff, print_log, replay, report, saved_runs
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
_COMMANDS = {
    "Build and install": (build, install, uninstall),
    "Control a running build": (attach, *CONTROL_COMMANDS),
    "Saved runs": (saved_runs, print_log, replay, report, diff),
    "System": (cache, doctor, completion, show_help),
}


@click.group(cls=CommandGroup, groups=_COMMANDS, context_settings=_SETTINGS, epilog=_EXAMPLES)
@click.version_option(__version__, message="wheelpool %(version)s")
def root() -> None:
    """Build Python wheels from source, under one shared concurrency limit."""
