"""The operating system: processes, sampling, cgroups, memory, interpreters."""
