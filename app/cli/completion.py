"""Shell completion: the candidates for each argument, and the command that prints the scripts.

click does the protocol: the script calls ``wheelpool`` with a variable set, and click calls the
completer of the argument at the cursor. Completing flags loads nothing but click. Runs and builds
are read from the disk, without a connection to any run; what cannot be read is left out, because a
completion must never print an error.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from app.cli.help_format import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from click.shell_completion import CompletionItem

    import pool
    from app.runs.store import SavedRun

    Candidate = tuple[str, str]
    """The word, and its description."""
    Items = list[CompletionItem[str]]
    Completer = Callable[[click.Context, click.Parameter, str], Items]

__all__ = [
    "active_run_candidates",
    "cancellable_build_candidates",
    "complete_cancellable_builds",
    "complete_directories",
    "complete_files",
    "complete_journals",
    "complete_limits",
    "complete_logged_builds",
    "complete_retriable_builds",
    "complete_runs",
    "complete_words",
    "completion",
    "logged_build_candidates",
    "retriable_build_candidates",
    "saved_run_candidates",
]

_VARIABLE = "_WHEELPOOL_COMPLETE"
"""The variable that click's scripts set; click makes its name from the program's."""
_REPLACEMENTS = {
    # Candidates that are runs must stay when files are completed as well.
    "bash": (("            COMPREPLY=()\n", ""),),
    # fish would sort runs by name instead of newest first, and cut descriptions at a comma.
    "fish": (
        ("complete --no-files", "complete --keep-order --no-files"),
        ('string split ","', 'string split --max 1 ","'),
    ),
}
"""Corrections of click's scripts, by shell."""
_MOST_RUNS = 40
_LIMITS: tuple[str, ...] = ("builds", "downloads", "installs", "jobs", "memory")
"""The values of `pool.LimitName`, without importing `pool`."""
_EXAMPLES = """\b
Examples:
  wheelpool completion bash    eval "$(wheelpool completion bash)" in ~/.bashrc
  wheelpool completion zsh     eval "$(wheelpool completion zsh)" in ~/.zshrc
  wheelpool completion fish    wheelpool completion fish | source
                               in ~/.config/fish/config.fish
"""


@click.command(cls=Command, epilog=_EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell.

    It completes commands, flags, files, runs, and the builds of a run in progress. In zsh, put the
    line below the one with compinit.
    """
    from click.shell_completion import get_completion_class

    root = click.get_current_context().find_root().command
    if (shell_complete := get_completion_class(shell)) is not None:
        script = shell_complete(root, {}, "wheelpool", _VARIABLE).source()
        for old, new in _REPLACEMENTS.get(shell, ()):
            script = script.replace(old, new)
        print(script, end="")


# Completers, as click calls them


def complete_files(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Let the shell complete files and directories."""
    return _path_items("file", incomplete)


def complete_directories(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> Items:
    """Let the shell complete directories."""
    return _path_items("dir", incomplete)


def _path_items(kind: str, incomplete: str) -> Items:
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type=kind)]


def complete_words(*words: str) -> Completer:
    """Return a completer for some words."""

    def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
        return _items((word, "") for word in words if word.startswith(incomplete))

    return complete


def complete_limits(context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Complete the name of a limit, then the value of the memory limit."""
    from app.config.options import find_option

    match context.params.get("words"):
        case None | ():
            words = _LIMITS
        case ("memory",):
            words = find_option("memory").choices
        case _:
            words = ()
    return _items((word, "") for word in words if word.startswith(incomplete))


def complete_journals(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Complete saved runs, newest first, and files."""
    runs = _items(saved_run_candidates(_state_dir(), incomplete))
    return [*runs, *complete_files(context, parameter, incomplete)]


def complete_runs(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Complete runs in progress, and files: a journal of one."""
    runs = _items(active_run_candidates(_state_dir(), incomplete))
    return [*runs, *complete_files(context, parameter, incomplete)]


def complete_cancellable_builds(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> Items:
    """Complete the unfinished builds of the selected run."""
    run = context.params.get("run")
    return _items(cancellable_build_candidates(_state_dir(), run, incomplete))


def complete_retriable_builds(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> Items:
    """Complete the builds of the selected run that can be retried."""
    run = context.params.get("run")
    return _items(retriable_build_candidates(_state_dir(), run, incomplete))


def complete_logged_builds(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> Items:
    """Complete the builds with a log of the selected run, by default the newest."""
    run = context.params.get("saved_run")
    return _items(logged_build_candidates(_state_dir(), run, incomplete))


def _state_dir() -> Path:
    from app.config.paths import state_dir

    return state_dir()


def _items(candidates: Iterable[Candidate]) -> Items:
    from click.shell_completion import CompletionItem

    return [CompletionItem(word, help=text or None) for word, text in candidates]


# Candidates from the disk


def saved_run_candidates(state_dir: Path, prefix: str) -> list[Candidate]:
    """Return the newest saved runs whose ids have a prefix, newest first."""
    from app.runs import store

    runs = store.list_runs(state_dir, _MOST_RUNS, prefix=prefix)
    return [(run.id, _describe_run(run)) for run in runs]


def active_run_candidates(state_dir: Path, prefix: str) -> list[Candidate]:
    """Return the runs in progress whose ids have a prefix, newest first."""
    from app.runs import store

    runs = store.list_running(state_dir)
    return [(run.id, _describe_run(run)) for run in runs if run.id.startswith(prefix)]


def _describe_run(run: SavedRun) -> str:
    import pool

    started = f"{run.started.astimezone():%Y-%m-%d %H:%M}" if run.started else ""
    words = [started, run.status, *run.targets]
    if (more := run.target_count - len(run.targets)) > 0:
        words.append(f"and {more} more")
    return pool.clean_line(" ".join(filter(None, words)), longest=100)


def cancellable_build_candidates(state_dir: Path, run: str | None, prefix: str) -> list[Candidate]:
    """Return the unfinished builds of a run."""
    import pool

    def is_unfinished(build: pool.BuildState) -> bool:
        return build.status is not pool.Status.DONE

    return _build_candidates(_find_running(state_dir, run), prefix, is_unfinished)


def retriable_build_candidates(state_dir: Path, run: str | None, prefix: str) -> list[Candidate]:
    """Return the builds of a run that finished without a wheel."""
    import pool

    return _build_candidates(_find_running(state_dir, run), prefix, pool.has_failed)


def logged_build_candidates(state_dir: Path, run: str | None, prefix: str) -> list[Candidate]:
    """Return the last attempts of builds with a log of a saved run, by default the newest."""
    from app.runs import store

    def has_log(build: pool.BuildState) -> bool:
        return bool(build.log) and build.superseded_by is None

    def find_saved() -> Path:
        return store.find_run(state_dir, run) if run else store.newest_run(state_dir)

    return _build_candidates(find_saved, prefix, has_log)


def _find_running(state_dir: Path, run: str | None) -> Callable[[], Path]:
    from app.runs import store

    return lambda: store.find_running(state_dir, run)


def _build_candidates(
    find_journal: Callable[[], Path],
    prefix: str,
    is_candidate: Callable[[pool.BuildState], bool],
) -> list[Candidate]:
    import pool

    try:
        builds = list(_read_journal(find_journal()).builds.values())
    except (pool.PoolError, OSError):
        return []
    found = [build for build in builds if is_candidate(build)]
    count = Counter(build.name for build in found)
    # The id, if several builds have the same name.
    words = ((item.name if count[item.name] == 1 else item.id, item) for item in reversed(found))
    return [(word, _describe_build(item)) for word, item in words if word.startswith(prefix)]


def _read_journal(journal: Path) -> pool.RunState:
    import pool

    with pool.JournalReader(journal) as reader:
        state = pool.RunState(header=reader.header)
        for event in reader.read():
            pool.apply(state, event)
    return state


def _describe_build(build: pool.BuildState) -> str:
    import pool
    from app.text.rows import build_title

    title = build_title(build)
    return pool.clean_line(f"{title} {build.outcome or build.status}", longest=100)
