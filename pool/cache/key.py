"""What a wheel is made from, as far as it decides what comes out: the key of the wheel cache.

A recipe is known before a backend is asked anything; the requirements that it then names
(``get_requires_for_build_wheel``) are only in the final key. Of environment variables those count
that compilers and build tools are known to read. What no key can see is deliberately not tried:
the versions of compilers and of libraries outside of Python, and what a build fetches by itself;
for these there is ``--refresh``.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.system.interpreter import Interpreter

__all__ = ["CacheKey", "read_by_builds"]

SCHEMA = 1
"""Raised when the same recipe would be built in another way than before."""

_READ = re.compile(
    r"""
    # Compilers and linkers, with their flags
      CC|CXX|CPP|LD|AR|AS|NM|RANLIB|STRIP|OBJCOPY|FC|F77|F90|HOSTCC|MAKE|SWIG
    | CFLAGS|CXXFLAGS|CPPFLAGS|LDFLAGS|ARFLAGS|ASFLAGS|FFLAGS|FCFLAGS|F77FLAGS|F90FLAGS|ARCHFLAGS
    | LDSHARED|LDCXXSHARED|BLDSHARED|CCSHARED|OPT|LIBS
    | RUSTC.*|RUSTFLAGS|RUSTUP_TOOLCHAIN|GOFLAGS|GOOS|GOARCH|CGO_.*|NODE_ENV|NODE_OPTIONS|JAVA_HOME
    # Where they look, and the platform they build for
    | CPATH|(C|CPLUS|OBJC)_INCLUDE_PATH|(COMPILER|LIBRARY|LD_LIBRARY|LD_RUN|DYLD_LIBRARY)_PATH
    | GCC_EXEC_PREFIX|MACOSX_DEPLOYMENT_TARGET|SDKROOT|DEVELOPER_DIR|CONDA_PREFIX|CROSS_COMPILE
    | SOURCE_DATE_EPOCH|ZERO_AR_DATE
    # Build tools and backends
    | (PKG_CONFIG|CMAKE|SKBUILD|SCIKIT_BUILD|MESON|CARGO_|MATURIN_|PYO3_|SETUPTOOLS_|DISTUTILS).*
    | (HATCH_|PDM_|POETRY_|FLIT_|CYTHON|PYBIND11_|NANOBIND_|CIBW_|AUDITWHEEL_|VCPKG_|CONAN_).*
    # Plugins that make versions
    | (SETUPTOOLS_SCM_|UV_DYNAMIC_VERSIONING|PBR_|VERSIONEER).*
    # Large libraries, and what setup.py files ask of them
    | (CUDA|NVCC|CUDNN|NCCL|TORCH_|ROCM|HIP_|HCC_|SYCL|NPY_|NUMPY_|F2PY|HDF5|MPI).*
    | MKLROOT|BLAS|LAPACK|OPENBLAS|ATLAS|NO_CUDA|FORCE_CUDA
    | (USE|WITH|WITHOUT|ENABLE|DISABLE)_.*
    | .*_(ROOT|INCLUDE_DIRS?|LIBRARY_DIR|LIB_DIR|NO_EXTENSIONS)
    """,
    re.VERBOSE,
)
"""The variables that decide what comes out of a build, whatever is built."""

_NEVER = re.compile(
    r"""
      CMAKE_BUILD_PARALLEL_LEVEL|CARGO_BUILD_JOBS|CARGO_MAKEFLAGS
    | CARGO_TERM_.*|CMAKE_COLOR_DIAGNOSTICS
    | CARGO_(REGISTR|HTTP_|NET_).*|PDM_PUBLISH_.*|POETRY_(HTTP_BASIC|PYPI_TOKEN)_.*|HATCH_INDEX_.*
    | .*_(TOKEN|PASSWORD|USERNAME)
    """,
    re.VERBOSE,
)
"""How many jobs, how it looks, and credentials: no wheel changes with these."""


class _Python(msgspec.Struct, frozen=True, kw_only=True):
    """What of the interpreter shows in wheels; the path, as two may differ in how they compile."""

    executable: str
    version: str
    cache_tag: str
    magic: str
    tags: tuple[str, ...]


class _RequirementDigest(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A wheel in the build environment."""

    name: str
    version: str
    sha256: str


class CacheKey(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a build before its backend runs."""

    source: str
    """A fingerprint: ``sha256:`` of an archive, ``tree:``, or a commit with tags and folder."""
    config_settings: dict[str, str | list[str]]
    python: _Python
    requirements: tuple[_RequirementDigest, ...]
    """The wheels for what ``[build-system]`` requires."""
    environ: dict[str, str]
    schema: int = SCHEMA

    @classmethod
    def of(
        cls,
        source: str,
        *,
        name: str,
        config_settings: Mapping[str, str | list[str]],
        interpreter: Interpreter,
        wheels: Iterable[UnpackedWheel],
        environ: Mapping[str, str],
    ) -> CacheKey:
        """Put a recipe together.

        Args:
            source: the fingerprint.
            name: the project's; variables that begin with it count.
            config_settings: for the hooks.
            interpreter: what the wheel is built for.
            wheels: those for the static requirements, and their dependencies.
            environ: what hooks inherit.
        """
        python = _Python(
            executable=str(interpreter.executable),
            version=interpreter.version,
            cache_tag=interpreter.cache_tag,
            magic=interpreter.magic,
            tags=tuple(interpreter.tag_names),
        )
        return cls(
            source=source,
            config_settings=dict(config_settings),
            python=python,
            requirements=_ingredients(wheels),
            environ=read_by_builds(environ, name),
        )

    @property
    def key(self) -> str:
        """The key of what the backend asked for, and of the lock while it is built."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    def final_key(self, wheels: Iterable[UnpackedWheel]) -> str:
        """Return the key of the wheel.

        Args:
            wheels: all of the build environment, what the backend asked for included.
        """
        words = msgspec.json.encode((self.key, _ingredients(wheels)))
        return hashlib.sha256(words).hexdigest()

    def from_source(self, source: str) -> CacheKey:
        """Return the same recipe for another source: the tree as the backend left it."""
        return msgspec.structs.replace(self, source=source)


def _ingredients(wheels: Iterable[UnpackedWheel]) -> tuple[_RequirementDigest, ...]:
    """Return the wheels in an order of their own; an entry's folder is named by its digest."""
    return tuple(
        sorted(
            _RequirementDigest(name=wheel.name, version=wheel.version, sha256=wheel.path.name)
            for wheel in wheels
        )
    )


def read_by_builds(environ: Mapping[str, str], name: str) -> dict[str, str]:
    """Return the variables that a build may read.

    Args:
        environ: any.
        name: the project's: ``flash-attn`` reads ``FLASH_ATTN_...``; empty if not known.
    """
    own = re.sub(r"[^A-Z0-9]+", "_", name.upper()) + "_" if name else None
    return {
        variable: value
        for variable, value in environ.items()
        if (_READ.fullmatch(variable) or (own and variable.startswith(own)))
        and not _NEVER.fullmatch(variable)
    }
