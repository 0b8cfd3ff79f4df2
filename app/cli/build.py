"""The commands that start a run or change an environment: build, install, uninstall."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from app.cli.completion import complete_files
from app.cli.help_format import Command
from app.cli.options import with_options
from app.cli.terminal import load_sources

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pool

__all__ = ["build", "install", "uninstall"]

_BUILD_EXAMPLES = """\b
Examples:
  wheelpool build ./liba ./libb markupsafe     one build per CPU at once
  wheelpool build ./tree -j 1 -C editable=no   with a setting for the backend
  wheelpool build numpy==2.4.6 --json          events as JSON on stdout
  wheelpool build -r requirements.txt -c constraints.txt -o wheelhouse
  wheelpool build --deps 'pydantic-settings'   dependencies as well
  wheelpool build 'x @ git+https://host/x@v1'  a tag, branch or commit

\b
Exit codes: 0 all built, 1 a build failed, 2 bad usage or input and nothing
started, 3 internal error, 130 interrupted.
Signals: USR1 and USR2 raise and lower the limit of builds by one.
"""
_INSTALL_EXAMPLES = """\b
Examples:
  wheelpool install -r requirements.txt --into .venv --builds 4
  wheelpool install -e ./core -e './plugin[test]' --into .venv
  wheelpool install torch ./ext --no-build-isolation-package ext

\b
Exit codes and signals are those of wheelpool build.
"""
_UNINSTALL_EXAMPLES = """\b
Examples:
  wheelpool uninstall core plugin --into .venv
"""

_targets = click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=complete_files)


@with_options("build")
@click.command(cls=Command, epilog=_BUILD_EXAMPLES)
@click.pass_obj
@_targets
def build(entered: float | None, /, targets: tuple[str, ...], **flags: object) -> int:
    """Build wheels from source, many at a time.

    TARGETs are directories, archives, URLs, git URLs and requirements. A requirement is built from
    its newest sdist; without one, its wheel is downloaded. Every option has an environment variable
    (--out-dir: WHEELPOOL_OUT_DIR, --builds: WHEELPOOL_CONCURRENT_BUILDS), most have a key in
    wheelpool.toml in the user's configuration directory.
    """
    return _run(targets, flags, entered, install=False)


@with_options("install")
@click.command(cls=Command, epilog=_INSTALL_EXAMPLES)
@click.pass_obj
@_targets
def install(entered: float | None, /, targets: tuple[str, ...], **flags: object) -> int:
    """Install TARGETs and their dependencies into an environment.

    Wheels are used where the index has them, and built where not. Installed versions that satisfy
    the requirements are kept. All distributions are installed as one transaction, under the lock of
    the environment that uv uses as well. If a build fails, nothing is installed; if the run is
    killed, the next one completes the transaction.
    """
    return _run(targets, flags, entered, install=True)


def _run(
    targets: tuple[str, ...],
    flags: Mapping[str, object],
    entered: float | None,
    *,
    install: bool,
) -> int:
    from app.cli.run_request import run_request

    return run_request(targets, flags, entered, install=install)


@with_options("uninstall")
@click.command(cls=Command, epilog=_UNINSTALL_EXAMPLES)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def uninstall(names: tuple[str, ...], **flags: object) -> int:
    """Uninstall distributions, all of them or none.

    Their dependencies stay installed. Distributions that still require them are listed.
    """
    from pathlib import Path

    import pool

    sources = load_sources(flags)
    lines = pool.uninstall(
        names,
        sources.path("into", Path.cwd()),
        sources.environ,
        on_wait=_print_lock_wait,
        timeout=sources.seconds("lock_timeout"),
    )
    for line in lines:
        print(pool.clean_line(line, longest=4000))
    return 0


def _print_lock_wait(holder: pool.Holder | None) -> None:
    import pool
    from app.text.holder import format_holder

    line = f"wheelpool: waiting for the environment: {format_holder(holder)}"
    print(pool.clean_line(line), file=sys.stderr, flush=True)
