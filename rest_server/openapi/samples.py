"""Samples of requests and answers, which people send unchanged from the page.

A field's sample is the line `Example: …` in its comment, as JSON or as plain text; `null` leaves the field out. Without
it, an answer has a value of the field's type, and a request has the field only if it is required. A request id has no
sample: the second request with it would be refused. In an answer, messages in an `Example` have all that the server
writes, also the zeros that the comment leaves out.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from protobuf import (
    DescEnum,
    DescField,
    DescFieldValueEnum,
    DescFieldValueList,
    DescFieldValueMap,
    DescFieldValueMessage,
    DescFieldValueScalar,
    DescMessage,
    Registry,
    ScalarType,
    message_from_json_value,
    message_to_json_value,
)

from rest_server.openapi.comments import example_of, superfluous
from rest_server.openapi.field_rules import INTEGERS_64, Schema, is_wrapper
from rest_server.openapi.schemas import Schemas, Use, names_of
from rest_server.spelling import REQUEST_ID

MOST_NESTING = 4
"""Of messages in a sample, as messages can contain themselves."""

TIME = "2026-01-31T12:00:00Z"

_TEXTS: Mapping[str, str] = {
    "uuid": "01941f29-7c00-7000-8000-000000000000",
    "email": "somebody@example.org",
    "hostname": "library.example",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://library.example/",
    "uri-reference": "/",
}
"""By the format of a schema."""

_WELL_KNOWN: Mapping[str, Any] = {
    "google.protobuf.Timestamp": TIME,
    "google.protobuf.Duration": "3.5s",
    "google.protobuf.FieldMask": "",
    "google.protobuf.Struct": {},
    "google.protobuf.ListValue": [],
    "google.protobuf.Value": None,
    "google.protobuf.Any": {"@type": "type.googleapis.com/google.protobuf.Empty", "value": {}},
    "google.protobuf.Empty": {},
}

_PAGE_TOKENS = ("page_token", "next_page_token")
"""AIP-158. A server refuses tokens that it did not make."""

NO_SAMPLE = object()
"""Instead of a sample. `None` is one."""


class Samples:
    """The samples of one contract."""

    def __init__(self, schemas: Schemas, registry: Registry) -> None:
        """`schemas` are those of the same contract."""
        self._schemas = schemas
        self._registry = registry

    def answer(self, message: DescMessage) -> Any:
        """Return a sample of an answer: all fields, and of a oneof the first one."""
        return self._of_message(message, MOST_NESTING)

    def request(
        self, message: DescMessage, without: Collection[tuple[str, ...]] = (), depth: int = MOST_NESTING
    ) -> dict[str, Any]:
        """Return a sample of a request, without the fields at the paths in `without`."""
        made: dict[str, Any] = {}
        left_out = names_of(without) | superfluous(message, names_of(without))
        for field in message.fields:
            if field.name in left_out or field.name == REQUEST_ID or self._schemas.rules.is_read_only(field):
                continue
            below = [path[1:] for path in without if path[0] == field.name]
            if (value := self.of_request_field(field, below, depth)) is not NO_SAMPLE:
                made[field.json_name] = value
        return made

    def of_request_field(
        self, field: DescField, without: Collection[tuple[str, ...]] = (), depth: int = MOST_NESTING
    ) -> Any:
        """Return a sample of a field of a request, or `NO_SAMPLE` to leave it out."""
        if (marked := self.marked(field)) is not NO_SAMPLE:
            return NO_SAMPLE if marked is None else marked
        if isinstance(field.value, DescFieldValueMessage) and not _has_own_form(field.value.message):
            is_endless = depth == 0 or field.value.message == field.parent
            if is_endless:
                return NO_SAMPLE
            made = self.request(field.value.message, without, depth - 1)
            return made if made or self._schemas.is_required(field) else NO_SAMPLE
        return self._of_type(field, 1) if self._schemas.is_required(field) else NO_SAMPLE

    def of_parameter(self, field: DescField) -> Any:
        """Return a sample of a field in a path."""
        return marked if (marked := self.marked(field)) is not NO_SAMPLE else self._of_type(field, 1)

    def marked(self, field: DescField) -> Any:
        """Return the sample in the field's comment; `NO_SAMPLE` if it has none or one that is not valid."""
        if (text := example_of(field)) is None:
            return NO_SAMPLE
        is_text = isinstance(field.value, DescFieldValueScalar) and field.value.scalar is ScalarType.STRING
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        if is_text and not isinstance(value, str | None):
            value = text
        return NO_SAMPLE if self._as_answered(field, value) is NO_SAMPLE else value

    def _marked_answer(self, field: DescField) -> Any:
        """Return the sample in the field's comment as the server writes it."""
        marked = self.marked(field)
        return marked if marked is NO_SAMPLE or marked is None else self._as_answered(field, marked)

    def _as_answered(self, field: DescField, value: Any) -> Any:
        """Return a value of a field as the server writes it, or `NO_SAMPLE` if it is not valid."""
        try:
            message = message_from_json_value(field.parent.type, {field.name: value}, registry=self._registry)
            whole: Any = message_to_json_value(message, registry=self._registry, always_emit_implicit=True)
        except (ValueError, TypeError, OverflowError, RecursionError):
            return NO_SAMPLE
        return whole.get(field.json_name)

    def _of_message(self, message: DescMessage, depth: int) -> Any:
        if is_wrapper(message):
            return self._of_type(message.fields[0], depth)
        if _has_own_form(message):
            return _WELL_KNOWN.get(message.type_name, {})
        made: dict[str, Any] = {}
        chosen: set[str] = set()
        for field in message.fields:
            oneof = getattr(field.value, "oneof", None)
            if oneof is not None and oneof.name in chosen:
                continue
            marked = self._marked_answer(field)
            value = self._of_type(field, depth - 1) if marked is NO_SAMPLE else marked
            if value is not NO_SAMPLE and not (value is None and marked is None):
                made[field.json_name] = value
                chosen |= {oneof.name} if oneof is not None else set()
        return made

    def _of_type(self, field: DescField, depth: int) -> Any:
        match field.value:
            case DescFieldValueList(element=element):
                return [] if (value := self._of_element(element, field, depth)) is NO_SAMPLE else [value]
            case DescFieldValueMap(key=key, value=element):
                name = "key" if key is ScalarType.STRING else "true" if key is ScalarType.BOOL else "1"
                return {} if (value := self._of_element(element, field, depth)) is NO_SAMPLE else {name: value}
            case DescFieldValueMessage(message=message):
                return self._of_element(message, field, depth)
            case DescFieldValueEnum(enum=enum):
                return self._of_element(enum, field, depth)
            case scalar:
                return self._of_element(scalar.scalar, field, depth)

    def _of_element(self, kind: DescMessage | DescEnum | ScalarType, field: DescField, depth: int) -> Any:
        match kind:
            case DescMessage():
                return self._of_message(kind, depth) if depth > 0 or _has_own_form(kind) else NO_SAMPLE
            case DescEnum():
                return _of_enum(kind)
        if field.name in _PAGE_TOKENS:
            return ""
        schema = self._schemas.rules.constrain(self._schemas.value(field.value, Use.REQUEST), field)
        return _of_scalar(kind, schema.get("items", schema))


def _has_own_form(message: DescMessage) -> bool:
    return message.type_name.startswith("google.protobuf.")


def _of_enum(enum: DescEnum) -> Any:
    """Return the first value that is not zero."""
    if enum.type_name == "google.protobuf.NullValue":
        return None
    value = next((value for value in enum.values if value.number), enum.values[0])
    return value.json_name or value.name


def _of_scalar(scalar: ScalarType, schema: Schema) -> Any:
    if schema.get("enum"):
        return schema["enum"][0]
    match scalar:
        case ScalarType.BOOL:
            return False
        case ScalarType.STRING:
            text = _TEXTS.get(schema.get("format", ""), "text")
            return text[: schema.get("maxLength", len(text))].ljust(schema.get("minLength", 0), "x")
        case ScalarType.BYTES:
            return "dGV4dA=="
        case ScalarType.FLOAT | ScalarType.DOUBLE:
            return schema.get("minimum", 1.5)
    if scalar in INTEGERS_64:
        return "1"
    return max(schema.get("minimum", 1), min(1, schema.get("maximum", 1)))
