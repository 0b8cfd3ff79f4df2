"""The request for the engine: targets, requirements files, lock files and dependency groups.

All errors are collected and reported together, so that a user fixes them in one go. Files and
targets are parsed in `pool`; this module only decides which ones, and in which order.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import reduce
from typing import TYPE_CHECKING

import pool
from pool import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from app.config.sources import ConfigSources

__all__ = ["ParsedRequest", "parse_request"]

_MOST_NAMES = 5
"""How many requirements one message names."""


class ParsedRequest(Record, frozen=True, kw_only=True):
    """A request, and the index options of its requirements files."""

    request: pool.Request
    index: pool.IndexOverrides


def parse_request(sources: ConfigSources, targets: Sequence[str], cwd: Path) -> ParsedRequest:
    """Parse targets and all files that the sources name.

    Args:
        sources: flags, environment and configuration file.
        targets: the arguments of the command.
        cwd: the directory that relative paths are relative to.

    Raises:
        PoolError: there is no target at all.
        ExceptionGroup: of a `PoolError` for each target, file or group that is invalid.
    """
    parser = _RequestParser(sources, cwd)
    parser.parse(targets)
    if parser.errors:
        raise ExceptionGroup("invalid requirements", parser.errors)
    if not parser.specs and not parser.locks:
        raise pool.TargetError(
            "no targets given",
            hint="name a directory, an archive or a requirement, or use -r, --pylock or --group",
        )
    return parser.result()


class _RequestParser:
    """Collects requirements, constraints and the errors in them."""

    def __init__(self, sources: ConfigSources, cwd: Path) -> None:
        self._sources = sources
        self._cwd = cwd
        pip = pool.read_pip_request_options(sources.environ)
        self._constraint_files = (*pip.constraints, *sources.strings("constraint"))
        self._formats = _format_control(sources, pip)
        self._pre = pip.pre or sources.boolean("pre")
        self._require_hashes = pip.require_hashes or sources.boolean("require_hashes")
        self._files: list[pool.RequirementsFile] = []
        self.specs: list[pool.RequirementSpec] = []
        self.locks: list[Path] = []
        self.errors: list[Exception] = []

    def parse(self, targets: Sequence[str]) -> None:
        sources, cwd = self._sources, self._cwd
        # As in pip, constraints come first: requirements files may need the hashes in them.
        for name in self._constraint_files:
            with self._collect_errors():
                self._read_file(name, constraint=True)
        for text in targets:
            with self._collect_errors():
                self.specs.append(pool.parse_requirement(text, cwd))
        for text in sources.strings("editable"):
            with self._collect_errors():
                self.specs.append(pool.parse_requirement(text, cwd, editable=True))
        for name in sources.strings("requirement"):
            with self._collect_errors():
                self._read_file(name, constraint=False)
        for text in sources.strings("group"):
            with self._collect_errors():
                group = pool.parse_group(text)
                self.specs += pool.read_dependency_group(cwd / group.pyproject, group.group)
        self.locks += [cwd / name for name in sources.strings("pylock")]
        with self._collect_errors():
            self._check_hashes()

    @contextmanager
    def _collect_errors(self) -> Iterator[None]:
        """Collect an error, so that parsing goes on with the next item."""
        try:
            yield
        except pool.PoolError as problem:
            self.errors.append(problem)
        except ExceptionGroup as problems:
            self.errors += problems.exceptions

    def _read_file(self, name: str, *, constraint: bool) -> None:
        environ = self._sources.environ
        file = pool.read_requirements(
            name,
            self._cwd,
            environ=environ,
            fetch=lambda url: pool.fetch_text(url, pool.read_index_settings(environ)),
            constraint=constraint,
            formats=self._formats,
            hashed=self._hashed_names(),
        )
        self._formats = file.formats
        self._pre = self._pre or file.pre
        self.specs += file.requirements
        self._files.append(file)

    def _check_hashes(self) -> None:
        """Check that every requirement has a hash if one file or flag demands it."""
        if not self._needs_hashes:
            return
        hashed = self._hashed_names()
        without = [spec for spec in self.specs if not spec.hashes and spec.hash_name not in hashed]
        if without:
            names = ", ".join(spec.target.label for spec in without[:_MOST_NAMES])
            raise pool.RequirementsFileError(
                f"hashes are required for all requirements, but missing for {names}",
                hint="add --hash=sha256:... to each of them in a requirements file",
            )

    def _hashed_names(self) -> frozenset[str]:
        """Return the names that have hashes in a constraints file."""
        constraints = (one for file in self._files for one in file.constraints)
        return frozenset(
            pool.canonicalize_name(one.requirement.name) for one in constraints if one.hashes
        )

    @property
    def _needs_hashes(self) -> bool:
        return self._require_hashes or any(file.require_hashes for file in self._files)

    def result(self) -> ParsedRequest:
        constraints = (item for file in self._files for item in file.constraints)
        return ParsedRequest(
            request=pool.Request(
                requirements=tuple(self.specs),
                constraints=tuple(constraints),
                formats=self._formats,
                pre=self._pre,
                require_hashes=self._needs_hashes,
                locks=tuple(self.locks),
            ),
            index=reduce(_merge_index_options, self._files, pool.IndexOverrides()),
        )


def _format_control(sources: ConfigSources, pip: pool.PipRequestOptions) -> pool.FormatControl:
    formats = pool.FormatControl()
    for names in (*pip.no_binary, *sources.strings("no_binary")):
        formats = formats.with_no_binary(names)
    for names in (*pip.only_binary, *sources.strings("only_binary")):
        formats = formats.with_only_binary(names)
    return formats


def _merge_index_options(
    index: pool.IndexOverrides, file: pool.RequirementsFile
) -> pool.IndexOverrides:
    """Return the options with those of one more file, whose index URL replaces the one before."""
    return pool.IndexOverrides(
        index_url=file.index_url or index.index_url,
        extra_index_urls=(*index.extra_index_urls, *file.extra_index_urls),
        find_links=(*index.find_links, *file.find_links),
        no_index=index.no_index or file.no_index,
        trusted_hosts=(*index.trusted_hosts, *file.trusted_hosts),
    )
