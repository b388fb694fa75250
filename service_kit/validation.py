"""Checks a request against the rules that stand in the contract itself, beside each field (protovalidate)."""

from __future__ import annotations

import functools
import re

import protovalidate
from google.api.field_behavior_pb2 import REQUIRED, field_behavior
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from buf.validate import validate_pb2
from service_kit.errors import FieldInvalid

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_CONTROL_BUT_LAYOUT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff]")

MULTI_LINE_FIELDS = frozenset({"description"})
"""Fields in which line breaks and tabs are part of the text."""


MOST_ITEMS = 1_000
"""More items than any list of ours takes. Rules are tried on each, which for a full message takes many seconds."""


def check(request: Message, prefix: str = "") -> None:
    """Raise `FieldInvalid` with every problem of the request; field paths begin with `prefix`.

    UUIDs in it are made lower case: case does not matter in what comes in (RFC 9562), and does in a store.
    """
    found = problems(request)
    if found:
        raise FieldInvalid(*((prefix + field, problem) for field, problem in found))
    _lower_uuids(request)


def problems(request: Message) -> list[tuple[str, str]]:
    """List what is wrong with the request, as pairs of a field's path and a description."""
    too_long = _too_long_lists(request)
    if too_long:
        return too_long
    found = [(_path(violation), violation.proto.message) for violation in protovalidate.collect_violations(request)]
    found += _unfit_texts(request)
    return found


def _too_long_lists(message: Message, prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for field, value in message.ListFields():
        if field.is_repeated:
            if len(value) > MOST_ITEMS:
                found.append((prefix + field.name, f"must have at most {MOST_ITEMS} items"))
        elif isinstance(value, Message):
            found += _too_long_lists(value, f"{prefix}{field.name}.")
    return found


def _lower_uuids(message: Message) -> None:
    for name in _uuid_fields(message.DESCRIPTOR):
        text: str = getattr(message, name)
        if not text.islower():
            setattr(message, name, text.lower())
    for field, value in message.ListFields():
        if isinstance(value, Message) and _uuid_fields(field.message_type):
            _lower_uuids(value)


@functools.cache
def _uuid_fields(message: Descriptor) -> tuple[str, ...]:
    """The fields of a message that the contract says are UUIDs."""
    rules = {field.name: field.GetOptions().Extensions[validate_pb2.field] for field in message.fields}
    return tuple(name for name, rule in rules.items() if rule.string.uuid)


@functools.cache
def _is_required(field: FieldDescriptor) -> bool:
    return REQUIRED in field.GetOptions().Extensions[field_behavior]  # type: ignore[index]


def _path(violation: protovalidate.Violation) -> str:
    path = ""
    if violation.proto.field is None:
        return path
    for element in violation.proto.field.elements:
        path += ("." if path else "") + element.field_name
        if element.subscript is not None and element.subscript.field == "index":
            path += f"[{element.subscript.value}]"
    return path


def _unfit_texts(message: Message, prefix: str = "") -> list[tuple[str, str]]:
    """Find texts that no rule of the contract speaks of, because they are unfit in any field.

    Control characters have no place in a name, and forge lines in logs and terminals; and where a text is required,
    blanks are none.
    """
    found: list[tuple[str, str]] = []
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING:
            pattern = _CONTROL_BUT_LAYOUT if field.name in MULTI_LINE_FIELDS else _CONTROL
            texts = {"": value} if isinstance(value, str) else {f"[{index}]": text for index, text in enumerate(value)}
            for place, text in texts.items():
                if pattern.search(text):
                    found.append((prefix + field.name + place, "must not contain control characters"))
                elif text.isspace() and _is_required(field):
                    found.append((prefix + field.name + place, "must not be blank"))
        elif isinstance(value, Message):
            found += _unfit_texts(value, f"{prefix}{field.name}.")
    return found
