"""The command `library desk`: one line to scan into.

`state` has what the desk knows, `session` what a line does, as a pure generator of calls; `service` makes the calls;
`screen` and `plain_lines` show the answers.
"""
