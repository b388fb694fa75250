"""TLS of this server, and of its channels to the targets. The files are read again when they change."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

import grpc

from rest_server.logs import logger
from rest_server.settings import ServingFiles, TargetFiles

PUBLIC = "public"
"""The value of --target-ca for the public authorities."""

log = logger(__name__)


class TlsSettingsError(Exception):
    """A setting of TLS, or a file that it names, cannot be used. The message explains why."""


class ServingTls:
    """What the server shows to clients: its present certificate."""

    def __init__(self, files: ServingFiles) -> None:
        """Read the files. Raises TlsSettingsError."""
        self._files = files
        self._read_marks = self._marks()
        self._problem = ""
        self._present = _serving_context(files)
        self.context = _serving_context(files)
        """For the listening socket. Each connection gets the present certificates during its handshake."""
        self.context.sni_callback = self._use_present

    def _use_present(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Read changed files. OpenSSL calls it in each handshake, also without a name of the server."""
        marks = self._marks()
        if marks != self._read_marks:
            try:
                self._present = _serving_context(self._files)
            except TlsSettingsError as problem:
                # Such as a new certificate whose key is not written yet. The next handshake tries again.
                if str(problem) != self._problem:
                    log.warning("certificate not re-read", problem=str(problem))
                self._problem = str(problem)
            else:
                self._read_marks, self._problem = marks, ""
                log.info("certificate read", file=str(self._files.certificate))
        connection.context = self._present

    def _marks(self) -> tuple[object, ...]:
        files = (self._files.certificate, self._files.key, self._files.client_ca)
        return _marks(file for file in files if file)


class TargetTls:
    """The credentials of channels to the targets."""

    def __init__(self, files: TargetFiles) -> None:
        self._files = files

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Return credentials with the present contents of the files; None for plain text. Raises TlsSettingsError."""
        files = self._files
        if not files.ca:
            return None
        _check_target_files(files)
        try:
            roots = None if files.ca == PUBLIC else Path(files.ca).read_bytes()
            if files.certificate is None or files.key is None:
                return grpc.ssl_channel_credentials(roots)
            return grpc.ssl_channel_credentials(roots, files.key.read_bytes(), files.certificate.read_bytes())
        except OSError as problem:
            raise TlsSettingsError(f"cannot read {problem.filename}: {problem.strerror}") from problem

    def marks(self) -> tuple[object, ...]:
        """Return what changes when one of the files changes."""
        files = (None if self._files.ca in ("", PUBLIC) else Path(self._files.ca), self._files.certificate)
        return _marks(file for file in (*files, self._files.key) if file)


def _serving_context(files: ServingFiles) -> ssl.SSLContext:
    """Return a context with the present contents of the files. Raises TlsSettingsError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    _load_pair(context, files.certificate, files.key)
    if files.client_ca is not None:
        _load_authorities(context, files.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _check_target_files(files: TargetFiles) -> None:
    """Raise TlsSettingsError for files of which gRPC would only report that a handshake failed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if files.ca != PUBLIC:
        _load_authorities(context, Path(files.ca))
    if files.certificate and files.key:
        _load_pair(context, files.certificate, files.key)


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        # With a password, OpenSSL would ask for it on the terminal: `str` answers with an empty one.
        context.load_cert_chain(certificate, key, password=str)
    except OSError as problem:
        raise TlsSettingsError(
            f"{certificate} and {key} are not a certificate and its key in PEM, without a password: {_cause(problem)}"
        ) from problem


def _load_authorities(context: ssl.SSLContext, file: Path) -> None:
    try:
        context.load_verify_locations(file)
    except OSError as problem:
        raise TlsSettingsError(f"{file} does not contain certificates in PEM: {_cause(problem)}") from problem


def _cause(problem: OSError) -> str:
    cause = problem.reason if isinstance(problem, ssl.SSLError) else problem.strerror
    return cause or str(problem)


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
