"""Where the time of a run went: activities, wall clock, builds, the critical path. Pure."""
