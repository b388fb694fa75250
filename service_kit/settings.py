"""Settings of every server. Each is a flag and a variable; the flag takes precedence."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from service_kit.addresses import split_address
from service_kit.tls import ChannelTls

OPEN, TOKEN = "open", "token"
"""The values of `--access`."""

SIGNED_IN, CLOSED = "signed-in", "closed"
"""Values of `--reflection`, next to `OPEN`."""

Command = TypeVar("Command", bound=Callable[..., Any])


def setting(prefix: str, flag: str, **attributes: Any) -> Callable[[Command], Command]:
    """Return a click option whose variable is named after its flag: `--sync-interval` is `PREFIX_SYNC_INTERVAL`."""
    variable = f"{prefix}_{flag.removeprefix('--').replace('-', '_').upper()}"
    return click.option(flag, envvar=variable, show_envvar=True, show_default=True, **attributes)


def server_settings(prefix: str, listen: str) -> Callable[[Command], Command]:
    """Add the settings of listening, limits and logs."""
    options = [
        listen_setting(prefix, listen),
        tls_settings(prefix),
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
        setting(
            prefix,
            "--allow-plain-text",
            is_flag=True,
            default=False,
            help="In the mode token, let other machines connect without TLS.",
        ),
        setting(
            prefix,
            "--reflection",
            type=click.Choice([OPEN, SIGNED_IN, CLOSED]),
            default=OPEN,
            help="Who may read the contract by server reflection: everybody, callers with a valid token, or nobody.",
        ),
        log_settings(prefix),
    ]
    return _together(options)


def listen_setting(prefix: str, default: str) -> Callable[[Command], Command]:
    words = "HOST:PORT; port 0 takes a free one."
    return setting(prefix, "--listen", type=host_port, metavar="HOST:PORT", default=default, help=words)


def tls_settings(prefix: str) -> Callable[[Command], Command]:
    files = [
        file_setting(prefix, "--tls-cert", "Serve TLS with the certificate in this PEM file.  [default: plain text]"),
        file_setting(prefix, "--tls-key", "The private key of the certificate, in a PEM file.  [default: none]"),
        file_setting(
            prefix,
            "--tls-client-ca",
            "Serve only clients with a certificate of an authority in this PEM file.  [default: all clients]",
        ),
    ]
    return _together(files)


def channel_settings(prefix: str, service: str) -> Callable[[Command], Command]:
    """Add the settings of TLS to a service, `--SERVICE-ca` and others; the command gets them as `SERVICE_tls`."""
    names = [f"{service}_{part}" for part in ("ca", "cert", "key")]
    options = _together(
        [
            setting(
                prefix,
                f"--{service}-ca",
                metavar="FILE",
                default=None,
                help=f"Call the {service} service with TLS: the authorities of its certificate, in a PEM "
                "file, or the word public for the public authorities.  [default: plain text]",
            ),
            file_setting(
                prefix, f"--{service}-cert", f"The own certificate for calls to the {service} service.  [default: none]"
            ),
            file_setting(
                prefix, f"--{service}-key", "The private key of that certificate, in a PEM file.  [default: none]"
            ),
        ]
    )

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_tls(**values: Any) -> Any:
            ca, certificate, key = (values.pop(name) for name in names)
            tls = ChannelTls(ca or "", certificate, key)
            tls.check(service)
            return command(**{f"{service}_tls": tls}, **values)

        return options(cast("Command", with_tls))

    return decorate


def file_setting(prefix: str, flag: str, words: str) -> Callable[[Command], Command]:
    """Return an option that is a file. Not checked here: servers read theirs again when it changes."""
    return setting(prefix, flag, type=click.Path(path_type=Path), metavar="FILE", default=None, help=words)


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
