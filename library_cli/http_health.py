"""The REST service's health, asked for over HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from library_cli.channel import ANSWER_SECONDS
from library_cli.grpc_errors import CallFailed, nothing_answers
from library_cli.plain_text import one_line

PATH = "/healthz"

ANSWER_BYTES = 65536
"""What is read of an answer; that of the REST service is far shorter."""


MESSAGE_CHARACTERS = 500
"""How much of an error is shown; the REST service's own are shorter."""


@dataclass(frozen=True)
class Health:
    """What a REST service says of itself; a health is named as grpc.health.v1 names it, such as `SERVING`."""

    status: str
    targets: dict[str, str]
    """The gRPC services that it stands before, HOST:PORT, each with SERVING once its contract is known."""


# A proxy set for the web would be asked for the library's own services, too, and does not know them.
_OPENER = build_opener(ProxyHandler({}))


def is_http_url(address: str) -> bool:
    """Whether it is an address for HTTP, and not HOST:PORT, as the gRPC services have it."""
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, an IPv6 address with half its brackets
        return False


def health_at(url: str, timeout: float = ANSWER_SECONDS) -> Health:
    """Ask the REST service at `url`, which may end in /healthz, how it is.

    The timeout is in seconds. Raises CallFailed, with a sentence for the user, where no REST service answers.
    """
    url = url.rstrip("/").removesuffix(PATH)
    try:
        told = json.loads(_answer(url, timeout))
    except (ValueError, RecursionError):
        told = None
    match told:
        case {"status": str(status), "targets": {**targets}}:
            return Health(_short(status), {_short(target): _short(health) for target, health in targets.items()})
        case {"error": {"message": str(message)}}:
            raise CallFailed(f"The REST service at {url} answered: {_short(message)}")
    raise CallFailed(_other_program(url))


def _answer(url: str, timeout: float) -> bytes:
    """Fetch the health of the service at `url`. Raises CallFailed where nothing speaks HTTP there."""
    try:
        try:
            with _OPENER.open(url + PATH, timeout=timeout) as answer:
                said: bytes = answer.read(ANSWER_BYTES)
        except HTTPError as refusal:  # 503 while it does not serve, and its body is the answer
            with refusal:
                said = refusal.read(ANSWER_BYTES)
    except OSError as failure:
        cause = _short(str(failure.reason if isinstance(failure, URLError) else failure) or type(failure).__name__)
        raise CallFailed(nothing_answers(url, "REST service", cause)) from failure
    except HTTPException as failure:
        raise CallFailed(_other_program(url)) from failure
    return said


def _short(text: object) -> str:
    """Return a text of another program as it can be shown."""
    return one_line(str(text))[:MESSAGE_CHARACTERS]


def _other_program(url: str) -> str:
    # Without what it answered: those can be any bytes.
    return f"What answers at {url} is another program than the REST service."
