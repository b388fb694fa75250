"""Checks that a message of any type from another service can be stored, read back and shown.

protobuf itself lets a Timestamp have any nanos, and an enum any number. A client that writes such a message as JSON, or
compares its times, fails; so it must not be stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from service_kit.clock import TIMESTAMP_SECONDS
from service_kit.errors import FieldInvalid

Problem = tuple[str, str]
"""A field's path, and what is wrong with it."""

NANOS = range(1_000_000_000)
DURATION_SECONDS = 315_576_000_000
"""The range of a Duration in both directions: google/protobuf/duration.proto."""

ENUM_NUMBERS = range(2**15)
"""The numbers that a column of the stores takes. A newer version may have values that are unknown here."""


def message_problems(message: Message) -> list[Problem]:
    """List the fields of a message, and of all messages in it, whose values cannot be shown."""
    return list(_problems(message, ""))


def check_values(message: Any) -> None:
    """Raise `FieldInvalid` with the problems of `message_problems`: a rule for requests that have times."""
    if found := message_problems(message):
        raise FieldInvalid(*found)


def is_valid_timestamp(time_of: Timestamp) -> bool:
    """Return whether a Timestamp is valid by its own documentation."""
    return time_of.seconds in TIMESTAMP_SECONDS and time_of.nanos in NANOS


def _problems(message: Message, prefix: str) -> Iterator[Problem]:
    for field, value in message.ListFields():
        path = prefix + field.name
        if field.is_repeated:
            if _is_map(field):
                continue  # no message of the contract has one
            for index, each in enumerate(value):
                yield from _value_problems(field, each, f"{path}[{index}]")
        else:
            yield from _value_problems(field, value, path)


def _value_problems(field: FieldDescriptor, value: Any, path: str) -> Iterator[Problem]:
    if field.type == FieldDescriptor.TYPE_ENUM:
        if value not in ENUM_NUMBERS:
            yield path, "is not in the range of its values"
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        problem = _WELL_KNOWN.get(value.DESCRIPTOR.full_name, _no_problem)(value)
        if problem:
            yield path, problem
        else:
            yield from _problems(value, f"{path}.")


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _no_problem(_value: Any) -> str:
    return ""


def _timestamp_problem(value: Timestamp) -> str:
    return "" if is_valid_timestamp(value) else "is not a time of the years 1 to 9999"


def _duration_problem(value: Duration) -> str:
    is_one = abs(value.seconds) <= DURATION_SECONDS and abs(value.nanos) in NANOS and value.seconds * value.nanos >= 0
    return "" if is_one else "is not a duration"


def _money_problem(value: Money) -> str:
    is_amount = abs(value.nanos) in NANOS and value.units * value.nanos >= 0
    is_currency = not value.currency_code or (value.currency_code.isascii() and value.currency_code.isalpha())
    return "" if is_amount and is_currency and len(value.currency_code) <= 3 else "is not an amount of money"


_WELL_KNOWN: dict[str, Callable[[Any], str]] = {
    Timestamp.DESCRIPTOR.full_name: _timestamp_problem,
    Duration.DESCRIPTOR.full_name: _duration_problem,
    Money.DESCRIPTOR.full_name: _money_problem,
}
