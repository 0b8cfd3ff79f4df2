"""A saved run in the formats of other programs: a trace, JUnit XML, Markdown, CI's commands.

Each module makes one format from a `RunRecord`. Deliberately without a clock, and nothing in here
opens a file but `record`, which reads journals and logs; `app.plain.report` says where it all goes.
"""
