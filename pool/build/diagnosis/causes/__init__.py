"""The table of known causes of failed builds, the more special ones before the general ones."""

from pool.build.diagnosis.causes import backends, compilers, missing, python, surroundings

__all__ = ["CAUSES", "STARTING_WORDS"]

CAUSES = (
    *surroundings.CAUSES,
    *backends.CAUSES,
    *python.CAUSES,
    *compilers.CAUSES,
    *missing.CAUSES,
)
STARTING_WORDS = tuple(
    (word, cause) for cause in CAUSES if cause.starts is not None for word in cause.words
)
"""The causes that claim a line of the log, whatever else is in it, each with one of its words."""
