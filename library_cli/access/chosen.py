"""Which library and which token a run of the command uses, by its options, its variables and the saved contexts."""

from __future__ import annotations

import click

from library_cli.access.contexts import Context, Contexts, read_contexts, unknown

_KEY = "library_cli.access.chosen"


class Chosen:
    """The choice of one run."""

    def __init__(self) -> None:
        self.asked = ""
        """The value of --context."""
        self.token = ""
        """The value of --token."""
        self._contexts: Contexts | None = None

    @property
    def name(self) -> str:
        """The name of the context. Raises ContextsUnreadable."""
        return self.asked or self._read().current

    def context(self) -> Context:
        """Return the context as it was at first. Raises ContextsUnreadable, and click.UsageError for an unknown one."""
        contexts = self._read()
        if self.asked and self.asked not in contexts.by_name:
            raise click.UsageError(unknown(self.asked, contexts))
        return contexts.of(self.name)

    def _read(self) -> Contexts:
        if self._contexts is None:
            self._contexts = read_contexts() if click.get_current_context(silent=True) else Contexts()
        return self._contexts


def chosen() -> Chosen:
    """Return the choice of the command that runs. Outside of a command, it is empty."""
    context = click.get_current_context(silent=True)
    if context is None:
        return Chosen()
    found: Chosen = context.meta.setdefault(_KEY, Chosen())
    return found
