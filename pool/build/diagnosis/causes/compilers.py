"""Errors of compilers, linkers, CMake, meson, cargo: code or options that a tool refuses."""

from __future__ import annotations

from pool.build.diagnosis.cause import Cause, Rank
from pool.build.diagnosis.fixes import (
    by_source,
    newer_release,
    text,
)

__all__ = ["CAUSES"]

_RUST_VERSION = text("update Rust: rustup update stable")

CAUSES = (
    Cause(
        name="cmake-policy",
        words=("Compatibility with CMake <",),
        pattern=r"Compatibility with CMake < (?P<version>[\d.]+) has been removed",
        summary="it is too old for CMake 4",
        fix=by_source(
            tree="raise cmake_minimum_required in {tree}/CMakeLists.txt; or set"
            " CMAKE_POLICY_VERSION_MINIMUM=3.5",
            index="set CMAKE_POLICY_VERSION_MINIMUM=3.5 in the environment; or try {newer}",
            other="set CMAKE_POLICY_VERSION_MINIMUM=3.5 in the environment",
        ),
    ),
    Cause(
        name="cmake-version",
        words=("or higher is required",),
        pattern=r"CMake (?P<wanted>[\d.]+)(?:\.\.\.[\d.]+)? or higher is required\. +"
        r"You are running version (?P<version>[\d.]+)",
        summary="needs CMake {wanted}, this is {version}",
        fix=by_source(
            tree="add 'cmake>={wanted}' to [build-system] requires in {pyproject}",
            index="install CMake {wanted}, such as with uv tool install cmake, and put it first"
            " on PATH",
        ),
    ),
    Cause(
        name="meson-version",
        words=("Meson version is",),
        pattern=r"Meson version is (?P<version>[\w.]+)"
        r" but project requires (?P<wanted>[<>=~ \d.]+)",
        summary="needs meson {wanted}, this is {version}",
        fix=by_source(
            tree="write 'meson{wanted}' into [build-system] requires in {pyproject}",
            index="install meson {wanted} into the environment that builds, then use"
            " --no-build-isolation-package {name}",
        ),
    ),
    Cause(
        name="rust-version",
        words=("rustc", "edition", "lock file version"),
        pattern=r"requires rustc (?P<wanted>[\d.]+)|rustc (?P<present>[\d.]+) is not supported"
        r"|feature `edition\d+` is required|this version of Cargo is older than the `\d+` edition"
        r"|lock file version `?\d+`? (?:was found, but|requires)|failed to parse the `edition` key",
        summary="this Rust is too old",
        fix=_RUST_VERSION,
        starts=Rank.CAUSE,
    ),
    Cause(
        name="c99-implicit-function",
        words=("implicit declaration of function", "call to undeclared function"),
        pattern=r"(?P<file>[\w./+-]{0,200}):\d+:\d+: error: (?:implicit declaration of function"
        r"|call to undeclared function) [‘'](?P<function>\w+)",
        summary="{function}() is not declared (C99)",
        fix=by_source(
            tree="include the header of {function}() in {file}; or set"
            " CFLAGS=-Wno-error=implicit-function-declaration",
            index="set CFLAGS=-Wno-error=implicit-function-declaration; or try {newer}",
            other="set CFLAGS=-Wno-error=implicit-function-declaration",
        ),
    ),
    Cause(
        name="c99-int-conversion",
        words=("int-conversion",),
        pattern=r"(?P<file>[\w./+-]{0,200}):\d+:\d+: error: .{0,250}"
        r"\[-W(?:error=)?int-conversion\]",
        summary="pointer used as a number (gcc 14)",
        fix=by_source(
            tree="correct {file}; or set CFLAGS=-Wno-error=int-conversion",
            index="set CFLAGS=-Wno-error=int-conversion; or try {newer}",
            other="set CFLAGS=-Wno-error=int-conversion",
        ),
    ),
    Cause(
        name="c99-pointer-types",
        words=("incompatible-pointer-types", "incompatible-function-pointer-types"),
        pattern=r"(?P<file>[\w./+-]{0,200}):\d+:\d+: error: .{0,250}\[-W(?:error=)?"
        r"(?P<warning>incompatible-(?:function-)?pointer-types)\]",
        summary="pointer of another type (gcc 14)",
        fix=by_source(
            tree="correct {file}; or set CFLAGS=-Wno-error={warning}",
            index="set CFLAGS=-Wno-error={warning}; or try {newer}",
            other="set CFLAGS=-Wno-error={warning}",
        ),
    ),
    Cause(
        name="warning-as-error",
        words=("[-Werror",),
        pattern=r"(?P<file>[\w./+-]{0,200}):\d+:\d+: error: .{0,250}"
        r"\[-Werror=(?P<warning>[\w+-]+)=?\]",
        summary="a warning is an error: {warning}",
        fix=by_source(
            tree="remove -Werror from the build of {tree}; or set CFLAGS=-Wno-error",
            index="set CFLAGS=-Wno-error and CXXFLAGS=-Wno-error; or try {newer}",
            other="set CFLAGS=-Wno-error and CXXFLAGS=-Wno-error",
        ),
    ),
    Cause(
        name="compiler-option",
        words=("unrecognized command", "unknown argument", "unrecognized argument"),
        pattern=r"unrecognized command[- ]line option [‘'](?P<option>[^’']{1,60})"
        r"|unknown argument:? '(?P<argument>[^']{1,60})'",
        summary="the compiler has no {option}{argument}",
        fix=by_source(
            tree="remove the option from the build of {tree}, or set CC to another compiler",
            index="set CC and CXX to a newer compiler; or try {newer}",
        ),
        starts=Rank.CAUSE,
    ),
    Cause(
        name="cxx-standard",
        words=("ISO C++", "C++11", "C++14", "C++17", "C++20"),
        pattern=r"(?:support for the|requires at least|requires) (?:ISO )?"
        r"C\+\+ ?(?:20)?(?P<standard>\d\d)\b"
        r"|C\+\+(?P<or_later>\d\d) or later (?:compatible compiler is )?required"
        r"|(?:You need|needs a compiler with) C\+\+(?P<needed>\d\d)",
        summary="needs C++{standard}{or_later}{needed}",
        fix=text("set CXXFLAGS=-std=c++{standard}{or_later}{needed}, or CXX to a newer compiler"),
    ),
    Cause(
        name="link-pic",
        words=("recompile with -fPI",),
        pattern=r"(?P<file>[\w.+-]{1,80})(?:\([\w.+-]{1,80}\))?: relocation \S+ .{0,250}"
        r"recompile with -fPI[CE]",
        summary="{file} was compiled without -fPIC",
        fix=text("compile the static library again with CFLAGS=-fPIC, or use its shared library"),
        starts=Rank.CAUSE,
    ),
    Cause(
        name="link-dso",
        words=("undefined reference to symbol", "DSO missing from command line"),
        pattern=r"undefined reference to symbol '(?P<symbol>[^'@]{1,80})",
        summary="the library of {symbol} is not linked",
        fix=text("set LDFLAGS=-lNAME for the library that has {symbol}"),
    ),
    Cause(
        name="link-blas",
        words=("undefined reference to", "undefined symbol: "),
        pattern=r"undefined (?:reference to|symbol:) [`']?(?P<symbol>cblas_\w+|d?gemm_|dgetrf_"
        r"|[sdcz][a-z]{4,5}_)\b",
        summary="BLAS is not linked: {symbol}",
        fix=text("set LDFLAGS=-lopenblas"),
    ),
    Cause(
        name="link-math",
        words=("undefined reference to", "undefined symbol: "),
        pattern=r"undefined (?:reference to|symbol:) [`']?(?P<symbol>sqrt|pow|exp|log|floor|ceil)'",
        summary="library m is not linked",
        fix=text("set LDFLAGS=-lm"),
    ),
    Cause(
        name="link-undefined",
        words=("undefined reference to", "undefined symbol: ", "Undefined symbols for"),
        pattern=r"undefined (?:reference to|symbol:) [`']?(?P<symbol>[^'`]{1,80})",
        summary="undefined: {symbol}",
        fix=newer_release(
            tree="",
            index="set LDFLAGS=-lNAME for the library that has {symbol}",
        ),
    ),
    Cause(
        name="killed",
        words=("Killed", "SIGKILL"),
        pattern=r"\bKilled\b|SIGKILL",
        summary="a process was killed",
        fix=text("if memory was short, use fewer jobs at once (--jobs 1)"),
    ),
    Cause(
        name="memory",
        words=("emory", "bad_alloc"),
        pattern=r"out of memory|virtual memory exhausted|[Cc]annot allocate memory|std::bad_alloc"
        r"|^MemoryError\b",
        summary="out of memory",
        fix=text("use fewer jobs at once (--jobs 1), or fewer builds (--builds 1)"),
        starts=Rank.SUSPECT,
    ),
)
