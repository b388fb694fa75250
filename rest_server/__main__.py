"""The command `library-rest`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rest_server import app
from rest_server.guards.open_files import raise_file_limit
from rest_server.logs import set_up_logs
from rest_server.options import (
    contact,
    each_once,
    file_setting,
    host,
    host_port,
    origin,
    public_url,
    serving_files,
    setting,
    target_files,
    title,
)
from rest_server.settings import About, Learning, Limits, Settings
from rest_server.tls import TlsSettingsError


@click.group()
def commands() -> None:
    """HTTP and JSON for gRPC servers that have reflection."""


@commands.command()
@setting(
    "--listen",
    type=host_port,
    metavar="HOST:PORT",
    default="127.0.0.1:8080",
    help="HOST:PORT; port 0 takes a free one.",
)
@setting(
    "--target",
    type=host_port,
    metavar="HOST:PORT",
    multiple=True,
    callback=each_once,
    default=("127.0.0.1:50051", "127.0.0.1:50052"),
    help="HOST:PORT of a gRPC server; can be repeated. In the variable, spaces are between them.",
)
@file_setting("--tls-cert", "Serve HTTPS with the certificate in this PEM file.  [default: plain text]")
@file_setting("--tls-key", "The private key of the certificate, in a PEM file.  [default: none]")
@file_setting(
    "--tls-client-ca",
    "Serve only clients with a certificate of an authority in this PEM file.  [default: all clients]",
)
@setting(
    "--target-ca",
    metavar="FILE",
    help="Call the gRPC servers with TLS: the authorities of their certificates, in a PEM file, or the word public for "
    "the public authorities.  [default: plain text]",
)
@file_setting("--target-cert", "The own certificate for calls to the gRPC servers.  [default: none]")
@file_setting("--target-key", "The private key of that certificate, in a PEM file.  [default: none]")
@setting(
    "--timeout",
    type=click.FloatRange(0, 3_600, min_open=True),
    default=30.0,
    help="Seconds for a request and its answer, unless the header Grpc-Timeout asks for less.",
)
@setting(
    "--body-bytes",
    type=click.IntRange(1),
    default=4 * 1024 * 1024,
    help="The size limit of a body, or of a line of a streamed body.",
)
@setting(
    "--stream-bytes",
    type=click.IntRange(1),
    default=64 * 1024 * 1024,
    help="The size limit of a streamed body.",
)
@setting(
    "--concurrent-calls",
    type=click.IntRange(1, 100_000),
    default=256,
    help="Calls that run at the same time; one more is answered 429 at once.",
)
@setting(
    "--cors-origin",
    type=origin,
    multiple=True,
    help="An origin whose pages may call, such as https://library.example; can be repeated.  [default: none]",
)
@setting(
    "--allowed-host",
    type=host,
    multiple=True,
    help="A host name that clients may use for this server, without a port; can be repeated.  "
    "[default: loopback names on a loopback address, otherwise any]",
)
@setting(
    "--contract-interval",
    type=click.FloatRange(0.1, 86_400),
    default=10.0,
    help="Seconds between two reads of the contract of a gRPC server.",
)
@file_setting(
    "--reflection-token-file",
    "A file with an API token, with which the contract is read.  [default: none]",
)
@setting(
    "--title",
    type=title,
    default="Lending Library",
    help="The name of the library, for the pages and the OpenAPI document.",
)
@setting(
    "--contact",
    type=contact,
    help="An e-mail address or a URL of the operators, for the OpenAPI document.  [default: none]",
)
@setting(
    "--public-url",
    type=public_url,
    help="The URL that clients use behind a proxy, for the OpenAPI document: https://library.example/api.  "
    "[default: the address that the document was requested at]",
)
@setting(
    "--grace",
    type=click.FloatRange(0, 600),
    default=10.0,
    help="Seconds that running calls have to end after SIGTERM.",
)
@setting(
    "--allow-plain-text",
    is_flag=True,
    default=False,
    help="Accept tokens and passwords from other machines without TLS.",
)
@setting(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    help="The lowest level that is logged; reads are logged at debug.",
)
@setting(
    "--log-format",
    type=click.Choice(["auto", "json", "text"]),
    default="auto",
    help="auto is text on a terminal, otherwise JSON lines.",
)
def serve(
    listen: str,
    target: tuple[str, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    target_ca: str | None,
    target_cert: Path | None,
    target_key: Path | None,
    timeout: float,
    body_bytes: int,
    stream_bytes: int,
    concurrent_calls: int,
    cors_origin: tuple[str, ...],
    allowed_host: tuple[str, ...],
    contract_interval: float,
    reflection_token_file: Path | None,
    title: str,
    contact: str | None,
    public_url: str | None,
    grace: float,
    allow_plain_text: bool,
    log_level: str,
    log_format: str,
) -> None:
    """Serve until SIGTERM. The gRPC servers may be started later, and may change."""
    raise_file_limit()
    set_up_logs(log_level, log_format)
    settings = Settings(
        listen,
        target,
        Limits(timeout, body_bytes, stream_bytes, concurrent_calls),
        cors_origin,
        allowed_host,
        Learning(contract_interval, token_file=reflection_token_file),
        About(title, contact or "", public_url or ""),
        grace,
        serving_files(tls_cert, tls_key, tls_client_ca),
        target_files(target_ca, target_cert, target_key),
        allow_plain_text,
    )
    app.run(settings)


def main() -> None:
    """Run the command. An address that is taken, or an unusable file, is one sentence and exit status 1."""
    try:
        commands()
    except (app.AddressTaken, TlsSettingsError) as error:
        sys.exit(f"library-rest: {error}")


if __name__ == "__main__":
    main()
