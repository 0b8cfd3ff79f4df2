"""The options that several commands share, in the order in which help shows them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

import click

from app.cli.completion import files, folders, one_of, running
from app.cli.help_format import Option
from app.config.themes import THEMES

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = TypeVar("Function", bound=Callable[..., object])

__all__ = [
    "CAPS",
    "LOOKS",
    "NAMING",
    "PLACES",
    "RUN",
    "SHOWING",
    "THEME",
    "WAYS",
    "how",
    "looks",
    "what",
    "where",
]

what = partial(click.option, cls=Option, part="What")
"""An option for what is built or installed, and of which kind."""
amount = partial(click.option, cls=Option, part="How much at once")
where = partial(click.option, cls=Option, part="Where")
"""An option for where things come from and go to."""
how = partial(click.option, cls=Option, part="How")
"""An option for how builds are made."""
looks = partial(click.option, cls=Option, part="What is shown")
"""An option for what is shown, and in which manner."""


def together(
    *options: Callable[[Function], Function],
) -> Callable[[Function], Function]:
    """Return what several options are as one, in their order."""

    def with_options(command: Function) -> Function:
        for option in reversed(options):
            command = option(command)
        return command

    return with_options


_ALL_OR_NONE = one_of(":all:", ":none:")

NAMING = together(
    click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=files),
    what(
        "-r",
        "--requirement",
        multiple=True,
        metavar="FILE",
        shell_complete=files,
        help="A requirements file.",
    ),
    what(
        "-c",
        "--constraint",
        multiple=True,
        metavar="FILE",
        shell_complete=files,
        help="A constraints file.",
    ),
    what(
        "--pylock",
        multiple=True,
        metavar="FILE",
        shell_complete=files,
        help="A lock file (PEP 751).",
    ),
    what(
        "--group",
        multiple=True,
        metavar="[PATH:]NAME",
        help="A dependency group of ./pyproject.toml, or of PATH (PEP 735).",
    ),
    what(
        "--no-binary",
        multiple=True,
        metavar="NAMES",
        shell_complete=_ALL_OR_NONE,
        help="Never take wheels of these.",
    ),
    what(
        "--only-binary",
        multiple=True,
        metavar="NAMES",
        shell_complete=_ALL_OR_NONE,
        help="Never build these.",
    ),
    what("--pre", is_flag=True, default=None, help="Pre-releases count as well."),
    what("--require-hashes", is_flag=True, default=None, help="All must have hashes."),
)
CAPS = together(
    amount("-j", "--builds", metavar="N", help="Builds at once. [default: the processors]"),
    amount("--downloads", metavar="N", help="Downloads at once. [default: 8]"),
    amount("--installs", metavar="N", help="Wheels unpacked at once. [default: the processors]"),
    amount("--jobs", metavar="N", help="Compilers of all together. [default: the processors]"),
    amount(
        "--memory",
        metavar="SIZE",
        shell_complete=one_of("auto", "off"),
        help="For all builds together: 8G, 50%, auto, off. [default: auto]",
    ),
)
PLACES = together(
    where("--index-url", metavar="URL", help="The package index. [default: as pip has it]"),
    where("--extra-index-url", multiple=True, metavar="URL", help="One more index."),
    where(
        "--find-links",
        multiple=True,
        metavar="DIR|URL",
        shell_complete=folders,
        help="A folder or page.",
    ),
    where("--no-index", is_flag=True, help="Ask no index; only --find-links."),
    where(
        "--log",
        metavar="FILE",
        shell_complete=files,
        help="Save the run there. [default: wheelpool runs]",
    ),
)
WAYS = together(
    how(
        "-C",
        "--config-setting",
        "config_settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="A setting for the build backends; the same key again makes a list.",
    ),
    how("--no-build-isolation", is_flag=True, default=None, help="Build in the environment as is."),
    how("--no-build-isolation-package", multiple=True, metavar="NAME", help="Only this one."),
    how("--copy/--no-copy", default=None, help="Build each tree in a copy, unlocked."),
    how("--no-cache", is_flag=True, default=None, help="Take and keep no built wheels."),
    how(
        "--refresh",
        multiple=True,
        metavar="NAME",
        shell_complete=one_of(":all:"),
        help="Look up and build this anew; :all: too.",
    ),
    how("--lock-timeout", metavar="SECONDS", help="Fail after waiting so long."),
    how(
        "--retries",
        metavar="N",
        shell_complete=one_of("0", "1", "2"),
        help="Tries after running out of memory, 0 to 2. [default: 2]",
    ),
    how("--fail-fast/--no-fail-fast", default=None, help="End all when one build fails."),
)
THEME = looks("--theme", type=click.Choice(THEMES), help="Colours. [default: dark]")
LOOKS = together(
    looks("--no-ui", is_flag=True, default=None, help="Lines, not a screen."),
    looks("--json", is_flag=True, default=None, help="Events on stdout; implies --no-ui."),
    looks("-v", "--verbose", is_flag=True, default=None, help="Phases, choices, locks."),
    looks("-q", "--quiet", is_flag=True, default=None, help="Only failures and the sum."),
    THEME,
    looks("--bell/--no-bell", default=None, help="Ring when the run has ended."),
)
SHOWING = together(
    LOOKS,
    looks(
        "--github/--no-github",
        default=None,
        help="Groups, annotations and a job summary. [default: inside GitHub Actions]",
    ),
)
RUN = click.option(
    "--run",
    metavar="RUN",
    shell_complete=running,
    help="An id from wheelpool runs, its beginning, or a log. [default: the one that goes on]",
)
