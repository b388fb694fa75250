"""Requests as bytes, made field by field from a descriptor, so that they can be what no library would send."""

from __future__ import annotations

import random
import struct

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tests.fuzz.known import Known
from tests.fuzz.places import Mode, Places, any_mode, changeable, with_one_odd
from tests.fuzz.values import INTEGERS, F, number, odd_number, odd_text, one_of_each, rules_of, text

_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5
NUMBER_WEIGHT = 3
"""How often a number is the odd place, against a text: most of its values are at bounds that nobody thought of."""

_FIXED = {F.TYPE_FIXED64: "<Q", F.TYPE_SFIXED64: "<q", F.TYPE_FIXED32: "<I", F.TYPE_SFIXED32: "<i"}


class Wire:
    """Makes messages of one request."""

    def __init__(self, known: Known, chance: random.Random, odd_text: str, odd_bytes: bytes) -> None:
        """`odd_text` and `odd_bytes` are what hypothesis has drawn."""
        self._known = known
        self._chance = chance
        self._odd_text = odd_text
        self._odd_bytes = odd_bytes
        self.mode = any_mode(chance)
        self._is_calm = self.mode is not Mode.WILD
        self._places = Places(None)
        self._mask_paths: list[str] = []

    def request(self, message: Descriptor) -> bytes:
        """Return a message; a wild one is damaged in one of five."""
        self._mask_paths = changeable(message)
        if self.mode is Mode.ONE_ODD:
            return with_one_odd(self._chance, lambda chance, places: self._made_by(chance, places, message))
        made = self.message(message)
        if self._is_calm or self._chance.random() > 0.2:
            return made
        match self._chance.randrange(5):
            case 0:
                return made[: self._chance.randint(0, len(made))]
            case 1:
                return made + self._odd_bytes
            case 2:
                return self._odd_bytes
            case 3:
                at = self._chance.randint(0, len(made))
                return made[:at] + bytes([self._chance.randrange(256)]) + made[at + 1 :]
            case _:
                return self._nested(message) + made

    def _made_by(self, chance: random.Random, places: Places, message: Descriptor) -> bytes:
        own, self._chance, self._places = self._chance, chance, places
        try:
            return self.message(message)
        finally:
            self._chance, self._places = own, Places(None)

    def message(self, message: Descriptor, depth: int = 4) -> bytes:
        """Return a message with some of its fields; those that are required are seldom left out."""
        chunks = []
        left_out = one_of_each(message, self._chance)
        for field in message.fields:
            if field.name in left_out:
                continue
            wanted = (1.0 if self._is_calm else 0.95) if _is_required(field) else 0.35
            if self._chance.random() < wanted and (depth or field.message_type is None):
                times = self._times(field)
                chunks += [self.field(field, depth - 1) for _ in range(times)]
        if not self._is_calm and self._chance.random() < 0.05:
            chunks.append(self._unknown())
        if self._chance.random() < 0.1:
            self._chance.shuffle(chunks)
        return b"".join(chunks)

    def field(self, field: FieldDescriptor, depth: int) -> bytes:
        """Return a field, in one of fifty with another wire type than its own."""
        if not self._is_calm and self._chance.random() < 0.02:
            return self._of_another_type(field.number)
        if field.message_type is not None:
            if self._places.is_odd():
                return self._odd_message(field, depth)
            return _lengthy(field.number, self.message(field.message_type, depth))
        if field.type == F.TYPE_STRING:
            return _lengthy(field.number, self._text(field))
        if field.type == F.TYPE_BYTES:
            return _lengthy(field.number, self._odd_bytes)
        return self._scalar(field)

    def _odd_message(self, field: FieldDescriptor, depth: int) -> bytes:
        assert field.message_type is not None
        content = self.message(field.message_type, depth)
        return self._chance.choice(
            [
                b"",  # left out
                _lengthy(field.number, b""),
                _lengthy(field.number, content) * 2,
                _lengthy(field.number, content + self._unknown()),
                _lengthy(field.number, self._nested(field.message_type)),
                self._of_another_type(field.number),
            ]
        )

    def _text(self, field: FieldDescriptor) -> bytes:
        if field.name == "paths" and self._mask_paths and self._is_calm and not self._places.is_odd():
            return self._chance.choice(self._mask_paths).encode()
        is_odd = self._places.is_odd()
        if self._chance.random() < (0.1 if is_odd else 0.0 if self._is_calm else 0.03):
            return self._chance.choice([b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"a\xf5"])
        if is_odd:
            return odd_text(field, self._chance, self._odd_text).encode()
        return text(field, self._known, self._chance, None if self._is_calm else self._odd_text).encode()

    def _scalar(self, field: FieldDescriptor) -> bytes:
        if field.type == F.TYPE_BOOL:
            return _tag(field.number, _VARINT) + varint(self._chance.choice([0, 1, 1, 2, 2**64 - 1]))
        if field.type in (F.TYPE_DOUBLE, F.TYPE_FLOAT):
            is_double = field.type == F.TYPE_DOUBLE
            value = self._chance.choice([0.0, -1.0, 1e30, float("inf"), float("nan")])
            return _tag(field.number, _EIGHT if is_double else _FOUR) + struct.pack("<d" if is_double else "<f", value)
        if self._places.is_odd(NUMBER_WEIGHT):
            value = odd_number(field, self._chance)
        else:
            value = number(field, self._chance, is_calm=self._is_calm)
        if field.type in _FIXED:
            packed = struct.pack(_FIXED[field.type], value)
            return _tag(field.number, _EIGHT if len(packed) == 8 else _FOUR) + packed
        if field.type in (F.TYPE_SINT32, F.TYPE_SINT64):
            value = (value << 1) ^ (value >> 63)
        elif not self._is_calm and field.type in INTEGERS and self._chance.random() < 0.02:
            value = self._chance.getrandbits(64)  # more than fits into a field of 32 bits
        return _tag(field.number, _VARINT) + varint(value % 2**64)

    def _times(self, field: FieldDescriptor) -> int:
        if field.is_repeated:
            most: int = rules_of(field).repeated.max_items or 5
            is_odd = self._places.is_odd() or (not self._is_calm and self._chance.random() < 0.1)
            return self._chance.choice([0, 1, 1, 2, 3, most, most + 1] if is_odd else [1, 1, 2, 3])
        return 2 if not self._is_calm and self._chance.random() < 0.05 else 1

    def _unknown(self) -> bytes:
        number = self._chance.choice([17, 99, 1_000, 19_000, 2**29 - 1])
        return _lengthy(number, self._odd_bytes) if self._chance.random() < 0.5 else self._of_another_type(number)

    def _of_another_type(self, number: int) -> bytes:
        values = [
            (_VARINT, varint(self._chance.getrandbits(63))),
            (_EIGHT, b"12345678"),
            (_FOUR, b"1234"),
            (3, b""),
            (7, b""),
        ]
        kind, value = self._chance.choice(values)
        return _tag(number, kind) + value

    def _nested(self, message: Descriptor) -> bytes:
        """Return messages within messages, far deeper than any parser goes."""
        number = next((field.number for field in message.fields if field.message_type is not None), 99)
        nested = b""
        for _ in range(self._chance.choice([90, 101, 300])):
            nested = _lengthy(number, nested)
        return nested


_OFTEN = ("user", "loan", "seconds", "revision", "book", "borrow_time", "due_time", "create_time", "days", "state",
          "nanos", "year", "month", "day")  # fmt: skip
"""Fields without which a message gets nowhere, though the contract does not ask for them everywhere."""


def _is_required(field: FieldDescriptor) -> bool:
    rules = rules_of(field)
    if rules.required or rules.repeated.min_items or rules.string.min_len or field.name in _OFTEN:
        return True
    return bool(rules.string.uuid) and rules.ignore == 0


def _tag(number: int, kind: int) -> bytes:
    return varint(number << 3 | kind)


def _lengthy(number: int, content: bytes) -> bytes:
    return _tag(number, _LENGTH) + varint(len(content)) + content


def varint(value: int) -> bytes:
    """Encode a number that is not negative."""
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])
