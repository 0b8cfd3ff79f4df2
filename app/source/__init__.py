"""Sources of events: a live run, an attached run, a replay."""
