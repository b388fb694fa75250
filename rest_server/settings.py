"""All settings of the server, made once in `__main__` and passed on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """Bounds on requests."""

    seconds: float
    """For a client to send its request and to get its answer."""
    body_bytes: int
    """Of a body, or of a line of a streamed body."""
    stream_bytes: int
    """Of a streamed body."""
    concurrent_calls: int
    """Calls that run at the same time; one more is refused."""


@dataclass(frozen=True)
class Learning:
    """How a target's contract is read by reflection, and how often."""

    interval_seconds: float = 10.0
    """Between two reads of a contract that is known."""
    pause_seconds: float = 0.2
    """The shortest time between two reads."""
    retry_seconds: float = 1.0
    """From a failed read to the next one, while the contract is not known."""
    connect_seconds: float = 5.0
    """To wait for the first connection once the contract is known."""
    answer_seconds: float = 10.0
    """For one answer of the target."""
    all_answers_seconds: float = 30.0
    """For all answers of one read."""
    most_files: int = 2_000
    """Files in one read."""
    token_file: Path | None = None
    """A file with a token, for targets that let only callers with one read their contract."""
    most_bytes: int = 8 * 1024 * 1024
    """In all files of one read. Types take up to sixty times the memory of their files, and seconds for each MB."""


@dataclass(frozen=True)
class About:
    """What the pages and the OpenAPI document say about this installation."""

    title: str
    """The name of the library, or of another service."""
    contact: str = ""
    """An e-mail address or a URL of the operators."""
    public_url: str = ""
    """The URL that clients use; empty for the one that the document was requested at."""


@dataclass(frozen=True)
class ServingFiles:
    """The files of a server of HTTPS, in PEM."""

    certificate: Path
    """The server's certificate, then those between it and its authority, if any."""
    key: Path
    """The private key of the certificate, without a password."""
    client_ca: Path | None = None
    """The authorities whose certificates clients must have; None for clients without a certificate."""


@dataclass(frozen=True)
class TargetFiles:
    """The files for channels to the targets, in PEM."""

    ca: str = ""
    """The authorities of the targets' certificates: a file, `public`, or "" for plain text."""
    certificate: Path | None = None
    """The own certificate, for targets that require one."""
    key: Path | None = None


@dataclass(frozen=True)
class Settings:
    """How the server runs."""

    listen: str
    """HOST:PORT."""
    targets: Sequence[str]
    """HOST:PORT of each gRPC server."""
    limits: Limits
    cors_origins: Sequence[str]
    """Origins of other sites whose pages may call."""
    allowed_hosts: Sequence[str]
    """Names that clients may use for this server. If empty: its own on a loopback address, otherwise any."""
    learning: Learning
    about: About
    grace_seconds: float
    """For running calls to end after SIGTERM."""
    serving: ServingFiles | None = None
    """For HTTPS; None for HTTP."""
    target_files: TargetFiles = TargetFiles()
    allows_plain_text: bool = False
    """Whether requests with a token or a password may come from other machines over HTTP."""
