"""Environments that builds share, and how a build gets one."""
