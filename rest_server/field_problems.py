"""Find out which fields of a JSON value are to blame, and say of each what it must be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from protobuf import (
    DescEnum,
    DescField,
    DescFieldValueEnum,
    DescFieldValueList,
    DescFieldValueMap,
    DescFieldValueMessage,
    DescMessage,
    Registry,
    ScalarType,
    message_from_json_value,
)

from rest_server.fields import Fields

_WORDS = {
    ScalarType.STRING: "a text",
    ScalarType.BYTES: "bytes in base64",
    ScalarType.BOOL: "true or false",
    ScalarType.DOUBLE: "a number",
    ScalarType.FLOAT: "a number that fits into 32 bits",
    ScalarType.UINT32: "a whole number from 0 to 4294967295",
    ScalarType.FIXED32: "a whole number from 0 to 4294967295",
    ScalarType.UINT64: "a whole number of at most 64 bits, not below 0",
    ScalarType.FIXED64: "a whole number of at most 64 bits, not below 0",
}
_SIGNED_32 = "a whole number from -2147483648 to 2147483647"
_SIGNED_64 = "a whole number of at most 64 bits"
_SIGNED_64_TYPES = (ScalarType.INT64, ScalarType.SINT64, ScalarType.SFIXED64)

_MESSAGES_IN_WORDS = {
    "google.protobuf.Timestamp": "a time such as 2026-01-31T12:00:00Z",
    "google.protobuf.Duration": 'seconds such as "1.5s"',
    "google.protobuf.FieldMask": 'field names in one text, with commas between them: "title,totalCopies"',
}


Problem = tuple[str, str]
"""The path of a field, and what is wrong with it."""


class FieldProblems:
    """Looks at JSON values for messages of a contract."""

    def __init__(self, fields: Fields, registry: Registry) -> None:
        self._fields = fields
        self._registry = registry

    def contradictions(self, message: DescMessage, value: Any, path: str = "") -> Iterator[Problem]:
        """Find fields that are given twice, by both their names, and those of one oneof.

        The parser takes the last one; protobuf's JSON mapping wants such a value to be refused.
        """
        if not isinstance(value, dict):
            return
        fields = self._fields.of(message)
        given: dict[object, str] = {}
        for name, part in value.items():
            field = fields.get(name)
            if field is None or part is None:
                continue
            choice = getattr(field.value, "oneof", None) or field
            if choice in given:
                yield path + field.name, f"cannot be given together with {given[choice]}"
            given[choice] = name
            for inner, element, inner_path in _within(field, part, path + field.name):
                yield from self.contradictions(inner, element, inner_path)

    def all(self, message: DescMessage, value: Any) -> list[Problem]:
        """Find what keeps a value from being a message. Never empty."""
        return list(self._misfits(message, value, "")) or [("body", "cannot be read as a whole")]

    def _misfits(self, message: DescMessage, value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield path.rstrip(".") or "body", "must be an object"
            return
        for name, part in value.items():
            field = self._fields.of(message).get(name)
            if field is None:
                yield path + name, f"is no field of {message.type_name}"
            elif not self._fits(message, name, part):
                within = list(_within(field, part, path + field.name))
                if not within:
                    yield path + field.name, f"must be {_wanted(field)}"
                for inner, element, inner_path in within:
                    yield from self._misfits(inner, element, inner_path)

    def _fits(self, message: DescMessage, name: str, part: Any) -> bool:
        try:
            message_from_json_value(message.type, {name: part}, registry=self._registry)
        except (ValueError, TypeError, OverflowError):
            return False
        return True


def _within(field: DescField, part: Any, path: str) -> Iterator[tuple[DescMessage, Any, str]]:
    """Give the messages in a field's value, each with what should be one and its path."""
    match field.value:
        case DescFieldValueMessage(message=message) if _is_plain(message):
            yield message, part, f"{path}."
        case DescFieldValueList(element=DescMessage() as message) if _is_plain(message) and isinstance(part, list):
            for index, element in enumerate(part):
                yield message, element, f"{path}[{index}]."
        case DescFieldValueMap(value=DescMessage() as message) if _is_plain(message) and isinstance(part, dict):
            for key, element in part.items():
                yield message, element, f"{path}[{key}]."


def _is_plain(message: DescMessage) -> bool:
    """Whether the message is an object of its fields in JSON, and nothing of its own."""
    return not message.type_name.startswith("google.protobuf.")


def _wanted(field: DescField) -> str:
    match field.value:
        case DescFieldValueList(element=element):
            return f"a list, and each element {_in_words(element)}"
        case DescFieldValueMap(value=value):
            return f"an object, and each value {_in_words(value)}"
        case DescFieldValueMessage(message=message):
            return _in_words(message)
        case DescFieldValueEnum(enum=enum):
            return _in_words(enum)
        case scalar:
            return _in_words(scalar.scalar)


def _in_words(kind: ScalarType | DescEnum | DescMessage) -> str:
    match kind:
        case DescEnum():
            return f"one of {', '.join(value.name for value in kind.values)}"
        case DescMessage(type_name=name):
            return _MESSAGES_IN_WORDS.get(name, f"what protobuf's JSON has for {name}")
        case _ if kind in _SIGNED_64_TYPES:
            return _SIGNED_64
        case _:
            return _WORDS.get(kind, _SIGNED_32)
