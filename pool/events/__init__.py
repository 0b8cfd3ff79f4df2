"""What happened: the closed vocabulary, its JSON form, the journal, and the fold to a state."""
