"""Reports of a saved run: trace, JUnit XML, HTML, Markdown, and workflow commands of GitHub.

Each module renders one format from a `RunRecord`, without a clock. Only `files` writes files.
"""
