"""The options that several commands share, in the order in which help shows them."""

from __future__ import annotations

from collections.abc import Callable

import click

__all__ = ["CAPS", "NAMING", "SHOWING", "WAYS", "together"]

Function = Callable[..., int]


def together(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Return what several options are as one, in their order."""

    def with_options(command: Function) -> Function:
        for option in reversed(options):
            command = option(command)
        return command

    return with_options


NAMING = together(
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
CAPS = together(
    click.option("-j", "--builds", metavar="N", help="Builds at once. [default: the processors]"),
    click.option("--downloads", metavar="N", help="Downloads at once. [default: 8]"),
    click.option(
        "--installs", metavar="N", help="Wheels unpacked at once. [default: the processors]"
    ),
    click.option(
        "--jobs", metavar="N", help="Compilers of all builds at once. [default: the processors]"
    ),
)
WAYS = together(
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
SHOWING = together(
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
