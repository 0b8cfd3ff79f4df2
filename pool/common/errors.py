"""Errors of wheelpool, each with a message that names the thing and, where there is one, a fix.

An error has a reference (a stable short code), a message and an optional hint. A build that fails
is a value (``build.finished``), made from one of these errors; an error that stops the command
before anything starts carries its exit code.
"""

from __future__ import annotations

import errno

__all__ = [
    "FULL_HINT",
    "ArchiveError",
    "BackendError",
    "BuildEnvironmentError",
    "ChangedWheelError",
    "EnvironmentChangedError",
    "EnvironmentTargetError",
    "GitError",
    "HashMismatchError",
    "InstallError",
    "JournalError",
    "LockError",
    "LockFileError",
    "LockTimeoutError",
    "OutOfMemoryError",
    "OutputError",
    "PackageIndexError",
    "PoolError",
    "ProjectError",
    "RequirementError",
    "RequirementsFileError",
    "RunError",
    "SettingsError",
    "SkippedError",
    "SystemTroubleError",
    "TargetError",
    "os_error_text",
    "system_error",
]


class PoolError(Exception):
    """The base of all errors: a one-line message, a hint, a reference and an exit code."""

    reference: str = "error"
    exit_code: int = 1
    cause: str = ""
    """The message in at most 40 characters, for a row of a table; empty if there is none."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class SettingsError(PoolError):
    """A flag, a variable or a configuration value that is invalid."""

    reference = "bad-setting"
    exit_code = 2


class TargetError(PoolError):
    """A target that does not exist or is not a project; found before anything starts."""

    reference = "bad-target"
    exit_code = 2


class RequirementsFileError(PoolError):
    """A requirements file or a dependency group that cannot be read, or an invalid line in it."""

    reference = "bad-requirements"
    exit_code = 2


class LockFileError(PoolError):
    """A lock file (PEP 751) that cannot be read, or that is not for the target interpreter."""

    reference = "bad-lock"
    exit_code = 2


class JournalError(PoolError):
    """A journal that cannot be read: not a journal, a torn line in the middle, a newer schema."""

    reference = "bad-log"
    exit_code = 2


class RunError(PoolError):
    """A run that is not in progress, cannot be reached, or refuses a control."""

    reference = "bad-run"
    exit_code = 2


class OutputError(PoolError):
    """An output directory or file that cannot be written."""

    reference = "bad-output"
    exit_code = 2


class ProjectError(PoolError):
    """A source tree with an invalid pyproject.toml, or without a way to build it."""

    reference = "bad-project"


class RequirementError(PoolError):
    """A requirement that cannot be satisfied: unknown, no sdist, a conflict, a cycle."""

    reference = "no-match"


class PackageIndexError(PoolError):
    """An index that does not answer, or whose answer cannot be read.

    Args:
        message: as for all errors.
        hint: as for all errors.
        unreachable: whether other requests to the same server would fail alike.
    """

    reference = "index"

    def __init__(self, message: str, *, hint: str = "", unreachable: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.unreachable = unreachable


class GitError(PoolError):
    """A git repository or reference that cannot be fetched; the message quotes git."""

    reference = "git"


class HashMismatchError(PoolError):
    """A file whose digest differs from the required one; the file is never used."""

    reference = "wrong-hash"


class ArchiveError(PoolError):
    """An archive that is damaged, or that contains an unsafe path."""

    reference = "bad-archive"


class BuildEnvironmentError(PoolError):
    """A build environment or an interpreter that cannot be used."""

    reference = "environment"


class ChangedWheelError(BuildEnvironmentError):
    """A file of an unpacked wheel of the cache was changed since it was looked up."""

    def __init__(self, name: str, version: str) -> None:
        super().__init__(
            f"a build has changed files of {name} {version} in the cache",
            hint="start the command again: the wheel is unpacked anew then",
        )


class EnvironmentChangedError(Exception):
    """A build environment was changed while several builds used it; the build is repeated."""


class LockError(PoolError):
    """A lock file that cannot be locked; nothing is done without the lock."""

    reference = "lock"


class EnvironmentTargetError(PoolError):
    """A target environment that does not exist, or that must not be changed."""

    reference = "bad-environment"
    exit_code = 2


class InstallError(PoolError):
    """An installation that was refused or failed; the environment is unchanged."""

    reference = "install"


class LockTimeoutError(PoolError):
    """A lock that another process held for longer than ``--lock-timeout``."""

    reference = "lock-timeout"


class BackendError(PoolError):
    """A hook that failed, or a backend that violated PEP 517."""

    reference = "backend"
    rerun: str = ""
    """A shell command that reruns the hook; set by the caller."""


class OutOfMemoryError(BackendError):
    """A hook that failed because it ran out of memory (`pool.build.diagnosis.oom`)."""

    reference = "out-of-memory"
    cause = "out of memory"


class SkippedError(PoolError):
    """A build that is not started because a build that it needs failed."""

    reference = "skipped"


class SystemTroubleError(PoolError):
    """A system call that failed: no space, no permission, no such file."""

    reference = "system"


FULL_HINT = (
    "free some space, or choose other folders with"
    " --out-dir, TMPDIR, XDG_CACHE_HOME and XDG_STATE_HOME"
)
"""The hint for a full disk."""


def os_error_text(error: OSError, *, path: bool = False) -> str:
    """Return the reason of an error as messages show it, in lower case: ``permission denied``.

    Args:
        error: any; one without an error number gives its own text.
        path: append the file that the error names, if it names one.
    """
    text = (error.strerror or str(error)).lower()
    # Of a rename or a copy, the second file is the one that was to be written.
    name = error.filename2 or error.filename
    return f"{text}: {name}" if path and name else text


def system_error(error: OSError) -> SystemTroubleError:
    """Return an error for the user; a full disk has a reference and a hint of its own."""
    text = os_error_text(error, path=True)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return SystemTroubleError(text)
    full = SystemTroubleError(text, hint=FULL_HINT)
    full.reference = "disk-full"
    full.cause = "no space left on the disk"
    return full
