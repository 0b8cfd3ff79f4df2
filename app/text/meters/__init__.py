"""Meters as text: gauges of limits, sparklines, and the progress of a run."""
