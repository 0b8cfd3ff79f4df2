"""Hints for missing headers, libraries, programs and modules: the packages that have them.

The packages are those of Debian 12 (and so of Ubuntu) and of Fedora. Deliberately limited to
well-known names: no hint is better than a wrong one. Pure: nothing here reads the machine.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

__all__ = [
    "hint_for_header",
    "hint_for_library",
    "hint_for_module",
    "hint_for_pkgconfig",
    "hint_for_program",
]


class _Library(NamedTuple):
    """A library and its development packages; the last three fields are lists with spaces."""

    debian: str
    fedora: str
    headers: str
    libraries: str = ""
    pkgconfig: str = ""


_LIBRARIES = tuple(_Library(*row) for row in (
    ("python3-dev", "python3-devel", "Python.h pyconfig.h", "python3*", "python3 python3-embed"),
    ("libc6-dev", "glibc-devel", "stdio.h stdlib.h string.h limits.h math.h", "c m pthread"),
    ("linux-libc-dev", "kernel-headers", "linux/*.h asm/*.h"),
    ("g++", "gcc-c++", "iostream string vector memory cstdint cstdio algorithm", "stdc++"),
    ("libffi-dev", "libffi-devel", "ffi.h ffi/*", "ffi", "libffi"),
    ("libssl-dev", "openssl-devel", "openssl/*", "ssl crypto", "openssl libssl libcrypto"),
    ("zlib1g-dev", "zlib-devel", "zlib.h zconf.h", "z", "zlib"),
    ("libbz2-dev", "bzip2-devel", "bzlib.h", "bz2", "bzip2"),
    ("liblzma-dev", "xz-devel", "lzma.h", "lzma", "liblzma"),
    ("libzstd-dev", "libzstd-devel", "zstd.h", "zstd", "libzstd"),
    ("liblz4-dev", "lz4-devel", "lz4.h lz4frame.h", "lz4", "liblz4"),
    ("libsnappy-dev", "snappy-devel", "snappy.h snappy-c.h", "snappy", "snappy"),
    ("libxml2-dev", "libxml2-devel", "libxml/*", "xml2", "libxml-2.0"),
    ("libxslt1-dev", "libxslt-devel", "libxslt/* libexslt/*", "xslt exslt", "libxslt libexslt"),
    ("libxmlsec1-dev", "xmlsec1-devel", "xmlsec/*", "xmlsec1", "xmlsec1"),
    ("libexpat1-dev", "expat-devel", "expat.h", "expat", "expat"),
    ("libyaml-dev", "libyaml-devel", "yaml.h", "yaml", "yaml-0.1"),
    ("libjpeg-dev", "libjpeg-turbo-devel", "jpeglib.h", "jpeg", "libjpeg"),
    ("libpng-dev", "libpng-devel", "png.h", "png png16", "libpng libpng16"),
    ("libtiff-dev", "libtiff-devel", "tiffio.h tiff.h", "tiff", "libtiff-4"),
    ("libwebp-dev", "libwebp-devel", "webp/*", "webp", "libwebp"),
    ("liblcms2-dev", "lcms2-devel", "lcms2.h", "lcms2", "lcms2"),
    ("libfreetype-dev", "freetype-devel", "ft2build.h", "freetype", "freetype2"),
    ("libmagic-dev", "file-devel", "magic.h", "magic", "libmagic"),
    ("default-libmysqlclient-dev", "mariadb-connector-c-devel", "mysql.h mysql/*",
     "mysqlclient mariadb", "mysqlclient libmariadb mariadb"),
    ("libpq-dev", "libpq-devel", "libpq-fe.h", "pq", "libpq"),
    ("libsqlite3-dev", "sqlite-devel", "sqlite3.h", "sqlite3", "sqlite3"),
    ("unixodbc-dev", "unixODBC-devel", "sql.h sqlext.h", "odbc", "odbc"),
    ("freetds-dev", "freetds-devel", "sybdb.h", "sybdb ct"),
    ("libgdbm-dev", "gdbm-devel", "gdbm.h", "gdbm"),
    ("liblmdb-dev", "lmdb-devel", "lmdb.h", "lmdb", "lmdb"),
    ("libleveldb-dev", "leveldb-devel", "leveldb/*", "leveldb"),
    ("librdkafka-dev", "librdkafka-devel", "librdkafka/*", "rdkafka", "rdkafka"),
    ("libncurses-dev", "ncurses-devel", "curses.h ncurses.h", "ncurses ncursesw tinfo",
     "ncurses ncursesw"),
    ("libreadline-dev", "readline-devel", "readline/*", "readline", "readline"),
    ("libgmp-dev", "gmp-devel", "gmp.h", "gmp", "gmp"),
    ("libmpfr-dev", "mpfr-devel", "mpfr.h", "mpfr", "mpfr"),
    ("libmpc-dev", "libmpc-devel", "mpc.h", "mpc"),
    ("libopenblas-dev", "openblas-devel", "openblas_config.h", "openblas", "openblas"),
    ("liblapack-dev", "lapack-devel", "", "lapack", "lapack"),
    ("libblas-dev", "blas-devel", "", "blas", "blas"),
    ("libfftw3-dev", "fftw-devel", "fftw3.h", "fftw3 fftw3f", "fftw3"),
    ("libgsl-dev", "gsl-devel", "gsl/*", "gsl", "gsl"),
    ("libhdf5-dev", "hdf5-devel", "hdf5.h", "hdf5", "hdf5 HDF5"),
    ("libnetcdf-dev", "netcdf-devel", "netcdf.h", "netcdf", "netcdf"),
    ("libgdal-dev", "gdal-devel", "gdal.h", "gdal", "gdal GDAL"),
    ("libgeos-dev", "geos-devel", "geos_c.h", "geos_c", "geos GEOS"),
    ("libproj-dev", "proj-devel", "proj.h", "proj", "proj PROJ"),
    ("libeigen3-dev", "eigen3-devel", "Eigen/*", "", "eigen3 Eigen3"),
    ("libboost-dev", "boost-devel", "boost/*", "", "Boost boost"),
    ("libopenmpi-dev", "openmpi-devel", "mpi.h", "mpi", "MPI"),
    ("libprotobuf-dev", "protobuf-devel", "google/protobuf/*", "protobuf", "protobuf Protobuf"),
    ("libcairo2-dev", "cairo-devel", "cairo.h", "cairo", "cairo"),
    ("libpango1.0-dev", "pango-devel", "pango/*", "pango-1.0", "pango pangocairo"),
    ("libgtk-3-dev", "gtk3-devel", "gtk/gtk.h", "gtk-3", "gtk+-3.0"),
    ("libglib2.0-dev", "glib2-devel", "glib.h", "glib-2.0", "glib-2.0 gobject-2.0 gio-2.0"),
    ("libgirepository1.0-dev", "gobject-introspection-devel", "girepository.h",
     "girepository-1.0", "gobject-introspection-1.0"),
    ("libx11-dev", "libX11-devel", "X11/Xlib.h X11/X.h X11/Xutil.h", "X11", "x11 X11"),
    ("libxcb1-dev", "libxcb-devel", "xcb/xcb.h", "xcb", "xcb"),
    ("libgl-dev", "libglvnd-devel", "GL/gl.h", "GL", "gl OpenGL"),
    ("libsdl2-dev", "SDL2-devel", "SDL.h SDL2/*", "SDL2", "sdl2 SDL2"),
    ("tk-dev", "tk-devel", "tk.h", "tk8.6"),
    ("libsndfile1-dev", "libsndfile-devel", "sndfile.h", "sndfile", "sndfile"),
    ("portaudio19-dev", "portaudio-devel", "portaudio.h", "portaudio", "portaudio-2.0"),
    ("libasound2-dev", "alsa-lib-devel", "alsa/*", "asound", "alsa ALSA"),
    ("libpulse-dev", "pulseaudio-libs-devel", "pulse/*", "pulse", "libpulse"),
    ("libavcodec-dev", "libavcodec-free-devel", "libavcodec/*", "avcodec", "libavcodec"),
    ("libavformat-dev", "libavformat-free-devel", "libavformat/*", "avformat", "libavformat"),
    ("libavdevice-dev", "libavdevice-free-devel", "libavdevice/*", "avdevice", "libavdevice"),
    ("libavutil-dev", "libavutil-free-devel", "libavutil/*", "avutil", "libavutil"),
    ("libusb-1.0-0-dev", "libusb1-devel", "libusb.h libusb-1.0/*", "usb-1.0", "libusb-1.0"),
    ("libudev-dev", "systemd-devel", "libudev.h", "udev", "libudev"),
    ("libsystemd-dev", "systemd-devel", "systemd/*", "systemd", "libsystemd"),
    ("libdbus-1-dev", "dbus-devel", "dbus/*", "dbus-1", "dbus-1"),
    ("libbluetooth-dev", "bluez-libs-devel", "bluetooth/*", "bluetooth", "bluez"),
    ("libcups2-dev", "cups-devel", "cups/*", "cups"),
    ("libvirt-dev", "libvirt-devel", "libvirt/*", "virt", "libvirt"),
    ("libldap-dev", "openldap-devel", "ldap.h lber.h", "ldap lber ldap_r", "ldap lber"),
    ("libsasl2-dev", "cyrus-sasl-devel", "sasl/*", "sasl2", "libsasl2"),
    ("libkrb5-dev", "krb5-devel", "krb5.h gssapi.h gssapi/*", "krb5 gssapi_krb5",
     "krb5 krb5-gssapi"),
    ("libcurl4-openssl-dev", "libcurl-devel", "curl/*", "curl", "libcurl CURL"),
    ("libgit2-dev", "libgit2-devel", "git2.h", "git2", "libgit2"),
    ("libssh2-1-dev", "libssh2-devel", "libssh2.h", "ssh2", "libssh2"),
    ("libsodium-dev", "libsodium-devel", "sodium.h", "sodium", "libsodium"),
    ("libzmq3-dev", "zeromq-devel", "zmq.h", "zmq", "libzmq"),
    ("libpcap-dev", "libpcap-devel", "pcap.h pcap/*", "pcap", "libpcap"),
    ("libevent-dev", "libevent-devel", "event2/*", "event", "libevent"),
    ("libev-dev", "libev-devel", "ev.h", "ev"),
    ("libuv1-dev", "libuv-devel", "uv.h", "uv", "libuv"),
    ("libpcre2-dev", "pcre2-devel", "pcre2.h", "pcre2-8", "libpcre2-8"),
    ("uuid-dev", "libuuid-devel", "uuid/uuid.h", "uuid", "uuid"),
    ("libacl1-dev", "libacl-devel", "sys/acl.h acl/*", "acl", "libacl"),
    ("libcap-dev", "libcap-devel", "sys/capability.h", "cap", "libcap"),
    ("libpam0g-dev", "pam-devel", "security/pam_appl.h", "pam"),
    ("libselinux1-dev", "libselinux-devel", "selinux/*", "selinux", "libselinux"),
    ("libseccomp-dev", "libseccomp-devel", "seccomp.h", "seccomp", "libseccomp"),
    ("libnuma-dev", "numactl-devel", "numa.h", "numa", "numa"),
    ("libfuse3-dev", "fuse3-devel", "fuse3/*", "fuse3", "fuse3"),
))  # fmt: skip

_PROGRAMS = {
    "gcc": ("gcc", "gcc"), "cc": ("gcc", "gcc"), "g++": ("g++", "gcc-c++"),
    "c++": ("g++", "gcc-c++"), "clang": ("clang", "clang"), "clang++": ("clang", "clang"),
    "gfortran": ("gfortran", "gcc-gfortran"), "f77": ("gfortran", "gcc-gfortran"),
    "f90": ("gfortran", "gcc-gfortran"), "ld": ("binutils", "binutils"),
    "make": ("make", "make"), "cmake": ("cmake", "cmake"), "ninja": ("ninja-build", "ninja-build"),
    "meson": ("meson", "meson"), "cargo": ("cargo", "cargo"), "rustc": ("rustc", "rust"),
    "pkg-config": ("pkg-config", "pkgconf-pkg-config"), "swig": ("swig", "swig"),
    "pkgconf": ("pkgconf", "pkgconf-pkg-config"), "git": ("git", "git"),
    "autoconf": ("autoconf", "autoconf"), "autoreconf": ("autoconf", "autoconf"),
    "automake": ("automake", "automake"), "aclocal": ("automake", "automake"),
    "libtoolize": ("libtool", "libtool"), "m4": ("m4", "m4"), "perl": ("perl", "perl"),
    "bison": ("bison", "bison"), "flex": ("flex", "flex"), "patch": ("patch", "patch"),
    "nasm": ("nasm", "nasm"), "yasm": ("yasm", "yasm"), "go": ("golang-go", "golang"),
    "protoc": ("protobuf-compiler", "protobuf-compiler"), "node": ("nodejs", "nodejs"),
    "pg_config": ("libpq-dev", "libpq-devel"), "mpicc": ("libopenmpi-dev", "openmpi-devel"),
    "mysql_config": ("default-libmysqlclient-dev", "mariadb-connector-c-devel"),
    "curl-config": ("libcurl4-openssl-dev", "libcurl-devel"),
    "xml2-config": ("libxml2-dev", "libxml2-devel"),
    "xslt-config": ("libxslt1-dev", "libxslt-devel"),
    "gdal-config": ("libgdal-dev", "gdal-devel"), "geos-config": ("libgeos-dev", "geos-devel"),
    "krb5-config": ("libkrb5-dev", "krb5-devel"), "nc-config": ("libnetcdf-dev", "netcdf-devel"),
    "llvm-config": ("llvm-dev", "llvm-devel"),
}  # fmt: skip

_MODULES = {
    "Cython": "cython", "pkg_resources": "setuptools<81", "distutils": "setuptools",
    "yaml": "pyyaml", "skbuild": "scikit-build", "scikit_build_core": "scikit-build-core",
    "setuptools_scm": "setuptools-scm", "setuptools_rust": "setuptools-rust",
    "mesonpy": "meson-python", "poetry": "poetry-core", "hatch_vcs": "hatch-vcs",
    "flit_core": "flit-core", "pdm": "pdm-backend", "attr": "attrs", "PIL": "pillow",
    "dateutil": "python-dateutil", "sklearn": "scikit-learn", "cv2": "opencv-python",
    "git": "gitpython", "bs4": "beautifulsoup4", "google": "protobuf", "sipbuild": "sip",
    "pyqtbuild": "pyqt-builder", "pkgconfig": "pkgconfig", "Crypto": "pycryptodome",
    "extension_helpers": "extension-helpers", "jupyter_packaging": "jupyter-packaging",
}  # fmt: skip
"""Modules whose distribution has another name than the module."""
_REMOVED_MODULES = frozenset(
    ("imp", "asynchat", "asyncore", "smtpd", "cgi", "lib2to3", "telnetlib")
)
"""Modules that Python 3.12 or 3.13 removed."""
_PYTHON_HEADERS = {"numpy/*": "numpy", "pybind11/*": "pybind11", "nanobind/*": "nanobind"}


def hint_for_header(header: str) -> str:
    """Name the package of a C header: ``libpq-fe.h is in libpq-dev (Debian, Ubuntu), ...``."""
    for pattern, module in _PYTHON_HEADERS.items():
        if fnmatchcase(header, pattern):
            return hint_for_module(module)
    return _find_library(header, header, 2)


def hint_for_library(library: str) -> str:
    """Name the package of a library that the linker looked for with ``-l``."""
    return _find_library(library, f"lib{library}", 3)


def hint_for_pkgconfig(name: str) -> str:
    """Name the package of a dependency of pkg-config, meson or CMake."""
    return _find_library(name, name, 4) or _find_library(name.lower(), name, 4)


def hint_for_program(program: str) -> str:
    """Name the package of a program; a folder before its name is ignored."""
    name = program.rpartition("/")[2]
    # Debian's Python calls compilers by names with the platform: x86_64-linux-gnu-gcc.
    packages = _PROGRAMS.get(name) or _PROGRAMS.get(name.rpartition("-linux-gnu-")[2])
    return _format_packages(name, *packages) if packages else ""


def hint_for_module(module: str) -> str:
    """Name the build requirement that most likely has a Python module."""
    top = module.partition(".")[0]
    if top in _REMOVED_MODULES:
        return f"{top} was removed from Python: a newer version of the project may not need it"
    if module.startswith("numpy.distutils"):
        return "numpy.distutils was removed for Python 3.12: a newer version may not need it"
    required = _MODULES.get(top) or top.lower().replace("_", "-")
    return f"add {required} to [build-system] requires in its pyproject.toml"


def _find_library(name: str, label: str, column: int) -> str:
    for row in _LIBRARIES:
        if any(fnmatchcase(name, pattern) for pattern in row[column].split()):
            return _format_packages(label, row.debian, row.fedora)
    return ""


def _format_packages(label: str, debian: str, fedora: str) -> str:
    return f"{label} is in {debian} (Debian, Ubuntu), {fedora} (Fedora)"
