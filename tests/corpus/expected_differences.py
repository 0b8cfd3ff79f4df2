"""Inputs of the corpus to which pip and uv give another answer than wheelpool, and the reasons."""

from __future__ import annotations

__all__ = ["EXPECTED_DIFFERENCES"]

_ACCEPTED: dict[str, tuple[str, ...]] = {
    "an environment is of no use without its own files": (
        *(f"E4-own-script-{name}" for name in ("activate", "activate-fish", "activate-ps1")),
        "E4-own-script-activate-this",
        *(f"E4-own-data-{name}" for name in ("activate", "pyvenv-cfg", "lib64", "lock", "plan")),
        "E4-own-data-wheelpool",
        *(f"E4-command-{name}" for name in ("activate", "activate.csh", "deactivate")),
    ),
    "one of two distributions would be damaged; --allow-overwrite accepts it": (
        "C6-two-with-one-file",
        "C6-overwrite-other",
    ),
    "the name and version of an installed folder are those of its distribution": (
        "E7-build-folder-of-another-version",
        "E7-install-folder-of-another-version",
        "E7-install-folder-without-version",
    ),
    "a wheel is published only if it can be installed": (
        *(f"E7-build-{name}" for name in ("metadata-large", "record-missing", "record-latin-1")),
        *(f"E7-build-{name}" for name in ("damaged-content", "bomb-claimed")),
        *(
            f"E7-build-member-{name}"
            for name in (
                *("above", "above-in-package", "absolute", "with-newline", "with-escape"),
                *("file-and-folder", "unknown-scheme", "scheme-alone", "script-above"),
            )
        ),
    ),
    "a path that is not normalized names a file that has another name, too": (
        *(f"E7-{command}-member-backslash" for command in ("build", "install")),
    ),
    "more folders than any wheel has": (
        "E7-build-member-deep",
        "E7-install-member-deep",
    ),
    "control characters in a name can mislead its reader": (
        "D-install-points-escape",
        "E7-build-name-newline",
    ),
    "one name for a file and a folder has no meaning": ("E1-tar-folder-is-a-file",),
    "a request without targets is a mistake": ("E2-file-empty", "E2-file-comments-only"),
    "a link or a device in a zip is no file with its target as the content": (
        *(f"E1-file-t-1.zip-{name}" for name in ("link-absolute", "link-out", "device", "pipe")),
        "E1-file-t-1.zip-link-of-a-megabyte",
    ),
}
"""Reasons why wheelpool refuses what both accept, with the inputs."""

_REFUSED: dict[str, tuple[str, ...]] = {
    "files beside the one folder with a project do not hide it": (
        *(f"C1-tar-{name}" for name in ("macosx-folder", "apple-double-file", "ds-store")),
        *(f"C1-tar-{name}-beside" for name in ("folder", "metadata", "readme")),
        "C1-tar-pax-global-header-file",
        "C1-tar-project-beside-that-has-no-name",
        "C1-file-t-1.zip-macosx",
    ),
    "the content tells the kind of an archive": (
        *(f"C1-file-t-1.tar.gz-{name}-as-gz" for name in ("plain-tar", "bz2", "zip")),
        "C1-file-t-1.tar.bz2-xz-as-bz2",
        "C1-file-t-1.tar.xz-gz-as-xz",
    ),
    "what tar reads without a loss is no damage": (
        *(f"C1-tar-{name}" for name in ("volume-label", "dump-folder", "pax-time-nan")),
        *(f"C1-tar-{name}" for name in ("pax-empty-value", "no-padding-at-the-end")),
        "C1-tar-gnu-times-in-the-prefix-field",
    ),
    "one link that cannot be used does not hide the others": (
        *(
            f"E1-page-{name}"
            for name in ("base-twice", "base-invalid", "unknown-fragment", "latin-1")
        ),
        *(f"E2-link-{name}" for name in ("no-url", "ftp", "javascript", "data", "long-value")),
    ),
    "old spellings of requirements have one meaning": (
        *(f"A2-requirement-{name}" for name in ("two-commas", "compatible-star", "two-stars")),
        "A2-requirement-spaces-for-commas",
    ),
    "lines of other groups of entry points name no commands": ("C5-install-points-of-others",),
}
"""Reasons why wheelpool accepts what both refuse, with the inputs."""

EXPECTED_DIFFERENCES: dict[str, tuple[str, str]] = {
    name: (answer, reason)
    for answer, reasons in (("accepted", _ACCEPTED), ("refused", _REFUSED))
    for reason, names in reasons.items()
    for name in names
}
"""By input: what pip and uv do with it, and why wheelpool does something else."""
