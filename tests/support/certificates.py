"""Certificates of a small site, as `library certs` makes them, and what clients of its servers need."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import grpc
from cryptography import x509

from library_cli.certs.folder import AUTHORITY, CLIENT, CertificateFolder

HOSTS = ("localhost", "127.0.0.1")


class Site:
    """A folder with an authority, and certificates for all servers."""

    def __init__(self, folder: Path, hosts: Sequence[str] = HOSTS) -> None:
        self.files = CertificateFolder(folder)
        self.files.make(hosts, datetime.now(UTC))

    @property
    def ca(self) -> Path:
        return self.files.certificate_file(AUTHORITY)

    def settings(self, name: str, *, requires_clients: bool = False) -> dict[str, str]:
        """Return the variables, without prefix, with which a server serves TLS."""
        files = {"TLS_CERT": self.files.certificate_file(name), "TLS_KEY": self.files.key_file(name)}
        return as_text(files | ({"TLS_CLIENT_CA": self.ca} if requires_clients else {}))

    def calls(self, service: str, name: str) -> dict[str, str]:
        """Return the variables with which the server `name` calls another, `admin` or `target`, and proves itself."""
        own = {"CERT": self.files.certificate_file(name), "KEY": self.files.key_file(name), "CA": self.ca}
        return as_text({f"{service.upper()}_{part}": file for part, file in own.items()})

    def renew(self) -> None:
        """Write new certificates and keys for all."""
        self.files.renew([], datetime.now(UTC), within_days=10_000)

    def replace_authority(self, folder: Path) -> None:
        """Put the files of a new authority, made in `folder`, in the places of these."""
        other = Site(folder)
        for file in sorted(other.files.folder.iterdir()):
            file.replace(self.files.folder / file.name)

    def serial(self, name: str) -> int:
        """Return the number of the certificate that a server has now."""
        return x509.load_pem_x509_certificate(self.files.certificate_file(name).read_bytes()).serial_number


def as_text(files: Mapping[str, Path]) -> dict[str, str]:
    return {name: str(file) for name, file in files.items()}


def served_serial(address: str) -> int:
    """Return the number of the certificate that a server shows to a new client."""
    host, _, port = address.rpartition(":")
    shown = ssl.get_server_certificate((host, int(port)), timeout=60)
    return x509.load_pem_x509_certificate(shown.encode()).serial_number


def credentials_for(settings: Mapping[str, str]) -> grpc.ChannelCredentials | None:
    """Return what a client needs to call a server with these settings; None for plain text."""
    if "TLS_CERT" not in settings:
        return None
    folder = CertificateFolder(Path(settings["TLS_CERT"]).parent)
    ca = folder.certificate_file(AUTHORITY).read_bytes()
    if "TLS_CLIENT_CA" not in settings:
        return grpc.ssl_channel_credentials(ca)
    own = folder.key_file(CLIENT).read_bytes(), folder.certificate_file(CLIENT).read_bytes()
    return grpc.ssl_channel_credentials(ca, *own)


def context_for(settings: Mapping[str, str]) -> ssl.SSLContext | None:
    """Return the same for HTTP."""
    if "TLS_CERT" not in settings:
        return None
    return ssl.create_default_context(cafile=str(Path(settings["TLS_CERT"]).with_name("ca.pem")))
