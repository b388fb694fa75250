"""The folder with a private authority and its certificates: `NAME.pem` and `NAME-key.pem` of each."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from library_cli.certs.authority import CERTIFICATE_DAYS, Issued, hosts_of, issue, make_authority
from service_kit.private_files import FILE_MODE, make_folder

AUTHORITY = "ca"

SERVERS = ("admin", "frontend", "rest")

CLIENT = "client"
"""For the command `library`, and other clients of a server with --tls-client-ca."""

NAMES = (*SERVERS, CLIENT)

PUBLIC_MODE = 0o644
"""Of certificates, which are not secret."""


class CertificatesRefused(Exception):
    """The folder cannot be used as wanted. The message explains why and what to do."""


@dataclass(frozen=True)
class Shown:
    """What people see of a certificate."""

    name: str
    hosts: Sequence[str]
    until: datetime


class CertificateFolder:
    """A folder with the files of an authority and its certificates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def certificate_file(self, name: str) -> Path:
        return self.folder / f"{name}.pem"

    def key_file(self, name: str) -> Path:
        return self.folder / f"{name}-key.pem"

    def make(self, hosts: Sequence[str], now: datetime) -> None:
        """Write a new authority and all certificates.

        Raises CertificatesRefused, OSError, and ValueError for an invalid host.
        """
        if self.certificate_file(AUTHORITY).exists() or self.key_file(AUTHORITY).exists():
            raise CertificatesRefused(
                f"{self.folder} has an authority already. For new certificates, run: library certs renew --folder "
                f"{self.folder}. For a new authority, which all clients must trust again, choose another folder."
            )
        authority = make_authority(f"Lending Library, {now:%Y-%m-%d} {secrets.token_hex(4)}", now)
        issued = {name: issue(authority, name, _hosts(name, hosts), now) for name in NAMES}
        make_folder(self.folder)
        self._write({**issued, AUTHORITY: authority})

    def renew(self, more_hosts: Sequence[str], now: datetime, within_days: int = CERTIFICATE_DAYS) -> list[str]:
        """Write new certificates and keys for those that end within some days; return their names.

        They have the hosts of the present ones, and more. With more hosts, all are written. Raises CertificatesRefused,
        OSError, and ValueError for an invalid host.
        """
        authority = self._authority()
        if authority.certificate.not_valid_after_utc <= now:
            raise CertificatesRefused(
                f"The authority in {self.certificate_file(AUTHORITY)} is not valid any more. Make a new one in another "
                "folder: library certs init --folder NEW"
            )
        renewed: dict[str, Issued] = {}
        for name in NAMES:
            present = self._certificate(name)
            if more_hosts or (present.not_valid_after_utc - now).days < within_days:
                hosts = list(dict.fromkeys([*hosts_of(present), *(more_hosts if name in SERVERS else ())]))
                renewed[name] = issue(authority, name, hosts, now)
        self._write(renewed)
        return list(renewed)

    def shown(self) -> Iterator[Shown]:
        """Yield the authority and each certificate. Raises CertificatesRefused."""
        for name in (AUTHORITY, *NAMES):
            certificate = self._certificate(name)
            yield Shown(name, hosts_of(certificate), certificate.not_valid_after_utc)

    def _authority(self) -> Issued:
        certificate, key = self.certificate_file(AUTHORITY), self.key_file(AUTHORITY)
        try:
            return Issued.from_pem(self._contents(certificate), self._contents(key))
        except (ValueError, TypeError) as error:
            raise CertificatesRefused(f"{certificate} and {key} are not an authority of `library certs`.") from error

    def _certificate(self, name: str) -> x509.Certificate:
        file = self.certificate_file(name)
        try:
            return x509.load_pem_x509_certificate(self._contents(file))
        except ValueError as error:
            raise CertificatesRefused(f"{file} does not contain a certificate in PEM.") from error

    def _contents(self, file: Path) -> bytes:
        try:
            return file.read_bytes()
        except FileNotFoundError as error:
            raise CertificatesRefused(
                f"{file} does not exist. To make an authority and certificates, run: library certs init --folder "
                f"{self.folder}"
            ) from error

    def _write(self, issued: Mapping[str, Issued]) -> None:
        """Write all files, each under another name first.

        A server that reads between two files sees that they do not match, and reads again at its next connection.
        """
        for name, each in issued.items():
            _replace(self.key_file(name), each.key_pem, FILE_MODE)
            _replace(self.certificate_file(name), each.certificate_pem, PUBLIC_MODE)


def _hosts(name: str, hosts: Sequence[str]) -> list[str]:
    """Return the hosts of a new certificate. The name of a service is its host's name in docker-compose.yml."""
    return list(dict.fromkeys([*hosts, name])) if name in SERVERS else []


def _replace(file: Path, content: bytes, mode: int) -> None:
    new = file.with_name(f".{file.name}.{secrets.token_hex(4)}.part")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            os.fchmod(descriptor, mode)  # the umask of the command may take permissions away
            opened.write(content)
            opened.flush()
            os.fsync(descriptor)
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
