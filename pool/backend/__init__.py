"""How it is built: interpreters, build environments, PEP 517 hooks, and their processes.

Nothing in here reaches into the pool: it takes plain data and reports through callbacks, so that
a build can run elsewhere one day (a warm interpreter, another machine).
"""
