"""The test server behind library-rest: ask over HTTP, and see what came to the server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from _pytest.mark import ParameterSet
from google.protobuf import text_format
from google.protobuf.message import Message

from tests.support.rest import Answer, Body, RestProcess, RestServers
from tests.support.transcoding.contracts import Contract, Rule
from tests.support.transcoding.server import Call, TranscodedServer

SeenCall = tuple[str, list[str]]
"""A method, as calls name it, and its requests in protobuf's text format, to be compared and read where they differ."""


class ServedRules:
    """One server and one library-rest, for all the rows of a module."""

    def __init__(self, server: TranscodedServer, rest: RestProcess) -> None:
        self.server = server
        self.rest = rest
        self.contract = server.contract
        self._questions = 0

    def ask(self, http: str, body: Body = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Make a request that is written as in google/api/http.proto: `PATCH /v1/messages/123456 { "text": "Hi!" }`.

        Pass a body that is not a text as `body`.
        """
        parts = re.fullmatch(r"(\S+) (\S+)(?: (.*))?", http, re.DOTALL)
        assert parts is not None, http
        verb, path, text = parts.groups()
        self.server.take_calls()
        self._questions += 1
        identity = {"X-Request-Id": str(self._questions)}
        return self.rest.request(verb, path, text if body is None else body, {**identity, **(headers or {})})

    def calls(self) -> list[Call]:
        """The calls that came to the server for the last question; one that was cut off before may come after it."""
        return [call for call in self.server.calls if call.metadata["x-request-id"] == str(self._questions)]

    def seen(self) -> list[SeenCall]:
        """The same, to be compared with `call`."""
        return [(call.method, _texts(call.requests)) for call in self.calls()]

    def call(self, rule: Rule, *requests: str) -> SeenCall:
        """What is to be seen of a rule's method with these requests, each in protobuf's text format."""
        takes = rule.takes.removeprefix("stream ")
        return self.contract.method(rule), _texts([self.contract.parsed(takes, request) for request in requests])

    def echo(self) -> Any:
        """The JSON of the only request that was seen, which is what a method answers that returns its request."""
        ((request,),) = (call.requests for call in self.calls())
        return self.contract.json_of(request)


@contextmanager
def serving_rules(rest_servers: RestServers, rules: Sequence[Rule]) -> Iterator[ServedRules]:
    """Start both, with a method for each rule."""
    server = TranscodedServer(Contract(rules))
    try:
        yield ServedRules(server, rest_servers.start([server.address]))
    finally:
        server.stop()


def rules_of(*tables: Sequence[ParameterSet]) -> list[Rule]:
    """The rules of tables, which their rows begin with."""
    values = (row.values[0] for table in tables for row in table)
    return [value for value in values if isinstance(value, Rule)]


def _texts(messages: Sequence[Message]) -> list[str]:
    return [text_format.MessageToString(message) for message in messages]
