"""The commands for this machine: doctor, cache."""

from __future__ import annotations

import sys

import click

from app.cli.help_format import Command, CommandGroup
from app.cli.options import with_options
from app.cli.terminal import is_ascii_only

__all__ = ["cache", "doctor"]

_DOCTOR_EXAMPLES = """\b
Examples:
  wheelpool doctor
  wheelpool doctor --json
"""
_DIR_EXAMPLES = """\b
Examples:
  wheelpool cache dir
"""
_INFO_EXAMPLES = """\b
Examples:
  wheelpool cache info
"""
_PRUNE_EXAMPLES = """\b
Examples:
  wheelpool cache prune                     entries unused for 30 days
  wheelpool cache prune --older-than 7 --max-size 5G
  wheelpool cache prune --all --dry-run     show what would be removed
"""
_CACHE_EXAMPLES = """\b
Examples:
  wheelpool cache info                      entries, sizes, oldest use
  wheelpool cache prune                     remove entries unused for 30 days
  wheelpool cache prune --older-than 7 --max-size 5G
  wheelpool cache prune --all --dry-run     show what would be removed
"""


@with_options("doctor")
@click.command(cls=Command, epilog=_DOCTOR_EXAMPLES)
def doctor(as_json: bool) -> None:  # noqa: FBT001 - click passes it by name
    """Check the machine: interpreters, tools, memory, indexes.

    It shows what wheelpool would use: interpreters, programs, memory and its limits, indexes
    (without credentials), build history. It changes nothing; the exit code is always 0.
    """
    from app.config.paths import cache_dir, state_dir
    from app.config.sources import environment
    from app.plain import doctor

    found = doctor.run_checks(cache_dir(), state_dir(), environment())
    if as_json:
        print(doctor.to_json(found))
        return
    for line in doctor.to_lines(found, ascii_only=is_ascii_only()):
        print(line)


@click.command(name="dir", cls=Command, epilog=_DIR_EXAMPLES)
def print_cache_dir() -> None:
    """Print the path of the cache directory."""
    from app.config.paths import cache_dir

    print(cache_dir())


@click.command(name="info", cls=Command, epilog=_INFO_EXAMPLES)
def cache_info() -> None:
    """Show what is in the cache."""
    from app.config.paths import cache_dir
    from app.plain import cache as caches

    for line in caches.list_contents(cache_dir()):
        print(line)


@with_options("cache prune")
@click.command(name="prune", cls=Command, epilog=_PRUNE_EXAMPLES)
def prune_cache(
    older_than: str | None,
    max_size: str | None,
    everything: bool,  # noqa: FBT001 - click passes it by name
    dry_run: bool,  # noqa: FBT001 - click passes it by name
) -> None:
    """Remove cache entries that were not used for long.

    The command waits until no run is in progress, so nothing is removed that a run uses.
    """
    from app.config.paths import cache_dir
    from app.plain import cache as caches

    def print_wait(line: str) -> None:
        print(f"wheelpool: {line}", file=sys.stderr, flush=True)

    folder = cache_dir()
    choose = caches.parse_selection(older_than, max_size, everything=everything)
    lines = (
        caches.preview_prune(folder, choose)
        if dry_run
        else caches.prune_cache(folder, choose, print_wait)
    )
    for line in lines:
        print(line)


@click.group(
    cls=CommandGroup,
    groups={"Commands": (print_cache_dir, cache_info, prune_cache)},
    epilog=_CACHE_EXAMPLES,
)
def cache() -> None:
    """Manage the cache of built wheels, downloads and unpacked wheels."""
