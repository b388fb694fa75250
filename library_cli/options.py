"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from library_cli.access.chosen import chosen

Command = TypeVar("Command", bound=Callable[..., Any])


class ContextOption(click.Option):
    """An option whose default is the value in the context of the user, if that has one."""

    def get_default(self, ctx: click.Context, call: bool = True) -> Any:
        """Return the value in the context, or the usual default. Raises as `Chosen.context`."""
        return getattr(chosen().context(), str(self.name)) or super().get_default(ctx, call)


def _note_token(_context: click.Context, _option: click.Parameter, token: str | None) -> None:
    if token is None:
        return
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise click.BadParameter("This is not a token.")  # which is a secret, so it is not repeated
    chosen().token = token


token_option = click.option(
    "--token",
    envvar="LIBRARY_TOKEN",
    show_envvar=True,
    metavar="TOKEN",
    expose_value=False,
    callback=_note_token,
    help="An API token or an access token. Other users of this machine can see arguments, but not the variable.  "
    "[default: that of `library login`]",
)


def with_token(command: Command) -> Command:
    """Add --token to a command, unless it has the option."""
    has = [parameter.name for parameter in getattr(command, "__click_params__", [])]
    return command if "token" in has else token_option(command)


def _target(flag: str, service: str, address: str) -> Callable[[Command], Command]:
    return click.option(
        flag,
        cls=ContextOption,
        envvar=f"LIBRARY_{flag.removeprefix('--').replace('-', '_').upper()}",
        default=address,
        show_default=True,
        show_envvar=True,
        help=f"Where the {service} service is, HOST:PORT.",
    )


admin_option = _target("--admin-target", "admin", "127.0.0.1:50052")
frontend_option = _target("--frontend-target", "frontend", "127.0.0.1:50051")


def admin_target_option(command: Command) -> Command:
    """Add --admin-target and --token to a command."""
    return admin_option(with_token(command))


def frontend_target_option(command: Command) -> Command:
    """Add --frontend-target and --token to a command."""
    return frontend_option(with_token(command))
