"""The import cost of the HTTP client."""

from __future__ import annotations

import subprocess
import sys


def test_going_online_loads_no_screen() -> None:
    code = "import sys, pool.sources.index.http; print({'rich', 'pygments'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
