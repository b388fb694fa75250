"""The command `library context`: the libraries that the user works with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click

from library_cli.access.contexts import Context, Contexts, changing_contexts, read_contexts, unknown
from library_cli.access.prompts import secret
from library_cli.tables import Column, Form, json_option, show

Listed = tuple[str, Context, bool]
"""A name, its context, and whether it is in use."""


def _state(context: Context) -> str:
    return "API token" if context.token else "signed in" if context.session else ""


def _columns() -> Sequence[Column[Listed]]:
    return [
        Column("in use", lambda listed: "*" if listed[2] else ""),
        Column("name", lambda listed: listed[0]),
        Column("frontend", lambda listed: listed[1].frontend_target),
        Column("admin", lambda listed: listed[1].admin_target),
        Column("REST", lambda listed: listed[1].rest_url),
        Column("authority", lambda listed: listed[1].ca),
        Column("token", lambda listed: _state(listed[1])),
    ]


def _as_json(listed: Listed) -> dict[str, Any]:
    name, context, is_current = listed
    return {
        "name": name,
        "in_use": is_current,
        "frontend_target": context.frontend_target,
        "admin_target": context.admin_target,
        "rest_url": context.rest_url,
        "ca": context.ca,
        "token": _state(context),
    }


CONTEXTS = Form(columns=_columns(), as_json=_as_json, nothing="No context is saved; `library login` saves one.")


@click.group("context", short_help="Name the libraries that you work with, and choose one.")
def context_command() -> None:
    """Name the libraries that you work with: where their services are, and your session at each.

    `library login` saves a context named default. --context or LIBRARY_CONTEXT chooses one for a single command.
    """


@context_command.command("list")
@json_option
def list_contexts(json_wanted: bool) -> None:
    """List the contexts, without their tokens."""
    contexts = read_contexts()
    listed = [(name, context, name == contexts.current) for name, context in sorted(contexts.by_name.items())]
    show(listed, CONTEXTS, json_wanted=json_wanted, limit=0)


@context_command.command("use")
@click.argument("name")
def use(name: str) -> None:
    """Use NAME from now on, without --context."""
    with changing_contexts() as changes:
        _check(changes.contexts, name)
        changes.contexts = replace(changes.contexts, current=name)
    click.echo(f"In use: {name}.")


@context_command.command("set")
@click.argument("name")
@click.option("--frontend-target", metavar="HOST:PORT", help="Where its frontend service is.")
@click.option("--admin-target", metavar="HOST:PORT", help="Where its admin service is.")
@click.option("--rest-url", metavar="URL", help="Where its REST service is.")
@click.option("--ca", metavar="FILE", help="The authorities of its certificates, or the word public.")
@click.option("--token-stdin", is_flag=True, help="Read an API token from standard input, and use it for all calls.")
def set_context(name: str, token_stdin: bool, **given: str | None) -> None:
    """Save the addresses of the library NAME. What is not named here is not changed.

    Another frontend service ends the session that was kept for NAME, as it belongs to the one before.
    """
    values: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    if token_stdin:
        values["token"] = secret("API token", from_stdin=True)
    with changing_contexts() as changes:
        before = changes.contexts.of(name)
        made = replace(before, **values)
        if token_stdin or made.frontend_target != before.frontend_target:
            made = replace(made, session=None)
        changes.contexts = changes.contexts.with_context(name, made)
    click.echo(f"Saved: {name}.")
    if made.token and not (made.frontend_target and made.admin_target):
        click.echo("The token goes to the services of this context only. Name both: --frontend-target, --admin-target.")


@context_command.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Delete the context NAME with its tokens. Its session ends by itself; `library logout` ends it at once."""
    with changing_contexts() as changes:
        _check(changes.contexts, name)
        changes.contexts = changes.contexts.without(name)
    click.echo(f"Removed: {name}.")


def _check(contexts: Contexts, name: str) -> None:
    if name not in contexts.by_name:
        raise click.UsageError(unknown(name, contexts))
