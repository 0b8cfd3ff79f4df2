"""What the engine is asked for, made from targets, files and groups that the user names.

Every wrong word and line is told, not only the first.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import pool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from app.config.sources import ConfigSources

__all__ = ["ParsedRequest", "parse_request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRequest:
    """A request, and what its files say of indexes."""

    request: pool.Request
    index: pool.IndexOverrides


def parse_request(said: ConfigSources, targets: Sequence[str], cwd: Path) -> ParsedRequest:
    """Read all that the user names.

    Args:
        said: flags, environment and configuration.
        targets: the words of the command line.
        cwd: what relative paths are relative to.

    Raises:
        PoolError: something cannot be read; nothing is named at all.
        ExceptionGroup: of several such errors.
    """
    reader = _Reader(said, cwd)
    reader.read(targets)
    if reader.wrong:
        raise ExceptionGroup("what cannot be read", reader.wrong)
    if not reader.wishes and not reader.locks:
        raise pool.TargetError(
            "there is nothing to do: no target is named",
            hint="name a folder, an sdist or a requirement, or use -r, --pylock or --group",
        )
    return reader.asking()


class _Reader:
    """Collects what is named, and what is wrong with it."""

    def __init__(self, said: ConfigSources, cwd: Path) -> None:
        self._said = said
        self._cwd = cwd
        pips = pool.pip_rules(said.environ)
        self._constraint_files = (*pips.constraints, *said.texts("constraint"))
        self._formats = _formats(said, pips)
        self._pre = pips.pre or said.truth("pre")
        self._require_hashes = pips.require_hashes or said.truth("require_hashes")
        self._files: list[pool.RequirementsFile] = []
        self.wishes: list[pool.RequirementSpec] = []
        self.locks: list[Path] = []
        self.wrong: list[Exception] = []

    def read(self, targets: Sequence[str]) -> None:
        said, cwd = self._said, self._cwd
        for text in targets:
            with self._telling():
                self.wishes.append(pool.parse_requirement(text, cwd))
        for text in said.flags.editable:
            with self._telling():
                self.wishes.append(pool.parse_requirement(text, cwd, editable=True))
        for name in said.texts("requirement"):
            with self._telling():
                self._read_file(name, constraint=False)
        for name in self._constraint_files:
            with self._telling():
                self._read_file(name, constraint=True)
        for text in said.texts("group"):
            with self._telling():
                group = pool.parse_group(text)
                self.wishes += pool.group_requirements(cwd / group.pyproject, group.group)
        self.locks += [cwd / name for name in said.texts("pylock")]
        with self._telling():
            self._check_hashes()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Note what is wrong, and go on with the next."""
        try:
            yield
        except pool.PoolError as problem:
            self.wrong.append(problem)
        except ExceptionGroup as problems:
            self.wrong += problems.exceptions

    def _read_file(self, name: str, *, constraint: bool) -> None:
        environ = self._said.environ
        read = pool.read_requirements(
            name,
            self._cwd,
            environ=environ,
            fetch=lambda url: pool.fetch_text(url, pool.index_settings(environ)),
            constraint=constraint,
            formats=self._formats,
        )
        self._formats = read.formats
        self._pre = self._pre or read.pre
        self.wishes += read.wishes
        self._files.append(read)

    def _check_hashes(self) -> None:
        """See that all have hashes, where one file or flag says that all must."""
        if not self._all_need_hashes:
            return
        without = [wish for wish in self.wishes if not wish.hashes]
        if without:
            names = ", ".join(wish.target.label for wish in without[:5])
            raise pool.RequirementsFileError(
                f"all must have hashes, as one has, or --require-hashes says: not so {names}",
                hint="give each a --hash=sha256:... in a requirements file",
            )

    @property
    def _all_need_hashes(self) -> bool:
        return self._require_hashes or any(file.require_hashes for file in self._files)

    def asking(self) -> ParsedRequest:
        constraints = (one for file in self._files for one in file.constraints)
        return ParsedRequest(
            request=pool.Request(
                wishes=tuple(self.wishes),
                constraints=tuple(constraints),
                formats=self._formats,
                pre=self._pre,
                require_hashes=self._all_need_hashes,
                locks=tuple(self.locks),
            ),
            index=reduce(_added, self._files, pool.IndexOverrides()),
        )


def _formats(said: ConfigSources, pips: pool.PipRules) -> pool.FormatControl:
    formats = pool.FormatControl()
    for names in (*pips.no_binary, *said.texts("no_binary")):
        formats = formats.without_binary(names)
    for names in (*pips.only_binary, *said.texts("only_binary")):
        formats = formats.with_only_binary(names)
    return formats


def _added(index: pool.IndexOverrides, file: pool.RequirementsFile) -> pool.IndexOverrides:
    return pool.IndexOverrides(
        index_url=file.index_url or index.index_url,
        extra_index_urls=(*index.extra_index_urls, *file.extra_index_urls),
        find_links=(*index.find_links, *file.find_links),
        no_index=index.no_index or file.no_index,
        trusted_hosts=(*index.trusted_hosts, *file.trusted_hosts),
    )
