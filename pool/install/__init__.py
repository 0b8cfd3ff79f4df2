"""Changing an environment: staging, plan, transaction, recovery, uninstall."""
