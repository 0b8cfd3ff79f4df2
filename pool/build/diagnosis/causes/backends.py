"""Errors of build backends: metadata, pyproject.toml, versions from git, files of a package."""

from __future__ import annotations

from pool.build.diagnosis.cause import Cause, Rank
from pool.build.diagnosis.fixes import (
    by_source,
    text,
)

__all__ = ["CAUSES"]

_SCM = by_source(
    tree="set SETUPTOOLS_SCM_PRETEND_VERSION to its version; or build it in a git checkout with"
    " tags (git fetch --tags)",
    index="set SETUPTOOLS_SCM_PRETEND_VERSION={number}; or use another release",
    other="set SETUPTOOLS_SCM_PRETEND_VERSION to its version, or build it from its sdist",
)

CAUSES = (
    Cause(
        name="scm-version",
        words=("setuptools-scm was unable", "setuptools_scm was unable"),
        pattern=r"setuptools[-_]scm was unable to detect",
        summary="no version: no git tags",
        fix=_SCM,
    ),
    Cause(
        name="pbr-version",
        words=("Versioning for this project requires", "PBR_VERSION"),
        pattern=r"Versioning for this project requires either an sdist",
        summary="no version: no git tags (pbr)",
        fix=text("set PBR_VERSION to its version"),
    ),
    Cause(
        name="vcs-version",
        words=("versioningit", "dunamai", "dynamic-versioning", "NotVCSError", "NoTagError"),
        pattern=r"versioningit\S*|NotVCSError|NoTagError|dunamai",
        summary="no version: no git tags",
        fix=by_source(
            tree="build it in a git checkout with tags (git fetch --tags)",
            index="use another release: its sdist has no version",
        ),
    ),
    Cause(
        name="git-owner",
        words=("dubious ownership",),
        pattern=r"detected dubious ownership in repository at '(?P<folder>[^']{1,200})",
        summary="git refuses another user's repository",
        fix=text(
            "run git config --global --add safe.directory {folder}; or build a copy with --copy"
        ),
        starts=Rank.SUSPECT,
    ),
    Cause(
        name="license-expression",
        words=("License classifiers have been superseded",),
        pattern=r"License classifiers have been superseded by license expressions",
        summary="license and License :: classifiers",
        fix=by_source(
            tree="remove the License :: classifiers from {pyproject} (PEP 639)",
            index="try {newer}; or install 'setuptools<77', then use --no-build-isolation-package"
            " {name}",
        ),
    ),
    Cause(
        name="license-pep639",
        words=("project.license", "license-files"),
        pattern=r"`?project\.license(?:-files)?`? must|must not contain \{'license-files'\}"
        r"|project\.license-files",
        summary="the backend does not know PEP 639",
        fix=by_source(
            tree="require setuptools>=77 in [build-system] of {pyproject}; or write license ="
            " {{text = '...'}}",
            index="try {newer}; or install setuptools>=77, then use --no-build-isolation-package"
            " {name}",
        ),
    ),
    Cause(
        name="flat-layout",
        words=("in a flat-layout",),
        pattern=r"Multiple top-level (?P<what>packages|modules) discovered in a flat-layout",
        summary="several top-level {what}",
        fix=by_source(
            tree="name its packages in {pyproject}: [tool.setuptools] packages = ['...']; or"
            " move them to src/",
            index="try {newer}: its sdist has several top-level {what}",
        ),
    ),
    Cause(
        name="hatch-files",
        words=("Unable to determine which files to ship",),
        pattern=r"Unable to determine which files to ship inside the wheel",
        summary="no package of the project's name",
        fix=by_source(
            tree="name its packages in {pyproject}: [tool.hatch.build.targets.wheel] packages ="
            " ['...']",
            index="try {newer}: its sdist has no package of its name",
        ),
    ),
    Cause(
        name="flit-module",
        words=("No file/folder found for module",),
        pattern=r"No file/folder found for module (?P<module>[\w.]{1,80})",
        summary="no module {module} in the source",
        fix=by_source(
            tree="name its module in {pyproject}: [tool.flit.module] name = '...'",
            index="try {newer}: its sdist has no module {module}",
        ),
    ),
    Cause(
        name="dash-option",
        words=("dash-separated",),
        pattern=r"Invalid dash-separated key '(?P<key>[\w-]+)'",
        summary="setup.cfg: {key} with a dash",
        fix=by_source(
            tree="write an underscore instead of the dash of {key} in {tree}/setup.cfg",
            index="try {newer}; or install 'setuptools<78', then use --no-build-isolation-package"
            " {name}",
        ),
    ),
    Cause(
        name="invalid-version",
        words=("Invalid version",),
        pattern=r"Invalid version: ['\"](?P<version>[^'\"]{1,60})",
        summary="invalid version {version}",
        fix=by_source(
            tree="give it a version as in 1.2.dev3 (PEP 440)",
            index="try {newer}; or install 'setuptools<66', then use --no-build-isolation-package"
            " {name}",
        ),
    ),
    Cause(
        name="pep440-pyproject",
        words=("must be pep440",),
        pattern=r"`project\.version` must be pep440",
        summary="invalid version in pyproject.toml",
        fix=by_source(
            tree="correct version in {pyproject}: as in 1.2.dev3 (PEP 440)",
            index="try {newer}: its version is invalid (PEP 440)",
        ),
    ),
    Cause(
        name="invalid-requirement",
        words=("install_requires", "extras_require", "requirement specifier"),
        pattern=r"'(?P<option>install_requires|extras_require|tests_require|setup_requires)'"
        r" must be a (?:string|dict)",
        summary="invalid requirement in {option}",
        fix=by_source(
            tree="correct {option} in {tree}/setup.py (PEP 508)",
            index="try {newer}; or install 'setuptools<66', then use --no-build-isolation-package"
            " {name}",
        ),
    ),
    Cause(
        name="setup-requires",
        words=("No matching distribution found", "Could not find suitable distribution"),
        pattern=r"Could not find suitable distribution for Requirement\.parse\('(?P<requirement>"
        r"[^']{1,80})'\)|No matching distribution found for (?P<wanted>\S{1,80})",
        summary="no {requirement}{wanted}",
        fix=by_source(
            tree="write setup_requires of setup.py into [build-system] requires in {pyproject}",
            index="install {requirement}{wanted} into the environment that builds, then use"
            " --no-build-isolation-package {name}",
        ),
    ),
    Cause(
        name="poetry-config",
        words=("Poetry configuration is invalid",),
        pattern=r"Poetry configuration is invalid",
        summary="invalid [tool.poetry]",
        fix=by_source(
            tree="correct [tool.poetry] in {pyproject}",
            index="try {newer}; or install 'poetry-core<2',"
            " then use --no-build-isolation-package {name}",
        ),
    ),
    Cause(
        name="pyproject-config",
        words=("configuration error: ", "invalid pyproject.toml", "ConfigError", "TOMLDecodeError",
               "ConfigurationError"),
        pattern=r"configuration error: |invalid pyproject\.toml config"
        r"|flit_core\.config\.ConfigError|TOMLDecodeError|pyproject_metadata\.errors\.ConfigurationError",
        summary="invalid pyproject.toml",
        fix=by_source(
            tree="correct {pyproject}",
            index="try {newer}: its pyproject.toml is invalid",
        ),
    ),
    Cause(
        name="placeholder-sklearn",
        words=("'sklearn' PyPI package is deprecated",),
        pattern=r"'sklearn' PyPI package is deprecated",
        summary="sklearn was renamed: scikit-learn",
        fix=text("require scikit-learn instead of sklearn"),
        starts=Rank.CAUSE,
    ),
    Cause(
        name="placeholder-nvidia",
        words=("only a placeholder project",),
        pattern=r"only a placeholder project on PyPI",
        summary="a placeholder, not a package",
        fix=text("use the index of its publisher: --extra-index-url https://pypi.nvidia.com"),
        starts=Rank.CAUSE,
    ),
    Cause(
        name="timestamps",
        words=("timestamps before 1980",),
        pattern=r"ZIP does not support timestamps before 1980",
        summary="a file is older than 1980",
        fix=by_source(
            tree="touch the files of {tree}; or build a copy with newer times: --copy; or unset"
            " SOURCE_DATE_EPOCH",
            index="unset SOURCE_DATE_EPOCH, or set it to 315532800 or more",
            other="set SOURCE_DATE_EPOCH to 315532800 or more; --copy builds a copy with newer"
            " times",
        ),
    ),
    Cause(
        name="encoding",
        words=("UnicodeDecodeError",),
        pattern=r"UnicodeDecodeError: '(?P<codec>ascii)' codec",
        summary="setup.py reads files as ASCII",
        fix=text("set PYTHONUTF8=1, or LC_ALL=C.UTF-8"),
    ),
    Cause(
        name="encoding-file",
        words=("UnicodeDecodeError",),
        pattern=r"UnicodeDecodeError: '(?P<codec>[\w-]+)' codec",
        summary="a file is not {codec}",
        fix=by_source(
            tree="convert the files that setup.py reads to {codec}, or name their encoding",
            index="try {newer}: setup.py cannot read a file of it",
        ),
    ),
)  # fmt: skip
