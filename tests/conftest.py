"""Settings and fixtures of all tests; the fixtures live in `tests.support`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

pytest_plugins = (
    "tests.support.exclusive",
    "tests.support.home",
    "tests.support.index_server",
    "tests.support.install_fixtures",
    "tests.support.sandbox_fixtures",
)

# A slow machine is no failure; a falsifying example must be reproducible from the output.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("patient")
