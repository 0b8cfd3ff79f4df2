"""The commands that start a run or change an environment: build, install, uninstall."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from app.cli.completion import files, folders
from app.cli.help_format import Command
from app.cli.options import (
    CAPS,
    NAMING,
    PLACES,
    SHOWING,
    WAYS,
    how,
    what,
    where,
)
from app.cli.terminal import ascii_only, on_a_terminal, said_by, show

if TYPE_CHECKING:
    from app.config.sources import DisplayOptions
    from app.source.live import LiveSession

__all__ = ["build", "install", "uninstall"]

_BUILD_EXAMPLES = """\b
Examples:
  wheelpool build ./liba ./libb markupsafe     as many at once as processors
  wheelpool build ./tree -j 1 -C editable=no   with a setting for the backend
  wheelpool build numpy==2.4.6 --json          events as JSON on stdout
  wheelpool build -r requirements.txt -c constraints.txt -o wheelhouse
  wheelpool build --deps 'pydantic-settings'   what it requires, too
  wheelpool build 'x @ git+https://host/x@v1'  a tag or a branch is looked up

\b
Exit codes: 0 all built, 1 a build failed, 2 bad input and nothing started,
3 an error of wheelpool's own, 130 interrupted.
Signals: USR1 and USR2 raise and lower the cap of builds by one.
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


@click.command(cls=Command, epilog=_BUILD_EXAMPLES)
@NAMING
@what("--deps/--no-deps", default=None, help="What they require as well. [default: --no-deps]")
@CAPS
@where(
    "-o",
    "--out-dir",
    metavar="DIR",
    shell_complete=folders,
    help="Where wheels go. [default: ./wheelhouse]",
)
@PLACES
@how(
    "--python",
    metavar="PATH",
    shell_complete=files,
    help="Build for this interpreter, not for the own one.",
)
@WAYS
@SHOWING
def build(targets: tuple[str, ...], **flags: Any) -> int:  # noqa: ANN401 - click's; Flags checks them
    """Build wheels from source, many at a time.

    TARGETs are project directories, archives, URLs, git URLs and requirements. What has a name is
    built from its newest sdist; where there is none, the wheel is taken. Each flag has a variable:
    WHEELPOOL_CONCURRENT_BUILDS for --builds, WHEELPOOL_OUT_DIR for --out-dir, and so on; and a key
    in wheelpool.toml in the user's configuration directory.
    """
    return _run(targets, flags, install=False)


@click.command(cls=Command, epilog=_INSTALL_EXAMPLES)
@NAMING
@what(
    "-e",
    "--editable",
    multiple=True,
    metavar="TREE",
    shell_complete=folders,
    help="Install as a link to the tree.",
)
@what("-U", "--upgrade", is_flag=True, default=None, help="Newer versions of what is named.")
@what("--deps/--no-deps", default=None, help="What they require too. [default: --deps]")
@CAPS
@where(
    "--into",
    metavar="ENV",
    shell_complete=folders,
    help="The environment. [default: the active one]",
)
@PLACES
@WAYS
@SHOWING
def install(targets: tuple[str, ...], **flags: Any) -> int:  # noqa: ANN401 - click's; Flags checks them
    """Install TARGETs, and what they require, into an environment.

    Wheels are taken where there are some, and built where not. What the environment has and fits
    is kept. All is put in place in one go, under the environment's lock, which uv knows as well;
    nothing is if something fails, and what a killed run left half done is finished by the next.
    """
    return _run(targets, flags, install=True)


def _run(targets: tuple[str, ...], flags: dict[str, Any], *, install: bool) -> int:
    from pathlib import Path

    from app.config.request import parse_request
    from app.config.settings import settings
    from app.config.sources import display_options
    from app.source.live import LiveSession

    said, cwd = said_by(flags), Path.cwd()
    how = display_options(said)
    asked = parse_request(said, [_unicode(text) for text in targets], cwd)
    argv = ["wheelpool", *sys.argv[1:]]
    wanted = settings(said, argv, cwd, index=asked.index, install=install)
    _allow_many_files()
    screen = not how.no_ui and on_a_terminal(said)
    session = LiveSession(wanted, asked.request, linger=screen)
    return _on_screen(session, how) if screen else _headless(session, how)


def _unicode(text: str) -> str:
    """Refuse bytes that are no text: names of targets are shown and kept."""
    import pool

    shown = text.encode(errors="surrogateescape").decode(errors="replace")
    if shown != text:
        raise pool.TargetError(f"{shown}: the name is not valid UTF-8")
    return text


def _allow_many_files() -> None:
    """Each build holds a few descriptors; the usual soft limit is for one of them."""
    import resource

    enough = 65_536  # Not without bound: there are programs that close each one they could have.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = enough if hard == resource.RLIM_INFINITY else min(hard, enough)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _headless(session: LiveSession, how: DisplayOptions) -> int:
    from app.plain import run as headless

    return headless.run_headless(session, how)


def _on_screen(session: LiveSession, how: DisplayOptions) -> int:
    """Show the screen until the user leaves it; then end the run, and say how it went."""
    from app.plain import run as headless
    from app.tui.app import WheelpoolApp

    screen = WheelpoolApp(
        session, ascii_only=ascii_only(), theme=how.theme, titled=how.title, bell=how.bell
    )
    session.start()
    try:
        # Signals end the screen, so that the terminal is left as it was found.
        with headless.handle_signals(session.send, lambda _asked: screen.exit()):
            show(screen, how)
    finally:
        code = headless.finish_after_screen(session)
    return code


@click.command(cls=Command, epilog=_UNINSTALL_EXAMPLES)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--into",
    metavar="ENV",
    shell_complete=folders,
    help="The environment. [default: the active one]",
)
@click.option("--lock-timeout", metavar="SECONDS", help="Fail after waiting so long.")
def uninstall(names: tuple[str, ...], **flags: Any) -> int:  # noqa: ANN401 - click's; Flags checks them
    """Take distributions out of an environment, all of them or none.

    What was installed with them stays; what needs them is told.
    """
    from pathlib import Path

    import pool
    from app.text.holder import format_holder

    said = said_by(flags)

    def tell(holder: pool.Holder | None) -> None:
        line = pool.clean_line(f"wheelpool: waiting for the environment: {format_holder(holder)}")
        print(line, file=sys.stderr, flush=True)

    lines = pool.uninstall(
        names,
        said.path("into", Path.cwd()),
        said.environ,
        on_wait=tell,
        timeout=said.seconds("lock_timeout"),
    )
    for line in lines:
        print(pool.clean_line(line, longest=4000))
    return 0
