"""How a run is displayed: the screen or lines, how many lines, colours, title and bell.

Only the decision. `app.plain` and `app.tui` do the displaying, and `app.cli.terminal` checks
whether there is a terminal at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from pool import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.config.sources import ConfigSources

__all__ = ["DisplayOptions", "Verbosity", "derive_display_options", "supports_title"]

Verbosity: TypeAlias = Literal["quiet", "normal", "verbose"]

_WITHOUT_TITLE = ("dumb", "unknown", "linux", "cons", "vt", "ansi", "eterm")
"""Prefixes of the names of terminals without a title; some would print the escape sequence."""


class DisplayOptions(Record, frozen=True, kw_only=True):
    """How to display a run."""

    no_ui: bool
    json: bool
    """Print events to stdout instead of the paths of wheels."""
    verbosity: Verbosity
    timings: bool = False
    """Whether to print the timings of the run below its summary."""
    github: bool = False
    """Write groups and annotations for the runner of GitHub Actions."""
    job_summary: Path | None = None
    """The file in which GitHub Actions takes a summary in Markdown."""
    theme: str | None = None
    """One of `app.config.themes.THEMES`; None if no source sets one."""
    title: bool = False
    """Whether the terminal has a title to set."""
    bell: bool = False
    """Whether to ring the bell at the end."""
    stay: bool = False
    """Whether the screen stays open when the run has succeeded."""


def derive_display_options(sources: ConfigSources) -> DisplayOptions:
    """Return how to display a run.

    Raises:
        SettingsError: a value is not a boolean, or the theme does not exist.
    """
    json, quiet = sources.boolean("json"), sources.boolean("quiet")
    verbosity: Verbosity = (
        "quiet" if quiet else "verbose" if sources.boolean("verbose") else "normal"
    )
    in_actions = sources.environ.get("GITHUB_ACTIONS") == "true"
    github = sources.boolean("github", default=in_actions)
    summary = sources.environ.get("GITHUB_STEP_SUMMARY", "") if github else ""
    return DisplayOptions(
        no_ui=json or sources.boolean("no_ui"),
        json=json,
        verbosity=verbosity,
        timings=sources.boolean("timings"),
        github=github,
        job_summary=Path(summary) if summary else None,
        theme=sources.choice("theme"),
        title=supports_title(sources.environ),
        bell=sources.boolean("bell"),
        stay=sources.boolean("stay"),
    )


def supports_title(environ: Mapping[str, str]) -> bool:
    """Return whether the terminal has a title."""
    term = environ.get("TERM", "")
    return bool(term) and not term.startswith(_WITHOUT_TITLE)
