"""Events of a run: types, JSON codec, journal, reducer, state, and the control socket protocol."""
