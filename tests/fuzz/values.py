"""Values for fields: good ones, ones at and beyond the bounds of the contract, and ones that no client would send."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from buf.validate import validate_pb2
from tests.fuzz.known import OPERATION, OWNERS, Known

F: Any = FieldDescriptor

INTEGERS = {
    **dict.fromkeys((F.TYPE_INT32, F.TYPE_SINT32, F.TYPE_SFIXED32, F.TYPE_ENUM), (-(2**31), 2**31 - 1)),
    **dict.fromkeys((F.TYPE_UINT32, F.TYPE_FIXED32), (0, 2**32 - 1)),
    **dict.fromkeys((F.TYPE_INT64, F.TYPE_SINT64, F.TYPE_SFIXED64), (-(2**63), 2**63 - 1)),
    **dict.fromkeys((F.TYPE_UINT64, F.TYPE_FIXED64), (0, 2**64 - 1)),
}

ODD_TEXTS = [
    "", " ", "\0", "a\0b", "\n", "\u2028", "\u200b", "\u202e\u0645", "e\u0301" * 40, "\U0001f469\u200d\U0001f4bb",
    "\ufffe", "\U0010ffff", "%", "'; DROP TABLE book; --", "../../etc", "{0}", "${x}", "*", "NaN", "-1", "null", "\\",
    '"', "İ", "ß", "x" * 255, "x" * 2_001, "x" * 70_000, "é" * 10_001, "a " * 5_000, str(uuid.UUID(int=0)),
    str(uuid.UUID(int=2**128 - 1)), "9780141439587", "0-306-40615-2", "a@example.org", "@", "a@" + "b." * 200 + "org",
    "http://[", "title", "book.title",
]  # fmt: skip

_KNOWN = {"page_token": 0.4, "cursor": 0.4, "receipt": 0.4, "etag": 0.5, "email": 0.3, "isbn": 0.3, "id": 0.9,
          "user_id": 0.9, "book_id": 0.9, "loan_id": 0.9, "item_id": 0.9, "branch": 0.9, "code": 0.7,
          "barcode": 0.7, "card_number": 0.6,
          "frontend_id": 0.98}  # fmt: skip
"""How often a known value is taken; 0.8 of all others."""

_MADE: dict[str, Callable[[random.Random], str]] = {
    "email": lambda chance: f"p{chance.randrange(10**6)}@example.org",
    "cover_uri": lambda _: "https://example.org/cover",
    "currency_code": lambda _: "EUR",
    "time_zone": lambda chance: chance.choice(["Europe/Berlin", "America/St_Johns", "Pacific/Apia", "UTC"]),
    "code": lambda chance: chance.choice(["main", "north", f"b{chance.randrange(100)}"]),
    "branch": lambda _: "main",
    **dict.fromkeys(("barcode", "barcodes"), lambda chance: f"B{chance.randrange(10**6):06}"),
    "first_barcode": lambda chance: f"F{chance.randrange(100, 120)}",
    "last_barcode": lambda chance: f"F{chance.randrange(100, 140)}",
    "card_number": lambda chance: f"C{chance.randrange(10**6)}",
    "source": lambda chance: chance.choice(["open_library", "google_books"]),
    "external_id": lambda chance: f"OL{chance.randrange(100)}M",
    "refusal": lambda chance: chance.choice(["LOAN_LIMIT_REACHED", "USER_BLOCKED", "LOAN_TOO_LONG"]),
}
"""Good values of fields whose values have a form."""

_DATES = {"year": (2025, 2027), "month": (1, 12), "day": (1, 28)}

WORDS = ["Emma", "Title", "Penguin", "Fiction", "en", "書", "Straße", "a b c", "emm", "library"]


def rules_of(field: FieldDescriptor) -> Any:
    """The rules that the contract has for a field."""
    return field.GetOptions().Extensions[validate_pb2.field]


_ONE_OF = [("card_number", "user_id"), ("days", "due_time"), ("user_id", "loan_id", "item_id"),
           ("count", "barcodes", "first_barcode")]  # fmt: skip
"""Fields of a request of which the services take one."""


def one_of_each(message: Descriptor, chance: random.Random) -> set[str]:
    """Return the fields of a request to leave out, so that of those that exclude each other mostly one is there."""
    left_out: set[str] = set()
    if message.name.endswith("Request") and chance.random() < 0.9:
        for names in _ONE_OF:
            if all(name in message.fields_by_name for name in names):
                left_out |= {*names} - {chance.choice(names)}
    return left_out | ({"last_barcode"} if "first_barcode" in left_out else set())


def text(field: FieldDescriptor, known: Known, chance: random.Random, odd: str | None) -> str:
    """Return a text; `odd` is one that hypothesis has drawn, or None where only a good one will do."""
    if odd is None or chance.random() < 0.4:
        return _good_text(field, known, chance)
    return odd_text(field, chance, odd)


def odd_text(field: FieldDescriptor, chance: random.Random, drawn: str) -> str:
    """Return a text that is at its bounds or odd; `drawn` is one that hypothesis has drawn."""
    kind = chance.random()
    if kind < 0.5:
        longest = rules_of(field).string.max_len or rules_of(field).repeated.items.string.max_len or 200
        return chance.choice(["x", "é", "書", "\U0001f4d6"]) * (longest + chance.choice([-1, 0, 1]))
    return drawn if kind < 0.65 else chance.choice(ODD_TEXTS)


def known_name(field: FieldDescriptor) -> str:
    """Return the name under which good values of a field are known: ids by what they are of."""
    message = field.containing_type.name if field.containing_type else ""
    if message.endswith("OperationRequest") and field.name == "name":
        return OPERATION
    owner = next((name for name in OWNERS if name in message), "")
    return OWNERS[owner] if field.name == "id" and owner else field.name


def _good_text(field: FieldDescriptor, known: Known, chance: random.Random) -> str:
    if field.name == "request_id" and chance.random() < 0.5:
        return str(uuid.UUID(int=chance.getrandbits(128)))
    if (value := known.pick(known_name(field), chance)) is not None and chance.random() < _KNOWN.get(field.name, 0.8):
        return value.upper() if chance.random() < 0.1 else value
    if field.name in _MADE:
        return _MADE[field.name](chance)
    if rules_of(field).string.uuid:
        return str(uuid.UUID(int=chance.getrandbits(128)))
    if field.name in ("isbn", "page_token", "etag", "cursor", "receipt"):
        return ""
    return " ".join(chance.choices(WORDS, k=chance.randint(1, 3)))


def number(field: FieldDescriptor, chance: random.Random, *, is_calm: bool) -> int:
    """Return a whole number that the field's type has: mostly a good one, otherwise one at a bound or any."""
    least, greatest = INTEGERS[field.type]
    if field.enum_type is not None and (is_calm or chance.random() < 0.8):
        number: int = chance.choice(field.enum_type.values).number
        return number
    if not is_calm and chance.random() < 0.5:
        return odd_number(field, chance)
    if field.name in _DATES:
        return chance.randint(*_DATES[field.name])
    if field.name == "seconds":
        return chance.randint(1_700_000_000, 1_800_000_000)
    return min(max(chance.randint(1, 20), least), greatest)


def odd_number(field: FieldDescriptor, chance: random.Random) -> int:
    """Return a whole number at or beyond its bounds, or any that the field's type has."""
    least, greatest = INTEGERS[field.type]
    kind = chance.random()
    if kind < 0.3:
        bounds = [0, *_bounds(field), *(each.number for each in (field.enum_type.values if field.enum_type else ()))]
        return min(max(chance.choice(bounds) + chance.choice([-1, 0, 1]), least), greatest)
    if kind < 0.9:
        near = [least, least + 1, -1, 0, 1, 2**31 - 1, 2**31, 2**53, 10**9, -(10**9), greatest - 1, greatest]
        return min(max(chance.choice([*near, *BOUNDS_IN_WORDS]), least), greatest)
    return chance.randint(least, greatest)


BOUNDS_IN_WORDS = [2**15 - 1, 2**15, 2**45 + 1, 253_402_300_799, 253_402_300_800, -62_135_596_800, -62_135_596_801]
"""Bounds that the contract has in its comments only: of stored enums, of revisions, and of the seconds of a time."""


def _bounds(field: FieldDescriptor) -> list[int]:
    rules = [rule for _, rule in rules_of(field).ListFields()]
    return [int(getattr(rule, name)) for rule in rules for name in ("gte", "lte") if hasattr(rule, name)]
