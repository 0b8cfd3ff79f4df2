"""One build, from a source to a published wheel."""
