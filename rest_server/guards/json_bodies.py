"""Read JSON, and refuse what would take long or be read in two ways.

RFC 8259 leaves open what a reader does with two members of one name, with numbers that are too large, and with half of
a surrogate pair. Whoever looked at the body before may have read it in the other way.
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
"""Of objects and lists in a body; protobuf's own parsers stop there, too."""

MOST_VALUES = 100_000
"""In a body, to be looked at one by one; megabytes of empty objects would take seconds."""

# A text that is not closed goes to the end, and nothing is looked at twice: bodies are whatever somebody sends.
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
        raise BodyInvalid(problem="a text has half of a surrogate pair, which is no character") from error
    except ValueError as error:
        if b"\0" in body[:2]:  # UTF-16 or UTF-32 without a byte order mark, as JSON begins with ASCII (RFC 4627, 3)
            raise BodyInvalid(problem=f"it is {_encoding_of(body)}") from error
        raise BodyInvalid(problem=f"it is no JSON: {error}") from error


def _encoding_of(body: bytes) -> str:
    """What is known of the encoding of a body that is not in UTF-8."""
    if body.startswith((BOM_UTF32_LE, BOM_UTF32_BE)) or body[:4].count(0) == 3:
        return "not UTF-8 but UTF-32"
    if body.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) or b"\0" in body[:2]:
        return "not UTF-8 but UTF-16"
    return "not UTF-8"


def _no_json(constant: str) -> NoReturn:
    """NaN and Infinity, which Python would read; protobuf has them as texts."""
    raise ValueError(f"{constant} is written in quotes")


def _finite(text: str) -> float:
    """A number with a fraction or an exponent; Python would read one that is too large as infinity."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def _object(members: list[tuple[str, Json]]) -> dict[str, Json]:
    """All members of an object; Python would take the last of those with the same name."""
    value: dict[str, Json] = {}
    for name, member in members:
        if name in value:
            raise ValueError(f"{name!r} is there twice")
        value[name] = member
    return value


def _check_extent(body: bytes) -> None:
    """See that there are not too many values, nor too deep; what is inside of texts counts for nothing."""
    depth = values = 0
    for token in _SIGNS_AND_TEXTS.finditer(body):
        sign = token[0]
        if sign in (b"[", b"{"):
            depth += 1
            if depth > MOST_NESTING:
                raise BodyInvalid(problem=f"it is nested over {MOST_NESTING} deep")
        elif sign in (b"]", b"}"):
            depth -= 1
        if sign in (b"[", b"{", b","):
            values += 1
            if values > MOST_VALUES:
                raise BodyInvalid(problem=f"it has over {MOST_VALUES} values; send them in several requests")
