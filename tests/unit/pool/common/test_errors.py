"""Reasons of OS errors, as messages show them."""

from __future__ import annotations

import errno
import os

import pytest

from pool.common.errors import os_error_text, system_error

DENIED = OSError(errno.EACCES, "Permission denied", "/x/Y")


@pytest.mark.parametrize(
    ("error", "path", "text"),
    [
        (DENIED, False, "permission denied"),
        (DENIED, True, "permission denied: /x/Y"),
        (OSError(errno.EACCES, "Permission denied"), True, "permission denied"),
        (OSError("Something odd"), True, "something odd"),
    ],
)
def test_os_error_text_is_the_reason_in_lower_case(error: OSError, path: bool, text: str) -> None:
    assert os_error_text(error, path=path) == text


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_system_error_of_a_full_disk_has_a_reference_and_a_hint(code: int) -> None:
    error = system_error(OSError(code, os.strerror(code), "/x"))
    assert error.reference == "disk-full"
    assert "--out-dir" in error.hint
    assert str(error).endswith(": /x")


def test_system_error_of_another_error_has_no_hint() -> None:
    error = system_error(DENIED)
    assert (error.reference, error.hint) == ("system", "")
