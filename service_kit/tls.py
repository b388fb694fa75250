"""TLS of servers and channels: the files with certificates and keys, which servers re-read when they change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import grpc
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificates

from service_kit.clock import rfc3339
from service_kit.logs import logger

PUBLIC = "public"
"""The value of a setting for the public certificate authorities that gRPC has, instead of a file with others."""

Parsed = TypeVar("Parsed")

log = logger(__name__)


class TlsSettingsError(Exception):
    """A setting of TLS, or a file that it names, cannot be used. The message explains why."""


@dataclass(frozen=True)
class ServerTls:
    """The files of a server that serves TLS, all in PEM."""

    certificate: Path
    """The server's certificate, then those between it and its authority, if any."""
    key: Path
    """The private key of the certificate, without a password."""
    client_ca: Path | None = None
    """The authorities whose certificates clients must have; None for clients without a certificate."""

    @classmethod
    def of_settings(cls, certificate: Path | None, key: Path | None, client_ca: Path | None) -> ServerTls | None:
        """Return the files of three settings, or None for a server of plain text. Raises TlsSettingsError."""
        if certificate and key:
            return cls(certificate, key, client_ca)
        if certificate or key or client_ca:
            raise TlsSettingsError("for TLS, both --tls-cert and --tls-key are required, also with --tls-client-ca")
        return None

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials that serve the present files at each new connection. Raises TlsSettingsError."""
        files = CertificateFiles(self)
        return grpc.dynamic_ssl_server_credentials(
            files.configuration,
            files.changed_configuration,  # type: ignore[arg-type]  # gRPC allows None, for no change
            require_client_authentication=self.client_ca is not None,
        )


@dataclass(frozen=True)
class ChannelTls:
    """How a channel proves the server's identity, and possibly its own."""

    ca: str = ""
    """A file of the authorities that the server's certificate must come from; `public` for the public ones; "" for
    plain text."""
    certificate: Path | None = None
    """The client's own certificate, for a server that requires one."""
    key: Path | None = None

    def check(self, option: str) -> None:
        """Raise TlsSettingsError for settings that contradict each other; `option` is `admin` of `--admin-ca`."""
        if bool(self.certificate) != bool(self.key):
            raise TlsSettingsError(f"--{option}-cert and --{option}-key are required together")
        if self.certificate and not self.ca:
            raise TlsSettingsError(f"--{option}-cert requires --{option}-ca: plain text has no certificates")

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Return credentials with the present contents of the files; None for plain text. Raises TlsSettingsError."""
        if not self.ca:
            return None
        roots = None if self.ca == PUBLIC else _authorities(Path(self.ca))
        if self.certificate is None or self.key is None:
            return grpc.ssl_channel_credentials(roots)
        key, chain = _pair(self.certificate, self.key)
        return grpc.ssl_channel_credentials(roots, key, chain)

    def marks(self) -> tuple[object, ...]:
        """Return what changes when one of the files changes."""
        files = (None if self.ca in ("", PUBLIC) else Path(self.ca), self.certificate, self.key)
        return _marks(file for file in files if file)


PLAIN_TEXT = ChannelTls()


class CertificateFiles:
    """The files of a server, and what it serves of them now."""

    def __init__(self, tls: ServerTls) -> None:
        """Read the files. Raises TlsSettingsError."""
        self._tls = tls
        self._lock = threading.Lock()
        self._read_marks = self._marks()
        self._problem = ""
        self.configuration = self._read()

    def changed_configuration(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the contents of the files if they have changed since the last time, otherwise None.

        gRPC calls it in its own threads, before each handshake. Files that cannot be used, such as a new certificate
        whose key is not written yet, are left: the present contents are served, and the next call reads again.
        """
        with self._lock:
            marks = self._marks()
            if marks == self._read_marks:
                return None
            try:
                self.configuration = self._read()
            except TlsSettingsError as problem:
                if str(problem) != self._problem:
                    log.warning("certificate not re-read", problem=str(problem))
                self._problem = str(problem)
                return None
            self._read_marks, self._problem = marks, ""
            return self.configuration

    def _read(self) -> grpc.ServerCertificateConfiguration:
        key, chain = _pair(self._tls.certificate, self._tls.key)
        client_ca = _authorities(self._tls.client_ca) if self._tls.client_ca else None
        served = load_pem_x509_certificates(chain)[0]
        until = int(served.not_valid_after_utc.timestamp() * 1_000_000)
        log.info("certificate read", file=str(self._tls.certificate), valid_until=rfc3339(until))
        return grpc.ssl_server_certificate_configuration([(key, chain)], client_ca)

    def _marks(self) -> tuple[object, ...]:
        files = (self._tls.certificate, self._tls.key, self._tls.client_ca)
        return _marks(file for file in files if file)


def _pair(certificate: Path, key: Path) -> tuple[bytes, bytes]:
    """Return the contents of a key and of its certificate. Raises TlsSettingsError."""
    chain, private = _contents(certificate), _contents(key)
    first = _certificates(chain, certificate)[0]
    loaded = _parsed(lambda: load_pem_private_key(private, None), key, "a private key without a password")
    if loaded.public_key() != first.public_key():
        raise TlsSettingsError(f"the key in {key} is not that of the certificate in {certificate}")
    return private, chain


def _authorities(file: Path) -> bytes:
    contents = _contents(file)
    _certificates(contents, file)
    return contents


def _certificates(contents: bytes, file: Path) -> list[Certificate]:
    return _parsed(lambda: load_pem_x509_certificates(contents), file, "a certificate")


def _parsed(parse: Callable[[], Parsed], file: Path, what: str) -> Parsed:
    try:
        return parse()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: the key has a password
        raise TlsSettingsError(f"{file} does not contain {what} in PEM") from error


def _contents(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise TlsSettingsError(f"cannot read {file}: {error.strerror}") from error


def _marks(files: Iterable[Path]) -> tuple[object, ...]:
    """Return the time, size and number of each file. Links are followed: some systems change only a link."""
    marks: list[object] = []
    for file in files:
        try:
            status = file.stat()
            marks.append((status.st_mtime_ns, status.st_size, status.st_ino))
        except OSError:
            marks.append(None)
    return tuple(marks)
