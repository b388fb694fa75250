"""Names and secrets, asked for on the terminal without echo, or read from standard input."""

from __future__ import annotations

import sys

import click

from library_cli.transport import chosen, is_on_this_machine

stdin_option = click.option(
    "--password-stdin", "from_stdin", is_flag=True, help="Read it from standard input, for scripts."
)
plain_text_option = click.option(
    "--allow-plain-text", is_flag=True, help="Send it without TLS to another machine. Anyone on the way can read it."
)


def secret(prompt: str, *, from_stdin: bool, is_new: bool = False) -> str:
    """Return a secret. Raises click.ClickException if standard input has none."""
    if not from_stdin:
        return str(click.prompt(prompt, hide_input=True, confirmation_prompt=is_new))
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise click.ClickException(f"Standard input has no line for: {prompt}")
    return line


def check_transport(target: str, *, allow_plain_text: bool) -> None:
    """Raise click.ClickException if a secret would go over the network as plain text."""
    if chosen().ca or allow_plain_text or is_on_this_machine(target):
        return
    raise click.ClickException(
        f"Your password would go to {target} as plain text, which anyone on the way can read. Call with TLS: "
        "library --ca FILE. To send it all the same, use --allow-plain-text."
    )
