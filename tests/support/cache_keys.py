"""Cache keys of a made-up project."""

from __future__ import annotations

from pool.cache.key import CacheKey
from pool.cache.unpacked_wheels import UnpackedWheel
from pool.system.interpreter import probe

__all__ = ["make_cache_key"]

_PYTHON = probe(None, {})


def make_cache_key(
    source: str = "tree:1",
    *,
    environ: dict[str, str] | None = None,
    settings: dict[str, str | list[str]] | None = None,
    wheels: tuple[UnpackedWheel, ...] = (),
) -> CacheKey:
    """Return the key of a project for this interpreter."""
    return CacheKey.of(
        source,
        name="flash-attn",
        config_settings=settings or {},
        interpreter=_PYTHON,
        wheels=wheels,
        environ=environ or {},
    )
