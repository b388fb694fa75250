"""Explain why a JSON value is not a message: the invalid fields, and what each must be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
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

from rest_server.contracts.fields import Fields
from rest_server.errors import FieldsInvalid

_WORDS = {
    ScalarType.STRING: "a string",
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

MOST_NAMES = 240
"""Characters of an enum's names in a problem."""

_REQUIRED = 3
"""The presence of a field that proto2 requires: google.protobuf.FeatureSet.LEGACY_REQUIRED."""

_MESSAGES_IN_WORDS = {
    "google.protobuf.Timestamp": "a time such as 2026-01-31T12:00:00Z",
    "google.protobuf.Duration": 'seconds such as "1.5s"',
    "google.protobuf.FieldMask": 'field names in one string, separated by commas: "title,totalCopies"',
}


Problem = tuple[str, str]
"""The path of a field, and its problem."""


class FieldProblems:
    """Checks JSON values for messages of a contract."""

    def __init__(self, fields: Fields, registry: Registry) -> None:
        self._fields = fields
        self._registry = registry

    def contradictions(self, message: DescMessage, value: Any) -> list[Problem]:
        """Return what the parser accepts and should refuse.

        It accepts a field under both of its names, and several fields of a oneof, and keeps the last; protobuf's JSON
        mapping refuses both. It accepts any number for an enum; the target would cut one of more than 32 bits.
        """
        return list(islice(self._contradictions(message, value, ""), FieldsInvalid.MOST_PROBLEMS))

    def _contradictions(self, message: DescMessage, value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            return
        fields = self._fields.of(message)
        present: dict[object, str] = {}
        for name, part in value.items():
            field = fields.get(name)
            if field is None:
                continue
            # A null does not choose a field of a oneof, but it would replace the value under the field's other name.
            oneof = None if part is None else getattr(field.value, "oneof", None)
            for choice in (field, oneof):
                if choice is not None and choice in present:
                    yield path + name, f"cannot be sent together with {present[choice]}"
                present[choice] = name
            if _has_wide_enum(field, part):
                yield path + field.name, f"must be {_wanted(field)}"
            for inner, element, inner_path in _within(field, part, path + field.name):
                yield from self._contradictions(inner, element, inner_path)

    def misfits(self, message: DescMessage, value: Any) -> list[Problem]:
        """Return why a value is not a message. Never empty."""
        misfits = islice(self._misfits(message, value, ""), FieldsInvalid.MOST_PROBLEMS)
        return list(misfits) or [("body", "cannot be read as a whole")]

    def missing(self, message: DescMessage, value: Any) -> list[Problem]:
        """Return the required fields, which proto2 has, that the value of a message lacks. Never empty."""
        missing = islice(self._missing(message, value, ""), FieldsInvalid.MOST_PROBLEMS)
        return list(missing) or [("body", "lacks what is required")]

    def _missing(self, message: DescMessage, value: Any, path: str) -> Iterator[Problem]:
        present = {self._fields.of(message)[name]: part for name, part in value.items() if part is not None}
        for field in message.fields:
            if field in present:
                for inner, element, inner_path in _within(field, present[field], path + field.name):
                    yield from self._missing(inner, element, inner_path)
            elif field.presence == _REQUIRED:
                yield path + field.name, "is required"

    def _misfits(self, message: DescMessage, value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield path.rstrip(".") or "body", "must be an object"
            return
        for name, part in value.items():
            field = self._fields.of(message).get(name)
            if field is None:
                yield path + name, f"is not a field of {message.type_name}"
            elif part is not None:
                yield from self._misfits_in(field, part, path + field.name)

    def _misfits_in(self, field: DescField, part: Any, path: str) -> Iterator[Problem]:
        """Check the messages in a field one by one: checked as a whole, inner ones would be checked at each level."""
        has_messages = False
        for inner, element, inner_path in _within(field, part, path):
            has_messages = True
            yield from self._misfits(inner, element, inner_path)
        if not has_messages:
            tried = part
        elif isinstance(field.value, DescFieldValueMap):
            tried = {key: {} for key in part}  # only its keys are left to check
        else:
            return
        if not self._fits(field.parent, field.name, tried):
            yield path, f"must be {_wanted(field)}"

    def _fits(self, message: DescMessage, name: str, part: Any) -> bool:
        try:
            message_from_json_value(message.type, {name: part}, registry=self._registry)
        except (ValueError, TypeError, OverflowError):
            return False
        return True


def _has_wide_enum(field: DescField, part: Any) -> bool:
    """Return whether a number in a field of enums, a list or a map of them does not fit into 32 bits."""
    match field.value:
        case DescFieldValueEnum():
            return _is_wide(part)
        case DescFieldValueList(element=DescEnum()):
            return isinstance(part, list) and any(map(_is_wide, part))
        case DescFieldValueMap(value=DescEnum()):
            return isinstance(part, dict) and any(map(_is_wide, part.values()))
        case _:
            return False


def _is_wide(value: Any) -> bool:
    return isinstance(value, (int, float)) and not -(2**31) <= value < 2**31


def _within(field: DescField, part: Any, path: str) -> Iterator[tuple[DescMessage, Any, str]]:
    """Yield the messages in a field's value, each as its type, its JSON and its path."""
    match field.value:
        case DescFieldValueMessage(message=message) if is_plain(message):
            yield message, part, f"{path}."
        case DescFieldValueList(element=DescMessage() as message) if is_plain(message) and isinstance(part, list):
            for index, element in enumerate(part):
                yield message, element, f"{path}[{index}]."
        case DescFieldValueMap(value=DescMessage() as message) if is_plain(message) and isinstance(part, dict):
            for key, element in part.items():
                yield message, element, f"{path}[{key}]."


def is_plain(message: DescMessage) -> bool:
    """Return whether the message is an object of its fields in JSON, and has no JSON form of its own."""
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
            return _names_in_words([value.name for value in kind.values])
        case DescMessage(type_name=name):
            return _MESSAGES_IN_WORDS.get(name, f"the JSON form of {name}")
        case _ if kind in _SIGNED_64_TYPES:
            return _SIGNED_64
        case _:
            return _WORDS.get(kind, _SIGNED_32)


def _names_in_words(names: Sequence[str]) -> str:
    """Return the names of an enum, and the number of those for which there is no room."""
    kept: list[str] = []
    room = MOST_NAMES
    for name in names:
        room -= len(name) + len(", ")
        if room < 0:
            break
        kept.append(name)
    others = len(names) - len(kept)
    return f"one of {', '.join(kept)}" + (f" and {others} others" if others else "")
