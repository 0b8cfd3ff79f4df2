"""One request: its journal and controls, versions, builds, outcomes, retries, installation."""
