"""Words: one place for every sentence that screens, lines and reports share."""
