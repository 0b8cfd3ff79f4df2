"""Disks, permissions, networks, homes: what the machine does not let a build do."""

from __future__ import annotations

from pool.build.diagnosis.cause import Cause, Rank
from pool.build.diagnosis.fixes import by_source, text
from pool.common.errors import FULL_HINT

__all__ = ["CAUSES"]

CAUSES = (
    Cause(
        name="disk-full",
        words=("No space left on device", "Disk quota exceeded"),
        pattern=r"No space left on device|Disk quota exceeded",
        summary="no space left on the disk",
        fix=text(FULL_HINT),
        starts=Rank.CAUSE,
    ),
    Cause(
        name="file-system-read-only",
        words=("ead-only file system",),
        pattern=r"[Rr]ead-only file system(?:: '(?P<file>[^']{1,200})')?",
        summary="a folder is read-only",
        fix=by_source(
            tree="build a copy of the tree with --copy, or make its folder writable",
            index="set HOME, TMPDIR and XDG_CACHE_HOME to folders that can be written",
        ),
    ),
    Cause(
        name="home",
        words=("ermission denied",),
        pattern=r"[Pp]ermission denied:? [\"'(]?(?P<folder>/(?:nonexistent|root|home|\.cache"
        r"|\.cargo|\.config|\.local|\.npm)\b[^\"') ]{0,200})",
        summary="HOME cannot be written",
        fix=text("set HOME to a folder that can be written, also XDG_CACHE_HOME"),
    ),
    Cause(
        name="permission",
        words=("ermission denied",),
        pattern=r"\[Errno 13\] Permission denied|[Pp]ermission denied",
        summary="permission denied",
        fix=text("check the owner and the mode of that file; --copy builds in a copy of the tree"),
    ),
    Cause(
        name="cross-device",
        words=("Invalid cross-device link",),
        pattern=r"Invalid cross-device link",
        summary="renames a file to another file system",
        fix=text(
            "it renames a file to another file system: keep the source tree, its settings and"
            " the cache (XDG_CACHE_HOME) on one, or use --copy"
        ),
    ),
    Cause(
        name="network",
        words=("urlopen error", "Could not resolve host", "Temporary failure in name resolution",
               "Failed to establish a new connection", "getaddrinfo", "Network is unreachable",
               "Connection refused", "Name or service not known"),
        pattern=r"urlopen error (?!unknown url type)|Could not resolve host|getaddrinfo"
        r"|Temporary failure in name resolution|Failed to establish a new connection"
        r"|Network is unreachable|Connection refused|Name or service not known",
        summary="its build needs the network",
        fix=by_source(
            tree="connect the machine, or set HTTPS_PROXY; or add the files that it downloads",
            index="connect the machine, or set HTTPS_PROXY",
            other="connect the machine, or set HTTPS_PROXY",
        ),
        starts=Rank.CAUSE,
    ),
    Cause(
        name="certificate",
        words=("CERTIFICATE_VERIFY_FAILED", "SSL certificate problem"),
        pattern=r"CERTIFICATE_VERIFY_FAILED|SSL certificate problem",
        summary="a certificate is not trusted",
        fix=text("set SSL_CERT_FILE to a file with the certificates to trust"),
        starts=Rank.CAUSE,
    ),
    Cause(
        name="open-files",
        words=("Too many open files",),
        pattern=r"Too many open files",
        summary="too many open files",
        fix=text("raise the limit of open files: ulimit -n 65536"),
    ),
    Cause(
        name="argument-list",
        words=("Argument list too long",),
        pattern=r"Argument list too long",
        summary="a command line is too long",
        fix=text("use a cache folder with a shorter path: XDG_CACHE_HOME"),
    ),
)  # fmt: skip
