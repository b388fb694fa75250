"""Write a target's replies as the content of HTTP answers."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from protobuf import DescField, DescFieldValueScalar, DescMessage, Message, Registry, ScalarType

from rest_server.any_values import value_in_json
from rest_server.contracts.http_rules import HttpRule, field_named, full_name, is_raw_answer
from rest_server.errors import AnswerUnreadable
from rest_server.headers import JSON, NDJSON, entity_tag


class AnswerWriter:
    """Writes the replies of a rule's method."""

    def __init__(self, rule: HttpRule, registry: Registry) -> None:
        self._method = full_name(rule.method)
        self._registry = registry
        self._output: DescMessage = rule.method.output
        self._answered_field = field_named(self._output, rule.response_body)
        self.is_raw = is_raw_answer(rule)
        """Whether the content is a google.api.HttpBody, which is not JSON."""
        self._etag_field = etag_field(self._output)

    def whole(self, reply: bytes | None) -> tuple[bytes, str, str | None]:
        """Return the content for a serialized reply: the body, its media type, and its entity tag if it has one."""
        content, media_type, message = self._written(reply)
        # Not the resource's own etag: that is for what clients can change, and the answer has more.
        has_etag = self.is_raw or (self._etag_field is not None and bool(message[self._etag_field]))
        return content, media_type, entity_tag(content) if has_etag else None

    def part(self, reply: bytes) -> tuple[bytes, str]:
        """Return a part of a streamed answer, which is a line of JSON unless it is raw, and its media type."""
        content, content_type, _ = self._written(reply)
        return (content, content_type) if self.is_raw else (content + b"\n", NDJSON)

    def _written(self, reply: bytes | None) -> tuple[bytes, str, Message]:
        try:
            if reply is None:
                raise ValueError("the call succeeded without a message")
            message = self._output.type.from_binary(reply)
        except (ValueError, RecursionError) as error:  # of another version of the contract, or nested too deep
            raise AnswerUnreadable(method=self._method, problem=error) from error
        if not self.is_raw:
            return self._in_json(message).encode(), JSON, message
        raw: Any = message if self._answered_field is None else message[self._answered_field]
        return bytes(raw.data), _media_type(raw.content_type), message

    def _in_json(self, message: Message) -> str:
        if self._answered_field is None:
            with suppress(ValueError, RecursionError):  # an Any of a type that the target does not describe
                return message.to_json(registry=self._registry, always_emit_implicit=True)
        try:
            whole = value_in_json(message, self._registry)
        except (ValueError, RecursionError) as error:  # a value without a form in JSON, or messages nested too deep
            raise AnswerUnreadable(method=self._method, problem=error) from error
        if self._answered_field is not None:
            whole = whole.get(self._answered_field.json_name)
        return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def _media_type(sent: str) -> str:
    """Return the media type that a target sent, unless a header cannot have it."""
    return sent if sent and sent.isascii() and sent.isprintable() else "application/octet-stream"


def etag_field(message: DescMessage) -> DescField | None:
    """Return the field of AIP-154, if the message has it: the version of a resource."""
    field = field_named(message, "etag")
    is_text = field and isinstance(field.value, DescFieldValueScalar) and field.value.scalar is ScalarType.STRING
    return field if is_text else None
