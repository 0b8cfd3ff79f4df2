"""What the Tab key offers for each argument, and the command that prints the shells' scripts.

Click's own machinery does it: the script calls ``wheelpool`` with a variable set, and click asks
the argument at the cursor. Names of flags need nothing but click; only runs and builds are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.cli.help_format import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from click.shell_completion import CompletionItem

    from app.cli.completion_items import Offer

    Items = list[CompletionItem[str]]
    Completer = Callable[[click.Context, click.Parameter, str], Items]

__all__ = [
    "cancellable",
    "completion",
    "files",
    "folders",
    "limits",
    "logs",
    "one_of",
    "retriable",
    "running",
]

_VARIABLE = "_WHEELPOOL_COMPLETE"
"""Click's name for it, made of the program's."""
_CHANGES = {
    # Runs stay on offer where files are as well; they are what is offered first.
    "bash": (("            COMPREPLY=()\n", ""),),
    # Fish would sort by name, where runs come newest first, and cut what is said at a comma.
    "fish": (
        ("complete --no-files", "complete --keep-order --no-files"),
        ('string split ","', 'string split --max 1 ","'),
    ),
}
"""What is replaced in click's scripts."""
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
    """Print the script for the Tab key in a shell.

    It completes commands, flags, files, runs, and the builds of a run that goes on. In zsh the
    line belongs below the one with compinit.
    """
    from click.shell_completion import get_completion_class

    root = click.get_current_context().find_root().command
    if (machinery := get_completion_class(shell)) is not None:
        script = machinery(root, {}, "wheelpool", _VARIABLE).source()
        for as_it_is, as_it_must_be in _CHANGES.get(shell, ()):
            script = script.replace(as_it_is, as_it_must_be)
        print(script, end="")


def files(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Offer files and folders; the shell knows which."""
    return _paths("file", incomplete)


def folders(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Offer folders."""
    return _paths("dir", incomplete)


def _paths(kind: str, incomplete: str) -> Items:
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type=kind)]


def one_of(*words: str) -> Completer:
    """Offer some words."""

    def offered(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
        return _items((word, "") for word in words if word.startswith(incomplete))

    return offered


def limits(context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Offer the names of limits, and then what is said of one of them in words."""
    match context.params.get("words"):
        case None | ():
            words: tuple[str, ...] = ("builds", "downloads", "installs", "jobs", "memory")
        case ("memory",):
            words = ("auto", "off")
        case _:
            words = ()
    return _items((word, "") for word in words if word.startswith(incomplete))


def logs(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Offer saved runs, newest first, and files."""
    from app.cli.completion_items import saved_runs

    return [
        *_items(saved_runs(_state_dir(), incomplete)),
        *files(context, parameter, incomplete),
    ]


def running(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Offer the runs that go on, and files: the log of one."""
    from app.cli.completion_items import going_on

    return [*_items(going_on(_state_dir(), incomplete)), *files(context, parameter, incomplete)]


def cancellable(context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Offer the builds that can be cancelled in the run that is meant."""
    from app.cli.completion_items import cancellable

    return _items(cancellable(_state_dir(), context.params.get("run"), incomplete))


def retriable(context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """Offer the builds that can be built again in the run that is meant."""
    from app.cli.completion_items import retriable

    return _items(retriable(_state_dir(), context.params.get("run"), incomplete))


def _state_dir() -> Path:
    from app.config.sources import state_dir

    return state_dir()


def _items(offers: Iterable[Offer]) -> Items:
    from click.shell_completion import CompletionItem

    return [CompletionItem(value, help=about or None) for value, about in offers]
