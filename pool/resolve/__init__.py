"""Version resolution. Pure, except for `pool.resolve.service`."""
