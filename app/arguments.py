"""The commands and their flags, as click has them, and what each command does, from its top.

What a flag means is worked out in `app.config` and `app.settings`. Everything but click is
imported inside the commands: ``--help`` must not wait for an engine or a screen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from app import __version__
from app.remotecommands import COMMANDS

if TYPE_CHECKING:
    from app.attach import AttachedSource
    from app.config import Manner, Said
    from app.session import LiveSession

__all__ = ["root"]

_EXAMPLES = """\b
Examples:
  wheelpool build ./tree downloads/attrs-26.1.0.tar.gz six==1.17.0 -j 2
  wheelpool build ./a ./b --no-ui -o wheelhouse --log run.jsonl
  wheelpool build -r requirements.txt -o wheelhouse
  wheelpool install -e ./core -e ./plugin --into .venv
  wheelpool replay run.jsonl
"""
_BUILD_EXAMPLES = """\b
Examples:
  wheelpool build ./liba ./libb markupsafe     as many at once as there are processors
  wheelpool build ./tree -j 1 -C editable=no   one at a time, with a setting for the backend
  wheelpool build numpy==2.4.6 --json          events as lines of JSON on stdout
  wheelpool build -r requirements.txt -c constraints.txt -o wheelhouse
  wheelpool build --deps 'pydantic-settings'   a wheel for all that it requires, too
  wheelpool build 'x @ git+https://host/x@v1'  a commit; a tag or a branch is looked up

\b
Exit codes: 0 all built, 1 a build failed, 2 bad input and nothing started,
3 an error of wheelpool's own, 130 interrupted.
Signals: USR1 and USR2 raise and lower the cap of builds by one.
"""
_CACHE_EXAMPLES = """\b
Examples:
  wheelpool cache info                      what is in it, and since when unused
  wheelpool cache prune                     remove what was not used for 30 days
  wheelpool cache prune --older-than 7 --max-size 5G
  wheelpool cache prune --all --dry-run     what would go
"""
_INSTALL_EXAMPLES = """\b
Examples:
  wheelpool install -r requirements.txt --into .venv --builds 4
  wheelpool install -e ./core -e './plugin[test]' --into .venv
  wheelpool install torch ./ext --no-build-isolation-package ext    torch goes first

\b
Exit codes and signals are those of wheelpool build.
"""
_REPORT_EXAMPLES = """\b
Examples:
  wheelpool report                               how the newest run went, in words
  wheelpool report --junit junit.xml --summary summary.md
  wheelpool report 20261121-0312 --trace trace.json --html report.html
  wheelpool report run.jsonl --summary - | less
"""
_ATTACH_EXAMPLES = """\b
Examples:
  wheelpool attach                          the run that goes on, if there is one
  wheelpool attach 20261121-0312            by the beginning of its id
  wheelpool attach run.jsonl --no-ui        one with --log run.jsonl, in lines

\b
Exit codes: the run's, if it has ended meanwhile; 0 detached, 1 it was killed.
"""
_SETTINGS: dict[str, Any] = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
}


@click.group(context_settings=_SETTINGS, epilog=_EXAMPLES)
@click.version_option(__version__, message="wheelpool %(version)s")
def root() -> None:
    """Build Python wheels from source, many at a time, under one limiter that holds."""


_Command = Callable[..., int]


def _all(*options: Callable[[_Command], _Command]) -> Callable[[_Command], _Command]:
    """Return what several options are as one; they are shown in this order."""

    def with_options(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return with_options


_NAMING = _all(
    click.argument("targets", nargs=-1, metavar="[TARGET]..."),
    click.option("-r", "--requirement", multiple=True, metavar="FILE", help="A requirements file."),
    click.option("-c", "--constraint", multiple=True, metavar="FILE", help="A constraints file."),
    click.option("--pylock", multiple=True, metavar="FILE", help="A lock file (PEP 751)."),
    click.option(
        "--group",
        multiple=True,
        metavar="[PATH:]NAME",
        help="A dependency group of ./pyproject.toml, or of PATH (PEP 735).",
    ),
    click.option("--no-binary", multiple=True, metavar="NAMES", help="Never take wheels of these."),
    click.option("--only-binary", multiple=True, metavar="NAMES", help="Never build these."),
    click.option("--pre", is_flag=True, default=None, help="Pre-releases count as well."),
    click.option("--require-hashes", is_flag=True, default=None, help="All must have hashes."),
)
_CAPS = _all(
    click.option("-j", "--builds", metavar="N", help="Builds at once. [default: the processors]"),
    click.option("--downloads", metavar="N", help="Downloads at once. [default: 8]"),
    click.option(
        "--installs", metavar="N", help="Wheels unpacked at once. [default: the processors]"
    ),
    click.option(
        "--jobs", metavar="N", help="Compilers of all builds at once. [default: the processors]"
    ),
)
_WAYS = _all(
    click.option(
        "-C",
        "--config-setting",
        "config_settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="A setting for the build backends; the same key again makes a list.",
    ),
    click.option(
        "--no-build-isolation", is_flag=True, default=None, help="Build in the environment as is."
    ),
    click.option(
        "--no-build-isolation-package", multiple=True, metavar="NAME", help="Only this one."
    ),
    click.option("--copy/--no-copy", default=None, help="Build each tree in a copy, unlocked."),
    click.option("--no-cache", is_flag=True, default=None, help="Take and keep no built wheels."),
    click.option(
        "--refresh", multiple=True, metavar="NAME", help="Look up and build this anew; :all: too."
    ),
    click.option("--index-url", metavar="URL", help="The package index. [default: as pip has it]"),
    click.option("--extra-index-url", multiple=True, metavar="URL", help="One more index."),
    click.option("--find-links", multiple=True, metavar="DIR|URL", help="A folder or page."),
    click.option("--no-index", is_flag=True, help="Ask no index; only --find-links."),
    click.option("--lock-timeout", metavar="SECONDS", help="Fail after waiting so long."),
    click.option(
        "--memory",
        metavar="SIZE",
        help="For all builds together: 8G, 50%, auto, off. [default: auto]",
    ),
    click.option(
        "--retries", metavar="N", help="Tries after running out of memory, 0 to 2. [default: 2]"
    ),
    click.option("--fail-fast/--no-fail-fast", default=None, help="End all when one build fails."),
)
_SHOWING = _all(
    click.option("--log", metavar="FILE", help="Save the run there. [default: wheelpool runs]"),
    click.option("--no-ui", is_flag=True, default=None, help="Lines, not a screen."),
    click.option("--json", is_flag=True, default=None, help="Events on stdout; implies --no-ui."),
    click.option("-v", "--verbose", is_flag=True, default=None, help="Phases, choices, locks."),
    click.option("-q", "--quiet", is_flag=True, default=None, help="Only failures and the sum."),
    click.option(
        "--github/--no-github",
        default=None,
        help="Groups, annotations and a job summary. [default: inside GitHub Actions]",
    ),
)


@root.command(epilog=_BUILD_EXAMPLES)
@_NAMING
@click.option(
    "--deps/--no-deps", default=None, help="What they require as well. [default: --no-deps]"
)
@click.option("-o", "--out-dir", metavar="DIR", help="Where wheels go. [default: ./wheelhouse]")
@click.option("--python", metavar="PATH", help="Build for this interpreter, not for the own one.")
@_CAPS
@_WAYS
@_SHOWING
def build(targets: tuple[str, ...], **flags: Any) -> int:  # noqa: ANN401 - click's; Flags checks them
    """Build wheels for TARGETs: project directories, archives, URLs, git URLs, requirements.

    What has a name is built from its newest sdist; where there is none, the wheel is taken.
    Each flag has a variable: WHEELPOOL_CONCURRENT_BUILDS for --builds, WHEELPOOL_OUT_DIR for
    --out-dir, and so on; and a key in wheelpool.toml in the user's configuration directory.
    """
    return _run(targets, flags, install=False)


@root.command(epilog=_INSTALL_EXAMPLES)
@_NAMING
@click.option(
    "-e", "--editable", multiple=True, metavar="TREE", help="Install as a link to the tree."
)
@click.option("--into", metavar="ENV", help="The environment. [default: the active one]")
@click.option(
    "-U", "--upgrade", is_flag=True, default=None, help="Newer versions of what is named."
)
@click.option("--deps/--no-deps", default=None, help="What they require too. [default: --deps]")
@_CAPS
@_WAYS
@_SHOWING
def install(targets: tuple[str, ...], **flags: Any) -> int:  # noqa: ANN401 - click's; Flags checks them
    """Install TARGETs, and what they require, into an environment.

    Wheels are taken where there are some, and built where not. What the environment has and fits
    is kept. All is put in place in one go, under the environment's lock, which uv knows as well;
    nothing is if something fails, and what a killed run left half done is finished by the next.
    """
    return _run(targets, flags, install=True)


def _run(targets: tuple[str, ...], flags: dict[str, Any], *, install: bool) -> int:
    from pathlib import Path

    from app.config import manner
    from app.request import asking
    from app.session import LiveSession
    from app.settings import settings

    said, cwd = _said(flags), Path.cwd()
    how = manner(said)
    asked = asking(said, [_unicode(text) for text in targets], cwd)
    argv = ["wheelpool", *sys.argv[1:]]
    wanted = settings(said, argv, cwd, index=asked.index, install=install)
    _allow_many_files()
    screen = not how.no_ui and _on_a_terminal(said)
    session = LiveSession(wanted, asked.request, linger=screen)
    return _on_screen(session) if screen else _headless(session, how)


@root.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--into", metavar="ENV", help="The environment. [default: the active one]")
@click.option("--lock-timeout", metavar="SECONDS", help="Fail after waiting so long.")
def uninstall(names: tuple[str, ...], **flags: Any) -> int:  # noqa: ANN401 - click's; Flags checks them
    """Take distributions out of an environment, all of them or none.

    What was installed with them stays; what needs them is told.
    """
    from pathlib import Path

    import pool
    from app.view import held_by

    said = _said(flags)

    def tell(holder: pool.Holder | None) -> None:
        line = pool.clean_line(f"wheelpool: waiting for the environment: {held_by(holder)}")
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


@root.command()
@click.argument("log")
@click.option(
    "--speed",
    type=click.FloatRange(0.25, 64),
    default=1.0,
    show_default=True,
    help="How fast time goes.",
)
@click.option("--no-ui", is_flag=True, default=None, help="All the lines at once, not a screen.")
@click.option("-v", "--verbose", is_flag=True, default=None, help="Phases, requirements, locks.")
@click.option("-q", "--quiet", is_flag=True, default=None, help="Only failures and the summary.")
def replay(log: str, speed: float, **flags: Any) -> int:  # noqa: ANN401 - click's; Flags checks them
    """Show a saved run again: LOG is a file, a run's folder, or an id from `wheelpool runs`."""
    from app import bundle, runs
    from app.config import manner, state_dir
    from app.replay import ReplaySource
    from pool import SystemClock

    said = _said(flags)
    how = manner(said)
    with bundle.opened(runs.find(state_dir(), log)) as path:
        source = ReplaySource(path, SystemClock(), speed=speed)
        if how.no_ui or not _on_a_terminal(said):
            from app import headless

            headless.reprint(source, how)
        else:
            from app.tui.app import WheelpoolApp

            WheelpoolApp(source, ascii_only=_ascii_only()).run()
    return 0


@root.command(epilog=_REPORT_EXAMPLES)
@click.argument("log", required=False)
@click.option("--trace", metavar="FILE", help="Chrome trace events; Perfetto opens them.")
@click.option("--junit", metavar="FILE", help="JUnit XML: a case for each build.")
@click.option("--summary", metavar="FILE", help="A summary in Markdown.")
@click.option("--html", metavar="FILE", help="One page that needs nothing else.")
def report(log: str | None, **files: str | None) -> None:
    """Write reports of a saved run; without any flag, say how it went.

    LOG is what replay takes; the newest run where it is left out. - is stdout. A run that was
    killed has reports, too: what was going on ends with its log and is marked as unfinished.
    """
    from app import report
    from app.config import state_dir

    wanted = {name: _named(name, to) for name, to in files.items() if to is not None}
    if [*wanted.values()].count("-") > 1:
        raise click.UsageError("only one report can be written to stdout")
    report.report(state_dir(), log, wanted)


def _named(name: str, file: str) -> str:
    if not file:
        raise click.UsageError(f"--{name}: the name of the file is empty")
    return file


@root.group(name="runs", invoke_without_command=True)
@click.option("-n", "count", type=click.IntRange(min=1), default=20, show_default=True)
@click.pass_context
def saved_runs(context: click.Context, count: int) -> None:
    """List saved runs, newest first."""
    if context.invoked_subcommand:
        return
    from app import runs
    from app.config import state_dir

    for line in runs.table(runs.saved(state_dir(), count)):
        print(line)


@saved_runs.command(name="export")
@click.argument("run")
@click.option("-o", "file", metavar="FILE", required=True, help="Where it goes: a zip.")
def export_run(run: str, file: str) -> None:
    """Pack a run into one file to be sent: its log, and those of its builds without credentials.

    wheelpool replay and wheelpool report open such a file.
    """
    from pathlib import Path

    from app import report
    from app.config import state_dir

    print(report.export(state_dir(), run, Path(file)))


@root.command(epilog=_ATTACH_EXAMPLES)
@click.argument("run", required=False)
@click.option("--no-ui", is_flag=True, default=None, help="Lines, not a screen.")
@click.option("--json", is_flag=True, default=None, help="Events on stdout; implies --no-ui.")
@click.option("-v", "--verbose", is_flag=True, default=None, help="Phases, choices, locks.")
@click.option("-q", "--quiet", is_flag=True, default=None, help="Only failures and the sum.")
def attach(run: str | None, **flags: Any) -> int:  # noqa: ANN401 - click's; Flags checks them
    """Show a run that goes on in another terminal or in the background, and command it.

    RUN is an id from `wheelpool runs` or its beginning, or a log. Leaving detaches: the run goes
    on. The same commands, from a shell: wheelpool limit, pause, resume, cancel, retry, stop.
    """
    from app import headless, runs
    from app.attach import AttachedSource
    from app.config import manner, state_dir
    from pool import SystemClock

    said = _said(flags)
    how = manner(said)
    with AttachedSource(runs.going_on(state_dir(), run), SystemClock()) as source:
        if how.no_ui or not _on_a_terminal(said):
            return headless.attend(source, how)
        return _attached(source)


for _command in COMMANDS:
    root.add_command(_command)


@root.command()
@click.option("--json", "as_json", is_flag=True, help="An array of findings, for machines.")
def doctor(as_json: bool) -> None:  # noqa: FBT001 - click passes it by name
    """Say what this machine offers to builds, and what wheelpool would use of it.

    Interpreters, programs, memory and what limits it, indexes (without credentials), what is
    known of earlier builds. It changes nothing, and ends with 0 whatever it finds.
    """
    from app import caches, doctor
    from app.config import environment, state_dir

    found = doctor.findings(caches.folder(), state_dir(), environment())
    if as_json:
        print(doctor.as_json(found))
        return
    for line in doctor.as_lines(found, ascii_only=_ascii_only()):
        print(line)


@root.group(epilog=_CACHE_EXAMPLES)
def cache() -> None:
    """Look into the cache: built wheels, downloads, unpacked wheels."""


@cache.command(name="dir")
def cache_dir() -> None:
    """Print where the cache is."""
    from app import caches

    print(caches.folder())


@cache.command(name="info")
def cache_info() -> None:
    """Say what is in the cache."""
    from app import caches

    for line in caches.contents(caches.folder()):
        print(line)


@cache.command(name="prune", epilog=_CACHE_EXAMPLES)
@click.option("--older-than", metavar="DAYS", help="What was not used for so long. [default: 30]")
@click.option("--max-size", metavar="SIZE", help="The longest unused, until so much is left.")
@click.option("--all", "everything", is_flag=True, help="All of it.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def prune_cache(
    older_than: str | None,
    max_size: str | None,
    everything: bool,  # noqa: FBT001 - click passes it by name
    dry_run: bool,  # noqa: FBT001 - click passes it by name
) -> None:
    """Remove what was not used for long.

    What a run uses is never removed: the command waits for the runs that there are.
    """
    from app import caches

    def tell(line: str) -> None:
        print(f"wheelpool: {line}", file=sys.stderr, flush=True)

    place = caches.folder()
    choose = caches.choice(older_than, max_size, everything=everything)
    would = caches.would_prune(place, choose)
    for line in would if dry_run else caches.pruned(place, choose, tell):
        print(line)


def _said(flags: dict[str, Any]) -> Said:
    from app import config

    file = config.read_file(config.configuration_path())
    return config.Said(config.Flags(**flags), config.environment(), file)


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


def _on_a_terminal(said: Said) -> bool:
    streams = (sys.stdin, sys.stdout, sys.stderr)
    able = said.environ.get("TERM") not in (None, "", "dumb", "unknown")
    return able and all(stream is not None and stream.isatty() for stream in streams)


def _ascii_only() -> bool:
    """Tell whether the terminal's encoding has no glyphs."""
    return not (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")


def _headless(session: LiveSession, how: Manner) -> int:
    from app import headless

    return headless.follow(session, how)


def _attached(source: AttachedSource) -> int:
    """Show the screen of another process's run until the user leaves it."""
    from app import headless
    from app.tui.app import WheelpoolApp

    screen = WheelpoolApp(source, ascii_only=_ascii_only())

    def tell(refusal: str) -> None:
        screen.notify(refusal, severity="warning", markup=False)

    source.tell = tell
    with headless.obeying_signals(source.send, lambda _asked: screen.exit()):
        screen.run()
    return headless.part(source)


def _on_screen(session: LiveSession) -> int:
    """Show the screen until the user leaves it; then end the run, and say how it went."""
    from app import headless
    from app.tui.app import WheelpoolApp

    screen = WheelpoolApp(session, ascii_only=_ascii_only())
    session.start()
    try:
        # Signals end the screen, so that the terminal is left as it was found.
        with headless.obeying_signals(session.send, lambda _asked: screen.exit()):
            screen.run()
    finally:
        code = headless.wind_up(session)
    return code
