"""Names and versions have the normal forms that `packaging` gives them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import InvalidSdistFilename, parse_sdist_filename
from packaging.utils import canonicalize_name as canonicalize_by_packaging
from packaging.version import InvalidVersion, Version

from pool.sources.names import canonicalize_name, normalize_version, parse_sdist_name

VERSIONS = st.text("0123456789.abrcpostdev!+-_ v", max_size=12)


@given(st.text(max_size=20) | st.text("aA1-_.İ", max_size=20))
def test_canonicalize_name_is_that_of_packaging(name: str) -> None:
    assert canonicalize_name(name) == canonicalize_by_packaging(name)


@given(VERSIONS)
def test_normalize_version_is_that_of_packaging(text: str) -> None:
    try:
        expected = str(Version(text))
    except InvalidVersion:
        with pytest.raises(InvalidVersion):
            normalize_version(text)
    else:
        assert normalize_version(text) == expected


@given(
    st.text("aB1._-", max_size=6), VERSIONS, st.sampled_from([".tar.gz", ".zip", ".tar.bz2", ""])
)
def test_parse_sdist_name_is_that_of_packaging(name: str, version: str, suffix: str) -> None:
    filename = f"{name}-{version}{suffix}"
    try:
        found, parsed = parse_sdist_filename(filename)
    except InvalidSdistFilename:
        assert parse_sdist_name(filename) is None
    else:
        assert parse_sdist_name(filename) == (found, str(parsed))
