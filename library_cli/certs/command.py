"""The command `library certs`."""

from __future__ import annotations

import shlex
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from library_cli.certs.authority import CERTIFICATE_DAYS
from library_cli.certs.folder import AUTHORITY, CLIENT, SERVERS, CertificateFolder, CertificatesRefused, Shown

FOLDER = ".data/certs"

THIS_MACHINE = ("localhost", "127.0.0.1", "::1")

WARNING_DAYS = 30

TRUST = """\
To trust the authority on a machine, copy {ca} there, and nothing else:
  curl --cacert {ca} https://localhost:8080/healthz
  grpcurl -cacert {ca} localhost:50051 list
  evans --tls --cacert {ca} --host localhost --port 50051 --reflection cli list
  library --ca {ca} status
For all programs, also browsers:
  Debian, Ubuntu  sudo cp {ca} /usr/local/share/ca-certificates/lending-library.crt && sudo update-ca-certificates
  Fedora          sudo cp {ca} /etc/pki/ca-trust/source/anchors/lending-library.pem && sudo update-ca-trust
  macOS           sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain {ca}
  Windows         certutil -addstore -f Root ca.pem
  Firefox         Settings > Privacy & Security > View Certificates > Authorities > Import"""

folder_option = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=FOLDER,
    show_default=True,
    help="The folder with the authority and the certificates.",
)


def host_option(words: str) -> Callable[[Any], Any]:
    return click.option("--host", "hosts", multiple=True, metavar="NAME", help=words)


@click.group("certs", short_help="Make certificates for TLS on a small site.")
def certs_command() -> None:
    """Make a private certificate authority and certificates, so that the services can serve TLS."""


@certs_command.command("init")
@folder_option
@host_option(
    "A name or an IP address by which clients reach the services; can be repeated. localhost, 127.0.0.1, ::1 and the "
    "name of this machine are always in the certificates."
)
def init(folder: Path, hosts: tuple[str, ...]) -> None:
    """Make an authority, and a certificate for each service and for the command.

    It prints the settings for TLS, and how to trust the authority.

    Exit status: 0, or 1 when the files cannot be written, or the folder has an authority.
    """
    files = CertificateFolder(folder)
    with refused():
        files.make([*THIS_MACHINE, *_own_names(), *hosts], datetime.now(UTC))
    click.echo(f"Wrote an authority and {len(SERVERS) + 1} certificates to {folder}.")
    click.echo(f"Keep {files.key_file(AUTHORITY)} secret: with it, anyone can make certificates that you trust.\n")
    click.echo("Settings, each a variable of the same name as the flag:")
    for line in settings(files):
        click.echo(f"  export {line}")
    click.echo(f"\n{TRUST.format(ca=shlex.quote(str(files.certificate_file(AUTHORITY))))}")


@certs_command.command("renew")
@folder_option
@host_option("One more name or IP address for the certificates of the services; can be repeated.")
@click.option(
    "--within",
    "within_days",
    type=click.IntRange(0, CERTIFICATE_DAYS),
    metavar="DAYS",
    help="Renew only certificates that end within this number of days.  [default: all]",
)
def renew(folder: Path, hosts: tuple[str, ...], within_days: int | None) -> None:
    """Make new certificates by the same authority, for the same names.

    Servers that run read the files again, and open connections stay. For a job that runs each day, use --within 30.

    Exit status: 0, also when nothing was to be renewed; 1 when the files cannot be read or written.
    """
    files = CertificateFolder(folder)
    within = CERTIFICATE_DAYS + 1 if within_days is None else within_days
    with refused():
        renewed = files.renew(hosts, datetime.now(UTC), within)
    click.echo(f"Renewed: {', '.join(renewed)}." if renewed else "Nothing was to be renewed.")


@certs_command.command("show")
@folder_option
def show(folder: Path) -> None:
    """List the certificates, with their names and their last days.

    Exit status: 1 when a certificate ends within 30 days, or cannot be read; otherwise 0.
    """
    with refused():
        listed = list(CertificateFolder(folder).shown())
    now = datetime.now(UTC)
    _print(listed, now)
    ending = [each.name for each in listed if (each.until - now).days < WARNING_DAYS]
    if ending:
        command = f"library certs renew --within {WARNING_DAYS} --folder {shlex.quote(str(folder))}"
        click.echo(f"Within {WARNING_DAYS} days end: {', '.join(ending)}. Run: {command}", err=True)
        sys.exit(1)


def settings(files: CertificateFolder) -> Iterator[str]:
    """Yield the variables with which services and command use TLS, `NAME=value`."""
    for name in SERVERS:
        yield f"LIBRARY_{name.upper()}_TLS_CERT={_quoted(files.certificate_file(name))}"
        yield f"LIBRARY_{name.upper()}_TLS_KEY={_quoted(files.key_file(name))}"
    ca = _quoted(files.certificate_file(AUTHORITY))
    for variable in ("LIBRARY_FRONTEND_ADMIN_CA", "LIBRARY_REST_TARGET_CA", "LIBRARY_CA"):
        yield f"{variable}={ca}"


@contextmanager
def refused() -> Iterator[None]:
    """End the command with a sentence when the files cannot be used."""
    try:
        yield
    except (CertificatesRefused, ValueError) as problem:
        raise click.ClickException(str(problem)) from problem
    except OSError as problem:
        raise click.ClickException(f"{problem.filename}: {problem.strerror}") from problem


def _print(listed: list[Shown], now: datetime) -> None:
    console = Console()
    if not console.is_terminal:
        for each in listed:
            click.echo(f"{each.name}\t{each.until:%Y-%m-%d}\t{' '.join(each.hosts)}")
        return
    table = Table("name", "last day", "days left", "for", box=box.SIMPLE_HEAD)
    for each in listed:
        table.add_row(each.name, f"{each.until:%Y-%m-%d}", str((each.until - now).days), _purpose(each))
    console.print(table)


def _purpose(shown: Shown) -> str:
    if shown.name == AUTHORITY:
        return "signing the others"
    return "clients" if shown.name == CLIENT else " ".join(shown.hosts)


def _own_names() -> list[str]:
    """Return the name of this machine, if a certificate can have it."""
    name = socket.gethostname()
    return [name] if name and all(part.isascii() and part for part in name.split(".")) else []


def _quoted(file: Path) -> str:
    return shlex.quote(str(file.absolute()))
