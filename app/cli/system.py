"""The commands that look after this machine: doctor, cache."""

from __future__ import annotations

import sys

import click

from app.cli.help_format import Command, Group
from app.cli.terminal import ascii_only

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
  wheelpool cache prune                     what was not used for 30 days
  wheelpool cache prune --older-than 7 --max-size 5G
  wheelpool cache prune --all --dry-run     what would go
"""
_CACHE_EXAMPLES = """\b
Examples:
  wheelpool cache info                      what is in it, and since when unused
  wheelpool cache prune                     remove what was not used for 30 days
  wheelpool cache prune --older-than 7 --max-size 5G
  wheelpool cache prune --all --dry-run     what would go
"""


@click.command(cls=Command, epilog=_DOCTOR_EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="An array of findings, for machines.")
def doctor(as_json: bool) -> None:  # noqa: FBT001 - click passes it by name
    """Say what this machine offers to builds, and what limits it.

    That is what wheelpool would use of it: interpreters, programs, memory and what limits it,
    indexes (without credentials), what is known of earlier builds. It changes nothing, and ends
    with 0 whatever it finds.
    """
    from app.config.sources import environment, state_dir
    from app.plain import cache as caches
    from app.plain import doctor

    found = doctor.run_checks(caches.default_cache_dir(), state_dir(), environment())
    if as_json:
        print(doctor.to_json(found))
        return
    for line in doctor.to_lines(found, ascii_only=ascii_only()):
        print(line)


@click.command(name="dir", cls=Command, epilog=_DIR_EXAMPLES)
def cache_dir() -> None:
    """Print where the cache is."""
    from app.plain import cache as caches

    print(caches.default_cache_dir())


@click.command(name="info", cls=Command, epilog=_INFO_EXAMPLES)
def cache_info() -> None:
    """Say what is in the cache."""
    from app.plain import cache as caches

    for line in caches.list_contents(caches.default_cache_dir()):
        print(line)


@click.command(name="prune", cls=Command, epilog=_PRUNE_EXAMPLES)
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
    from app.plain import cache as caches

    def tell(line: str) -> None:
        print(f"wheelpool: {line}", file=sys.stderr, flush=True)

    place = caches.default_cache_dir()
    choose = caches.parse_selection(older_than, max_size, everything=everything)
    would = caches.preview_prune(place, choose)
    for line in would if dry_run else caches.prune_cache(place, choose, tell):
        print(line)


@click.group(
    cls=Group, parts={"Commands": (cache_dir, cache_info, prune_cache)}, epilog=_CACHE_EXAMPLES
)
def cache() -> None:
    """Look into the cache: built wheels, downloads, unpacked wheels."""
