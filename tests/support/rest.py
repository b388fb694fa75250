"""library-rest as a real process, and an HTTP client that sends what it is given, unchanged."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

import grpc

from tests.support.certificates import context_for
from tests.support.clients import Refusal
from tests.support.forked_servers import Forkery
from tests.support.made_secrets import note_error, note_http
from tests.support.processes import ServingProcess

ANSWER_SECONDS = 100.0

Body = bytes | str | Mapping[str, Any] | Sequence[Any] | None
"""What a request carries: bytes and text as they are, a dict or a list as JSON."""


@dataclass(frozen=True)
class Answer:
    """What came back for a request."""

    status: int
    headers: Message
    """Found in any case of their names."""
    body: bytes

    def json(self) -> Any:
        """The body, which is one JSON value."""
        return json.loads(self.body)

    def lines(self) -> list[Any]:
        """The body, which is newline-delimited JSON."""
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def refusal(self) -> Refusal:
        """The error by AIP-193. Fails where the answer is not an error, or has another form."""
        assert self.status >= 400, f"was to be refused, and answered {self.status}: {self.body!r}"
        assert self.headers.get_content_type() == "application/json", self.headers
        refusal = refusal_in(self.json())
        assert self.json()["error"]["code"] == self.status
        return refusal


class RestProcess(ServingProcess):
    """One library-rest process after another, on one address."""

    def __init__(
        self, targets: Iterable[str], log: Path, settings: Mapping[str, str], forkery: Forkery | None = None
    ) -> None:
        super().__init__("rest", log, settings, forkery)
        self.targets = list(targets)

    def variables(self) -> dict[str, str]:
        """The targets with the rest."""
        return {"TARGET": " ".join(self.targets), **super().variables()}

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        return f"{'https' if 'TLS_CERT' in self.settings else 'http'}://{self.address}"

    def request(self, method: str, path: str, body: Body = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Make a request on a connection of its own, and read the whole answer.

        The path goes out as it is, percent signs and query included. A body is called application/json unless the
        headers have another type.
        """
        with self.answering(method, path, body, headers) as response:
            answer = Answer(response.status, response.headers, response.read())
        note_http(path, headers or {}, body, answer.body)
        if answer.status >= 400:
            note_error(answer.body.decode(errors="replace"))
        return answer

    @contextmanager
    def answering(
        self, method: str, path: str, body: Body = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """The same, given as soon as the head of the answer is there, so that its lines can be read as they come."""
        host, _, port = self.address.rpartition(":")
        connection: http.client.HTTPConnection
        if (context := context_for(self.settings)) is not None:
            connection = http.client.HTTPSConnection(host, int(port), timeout=ANSWER_SECONDS, context=context)
        else:
            connection = http.client.HTTPConnection(host, int(port), timeout=ANSWER_SECONDS)
        try:
            # Else http.client asks for an answer that is not compressed, as no other client does.
            connection.putrequest(method, path, skip_accept_encoding=True)
            sent = _bytes_of(body)
            for name, value in _headers_of(sent, headers).items():
                connection.putheader(name, value)
            connection.endheaders(sent)
            with connection.getresponse() as response:
                yield response
        finally:
            connection.close()

    def _is_healthy(self) -> bool:
        try:
            return self.request("GET", "/healthz").status == 200
        except OSError:
            return False


def serves(rest: RestProcess, path: str = "/v1/echo/a") -> bool:
    """Return whether a GET is answered."""
    return rest.request("GET", path).status == 200


class RestServers:
    """The library-rest processes of a test or a module; `close` ends all."""

    def __init__(self, folder: Path, forkery: Forkery | None = None) -> None:
        """Logs go into `folder`. With a `forkery` they are forked from there."""
        self._folder = folder
        self._forkery = forkery
        self._started: list[RestProcess] = []

    def start(self, targets: Iterable[str], **settings: str) -> RestProcess:
        """Start one on a free port and wait until it has read the contracts of all its targets.

        Settings are variables without their prefix. For example `start([admin.address], CONTRACT_INTERVAL="0.5")`.
        """
        rest = self.prepare(targets, **settings)
        rest.start()
        return rest

    def prepare(self, targets: Iterable[str], **settings: str) -> RestProcess:
        """The same, not started yet. One whose targets are down is started by `launch` and `wait_until_listening`."""
        rest = RestProcess(targets, self._folder / f"rest-{len(self._started) + 1}.log", settings, self._forkery)
        self._started.append(rest)
        return rest

    def close(self) -> None:
        """End all of them and print their logs, which pytest shows when a test failed."""
        for rest in reversed(self._started):
            rest.close()
            if rest.log.exists():
                print(rest.log_tail())
        self._started.clear()


def refusal_in(answer: Any) -> Refusal:
    """Read an error in the form of AIP-193, which is also what the last line of a broken stream has."""
    assert set(answer) == {"error"}, answer
    error = answer["error"]
    assert set(error) <= {"code", "status", "message", "details"}, error
    refusal = Refusal(grpc.StatusCode[error["status"]], error["message"])
    for detail in error.get("details", []):
        match detail["@type"].removeprefix("type.googleapis.com/google.rpc."):
            case "ErrorInfo" if refusal.reason:
                refusal.further_reasons.append(detail["reason"])
            case "ErrorInfo":
                refusal.reason, refusal.domain = detail["reason"], detail["domain"]
                refusal.metadata = detail.get("metadata", {})
            case "BadRequest":
                refusal.fields = {
                    violation["field"]: violation["description"] for violation in detail["fieldViolations"]
                }
            case "ResourceInfo":
                refusal.resource = (detail["resourceType"], detail["resourceName"])
            case "RequestInfo":
                refusal.request_id = detail["requestId"]
    return refusal


def _bytes_of(body: Body) -> bytes | None:
    match body:
        case None | bytes():
            return body
        case str():
            return body.encode()
        case _:
            return json.dumps(body).encode()


def _headers_of(sent: bytes | None, headers: Mapping[str, str] | None) -> dict[str, str]:
    named = {name.title(): value for name, value in (headers or {}).items()}
    if sent is None:
        return named
    return {"Content-Type": "application/json", "Content-Length": str(len(sent)), **named}
