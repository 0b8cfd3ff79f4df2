"""The pool: resources that all runs share, the control server, and doctor."""
