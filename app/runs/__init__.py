"""Saved runs: finding, bundling, comparing, reading logs."""
