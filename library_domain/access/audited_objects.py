"""The objects of a call, for the audit log: the ids, barcodes and card numbers in its request and its answer."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from service_kit.ids import UUID

MOST_OBJECTS = 20
"""Objects of one entry."""

LONGEST_OBJECT = 100
"""Characters. A longer value is left out: no id, barcode or card number has as many."""

_IDENTIFIES = re.compile(r"(.*_)?(ids?|barcodes?|card_numbers?)")
_OF_THE_CALL = frozenset({"request_id"})
"""Fields that identify the call and not an object."""


class _Fields(NamedTuple):
    """The fields of a message that lead to objects."""

    texts: tuple[str, ...]
    lists_of_texts: tuple[str, ...]
    messages: tuple[str, ...]
    lists_of_messages: tuple[str, ...]


def objects_of(*messages: Any) -> list[str]:
    """Return the objects of some messages, each once, in their order, at most `MOST_OBJECTS`.

    What is not a message, such as the stream of a client or a missing answer, is left out.
    """
    found: dict[str, None] = {}
    for message in messages:
        if isinstance(message, Message):
            for text in _objects(message):
                if text and len(text) <= LONGEST_OBJECT:
                    found[same_object(text)] = None
                    if len(found) == MOST_OBJECTS:
                        return list(found)
    return list(found)


def same_object(text: str) -> str:
    """Return the one form of an object: a UUID can be written in either case."""
    return text.lower() if UUID.fullmatch(text) else text


def _objects(message: Message) -> Iterator[str]:
    fields = _fields(message.DESCRIPTOR)
    for name in fields.texts:
        yield getattr(message, name)
    for name in fields.lists_of_texts:
        yield from getattr(message, name)
    for name in fields.messages:
        if message.HasField(name):
            yield from _objects(getattr(message, name))
    for name in fields.lists_of_messages:
        for each in getattr(message, name):
            yield from _objects(each)


@functools.cache
def _fields(descriptor: Descriptor) -> _Fields:
    fields = [field for field in descriptor.fields if not field.GetOptions().debug_redact]
    texts = [field for field in fields if field.type == FieldDescriptor.TYPE_STRING and _is_object(field.name)]
    messages = [field for field in fields if field.message_type is not None and not _is_map(field)]
    return _Fields(
        tuple(field.name for field in texts if not field.is_repeated),
        tuple(field.name for field in texts if field.is_repeated),
        tuple(field.name for field in messages if not field.is_repeated),
        tuple(field.name for field in messages if field.is_repeated),
    )


def _is_object(name: str) -> bool:
    return name not in _OF_THE_CALL and _IDENTIFIES.fullmatch(name) is not None


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)
