"""One request: resolve versions, schedule builds, one outcome for each, retries, install."""
