"""Pure models derived from a run's state: timeline, queue, estimates, sorting, grouping."""
