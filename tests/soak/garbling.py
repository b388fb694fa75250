"""Bad input: good requests with values in them that may be anything, by their descriptors."""

from __future__ import annotations

import random
import uuid
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

TEXTS = ["", " ", "\0", "x", "\u202e", "é" * 300, "x" * 20_000, "'; DROP TABLE loan; --", "%", "*", "\ud7ff\U0010ffff"]
INTEGERS = [0, -1, 1, 7, 2**31 - 1, -(2**31)]
LONG_INTEGERS = [*INTEGERS, 2**63 - 1, -(2**63)]
_LONG = (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_SINT64, FieldDescriptor.TYPE_SFIXED64)
_DEPTH = 3


def garbled(message: Any, chance: random.Random) -> Any:
    """Return a copy of a message with one to three fields changed to anything. A request id stays usable or is not one.

    It may happen to be good still.
    """
    changed = type(message)()
    changed.CopyFrom(message)
    for _ in range(chance.randint(1, 3)):
        _garble(changed, chance, _DEPTH)
    return changed


def _garble(message: Message, chance: random.Random, depth: int) -> None:
    fields = [each for each in message.DESCRIPTOR.fields if each.name != "request_id"]
    if not fields:
        return
    chosen: Any = chance.choice(fields)
    if chosen.is_repeated:
        _garble_list(message, chosen, chance, depth)
    elif chosen.type == FieldDescriptor.TYPE_MESSAGE:
        if depth and chance.random() < 0.8:
            inner = getattr(message, chosen.name)
            inner.SetInParent()
            _garble(inner, chance, depth - 1)
        else:
            message.ClearField(chosen.name)
    else:
        setattr(message, chosen.name, _value(chosen, chance))


def _garble_list(message: Message, field: FieldDescriptor, chance: random.Random, depth: int) -> None:
    values: Any = getattr(message, field.name)
    if chance.random() < 0.3:
        message.ClearField(field.name)
        return
    for _ in range(chance.choice([1, 3, 60])):
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            _garble(values.add(), chance, max(depth - 1, 0))
        else:
            values.append(_value(field, chance))


def _value(field: FieldDescriptor, chance: random.Random) -> Any:
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return chance.choice([*TEXTS, str(uuid.UUID(int=chance.getrandbits(128), version=4))])
        case FieldDescriptor.TYPE_BOOL:
            return chance.random() < 0.5
        case FieldDescriptor.TYPE_ENUM:
            return chance.choice([0, 1, 2, 3, 99, -1])
        case FieldDescriptor.TYPE_BYTES:
            return chance.randbytes(8)
        case kind if kind in _LONG:
            return chance.choice(LONG_INTEGERS)
    return chance.choice(INTEGERS)
