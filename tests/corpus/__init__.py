"""Bad and odd inputs, each with its expected answer: built, or refused with which words.

A module has the cases of one kind of input in its list ``CASES``. To add a case, add one entry.
"""

from tests.corpus import (
    archives,
    backends,
    installs,
    journals,
    metadata,
    pages,
    requirement_files,
    surroundings,
    trees,
    undecodable_names,
    wheels,
)

CASES = [
    *archives.CASES,
    *backends.CASES,
    *installs.CASES,
    *journals.CASES,
    *metadata.CASES,
    *pages.CASES,
    *requirement_files.CASES,
    *surroundings.CASES,
    *trees.CASES,
    *undecodable_names.CASES,
    *wheels.CASES,
]
