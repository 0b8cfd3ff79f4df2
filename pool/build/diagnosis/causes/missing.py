"""Missing headers, libraries, programs and compilers: the fix is a package of the distribution."""

from __future__ import annotations

from pool.build.diagnosis.cause import Cause, Rank
from pool.build.diagnosis.fixes import (
    add_requirement,
    by_source,
    first_of,
    install_header,
    install_library,
    install_pkgconfig,
    install_program,
    text,
)

__all__ = ["CAUSES"]

_RUST = first_of(install_program("cargo"), text("install cargo from https://rustup.rs"))

CAUSES = (
    Cause(
        name="header-python",
        words=("Python.h", "pyconfig.h"),
        pattern=r"fatal error: '?(?P<header>Python\.h|pyconfig\.h)'?\b",
        summary="{header} not found",
        fix=install_header("header"),
    ),
    Cause(
        name="header-longintrepr",
        words=("longintrepr.h", "code.h: No such"),
        pattern=r"fatal error: '?(?P<header>longintrepr\.h|code\.h)'?\b",
        summary="its C code is too old for Python 3.11",
        fix=by_source(
            tree="generate its C files with a newer Cython; or build with --python and"
            " Python 3.10",
            index="try {newer}; or build with --python and Python 3.10",
        ),
    ),
    Cause(
        name="header-numpy",
        words=("numpy/",),
        pattern=r"fatal error: '?(?P<header>numpy/[\w/]+\.h)'?\b",
        summary="{header} not found",
        fix=add_requirement("numpy"),
    ),
    Cause(
        name="header-pybind11",
        words=("pybind11/",),
        pattern=r"fatal error: '?(?P<header>pybind11/[\w/]+\.h)'?\b",
        summary="{header} not found",
        fix=add_requirement("pybind11"),
    ),
    Cause(
        name="header-nanobind",
        words=("nanobind/",),
        pattern=r"fatal error: '?(?P<header>nanobind/[\w/]+\.h)'?\b",
        summary="{header} not found",
        fix=add_requirement("nanobind"),
    ),
    Cause(
        name="source-file",
        words=("No such file or directory",),
        pattern=r"(?:error: |fatal error: )(?P<file>[\w./+-]+\.(?:c|cc|cpp|cxx|pyx|rs))"
        r": No such file or directory",
        summary="{file} is not in the source",
        fix=by_source(
            tree="check {tree} for {file}; a git submodule comes with git submodule update --init",
            index="try {newer}: its sdist lacks a file",
        ),
    ),
    Cause(
        name="missing-readme",
        words=("No such file or directory: '", "does not exist", "file not found"),
        pattern=r"(?:No such file or directory: '(?:\S{0,200}/)?"
        r"|[Rr]eadme file does not exist: |file (?:`|\"|'))"
        r"(?P<file>(?:README|CHANGE|HISTORY|LICENSE|VERSION|NEWS|requirements|package)"
        r"[\w.-]{0,40}|[\w.-]{1,40}\.(?:md|rst|txt|json|in|cfg))",
        summary="{file} is not in the source",
        fix=by_source(
            tree="add {file} to {tree}, or remove its use from setup.py or pyproject.toml",
            index="try {newer}: its sdist lacks {file}; a git+ URL of the project has it",
        ),
    ),
    Cause(
        name="header",
        words=("fatal error: ",),
        pattern=r"fatal error: '?(?P<header>[\w./+-]+?)'?(?:: No such file| file not found)",
        summary="{header} not found",
        fix=install_header("header"),
    ),
    Cause(
        name="header-meson",
        words=("header '",),
        pattern=r"C(?:\+\+)? header '(?P<header>[\w./+-]+)' not found",
        summary="{header} not found",
        fix=install_header("header"),
    ),
    Cause(
        name="library",
        words=("cannot find -l", "unable to find library -l"),
        pattern=r"(?:cannot find|unable to find library) -l(?P<library>[\w.+-]+)",
        summary="library {library} not found",
        fix=install_library("library"),
    ),
    Cause(
        name="library-meson",
        words=("library '", "static library"),
        pattern=r"(?:shared or static |shared |static )library '(?P<library>[\w.+-]+)' not found",
        summary="library {library} not found",
        fix=install_library("library"),
    ),
    Cause(
        name="library-hdf5",
        words=("HDF5 headers", "dependency HDF5"),
        pattern=r"Unable to load dependency HDF5|did not find HDF5 headers",
        summary="HDF5 not found",
        fix=install_pkgconfig("hdf5"),
        starts=Rank.CAUSE,
    ),
    Cause(
        name="library-shared",
        words=("cannot open shared object file",),
        pattern=r"\blib(?P<library>[\w+-]{1,60})\.so[\d.]*: cannot open shared object file",
        summary="library {library} not found",
        fix=install_library("library"),
    ),
    Cause(
        name="library-pillow",
        words=("The headers or library files could not be found for",),
        pattern=r"library files could not be found for (?P<library>\w+)",
        summary="library {library} not found",
        fix=first_of(install_pkgconfig("library"), install_library("library")),
        starts=Rank.CAUSE,
    ),
    Cause(
        name="library-lxml",
        words=("libxml2 and libxslt development packages",),
        pattern=r"libxml2 and libxslt development packages",
        summary="libxml2 and libxslt not found",
        fix=install_pkgconfig("libxslt"),
        starts=Rank.CAUSE,
    ),
    Cause(
        name="library-mysql",
        words=("Can not find valid pkg-config name", "mysql_config", "mariadb_config"),
        pattern=r"Can not find valid pkg-config name|m(?:ysql|ariadb)_config\b.{0,40}not found"
        r"|No such file or directory: 'm(?:ysql|ariadb)_config'",
        summary="MySQL client library not found",
        fix=install_program("mysql_config"),
    ),
    Cause(
        name="program-pg-config",
        words=("pg_config",),
        pattern=r"\bpg_config\b.{0,40}not found|No such file or directory: 'pg_config'",
        summary="pg_config not found",
        fix=install_program("pg_config"),
        starts=Rank.SUSPECT,
    ),
    Cause(
        name="program-gdal-config",
        words=("gdal-config", "gdal_config"),
        pattern=r"No such file or directory: 'gdal-config'|Could not find gdal-config",
        summary="gdal-config not found",
        fix=install_program("gdal-config"),
        starts=Rank.CAUSE,
    ),
    Cause(
        name="pkg-config-missing",
        words=("pkg-config", "pkgconf"),
        pattern=r"pkg-config: (?:command )?not found|No such file or directory: 'pkg-config'"
        r"|Could NOT find PkgConfig|[Pp]kg-config (?:binary |executable )?(?:was )?not found",
        summary="pkg-config not found",
        fix=install_program("pkg-config"),
        starts=Rank.SUSPECT,
    ),
    Cause(
        name="library-blas",
        words=("BLAS", "LAPACK", "openblas", "lapack", "blas"),
        pattern=r"(?:Could NOT find|Dependency \"?) ?"
        r"(?P<library>BLAS|LAPACK|[Oo]pen[Bb][Ll][Aa][Ss]|lapack|blas)\b"
        r"|[Nn]o BLAS/LAPACK libraries found",
        summary="BLAS or LAPACK not found",
        fix=install_pkgconfig("openblas"),
    ),
    Cause(
        name="pkg-config",
        words=("No package '", "Package ", "No matching package"),
        pattern=r"No package '(?P<library>[^']{1,80})' found",
        summary="library {library} not found",
        fix=install_pkgconfig("library"),
    ),
    Cause(
        name="pkg-config-path",
        words=("Package ",),
        pattern=r"Package '?(?P<library>[\w.+-]+?)'?(?:,| was| not|\s*$)",
        summary="library {library} not found",
        fix=install_pkgconfig("library"),
    ),
    Cause(
        name="dependency-meson",
        words=('Dependency "', "Dependency lookup for"),
        pattern=r"Dependency (?:lookup for )?\"?(?P<library>[\w.+-]+)\"?"
        r"(?: not found| with method|, required)",
        summary="library {library} not found",
        fix=install_pkgconfig("library"),
    ),
    Cause(
        name="dependency-cmake-program",
        words=("Could NOT find ",),
        pattern=r"Could NOT find (?P<program>BISON|FLEX|SWIG|Git|Perl|Java|Protobuf)\b",
        summary="{program} not found",
        fix=first_of(
            lambda found, context: install_program(found["program"].lower())(found, context),
            install_program("program"),
        ),
    ),
    Cause(
        name="dependency-cmake-python",
        words=("Could NOT find Python",),
        pattern=r"Could NOT find (?P<python_module>Python3?\w*) \(missing: [^)]*"
        r"(?P<part>NumPy|Development\S*|\w*INCLUDE_DIRS?)",
        summary="{python_module}: {part} not found",
        fix=lambda found, context: (
            add_requirement("numpy")(found, context)
            if found["part"] == "NumPy"
            else install_header("Python.h")(found, context)
        ),
    ),
    Cause(
        name="dependency-cmake",
        words=("Could NOT find ", "package configuration file provided by"),
        pattern=r"(?:Could NOT find |package configuration file provided by \")(?P<library>\w+)",
        summary="{library} not found",
        fix=install_pkgconfig("library"),
    ),
    Cause(
        name="cuda-missing",
        words=("CUDA", "nvcc"),
        pattern=r"CUDA_HOME environment variable is not set|No CMAKE_CUDA_COMPILER could be found"
        r"|nvcc: (?:command )?not found|No such file or directory: '\S{0,100}nvcc'"
        r"|nvcc was not found|Failed to find nvcc|Could NOT find CUDA(?:Toolkit)?\b",
        summary="CUDA (nvcc) not found",
        fix=text("install the CUDA toolkit, and set CUDA_HOME to its folder"),
        starts=Rank.SUSPECT,
    ),
    Cause(
        name="fortran-missing",
        words=("gfortran", "Fortran", "fortran", "f77", "f90"),
        pattern=r"Unknown compiler\(s\): \[\['gfortran|No CMAKE_Fortran_COMPILER could be found"
        r"|gfortran: (?:command )?not found|don't know how to compile Fortran code"
        r"|No such file or directory: '\S{0,100}(?:gfortran|f77|f90)'"
        r"|Could NOT find Fortran|no Fortran compiler found"
        r"|command '\S{0,100}gfortran' failed: No such file",
        summary="no Fortran compiler",
        fix=install_program("gfortran"),
    ),
    Cause(
        name="compiler-cxx-missing",
        words=("g++", "c++", "CXX"),
        pattern=r"command '\S{0,100}(?:g|c|clang)\+\+' failed: No such file"
        r"|No CMAKE_CXX_COMPILER could be found|Unknown compiler\(s\): \[\['(?:c|g|clang)\+\+"
        r"|(?:g|c|clang)\+\+: (?:command )?not found"
        r"|No such file or directory: '\S{0,100}(?:g|c|clang)\+\+'",
        summary="no C++ compiler",
        fix=install_program("g++"),
    ),
    Cause(
        name="compiler-missing",
        words=("gcc", "cc", "C_COMPILER", "C compiler", "linker `"),
        pattern=r"command '\S{0,100}(?:gcc|cc|clang)' failed: No such file"
        r"|No CMAKE_C_COMPILER could be found|Unknown compiler\(s\): \[\['(?:cc|gcc|clang)'"
        r"|linker `(?:cc|gcc|clang)` not found|no acceptable C compiler found"
        r"|(?:^|[ :/])(?:gcc|cc|clang): (?:command )?not found"
        r"|No such file or directory: '(?:\S{0,100}/)?(?:\w{1,20}-linux-gnu-)?(?:gcc|cc|clang)'",
        summary="no C compiler",
        fix=install_program("gcc"),
    ),
    Cause(
        name="rust-missing",
        words=("Rust compiler", "Rust not found", "argo", "rustc"),
        pattern=r"can't find Rust compiler|^Rust not found|(?i:cargo.{0,60} is not installed)"
        r"|No such file or directory: '(?:cargo|rustc)'|(?:cargo|rustc): (?:command )?not found"
        r"|rustc.{0,40} is not installed or is not on PATH",
        summary="no Rust compiler (cargo)",
        fix=_RUST,
        starts=Rank.CAUSE,
    ),
    Cause(
        name="cmake-missing",
        words=("CMake", "cmake"),
        pattern=r"CMake must be installed|Problem with the CMake installation"
        r"|cmake: (?:command )?not found|No such file or directory: 'cmake'"
        r"|Could not find CMake with version",
        summary="no cmake",
        fix=install_program("cmake"),
        starts=Rank.SUSPECT,
    ),
    Cause(
        name="ninja-missing",
        words=("ninja", "Ninja"),
        pattern=r"unable to find a build program corresponding to \"Ninja\""
        r"|Could not detect Ninja|Could not find ninja version|No such file or directory: 'ninja'"
        r"|Ninja is required to load C\+\+ extensions|executable \"ninja\" not found",
        summary="no ninja",
        fix=install_program("ninja"),
        starts=Rank.CAUSE,
    ),
    Cause(
        name="meson-missing",
        words=("meson",),
        pattern=r"meson executable \"?\S{0,60}\"? not found|No such file or directory: 'meson'"
        r"|meson: (?:command )?not found",
        summary="no meson",
        fix=by_source(
            tree="add meson to [build-system] requires in {pyproject}",
            index="install meson and ninja into the environment that builds",
            not_isolated="install meson and ninja into the environment that builds",
        ),
        starts=Rank.CAUSE,
    ),
    Cause(
        name="qmake-missing",
        words=("qmake", "PyProjectOptionException"),
        pattern=r"[Ss]pecify a working qmake|No such file or directory: 'qmake'"
        r"|sipbuild\.pyproject\.PyProjectOptionException",
        summary="no qmake (Qt)",
        fix=install_program("qmake"),
        starts=Rank.CAUSE,
    ),
    Cause(
        name="git-missing",
        words=("git",),
        pattern=r"No such file or directory: 'git'|git: (?:command )?not found"
        r"|Cannot find command 'git'|command 'git' not found",
        summary="no git",
        fix=install_program("git"),
        starts=Rank.SUSPECT,
    ),
    Cause(
        name="program-node",
        words=("npm", "node", "yarn"),
        pattern=r"(?:npm|node|yarn): (?:command )?not found"
        r"|No such file or directory: '(?:npm|node|yarn)'|`(?:npm|yarn)` unavailable",
        summary="no npm (Node.js)",
        fix=install_program("npm"),
    ),
    Cause(
        name="program-command",
        words=("failed: No such file",),
        pattern=r"command '(?:[^' ]{0,200}/)?(?P<program>[\w.+-]+)' failed: No such file",
        summary="no {program}",
        fix=install_program("program"),
    ),
    Cause(
        name="program-meson",
        words=("Program ",),
        pattern=r"Program '?(?P<program>[\w.+-]+)'?(?: \S+)? not found",
        summary="no {program}",
        fix=install_program("program"),
    ),
    Cause(
        name="program-shell",
        words=("not found",),
        pattern=r"(?:^|[\s:/])(?P<program>[\w.+-]+): (?:command )?not found\b",
        summary="no {program}",
        fix=install_program("program"),
    ),
    Cause(
        name="submodule",
        words=("does not contain a CMakeLists.txt", "which is not an existing directory",
               "is not an existing"),
        pattern=r"(?:source directory|given source) .{0,200}?(?P<folder>[\w.+-]+)\"? "
        r"(?:does not contain a CMakeLists|which is not an existing)|add_subdirectory given source"
        r" \"(?P<path>[\w./+-]+)\" which is not an existing directory",
        summary="a folder of the source is empty",
        fix=by_source(
            tree="run git submodule update --init --recursive in {tree}",
            index="try {newer}: its sdist lacks files",
            other="use a source with its submodules: a git+ URL fetches them",
        ),
    ),
    Cause(
        name="program-file",
        words=("No such file or directory: '",),
        pattern=r"No such file or directory: '(?P<program>[\w.+-]+)'$",
        summary="no {program}",
        fix=install_program("program"),
    ),
)  # fmt: skip
