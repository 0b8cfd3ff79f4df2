"""The parts of the timeline screen."""
