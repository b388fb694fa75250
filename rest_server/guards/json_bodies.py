"""Read JSON, and refuse what would take long or be read in two ways.

RFC 8259 leaves open what a reader does with two members of one name, with numbers that are too large, and with half of
a surrogate pair. A proxy or a filter on the way may have read such a body in another way.
"""

from __future__ import annotations

import json
import math
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from typing import Any, NoReturn

from rest_server.errors import BodyInvalid

Json = Any
"""What `json.loads` returns."""

MOST_NESTING = 100
"""Of objects and lists in a body, as in protobuf's own parsers."""

MOST_VALUES = 100_000
"""In a body; megabytes of empty objects would take seconds."""

# A string without an end is matched to the end of the body, and no character is matched twice: time is linear.
_SIGNS_AND_TEXTS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{\]},]', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def json_of(body: bytes) -> Json:
    """Read a body, with or without a byte order mark (RFC 8259, 8.1). Raises BodyInvalid."""
    body = body.removeprefix(BOM_UTF8)
    try:
        if sum(map(body.count, (b"{", b"[", b","))) > MOST_NESTING:
            _check_extent(body)
        value = json.loads(body.decode(), parse_constant=_no_json, parse_float=_finite, object_pairs_hook=_object)
        if _SURROGATE.search(body):
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeDecodeError as error:
        raise BodyInvalid(problem=f"it is {_encoding_of(body)}") from error
    except UnicodeEncodeError as error:
        raise BodyInvalid(problem="a string has half of a surrogate pair, which is not a character") from error
    except ValueError as error:
        if b"\0" in body[:2]:  # UTF-16 or UTF-32 without a byte order mark, as JSON begins with ASCII (RFC 4627, 3)
            raise BodyInvalid(problem=f"it is {_encoding_of(body)}") from error
        raise BodyInvalid(problem=f"it is not JSON: {error}") from error


def _encoding_of(body: bytes) -> str:
    """Name the encoding of a body that is not in UTF-8, as far as its first bytes show it."""
    if body.startswith((BOM_UTF32_LE, BOM_UTF32_BE)) or body[:4].count(0) == 3:
        return "not UTF-8 but UTF-32"
    if body.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) or b"\0" in body[:2]:
        return "not UTF-8 but UTF-16"
    return "not UTF-8"


def _no_json(constant: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python accepts; protobuf's JSON has them as strings."""
    raise ValueError(f"{constant} must be in quotes")


def _finite(text: str) -> float:
    """Read a number with a fraction or an exponent; Python would read one that is too large as infinity."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _object(members: list[tuple[str, Json]]) -> dict[str, Json]:
    """Make an object of its members; of two with one name, Python would keep the last one."""
    value: dict[str, Json] = {}
    for name, member in members:
        if name in value:
            raise ValueError(f"{name!r} occurs twice")
        value[name] = member
    return value


def _check_extent(body: bytes) -> None:
    """Refuse too many values, and too deep nesting; brackets in strings do not count."""
    depth = values = 0
    for token in _SIGNS_AND_TEXTS.finditer(body):
        sign = token[0]
        if sign in (b"[", b"{"):
            depth += 1
            if depth > MOST_NESTING:
                raise BodyInvalid(problem=f"it is nested more than {MOST_NESTING} levels deep")
        elif sign in (b"]", b"}"):
            depth -= 1
        if sign in (b"[", b"{", b","):
            values += 1
            if values > MOST_VALUES:
                raise BodyInvalid(problem=f"it has more than {MOST_VALUES} values; send them in several requests")
