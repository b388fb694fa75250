"""The command `library-rest`."""

from __future__ import annotations

import re
import sys
from urllib.parse import urlsplit

import click

from rest_server import app
from rest_server.calls import Limits
from rest_server.pages.documents import About
from service_kit.addresses import AddressTaken, split_address
from service_kit.logs import set_up_logs
from service_kit.open_files import raise_file_limit
from service_kit.private_files import set_private_umask
from service_kit.settings import as_json, grace_setting, host_port, listen_setting, log_settings, setting

PREFIX = "LIBRARY_REST"

_EMAIL = re.compile(r"[^@\s<>\"]+@[^@\s<>\"]+")


def origin(text: str) -> str:
    """The type of a setting that is an origin, as browsers write it: they are compared as texts."""
    scheme, _, rest = text.partition("://")
    try:
        _, port = split_address(rest)
        is_origin = bool(scheme) and text == text.lower() and (scheme, port) not in (("http", 80), ("https", 443))
    except ValueError:
        is_origin = False
    if not is_origin:
        raise click.BadParameter(
            f"{text!r} is no origin. Write it as browsers do: https://library.example or http://localhost:3000, in "
            "lower case, without a path, without a slash at the end, and without the port that its scheme has anyway. "
            "There is none that stands for all."
        )
    return text


def host(text: str) -> str:
    """The type of a setting that is a host without a port."""
    try:
        is_host = split_address(text) == (text, None)
    except ValueError:
        is_host = False
    if not is_host:
        raise click.BadParameter(
            f"{text!r} is no host. Write a name or an address without a port: library.example, 192.168.1.7, [fd00::7]."
        )
    return text


def title(text: str) -> str:
    """The type of a setting that is a name for people, on one line. Raises click.BadParameter."""
    if not text.strip() or not text.isprintable():
        raise click.BadParameter(f"{text!r} is not a name. Write one line of visible characters: Lending Library.")
    return text.strip()


def public_url(text: str) -> str:
    """The type of a setting that is empty or an http or https URL without a query. Raises click.BadParameter."""
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if text and not (is_url and text.isprintable() and not set(text) & set(' ?#\\"<>')):
        raise click.BadParameter(f"{text!r} is not a URL. Write all of it: https://library.example/api.")
    return text.rstrip("/")


def contact(text: str) -> str:
    """The type of a setting that is empty, an e-mail address or a URL. Raises click.BadParameter."""
    if "://" in text:
        return public_url(text)
    if text and not _EMAIL.fullmatch(text):
        raise click.BadParameter(
            f"{text!r} is not an e-mail address or a URL. Write desk@library.example or https://library.example/help."
        )
    return text


def each_once(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """The callback of a setting whose values may not come twice. Raises click.BadParameter."""
    for text in given:
        if given.count(text) > 1:
            raise click.BadParameter(f"{text!r} is given twice.")
    return given


@click.group()
def commands() -> None:
    """HTTP and JSON for gRPC servers that have reflection."""


@commands.command()
@listen_setting(PREFIX, "127.0.0.1:8080")
@setting(
    PREFIX,
    "--target",
    type=host_port,
    metavar="HOST:PORT",
    multiple=True,
    callback=each_once,
    default=("127.0.0.1:50051", "127.0.0.1:50052"),
    help="HOST:PORT of a gRPC server; may be given several times. In the variable, spaces are between them.",
)
@setting(
    PREFIX,
    "--timeout",
    type=click.FloatRange(0, 3_600, min_open=True),
    default=30.0,
    help="Seconds for a request and its answer, where the header Grpc-Timeout does not ask for less.",
)
@setting(
    PREFIX,
    "--body-bytes",
    type=click.IntRange(1),
    default=4 * 1024 * 1024,
    help="The most that a body may have, or a line of a streamed one.",
)
@setting(
    PREFIX,
    "--stream-bytes",
    type=click.IntRange(1),
    default=64 * 1024 * 1024,
    help="The most that a streamed body may have.",
)
@setting(
    PREFIX,
    "--concurrent-calls",
    type=click.IntRange(1, 100_000),
    default=256,
    help="Calls that run at the same time; one more is answered 429 at once.",
)
@setting(
    PREFIX,
    "--cors-origin",
    type=origin,
    multiple=True,
    help="An origin, as https://library.example, whose pages may call; may be given several times.  [default: none]",
)
@setting(
    PREFIX,
    "--allowed-host",
    type=host,
    multiple=True,
    help="A name that clients may know this server by, without a port; may be given several times.  "
    "[default: loopback names on a loopback address, else any]",
)
@setting(
    PREFIX,
    "--contract-interval",
    type=click.FloatRange(0.1, 86_400),
    default=10.0,
    help="Seconds between two looks at what a gRPC server offers.",
)
@setting(
    PREFIX,
    "--title",
    type=title,
    default="Lending Library",
    help="The name of the library, for the pages and the OpenAPI document.",
)
@setting(
    PREFIX,
    "--contact",
    type=contact,
    help="An e-mail address or a URL of the people who run this, for the OpenAPI document.  [default: none]",
)
@setting(
    PREFIX,
    "--public-url",
    type=public_url,
    help="Where clients find this behind a proxy, for the OpenAPI document: https://library.example/api.  "
    "[default: the address that the document is asked for at]",
)
@grace_setting(PREFIX)
@log_settings(PREFIX)
def serve(
    listen: str,
    target: tuple[str, ...],
    timeout: float,
    body_bytes: int,
    stream_bytes: int,
    concurrent_calls: int,
    cors_origin: tuple[str, ...],
    allowed_host: tuple[str, ...],
    contract_interval: float,
    title: str,
    contact: str | None,
    public_url: str | None,
    grace: float,
    log_level: str,
    log_format: str,
) -> None:
    """Serve until SIGTERM. The gRPC servers may be started later, and may change."""
    raise_file_limit()
    set_up_logs(log_level, as_json=as_json(log_format))
    about = About(title, contact or "", public_url or "")
    limits = Limits(timeout, body_bytes, stream_bytes, concurrent_calls)
    app.run(app.Settings(listen, target, limits, cors_origin, allowed_host, contract_interval, about, grace))


def main() -> None:
    """Run the command; a setting that is wrong is one plain sentence and exit status 1."""
    try:
        set_private_umask()
        commands()
    except AddressTaken as error:
        sys.exit(f"library-rest: {error}")


if __name__ == "__main__":
    main()
