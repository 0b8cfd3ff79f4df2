"""Modules, functions and C interfaces that Python, setuptools, Cython or numpy no longer have."""

from __future__ import annotations

from pool.build.diagnosis.cause import Cause, Rank
from pool.build.diagnosis.fixes import (
    add_requirement,
    by_source,
    fix_for_module,
    hold_requirement,
    older_python,
)

__all__ = ["CAUSES"]

CAUSES = (
    Cause(
        name="python-2",
        words=("SyntaxError", "No module named '"),
        pattern=r"SyntaxError: Missing parentheses in call to|SyntaxError: multiple exception types"
        r"|SyntaxError: leading zeros in decimal integer"
        r"|No module named '(?:ConfigParser|__builtin__|urllib2|StringIO|commands|Queue"
        r"|cPickle|httplib|urlparse|exceptions)'",
        summary="it is for Python 2 only",
        fix=by_source(
            tree="port {tree} to Python 3, or install what replaces it",
            index="install what replaces it: {release} is for Python 2",
        ),
    ),
    Cause(
        name="python-version",
        words=("ython",),
        pattern=r"Cannot install on Python version (?P<python_version>[\d.]+)"
        r"|(?:requires|needs|supports)(?: at least)? Python (?P<wanted>[<>=~!\d.]+)"
        r"|Python (?:version )?(?P<least>[<>=~!]+ ?[\d.]+) (?:is )?(?:required|needed)"
        r"|[Pp]ython (?:version )?\S{0,20} ?(?:is )?not supported",
        summary="it does not support this Python",
        fix=by_source(
            tree="build with --python and a Python that it supports, or change the check",
            index="try {newer}; or build with --python and a Python that it supports",
        ),
    ),
    Cause(
        name="pkg-resources",
        words=("pkg_resources",),
        pattern=r"No module named '?pkg_resources",
        summary="no pkg_resources in setuptools 82",
        fix=hold_requirement("setuptools<81"),
    ),
    Cause(
        name="numpy-distutils",
        words=("numpy.distutils", "numpy/distutils"),
        pattern=r"No module named '?numpy\.distutils"
        r"|cannot import name '\w+' from 'numpy\.distutils",
        summary="numpy.distutils was removed",
        fix=by_source(
            tree="build with meson-python instead of numpy.distutils; or with --python and"
            " Python 3.11, and 'numpy<2' in [build-system] requires",
            index="try {newer}; or build with --python and Python 3.11",
        ),
    ),
    Cause(
        name="distutils-removed",
        words=("distutils",),
        pattern=r"No module named '?(?P<module>distutils)\b(?!\.(?:msvccompiler|msvc9compiler))",
        summary="Python 3.12 has no distutils",
        fix=by_source(
            tree="add setuptools to [build-system] requires in {pyproject}: it has distutils",
            index="try {newer}; or build with --python and Python 3.11",
            not_isolated="install setuptools into the environment that builds: it has distutils",
        ),
    ),
    Cause(
        name="setuptools-test",
        words=("setuptools.command.test", "command 'test'", "test_suite"),
        pattern=r"No module named '?setuptools\.command\.test|invalid command 'test'",
        summary="setuptools has no test command",
        fix=hold_requirement("setuptools<72"),
    ),
    Cause(
        name="setuptools-feature",
        words=("'Feature' from 'setuptools",),
        pattern=r"cannot import name 'Feature' from 'setuptools",
        summary="setuptools 46 removed Feature",
        fix=older_python(tree="remove Feature from setup.py"),
    ),
    Cause(
        name="setuptools-removed",
        words=("setuptools", "distutils"),
        pattern=r"No module named '?(?P<module>(?:setuptools|distutils)\.[\w.]+)"
        r"|cannot import name '(?P<symbol>\w+)' from '(?:setuptools|distutils)",
        summary="setuptools removed {module}{symbol}",
        fix=hold_requirement("setuptools<69"),
    ),
    Cause(
        name="setuptools-2to3",
        words=("use_2to3",),
        pattern=r"use_2to3 is invalid",
        summary="setuptools 58 removed use_2to3",
        fix=by_source(
            tree="remove use_2to3 from setup.py, after a conversion of the code to Python 3",
            index="try {newer}: {release} is Python 2 code",
        ),
    ),
    Cause(
        name="pkgutil-impimporter",
        words=("ImpImporter",),
        pattern=r"module 'pkgutil' has no attribute 'ImpImporter'",
        summary="setuptools is too old for this Python",
        fix=by_source(
            tree="allow setuptools>=66.1 in [build-system] requires in {pyproject}",
            index="try {newer}; or build with --python and Python 3.11",
        ),
    ),
    Cause(
        name="module-removed",
        words=("No module named ",),
        pattern=r"No module named '?(?P<module>imp|asynchat|asyncore|smtpd|cgi|lib2to3|telnetlib"
        r"|pipes|crypt|nntplib|xdrlib|imghdr|sndhdr|uu|aifc|audioop|chunk|msilib|binhex|formatter"
        r"|parser|symbol)\b'?(?![\w.])",
        summary="Python removed the module {module}",
        fix=older_python(tree="replace {module} in setup.py"),
    ),
    Cause(
        name="function-removed",
        words=("has no attribute '", "cannot import name '"),
        pattern=r"module '(?P<module>configparser|inspect|ast|collections|asyncio|fractions|gettext"
        r"|locale|platform|unittest|importlib|pkgutil|typing|time|os|string|random|array|sys|base64"
        r"|xml\.etree\.\w+|html\.parser)' has no attribute '(?P<symbol>\w+)'"
        r"|cannot import name '(?P<imported>\w+)' from '(?P<of>collections|fractions|inspect|typing"
        r"|importlib)'",
        summary="Python removed {module}{of}.{symbol}{imported}",
        fix=older_python(tree="replace it in setup.py or versioneer.py"),
    ),
    Cause(
        name="module-pip",
        words=("No module named 'pip", "No module named pip", "from 'pip"),
        pattern=r"No module named '?pip\b|cannot import name '\w+' from 'pip\b",
        summary="no module 'pip'",
        fix=by_source(
            tree="do not import pip in setup.py, or build it with --no-build-isolation in an"
            " environment that has pip and its build requirements",
            index="build it with --no-build-isolation in an environment that has pip and its"
            " build requirements",
            not_isolated="install pip into the environment that builds",
        ),
    ),
    Cause(
        name="module-wheel",
        words=("invalid command 'bdist_wheel'", "No module named 'wheel"),
        pattern=r"invalid command 'bdist_wheel'|No module named '?wheel\b",
        summary="no module 'wheel'",
        fix=add_requirement("wheel"),
    ),
    Cause(
        name="module-torch",
        words=("No module named 'torch", "No module named torch"),
        pattern=r"No module named '?torch\b",
        summary="no module 'torch'",
        fix=by_source(
            tree="add torch to [build-system] requires in {pyproject}; or install torch, then use"
            " --no-build-isolation-package {name}",
            index="install torch and its other build requirements, then use"
            " --no-build-isolation-package {name}",
            not_isolated="install torch into the environment that builds",
        ),
    ),
    Cause(
        name="module",
        words=("No module named ",),
        pattern=r"No module named '?(?P<module>[\w.]+)",
        summary="no module '{module}'",
        fix=fix_for_module,
    ),
    Cause(
        name="cython-sources",
        words=("cython_sources",),
        pattern=r"'build_ext' object has no attribute 'cython_sources'",
        summary="it does not work with Cython 3",
        fix=hold_requirement("cython<3"),
    ),
    Cause(
        name="cython-compile",
        words=("Error compiling Cython file", "Cython.Compiler.Errors.CompileError"),
        pattern=r"Error compiling Cython file|Cython\.Compiler\.Errors\.CompileError",
        summary="Cython cannot compile its code",
        fix=hold_requirement("cython<3"),
    ),
    Cause(
        name="cython-cpython",
        words=("error: ",),
        pattern=r"‘(?:PyThreadState|PyLongObject|struct _ts|PyCodeObject|PyFrameObject"
        r"|struct _frame)’(?: \{aka .{1,60}\})? has no member named ‘(?P<symbol>\w+)’"
        r"|no member named '(?P<member>use_tracing|curexc_type|exc_type|ob_digit|f_code|co_\w+)'"
        r"|too few arguments to function ‘(?P<function>_PyLong_AsByteArray|_Py\w+)’"
        r"|unknown type name ‘(?P<type>Py_UNICODE|PyUnicode_\w+)’"
        r"|(?:implicit declaration of function|was not declared in this scope; did you mean) "
        r"‘(?P<missing>_?Py[A-Z]\w+)’",
        summary="its C code is too old for this Python",
        fix=older_python(tree="generate its C files with a newer Cython"),
    ),
    Cause(
        name="pyo3-python",
        words=("PyO3's maximum supported version",),
        pattern=r"Python interpreter version \((?P<version>[\d.]+)\) is newer than PyO3's maximum"
        r" supported version \((?P<most>[\d.]+)\)",
        summary="PyO3 of it supports Python {most} at most",
        fix=by_source(
            tree="raise the version of pyo3 in {tree}/Cargo.toml; or build with --python and an"
            " older Python",
            index="try {newer}; or build with --python and Python {most}",
        ),
        starts=Rank.CAUSE,
    ),
    Cause(
        name="numpy-2-c",
        words=("PyArray", "NPY_", "npy_"),
        pattern=r"‘?PyArray_Descr’?(?: \{aka .{1,60}\})?.{0,3} has no member named"
        r" ‘(?P<member>\w+)’"
        r"|‘(?P<symbol>(?:NPY|PyArray|npy)_\w+)’ (?:undeclared|was not declared)"
        r"|implicit declaration of function ‘(?P<function>PyArray_\w+)’",
        summary="its C code is too old for numpy 2",
        fix=hold_requirement("numpy<2"),
    ),
    Cause(
        name="numpy-2",
        words=("NumPy 2.0", "numpy", "np."),
        pattern=r"was removed in the NumPy 2\.0 release"
        r"|module 'numpy' has no attribute '(?P<symbol>\w+)'|numpy\.dtype size changed",
        summary="it does not work with numpy 2",
        fix=hold_requirement("numpy<2"),
    ),
)  # fmt: skip
