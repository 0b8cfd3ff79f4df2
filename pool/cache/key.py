"""The key of a built wheel in the cache: a digest of all inputs that decide its content.

A `CacheKey` has the inputs that are known before the first hook runs. The final digest also
covers the requirements that ``get_requires_for_build_wheel`` returns. Environment variables count
if compilers or build tools are known to read them.

Inputs that only a build shows are stored with its wheel: the files outside of the tree that it
has read, the variables that its build files name, and its compilers (`pool.cache.build_inputs`).
Deliberately left out, because they cannot be seen: libraries of the system, and what a build
downloads itself. ``--refresh`` is for those.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import msgspec

from pool.common.json import encode_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.system.interpreter import Interpreter

__all__ = ["CacheKey", "RequirementDigest", "is_ignored_variable", "select_build_variables"]

SCHEMA = 2
"""Raised when wheelpool would build the same inputs in another way than before."""

_BUILD_VARIABLES = frozenset(
    [
        "CC",
        "CXX",
        "CPP",
        "LD",
        "AR",
        "AS",
        "NM",
        "RANLIB",
        "STRIP",
        "OBJCOPY",
        "FC",
        "F77",
        "F90",
        "HOSTCC",
        "MAKE",
        "SWIG",
        "CFLAGS",
        "CXXFLAGS",
        "CPPFLAGS",
        "LDFLAGS",
        "ARFLAGS",
        "ASFLAGS",
        "FFLAGS",
        "FCFLAGS",
        "F77FLAGS",
        "F90FLAGS",
        "ARCHFLAGS",
        "LDSHARED",
        "LDCXXSHARED",
        "BLDSHARED",
        "CCSHARED",
        "OPT",
        "LIBS",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
        "GOFLAGS",
        "GOOS",
        "GOARCH",
        "NODE_ENV",
        "NODE_OPTIONS",
        "JAVA_HOME",
        "CPATH",
        "C_INCLUDE_PATH",
        "CPLUS_INCLUDE_PATH",
        "OBJC_INCLUDE_PATH",
        "COMPILER_PATH",
        "LIBRARY_PATH",
        "LD_LIBRARY_PATH",
        "LD_RUN_PATH",
        "DYLD_LIBRARY_PATH",
        "GCC_EXEC_PREFIX",
        "MACOSX_DEPLOYMENT_TARGET",
        "SDKROOT",
        "DEVELOPER_DIR",
        "CONDA_PREFIX",
        "CROSS_COMPILE",
        "SOURCE_DATE_EPOCH",
        "ZERO_AR_DATE",
        "MKLROOT",
        "BLAS",
        "LAPACK",
        "OPENBLAS",
        "ATLAS",
        "NO_CUDA",
        "FORCE_CUDA",
    ]
)
"""Variables of compilers, linkers and platforms that decide the content of a wheel."""
_BUILD_PREFIXES = (
    *("RUSTC", "CGO_"),
    # Build tools and backends
    *("PKG_CONFIG", "CMAKE", "SKBUILD", "SCIKIT_BUILD", "MESON", "CARGO_", "MATURIN_", "PYO3_"),
    *("SETUPTOOLS_", "DISTUTILS", "HATCH_", "PDM_", "POETRY_", "FLIT_", "CYTHON", "PYBIND11_"),
    *("NANOBIND_", "CIBW_", "AUDITWHEEL_", "VCPKG_", "CONAN_"),
    # Plugins that compute versions
    *("UV_DYNAMIC_VERSIONING", "PBR_", "VERSIONEER"),
    # Large libraries, and the options of setup.py files
    *("CUDA", "NVCC", "CUDNN", "NCCL", "TORCH_", "ROCM", "HIP_", "HCC_", "SYCL", "NPY_", "NUMPY_"),
    *("F2PY", "HDF5", "MPI", "USE_", "WITH_", "WITHOUT_", "ENABLE_", "DISABLE_"),
)
_BUILD_SUFFIXES = (
    *("_ROOT", "_INCLUDE_DIR", "_INCLUDE_DIRS", "_LIBRARY_DIR", "_LIB_DIR", "_NO_EXTENSIONS"),
)
_IGNORED_VARIABLES = frozenset(
    (
        *("CMAKE_BUILD_PARALLEL_LEVEL", "CARGO_BUILD_JOBS", "CARGO_MAKEFLAGS"),
        "CMAKE_COLOR_DIAGNOSTICS",
    )
)
_IGNORED_PREFIXES = (
    *("CARGO_TERM_", "CARGO_REGISTR", "CARGO_HTTP_", "CARGO_NET_", "PDM_PUBLISH_"),
    *("POETRY_HTTP_BASIC_", "POETRY_PYPI_TOKEN_", "HATCH_INDEX_"),
)
_IGNORED_SUFFIXES = ("_TOKEN", "_PASSWORD", "_USERNAME")
"""Numbers of jobs, colours and credentials: they do not change a wheel."""


class _Python(msgspec.Struct, frozen=True, kw_only=True):
    """The target interpreter; the path counts because two builds of one version may differ."""

    executable: str
    version: str
    cache_tag: str
    magic: str
    tags: tuple[str, ...]


class RequirementDigest(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A wheel in the build environment."""

    name: str
    version: str
    sha256: str

    @classmethod
    def of(cls, wheel: UnpackedWheel | RequirementDigest) -> RequirementDigest:
        """Return the digest of a wheel; the folder of an unpacked one is named by it."""
        if isinstance(wheel, RequirementDigest):
            return wheel
        return cls(name=wheel.name, version=wheel.version, sha256=wheel.path.name)


class CacheKey(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs of a build that are known before its backend runs."""

    source: str
    """The fingerprint: ``sha256:`` of an archive, ``tree:``, or a commit with tags and folder."""
    config_settings: dict[str, str | list[str]]
    python: _Python
    requirements: tuple[RequirementDigest, ...]
    """The wheels that ``[build-system]`` requires, and their dependencies."""
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
        wheels: Iterable[UnpackedWheel | RequirementDigest],
        environ: Mapping[str, str],
    ) -> CacheKey:
        """Return the key of a build.

        Args:
            source: its fingerprint.
            name: of the project; environment variables with this prefix count.
            config_settings: of the hooks.
            interpreter: the target.
            wheels: of the static build requirements, and their dependencies.
            environ: the environment that hooks inherit.
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
            requirements=_requirement_digests(wheels),
            environ=select_build_variables(environ, name),
        )

    @property
    def digest(self) -> str:
        """Names the lock of the build, and the stored result of get_requires_for_build_wheel."""
        return hashlib.sha256(encode_json(self, order="sorted")).hexdigest()

    def final_digest(self, wheels: Iterable[UnpackedWheel | RequirementDigest]) -> str:
        """Return the digest that names the wheel.

        Args:
            wheels: all in the build environment, those that the backend requires included.
        """
        inputs = msgspec.json.encode((self.digest, _requirement_digests(wheels)))
        return hashlib.sha256(inputs).hexdigest()

    def with_source(self, source: str) -> CacheKey:
        """Return the key with another fingerprint: of the tree as the backend left it."""
        return msgspec.structs.replace(self, source=source)


def _requirement_digests(
    wheels: Iterable[UnpackedWheel | RequirementDigest],
) -> tuple[RequirementDigest, ...]:
    """Return the wheels sorted."""
    return tuple(sorted(map(RequirementDigest.of, wheels)))


def select_build_variables(environ: Mapping[str, str], name: str) -> dict[str, str]:
    """Return the environment variables that can change a wheel.

    Args:
        environ: all variables.
        name: of the project: ``flash-attn`` reads ``FLASH_ATTN_...``; empty if unknown.
    """
    prefix = re.sub(r"[^A-Z0-9]+", "_", name.upper()) + "_" if name else None
    return {
        variable: value
        for variable, value in environ.items()
        if (_is_build_variable(variable) or (prefix and variable.startswith(prefix)))
        and not is_ignored_variable(variable)
    }


def is_ignored_variable(name: str) -> bool:
    """Tell whether an environment variable never changes a wheel: numbers of jobs, credentials."""
    return (
        name in _IGNORED_VARIABLES
        or name.startswith(_IGNORED_PREFIXES)
        or name.endswith(_IGNORED_SUFFIXES)
    )


def _is_build_variable(name: str) -> bool:
    """Tell whether an environment variable decides the content of wheels, for every project."""
    return (
        name in _BUILD_VARIABLES
        or name.startswith(_BUILD_PREFIXES)
        or name.endswith(_BUILD_SUFFIXES)
    )
