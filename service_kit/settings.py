"""Settings of every server. Each is a flag and a variable; the flag takes precedence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from service_kit.addresses import split_address

OPEN, TOKEN = "open", "token"
"""The values of `--access`."""

Command = TypeVar("Command", bound=Callable[..., Any])


def setting(prefix: str, flag: str, **attributes: Any) -> Callable[[Command], Command]:
    """Return a click option whose variable is named after its flag: `--sync-interval` is `PREFIX_SYNC_INTERVAL`."""
    variable = f"{prefix}_{flag.removeprefix('--').replace('-', '_').upper()}"
    return click.option(flag, envvar=variable, show_envvar=True, show_default=True, **attributes)


def server_settings(prefix: str, listen: str) -> Callable[[Command], Command]:
    """Add the settings of listening, limits and logs."""
    options = [
        listen_setting(prefix, listen),
        setting(
            prefix,
            "--threads",
            type=click.IntRange(1, 256),
            default=None,
            help="Calls that run at a time; at most 3/4 of them write.  [default: 4 on SQLite, 16 on PostgreSQL]",
        ),
        setting(
            prefix,
            "--concurrent-calls",
            type=click.IntRange(1, 100_000),
            default=256,
            help="Calls that run or wait, of those that read and as many that write; one more is RESOURCE_EXHAUSTED.",
        ),
        grace_setting(prefix),
        setting(
            prefix,
            "--access",
            type=click.Choice([OPEN, TOKEN]),
            default=OPEN,
            help="open lets everybody call every method; token lets callers do what their role allows.",
        ),
        setting(
            prefix,
            "--allow-open",
            is_flag=True,
            default=False,
            help="Start in the mode open although other machines can connect.",
        ),
        log_settings(prefix),
    ]
    return _together(options)


def listen_setting(prefix: str, default: str) -> Callable[[Command], Command]:
    words = "HOST:PORT; port 0 takes a free one."
    return setting(prefix, "--listen", type=host_port, metavar="HOST:PORT", default=default, help=words)


def host_port(text: str) -> str:
    """Check a setting that is HOST:PORT. Raises click.BadParameter.

    Both are required: some libraries take a missing host for every address of the machine, and a missing port for 443.
    """
    try:
        _, port = split_address(text)
    except ValueError:
        port = None
    if port is None:
        raise click.BadParameter(f"{text!r} is not HOST:PORT, such as 127.0.0.1:50051, localhost:50051 or [::1]:50051.")
    return text


def grace_setting(prefix: str) -> Callable[[Command], Command]:
    return setting(
        prefix,
        "--grace",
        type=click.FloatRange(0, 600),
        default=10.0,
        help="Seconds that running calls have to end after SIGTERM.",
    )


def log_settings(prefix: str) -> Callable[[Command], Command]:
    options: list[Callable[[Command], Command]] = [
        setting(
            prefix,
            "--log-level",
            type=click.Choice(["debug", "info", "warning", "error"]),
            default="info",
            help="The least that is logged; reads are logged at debug.",
        ),
        setting(
            prefix,
            "--log-format",
            type=click.Choice(["auto", "json", "text"]),
            default="auto",
            help="auto is text on a terminal, and JSON lines otherwise.",
        ),
    ]
    return _together(options)


def _together(options: Sequence[Callable[[Command], Command]]) -> Callable[[Command], Command]:
    """Return several settings as one, in this order in the help."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def as_json(log_format: str) -> bool | None:
    """Return the argument of `set_up_logs` for --log-format."""
    return {"auto": None, "json": True, "text": False}[log_format]
