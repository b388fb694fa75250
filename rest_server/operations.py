"""An operation: a method of a target, called by one of its HTTP rules."""

from __future__ import annotations

from base64 import b64encode
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import grpc
from protobuf import DescField, Registry

from rest_server.answers import AnswerWriter
from rest_server.contracts.contract import Contract
from rest_server.contracts.http_rules import WHOLE, HttpRule, field_named, full_name, is_raw_body, message_of
from rest_server.contracts.path_templates import Template
from rest_server.contracts.targets import Target
from rest_server.errors import BodyMissing, FieldsInvalid
from rest_server.guards.json_bodies import json_of
from rest_server.requests import NO_BODY, serialized_request

MOST_SAMPLE = 300
"""Characters of a sample in an error."""


class Operation:
    """Writes requests for its method from HTTP requests, and HTTP answers from its method's replies."""

    def __init__(self, rule: HttpRule, contract: Contract, target: Target, needed_body: str = "") -> None:
        """`rule` is one of the target's contract; `needed_body` is a sample of its body, if it cannot be left out."""
        self._needed_body = needed_body
        self.rule = rule
        self.target = target
        self.name = full_name(rule.method)
        kind = rule.method.proto
        self.reads_stream, self.writes_stream = bool(kind.client_streaming), bool(kind.server_streaming)
        self.call = _callable(target.channel, self.name, self.reads_stream, self.writes_stream)
        """Calls the method with serialized messages."""
        self.takes_secret = any(_is_secret(field) for field in rule.method.input.fields)
        """Whether its request has a field that the contract marks as not to be shown, such as a password."""
        self.takes_raw_body = is_raw_body(rule)
        self.answers = AnswerWriter(rule, contract.registry)
        self._contract = contract

    @property
    def verb(self) -> str:
        """The HTTP verb; `*` for any."""
        return self.rule.verb

    @property
    def template(self) -> Template:
        """The paths."""
        return self.rule.template

    @property
    def registry(self) -> Registry:
        """All types that its target described."""
        return self._contract.registry

    def takes_body(self) -> bool:
        """Return whether its rule has a body."""
        return bool(self.rule.body)

    def request_from(
        self,
        path: Sequence[str],
        query: Iterable[tuple[str, str]],
        body: bytes,
        content_type: str,
        idempotency_key: str | None,
    ) -> bytes:
        """Return the serialized request, made from all parts of the HTTP request. Raises Refusal."""
        value = self._json(path, body, content_type)
        return serialized_request(self.rule, self._contract, path, query, value, idempotency_key)

    def further_part(self, part: bytes) -> bytes:
        """Return the serialized message with a further part of raw content.

        Only the first message of a stream has the content type and what path and query set.
        """
        message = self.rule.method.input
        if self.rule.body == WHOLE:
            return message.type(data=part).to_binary()
        field = field_named(message, self.rule.body)
        body = message_of(field) if field else None
        assert body is not None, "only a message can be raw content"
        return message.type(**{self.rule.body: body.type(data=part)}).to_binary()

    def _json(self, path: Sequence[str], body: bytes, content_type: str) -> Any:
        if self.takes_raw_body:
            return {"content_type": content_type, "data": b64encode(body).decode()}
        if not body.removeprefix(BOM_UTF8).strip():
            if self._needed_body:
                raise BodyMissing(verb=self.rule.verb, path=self._called(path), sample=_cut(self._needed_body))
            # Clients often send an action that has no arguments without a body.
            return {} if self.rule.body == WHOLE else NO_BODY
        value = json_of(body)
        if self.takes_body():
            return value
        if value != {}:
            raise FieldsInvalid(
                ("body", f"must be empty: {self.rule.verb} {self._called(path)} takes query parameters")
            )
        return NO_BODY

    def _called(self, path: Sequence[str]) -> str:
        """Return the path of the request, cut to a length, as an id in it can be long."""
        verb = f":{self.template.verb}" if self.template.verb else ""
        return f"/{_cut('/'.join(path))}{verb}"


def _callable(channel: grpc.aio.Channel, name: str, reads_stream: bool, writes_stream: bool) -> Callable[..., Any]:
    kinds: dict[tuple[bool, bool], Callable[[str], Callable[..., Any]]] = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }
    return kinds[reads_stream, writes_stream](f"/{name}")


def _is_secret(field: DescField) -> bool:
    return field.proto.options is not None and bool(field.proto.options.debug_redact)


def _cut(sample: str) -> str:
    return sample if len(sample) <= MOST_SAMPLE else f"{sample[:MOST_SAMPLE]}…"
