"""Checks a request against the rules that stand in the contract itself, beside each field (protovalidate)."""

from __future__ import annotations

import re

import protovalidate
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from service_kit.errors import FieldInvalid

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_CONTROL_BUT_LAYOUT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff]")

MULTI_LINE_FIELDS = frozenset({"description"})
"""Fields in which line breaks and tabs are part of the text."""


def check(request: Message, prefix: str = "") -> None:
    """Raise `FieldInvalid` with every problem of the request; field paths begin with `prefix`."""
    found = problems(request)
    if found:
        raise FieldInvalid(*((prefix + field, problem) for field, problem in found))


def problems(request: Message) -> list[tuple[str, str]]:
    """List what is wrong with the request, as pairs of a field's path and a description."""
    found = [(_path(violation), violation.proto.message) for violation in protovalidate.collect_violations(request)]
    found += _control_characters(request)
    return found


def _path(violation: protovalidate.Violation) -> str:
    path = ""
    if violation.proto.field is None:
        return path
    for element in violation.proto.field.elements:
        path += ("." if path else "") + element.field_name
        if element.subscript is not None and element.subscript.field == "index":
            path += f"[{element.subscript.value}]"
    return path


def _control_characters(message: Message, prefix: str = "") -> list[tuple[str, str]]:
    """Find texts with control characters: they have no place in a name, and forge lines in logs and terminals."""
    found: list[tuple[str, str]] = []
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING:
            pattern = _CONTROL_BUT_LAYOUT if field.name in MULTI_LINE_FIELDS else _CONTROL
            texts = {"": value} if isinstance(value, str) else {f"[{index}]": text for index, text in enumerate(value)}
            for place, text in texts.items():
                if pattern.search(text):
                    found.append((prefix + field.name + place, "must not contain control characters"))
        elif isinstance(value, Message):
            found += _control_characters(value, f"{prefix}{field.name}.")
    return found
