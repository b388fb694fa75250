"""Settings of the command: each a flag and a variable, and the types of their values."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from rest_server.addresses import split_address
from rest_server.settings import ServingFiles, TargetFiles

PREFIX = "LIBRARY_REST"
"""Of the variables."""

Command = TypeVar("Command", bound=Callable[..., Any])

_EMAIL = re.compile(r"[^@\s<>\"]+@[^@\s<>\"]+")


def setting(flag: str, **attributes: Any) -> Callable[[Command], Command]:
    """Return a click option with a variable that is named after its flag: `--body-bytes` is `PREFIX_BODY_BYTES`."""
    variable = f"{PREFIX}_{flag.removeprefix('--').replace('-', '_').upper()}"
    return click.option(flag, envvar=variable, show_envvar=True, show_default=True, **attributes)


def file_setting(flag: str, words: str) -> Callable[[Command], Command]:
    """Return an option that is a file. It is not checked here, as it is read again when it changes."""
    return setting(flag, type=click.Path(path_type=Path), metavar="FILE", default=None, help=words)


def serving_files(certificate: Path | None, key: Path | None, client_ca: Path | None) -> ServingFiles | None:
    """Return the files of three settings, or None for HTTP. Raises click.UsageError."""
    if certificate and key:
        return ServingFiles(certificate, key, client_ca)
    if certificate or key or client_ca:
        raise click.UsageError("For TLS, both --tls-cert and --tls-key are required, also with --tls-client-ca.")
    return None


def target_files(ca: str | None, certificate: Path | None, key: Path | None) -> TargetFiles:
    """Return the files of three settings. Raises click.UsageError."""
    if bool(certificate) != bool(key) or (certificate and not ca):
        raise click.UsageError("--target-cert and --target-key are required together, and with --target-ca.")
    return TargetFiles(ca or "", certificate, key)


def host_port(text: str) -> str:
    """The type of a setting that is HOST:PORT. Raises click.BadParameter.

    Some libraries take no host for all addresses of the machine, and no port for 443, so both are required.
    """
    try:
        _, port = split_address(text)
    except ValueError:
        port = None
    if port is None:
        raise click.BadParameter(f"{text!r} is not HOST:PORT, such as 127.0.0.1:50051, localhost:50051 or [::1]:50051.")
    return text


def origin(text: str) -> str:
    """The type of a setting that is an origin, as browsers write it: origins are compared as text."""
    scheme, _, rest = text.partition("://")
    try:
        _, port = split_address(rest)
        is_origin = bool(scheme) and text == text.lower() and (scheme, port) not in (("http", 80), ("https", 443))
    except ValueError:
        is_origin = False
    if not is_origin:
        raise click.BadParameter(
            f"{text!r} is not an origin. Write it as browsers do: https://library.example or http://localhost:3000, in "
            "lower case, without a path, without a slash at the end, and without the port that is the default of its "
            "scheme. No value allows all origins."
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
            f"{text!r} is not a host. "
            "Write a name or an address without a port: library.example, 192.168.1.7, [fd00::7]."
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
    """The callback of a setting whose values must differ. Raises click.BadParameter."""
    for text in given:
        if given.count(text) > 1:
            raise click.BadParameter(f"{text!r} is repeated.")
    return given
