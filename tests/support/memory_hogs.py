"""Text to append to a build backend, so that its compiler uses too much memory."""

BACKEND_WITH_COMPILER = """
_build = build_wheel
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    import subprocess, sys
    with open({counter!r}, "a") as file:
        file.write("x")
    if os.path.getsize({counter!r}) <= {times}:
        subprocess.run([sys.executable, "-c", {compiler!r}], check=True)
    return _build(wheel_directory)
"""
"""Runs a compiler, a Python program, in the first `times` builds; `counter` is a file."""
EXCEEDS_ADDRESS_SPACE = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))
bytearray(1 << 29)
"""
"""A compiler that gets a MemoryError: it allocates more than its resource limit."""
