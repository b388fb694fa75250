"""The error of a command that could not be done."""

from __future__ import annotations

import click

FAILED, INTERRUPTED = 2, 130
"""Exit statuses. 1 means that the command was done, but not for every row."""


class CommandStopped(click.ClickException):
    """A command could not be done, or not to its end."""

    def __init__(self, reason: str, exit_code: int = FAILED) -> None:
        super().__init__(reason)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares a class variable, and reads the instance
