"""Random input where bytes of others come in: each is used, or refused with its reader's error.

Each test is one property of one reader. `tests.fuzz.limits` bounds the time and the memory of an
input. A long run prints the number of inputs:

    WHEELPOOL_STRESS=100 pytest -n 0 -s --timeout=0 tests/fuzz
"""
