"""Runs the command as ``python -m app``."""

from __future__ import annotations

from app.cli.main import main

if __name__ == "__main__":
    main()
