"""The REST service's health, read over HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPSHandler, OpenerDirector, ProxyHandler, build_opener

from library_cli.channel import ANSWER_SECONDS
from library_cli.grpc_errors import CallFailed, nothing_answers
from library_cli.plain_text import one_line
from library_cli.transport import FilesUnusable, chosen

PATH = "/healthz"

ANSWER_BYTES = 65536
"""How much of an answer is read. The REST service's own answer is far shorter."""


MESSAGE_CHARACTERS = 500
"""How much of an error is shown. The REST service's own errors are shorter."""


@dataclass(frozen=True)
class Health:
    """The answer of a REST service. Health is named as in grpc.health.v1, for example `SERVING`."""

    status: str
    targets: dict[str, str]
    """The health of each gRPC service that it serves, by HOST:PORT: SERVING once its contract is known."""


def _opener(url: str) -> OpenerDirector:
    """Return an opener without a proxy: one that is set for the web cannot reach the library's own services.

    Raises FilesUnusable.
    """
    tls = [HTTPSHandler(context=chosen().context())] if url.startswith("https:") else []
    return build_opener(ProxyHandler({}), *tls)


def is_http_url(address: str) -> bool:
    """Return whether an address is a URL for HTTP, and not HOST:PORT of a gRPC service."""
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is not a number, an IPv6 address with one bracket
        return False


def health_at(url: str, timeout: float = ANSWER_SECONDS) -> Health:
    """Return the health of the REST service at `url`, which may end in /healthz.

    The timeout is in seconds. Raises CallFailed, with a sentence for the user, if no REST service answers.
    """
    url = url.rstrip("/").removesuffix(PATH)
    try:
        answer = json.loads(_answer(url, timeout))
    except (ValueError, RecursionError):
        answer = None
    match answer:
        case {"status": str(status), "targets": {**targets}}:
            return Health(_short(status), {_short(target): _short(health) for target, health in targets.items()})
        case {"error": {"message": str(message)}}:
            raise CallFailed(f"The REST service at {url} answered: {_short(message)}")
    raise CallFailed(_other_program(url))


def _answer(url: str, timeout: float) -> bytes:
    """Return the body of the answer. Raises CallFailed if no HTTP server answers there."""
    try:
        try:
            with _opener(url).open(url + PATH, timeout=timeout) as answer:
                body: bytes = answer.read(ANSWER_BYTES)
        except HTTPError as refusal:  # while the service does not serve it answers 503, with the health as its body
            with refusal:
                body = refusal.read(ANSWER_BYTES)
    except FilesUnusable as problem:
        raise CallFailed(str(problem)) from problem
    except OSError as failure:
        cause = _short(str(failure.reason if isinstance(failure, URLError) else failure) or type(failure).__name__)
        raise CallFailed(nothing_answers(url, "REST service", cause)) from failure
    except HTTPException as failure:
        raise CallFailed(_other_program(url)) from failure
    return body


def _short(text: object) -> str:
    """Return a text of another program, cut and made safe for a terminal."""
    return one_line(str(text))[:MESSAGE_CHARACTERS]


def _other_program(url: str) -> str:
    # Without its answer, which can be any bytes.
    return f"What answers at {url} is another program than the REST service."
