"""Whether the command calls with TLS, and with which certificates. The same for all services and for HTTP."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from service_kit.addresses import is_this_machine

PUBLIC = "public"
"""The authority that is named for the public ones."""


class FilesUnusable(Exception):
    """A file with certificates or a key cannot be used. The message explains why."""


@dataclass(frozen=True)
class ClientFiles:
    """The files of a client, in PEM."""

    ca: str = ""
    """The authorities of the servers' certificates: a file, `public`, or "" for plain text."""
    certificate: Path | None = None
    """The client's own, for a service that requires one."""
    key: Path | None = None

    def roots(self) -> bytes | None:
        """Return the authorities for gRPC; None for the public ones. Raises FilesUnusable."""
        return None if self.ca == PUBLIC else _contents(Path(self.ca))

    def own(self) -> tuple[bytes, bytes] | tuple[()]:
        """Return the own key and certificate for gRPC, if there are any. Raises FilesUnusable."""
        if self.certificate is None or self.key is None:
            return ()
        return _contents(self.key), _contents(self.certificate)

    def context(self) -> ssl.SSLContext:
        """Return the same for HTTP. Raises FilesUnusable."""
        try:
            context = ssl.create_default_context(cafile=None if self.ca in ("", PUBLIC) else self.ca)
            if self.certificate is not None:
                # A key with a password would be asked for on the terminal.
                context.load_cert_chain(self.certificate, self.key, password=str)
        except OSError as problem:  # ssl.SSLError is one
            files = ", ".join(str(file) for file in (self.ca, self.certificate, self.key) if file)
            cause = problem.strerror if not isinstance(problem, ssl.SSLError) else problem.reason
            raise FilesUnusable(f"The certificates cannot be used ({files}): {cause or problem}") from problem
        return context


def _contents(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as problem:
        raise FilesUnusable(f"{file} cannot be read: {problem.strerror}") from problem


def is_on_this_machine(address: str) -> bool:
    """Return whether an address, HOST:PORT or a URL, is one of this machine. No name is looked up."""
    try:
        host = urlsplit(address if "://" in address else f"//{address}").hostname
    except ValueError:
        return False
    return is_this_machine(host or "")


_chosen = ClientFiles()


def choose(files: ClientFiles) -> None:
    """Call with these files from now on, in all threads."""
    global _chosen  # noqa: PLW0603  # one command runs in a process
    _chosen = files


def chosen() -> ClientFiles:
    return _chosen
