"""Bad and odd inputs, each with its expected answer: built, or refused with which words.

A module has the cases of one kind of input in its list ``CASES``. To add a case, add one entry.
"""

from tests.corpus import (
    answers,
    api_pages,
    archives,
    backends,
    configurations,
    installs,
    journals,
    lock_files,
    metadata,
    pages,
    requirement_files,
    surroundings,
    trees,
    undecodable_names,
    wheels,
)

CASES = [
    *answers.CASES,
    *api_pages.CASES,
    *archives.CASES,
    *backends.CASES,
    *configurations.CASES,
    *installs.CASES,
    *journals.CASES,
    *lock_files.CASES,
    *metadata.CASES,
    *pages.CASES,
    *requirement_files.CASES,
    *surroundings.CASES,
    *trees.CASES,
    *undecodable_names.CASES,
    *wheels.CASES,
]
