"""The command `library grant-role`, which makes the first admin on the machine of the library."""

from __future__ import annotations

import json
from typing import Any

import click

from library_cli.doctor import run_service
from library_cli.stores import database_urls, missing_store, store_options
from library_domain.access.roles import USER_ROLES, role_name


@click.command("grant-role", short_help="Grant a role on the machine of the library, such as to the first admin.")
@click.argument("name")
@click.argument("role", type=click.Choice([role_name(role) for role in USER_ROLES]))
@click.option("--first-name", default="", help="Enrol the person under this name, if nobody has NAME.")
@click.option("--last-name", default="", help="Enrol the person under this name, if nobody has NAME.")
@click.option("--code/--no-code", "with_code", default=True, show_default=True, help="Make a reset code.")
@store_options
def grant_role_command(
    name: str, role: str, first_name: str, last_name: str, with_code: bool, **_where: object
) -> None:
    """Grant ROLE to a user directly in the stores, and make a reset code with which the user sets a password.

    NAME is an e-mail address, a card number or an id. With a first or a last name, a person who is not enrolled is
    enrolled. The services may run meanwhile, or be stopped. Once there is an admin, `library staff grant` does the same
    through the services.

    Exit status: 0 when the role is granted, otherwise 1.
    """
    urls = database_urls(click.get_current_context())
    for service, url in urls.items():
        if missing := missing_store(service, url):
            raise click.ClickException(missing)
    names = [f"--first-name={first_name}", f"--last-name={last_name}"]
    code = [] if with_code else ["--no-code"]
    user: Any = json.loads(_run("frontend", urls["frontend"], "account", "--json", *names, *code, "--", name))
    _run("admin", urls["admin"], "grant-role", user["userId"], role)
    click.echo(f"{user['displayName']}, {user['userId']}, has the role {role}.")
    if "code" in user:
        click.echo(f"The reset code, which is valid once, until {user['expireTime']}: {user['code']}")
        click.echo(f"To set a password with it, run: library set-password {name}")


def _run(service: str, url: str, *arguments: str) -> str:
    done = run_service(service, url, *arguments)
    if done.returncode:
        problem = done.stderr.strip().removeprefix(f"library-{service}: ")
        raise click.ClickException(problem or f"library-{service} ended with status {done.returncode}")
    return done.stdout
