"""Write a target's replies as the content of HTTP answers."""

from __future__ import annotations

import json
from typing import Any

from protobuf import DescField, DescFieldValueScalar, DescMessage, Message, Registry, ScalarType, message_to_json_value

from rest_server.contracts.http_rules import HTTP_BODY, HttpRule, field_named, full_name, message_of
from rest_server.errors import AnswerUnreadable
from rest_server.headers import JSON, NDJSON, entity_tag


class AnswerWriter:
    """Writes the replies of a rule's method."""

    def __init__(self, rule: HttpRule, registry: Registry) -> None:
        self._method = full_name(rule.method)
        self._registry = registry
        self._output: DescMessage = rule.method.output
        self._answered_field = field_named(self._output, rule.response_body)
        answered = message_of(self._answered_field) if self._answered_field else None
        self.is_raw = (answered or self._output).type_name == HTTP_BODY
        """Whether the content is a google.api.HttpBody, which is not JSON."""
        self._etag_field = etag_field(self._output)

    def whole(self, reply: bytes | None) -> tuple[bytes, str, str | None]:
        """Return the content for a serialized reply: the body, its media type, and its entity tag if it has one."""
        try:
            if reply is None:
                raise ValueError("the call succeeded without a message")
            message = self._output.type.from_binary(reply)
        except (ValueError, RecursionError) as error:  # of another version of the contract, or nested too deep
            raise AnswerUnreadable(method=self._method, problem=error) from error
        if self.is_raw:
            raw: Any = message if self._answered_field is None else message[self._answered_field]
            content, media_type = bytes(raw.data), _media_type(raw.content_type)
        else:
            content, media_type = self._in_json(message).encode(), JSON
        # Not the resource's own etag: that is for what clients can change, and the answer has more.
        has_etag = self._etag_field is not None and bool(message[self._etag_field])
        return content, media_type, entity_tag(content) if has_etag else None

    def part(self, reply: bytes) -> tuple[bytes, str]:
        """Return a part of a streamed answer, which is a line of JSON unless it is raw, and its media type."""
        content, content_type, _ = self.whole(reply)
        return (content, content_type) if self.is_raw else (content + b"\n", NDJSON)

    def _in_json(self, message: Message) -> str:
        try:
            if self._answered_field is None:
                return message.to_json(registry=self._registry, always_emit_implicit=True)
            whole: Any = message_to_json_value(message, registry=self._registry, always_emit_implicit=True)
            return json.dumps(whole.get(self._answered_field.json_name), ensure_ascii=False, separators=(",", ":"))
        except ValueError as error:  # an Any of a type that the target does not describe
            raise AnswerUnreadable(method=self._method, problem=error) from error


def _media_type(sent: str) -> str:
    """Return the media type that a target sent, unless a header cannot have it."""
    return sent if sent and sent.isascii() and sent.isprintable() else "application/octet-stream"


def etag_field(message: DescMessage) -> DescField | None:
    """Return the field of AIP-154, if the message has it: the version of a resource."""
    field = field_named(message, "etag")
    is_text = field and isinstance(field.value, DescFieldValueScalar) and field.value.scalar is ScalarType.STRING
    return field if is_text else None
