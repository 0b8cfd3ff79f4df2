"""The table of options: the one place that defines flags, variables and configuration keys.

click's options, the reading of environment and wheelpool.toml, ``--help``, shell completion and
the reference in the manual are derived from `OPTIONS`. To add an option, add one entry and use its
name: `app.config.sources.ConfigSources` returns the value.

Deliberately plain data that imports neither click nor `pool`: ``--help`` loads it.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

from app.config.themes import THEMES

__all__ = ["OPTIONS", "Kind", "Option", "find_option", "options_of"]

Kind: TypeAlias = Literal[
    "flag",
    "count",
    "number",
    "seconds",
    "size",
    "text",
    "choice",
    "file",
    "directory",
    "run",
    "journal",
    "pair",
]
"""The type of a value.

``pair`` is ``KEY=VALUE``. ``run`` is a run in progress and ``journal`` a saved one: an id, its
beginning, or a journal.
"""


class Option(NamedTuple):
    """One option, with everything that is derived from it."""

    name: str
    """The identifier in code; unique in the table."""
    declaration: str
    """The flags, then the metavar, as help shows them: ``-o --out-dir DIR``."""
    kind: Kind
    group: str
    """The heading in ``--help``."""
    commands: tuple[str, ...]
    """The commands that have it: ``build``, ``cache prune``."""
    help: str
    """One imperative sentence."""
    variables: tuple[str, ...] = ()
    """Environment variables; the first one that is set and not blank counts."""
    key: str = ""
    """The key in wheelpool.toml."""
    default: bool | float | str | None = None
    default_text: str = ""
    """Describes a default that depends on the machine or the command."""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    """Words that completion offers; for the kind ``choice`` no other is accepted."""
    repeatable: bool = False
    required: bool = False

    @property
    def flags(self) -> tuple[str, ...]:
        """Return its flags; a pair such as ``--copy/--no-copy`` is one."""
        return tuple(word for word in self.declaration.split() if word.startswith("-"))

    @property
    def metavar(self) -> str | None:
        """Return the placeholder of its value in help."""
        return next((word for word in self.declaration.split() if word[0] != "-"), None)

    @property
    def long_flag(self) -> str:
        """Return the flag that messages name."""
        return self.flags[-1].partition("/")[0]

    @property
    def is_configurable(self) -> bool:
        """Tell whether a variable or a configuration key can set it, too."""
        return bool(self.variables or self.key)

    @property
    def default_words(self) -> str:
        """Return the default as help shows it; empty without one."""
        if self.default_text or self.default is None or self.kind == "flag":
            return self.default_text
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)


def find_option(name: str) -> Option:
    """Return the option of this name.

    Raises:
        LookupError: the table has none.
    """
    for option in OPTIONS:
        if option.name == name:
            return option
    raise LookupError(f"no option is named {name!r}")


def options_of(command: str) -> tuple[Option, ...]:
    """Return the options of a command, in the order of the table."""
    return tuple(option for option in OPTIONS if command in option.commands)


_BUILD, _INSTALL, _RUN = ("build",), ("install",), ("build", "install")
_ENVIRONMENT = ("install", "uninstall")
_SCREEN = ("build", "install", "attach", "replay", "diff")
_LINES = ("build", "install", "attach", "replay")
_LIVE = ("build", "install", "attach")
_TIMED = ("build", "install", "report")
_CONTROL = ("limit", "pause", "resume", "cancel", "retry", "stop")

_REQUIREMENTS, _LIMITS, _OUTPUT = "Requirements", "Limits", "Output"
_INDEXES, _BUILDS, _DISPLAY, _OTHER = "Indexes", "Builds", "Display", "Options"

_ALL_OR_NONE = (":all:", ":none:")
_PROCESSORS = "number of CPUs"

# fmt: off
OPTIONS: Final[tuple[Option, ...]] = (
    Option("requirement", "-r --requirement FILE", "file", _REQUIREMENTS, _RUN,
           "Read requirements from this file.",
           variables=("WHEELPOOL_REQUIREMENT",), repeatable=True),
    Option("constraint", "-c --constraint FILE", "file", _REQUIREMENTS, _RUN,
           "Constrain versions with this file.",
           variables=("WHEELPOOL_CONSTRAINT",), repeatable=True),
    Option("pylock", "--pylock FILE", "file", _REQUIREMENTS, _RUN,
           "Use the packages of this lock file (PEP 751).",
           variables=("WHEELPOOL_PYLOCK",), repeatable=True),
    Option("group", "--group [PATH:]NAME", "text", _REQUIREMENTS, _RUN,
           "Include a dependency group of ./pyproject.toml, or of PATH (PEP 735).",
           variables=("WHEELPOOL_GROUP",), repeatable=True),
    Option("editable", "-e --editable TREE", "directory", _REQUIREMENTS, _INSTALL,
           "Install this tree in editable mode.", repeatable=True),
    Option("upgrade", "-U --upgrade", "flag", _REQUIREMENTS, _INSTALL,
           "Upgrade the named packages to newer versions.",
           variables=("WHEELPOOL_UPGRADE",)),
    Option("deps", "--deps/--no-deps", "flag", _REQUIREMENTS, _RUN,
           "Include dependencies.",
           variables=("WHEELPOOL_DEPS",), key="deps", default_text="for install only"),
    Option("no_binary", "--no-binary NAMES", "text", _REQUIREMENTS, _RUN,
           "Do not use wheels of these packages.",
           variables=("WHEELPOOL_NO_BINARY",), key="no-binary",
           choices=_ALL_OR_NONE, repeatable=True),
    Option("only_binary", "--only-binary NAMES", "text", _REQUIREMENTS, _RUN,
           "Do not build these packages; use wheels.",
           variables=("WHEELPOOL_ONLY_BINARY",), key="only-binary",
           choices=_ALL_OR_NONE, repeatable=True),
    Option("pre", "--pre", "flag", _REQUIREMENTS, _RUN,
           "Allow pre-releases.", variables=("WHEELPOOL_PRE",), key="pre"),
    Option("require_hashes", "--require-hashes", "flag", _REQUIREMENTS, _RUN,
           "Require a hash for every requirement.", variables=("WHEELPOOL_REQUIRE_HASHES",)),

    Option("builds", "-j --builds N", "count", _LIMITS, _RUN,
           "Maximum concurrent builds, build dependencies included.",
           variables=("WHEELPOOL_CONCURRENT_BUILDS", "UV_CONCURRENT_BUILDS"), key="builds",
           default_text=_PROCESSORS),
    Option("downloads", "--downloads N", "count", _LIMITS, _RUN,
           "Maximum concurrent downloads.",
           variables=("WHEELPOOL_CONCURRENT_DOWNLOADS", "UV_CONCURRENT_DOWNLOADS"),
           key="downloads", default=8),
    Option("installs", "--installs N", "count", _LIMITS, _RUN,
           "Maximum wheels unpacked at once.",
           variables=("WHEELPOOL_CONCURRENT_INSTALLS", "UV_CONCURRENT_INSTALLS"),
           key="installs", default_text=_PROCESSORS),
    Option("jobs", "--jobs N", "count", _LIMITS, _RUN,
           "Maximum parallel compile jobs across all builds.",
           variables=("WHEELPOOL_JOBS",), key="jobs",
           default_text="number of CPUs, at least --builds"),
    Option("memory", "--memory SIZE", "size", _LIMITS, _RUN,
           "Memory budget of all builds: 8G, 50%, auto or off.",
           variables=("WHEELPOOL_MEMORY",), key="memory", default="auto",
           choices=("auto", "off")),

    Option("out_dir", "-o --out-dir DIR", "directory", _OUTPUT, _BUILD,
           "Write wheels to this directory.",
           variables=("WHEELPOOL_OUT_DIR",), key="out-dir", default="./wheelhouse"),
    Option("into", "--into ENV", "directory", _OUTPUT, _ENVIRONMENT,
           "Change this environment.",
           variables=("WHEELPOOL_INTO",), default_text="the active one"),
    Option("allow_overwrite", "--allow-overwrite NAME", "text", _OUTPUT, _INSTALL,
           "Let this package replace files of other ones, or :all:.",
           variables=("WHEELPOOL_ALLOW_OVERWRITE",), key="allow-overwrite", choices=(":all:",),
           repeatable=True),
    Option("log", "--log FILE", "file", _OUTPUT, _RUN,
           "Write the journal of the run to this file.",
           variables=("WHEELPOOL_LOG",), default_text="a new one"),

    Option("index_url", "--index-url URL", "text", _INDEXES, _RUN,
           "Use this package index.",
           variables=("WHEELPOOL_INDEX_URL",), key="index-url",
           default_text="as for pip"),
    Option("extra_index_url", "--extra-index-url URL", "text", _INDEXES, _RUN,
           "Use this package index as well.",
           variables=("WHEELPOOL_EXTRA_INDEX_URL",), key="extra-index-url", repeatable=True),
    Option("find_links", "--find-links DIR|URL", "directory", _INDEXES, _RUN,
           "Look for files in this directory or page as well.",
           variables=("WHEELPOOL_FIND_LINKS",), key="find-links", repeatable=True),
    Option("no_index", "--no-index", "flag", _INDEXES, _RUN,
           "Use only --find-links, and no index.",
           variables=("WHEELPOOL_NO_INDEX",), key="no-index"),

    Option("python", "--python PATH", "file", _BUILDS, _BUILD,
           "Build for this interpreter.",
           variables=("WHEELPOOL_PYTHON",), key="python", default_text="wheelpool's own"),
    Option("config_settings", "-C --config-setting KEY=VALUE", "pair", _BUILDS, _RUN,
           "Pass a setting to the build backends; repeat KEY for a list.",
           variables=("WHEELPOOL_CONFIG_SETTINGS",), key="config-settings", repeatable=True),
    Option("no_build_isolation", "--no-build-isolation", "flag", _BUILDS, _RUN,
           "Build without isolated environments.",
           variables=("WHEELPOOL_NO_BUILD_ISOLATION",), key="no-build-isolation"),
    Option("no_build_isolation_package", "--no-build-isolation-package NAME", "text", _BUILDS, _RUN,
           "Disable isolation for this package only.",
           variables=("WHEELPOOL_NO_BUILD_ISOLATION_PACKAGE",), key="no-build-isolation-package",
           repeatable=True),
    Option("copy", "--copy/--no-copy", "flag", _BUILDS, _RUN,
           "Build each tree in a copy, without a lock.",
           variables=("WHEELPOOL_COPY",), key="copy"),
    Option("warm", "--warm/--no-warm", "flag", _BUILDS, _RUN,
           "Fork build backends from processes that have imported them.",
           variables=("WHEELPOOL_WARM",), key="warm", default_text="on Linux"),
    Option("no_cache", "--no-cache", "flag", _BUILDS, _RUN,
           "Do not read or write the wheel cache.",
           variables=("WHEELPOOL_NO_CACHE",), key="no-cache"),
    Option("refresh", "--refresh NAME", "text", _BUILDS, _RUN,
           "Look up and build this again, or :all:.",
           variables=("WHEELPOOL_REFRESH",), choices=(":all:",), repeatable=True),
    Option("lock_timeout", "--lock-timeout SECONDS", "seconds", _BUILDS, (*_RUN, "uninstall"),
           "Fail after waiting this long for a lock.",
           variables=("WHEELPOOL_LOCK_TIMEOUT",), key="lock-timeout"),
    Option("retries", "--retries N", "count", _BUILDS, _RUN,
           "Retry builds that run out of memory, 0 to 2 times.",
           variables=("WHEELPOOL_RETRIES",), key="retries", default=2, minimum=0, maximum=2,
           choices=("0", "1", "2")),
    Option("fail_fast", "--fail-fast/--no-fail-fast", "flag", _BUILDS, _RUN,
           "Cancel the run when a build fails.",
           variables=("WHEELPOOL_FAIL_FAST",), key="fail-fast"),

    Option("speed", "--speed N", "number", _OTHER, ("replay",),
           "Play at this speed, 0.25 to 64.", default=1.0, minimum=0.25, maximum=64),
    Option("at", "--at TIME", "text", _OTHER, ("replay",),
           "Pause at this time: 12:30, 90, 50%, failure or end."),
    Option("threshold", "--threshold PERCENT", "number", _OTHER, ("diff",),
           "Ignore smaller increases in time and memory.", default=20.0, minimum=0),
    Option("exit_code", "--exit-code", "flag", _OTHER, ("diff",),
           "Exit with 1 if B is worse than A."),
    Option("no_ui", "--no-ui", "flag", _DISPLAY, _SCREEN,
           "Print lines instead of showing the screen.",
           variables=("WHEELPOOL_NO_UI",), key="no-ui"),
    Option("json", "--json", "flag", _DISPLAY, _LIVE,
           "Print events as JSON; implies --no-ui.", variables=("WHEELPOOL_JSON",)),
    Option("as_json", "--json", "flag", _OTHER, ("diff", "doctor", "report"),
           "Print the result as JSON to stdout."),
    Option("verbose", "-v --verbose", "flag", _DISPLAY, _LINES,
           "Also print phases, selected versions, locks.",
           variables=("WHEELPOOL_VERBOSE",), key="verbose"),
    Option("quiet", "-q --quiet", "flag", _DISPLAY, _LINES,
           "Print only failures and the summary.",
           variables=("WHEELPOOL_QUIET",), key="quiet"),
    Option("timings", "--timings", "flag", _DISPLAY, _TIMED,
           "Also print timings and the critical path.",
           variables=("WHEELPOOL_TIMINGS",), key="timings"),
    Option("theme", "--theme", "choice", _DISPLAY, _SCREEN,
           "Use these colours.",
           variables=("WHEELPOOL_THEME",), key="theme", default_text="dark", choices=THEMES),
    Option("stay", "--stay/--no-stay", "flag", _DISPLAY, _LIVE,
           "Keep the screen open when the run has succeeded.",
           variables=("WHEELPOOL_STAY",), key="stay"),
    Option("bell", "--bell/--no-bell", "flag", _DISPLAY, _LIVE,
           "Ring the terminal bell when the run ends.",
           variables=("WHEELPOOL_BELL",), key="bell"),
    Option("github", "--github/--no-github", "flag", _DISPLAY, _RUN,
           "Write groups, annotations, a job summary.",
           variables=("WHEELPOOL_GITHUB",), default_text="in GitHub Actions"),

    Option("run", "--run RUN", "run", _OTHER, _CONTROL,
           "Control this run: an id, the beginning of one, or a journal.",
           default_text="the only run in progress"),
    Option("saved_run", "--run RUN", "journal", _OTHER, ("log",),
           "Use this run: an id, the beginning of one, or a journal.",
           default_text="the newest run"),
    Option("follow", "-f --follow", "flag", _OTHER, ("log",),
           "Print new lines until the build has ended."),
    Option("now", "--now", "flag", _OTHER, ("stop",),
           "Kill processes immediately instead of terminating them."),
    Option("count", "-n N", "count", _OTHER, ("runs",),
           "List at most this many runs.", default=20, minimum=1),
    Option("archive", "-o FILE", "file", _OTHER, ("runs export",),
           "Write this zip file.", required=True),
    Option("trace", "--trace FILE", "file", _OTHER, ("report",),
           "Write Chrome trace events, which Perfetto opens."),
    Option("junit", "--junit FILE", "file", _OTHER, ("report",),
           "Write JUnit XML with one case per build."),
    Option("summary", "--summary FILE", "file", _OTHER, ("report",),
           "Write a summary in Markdown."),
    Option("html", "--html FILE", "file", _OTHER, ("report",),
           "Write one HTML page that needs no other file."),
    Option("older_than", "--older-than DAYS", "text", _OTHER, ("cache prune",),
           "Remove entries unused for this long.", default_text="30, without --max-size"),
    Option("max_size", "--max-size SIZE", "text", _OTHER, ("cache prune",),
           "Remove the longest unused entries until this size is left."),
    Option("everything", "--all", "flag", _OTHER, ("cache prune",),
           "Remove all entries."),
    Option("dry_run", "--dry-run", "flag", _OTHER, ("cache prune",),
           "Only print what would be removed."),
)
# fmt: on
