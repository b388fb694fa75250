"""Messages of any type with anything in their fields, made from its descriptor, for hypothesis."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st
from protobuf import (
    DescEnum,
    DescField,
    DescFieldValueEnum,
    DescFieldValueList,
    DescFieldValueMap,
    DescFieldValueMessage,
    DescFieldValueScalar,
    DescMessage,
    Message,
    ScalarType,
)

INTEGERS = {
    **dict.fromkeys((ScalarType.INT32, ScalarType.SINT32, ScalarType.SFIXED32), (-(2**31), 2**31 - 1)),
    **dict.fromkeys((ScalarType.UINT32, ScalarType.FIXED32), (0, 2**32 - 1)),
    **dict.fromkeys((ScalarType.INT64, ScalarType.SINT64, ScalarType.SFIXED64), (-(2**63), 2**63 - 1)),
    **dict.fromkeys((ScalarType.UINT64, ScalarType.FIXED64), (0, 2**64 - 1)),
}
"""The least and the greatest value of each integer type."""

_ALWAYS_THERE = 3
"""protobuf-py's number for what proto2 calls required."""

_MOST_FIELDS = 8
"""More at a time would take long to draw, and show nothing more."""

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
# By their bits. hypothesis's own of this width are now and then put back, and it then writes out what they were drawn
# for, the whole contract, which takes minutes.
_FLOATS = st.sampled_from([0.0, -0.0, 0.5, -1e10]) | st.binary(min_size=4, max_size=4).map(
    lambda bits: float(struct.unpack("f", bits)[0])
)
_NANOS = st.one_of(st.sampled_from([0, 5_000_000]), st.integers(0, 999), st.integers(0, 999_999_999))
_SECONDS_OF_TIME = st.integers(-62_135_596_800, 253_402_300_799)
"""The years 1 to 9999."""
_SECONDS = st.integers(0, 315_576_000_000)
"""10,000 years, which is as long as a duration may be."""

_ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | _TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXT, inner, max_size=2),
    max_leaves=3,
)
_JSON: dict[str, st.SearchStrategy[Any]] = {
    "Value": _ANY_JSON,
    "ListValue": st.lists(_ANY_JSON, max_size=2),
    "Struct": st.dictionaries(_TEXT, _ANY_JSON, max_size=2),
}


@cache
def messages(message: DescMessage, any_of: tuple[DescMessage, ...] = (), depth: int = 2) -> st.SearchStrategy[Message]:
    """Messages of a type. What an Any contains is one of `any_of`; messages are at most `depth` deep in one another."""
    make: Any = message.type
    match message.type_name.removeprefix("google.protobuf."):
        case "Timestamp":
            return st.builds(make, seconds=_SECONDS_OF_TIME, nanos=_NANOS)
        case "Duration":
            forwards = st.builds(make, seconds=_SECONDS, nanos=_NANOS)
            return forwards | forwards.map(lambda one: make(seconds=-one.seconds, nanos=-one.nanos))
        case "FieldMask":
            return st.builds(make, paths=st.lists(st.from_regex(r"[a-z]+(_[a-z]+)?", fullmatch=True), max_size=2))
        case "Struct" | "ListValue" | "Value" as name:
            return _JSON[name].map(json.dumps).map(make.from_json)
        case "Any":
            return st.one_of(st.builds(make), *(messages(one, (), max(depth - 1, 0)).map(make.pack) for one in any_of))
    return _filled(message, any_of, depth)


@st.composite
def _filled(draw: st.DrawFn, message: DescMessage, any_of: tuple[DescMessage, ...], depth: int) -> Message:
    made: Message = message.type()
    for field in _some_fields(draw, message):
        if depth or not _holds_messages(field):
            made[field] = draw(values(field, any_of, depth - 1))
    return made


def _some_fields(draw: st.DrawFn, message: DescMessage) -> Sequence[DescField]:
    """Those that must be there, some others, and of each oneof at most one."""
    always, alone, oneofs = _selections(message)
    some = draw(alone)
    chosen = [draw(one) for one in oneofs]
    return [*(field for field in always if field not in some), *some, *(field for field in chosen if field is not None)]


@cache  # hypothesis checks a new strategy before it is used, which takes longer than to use it
def _selections(
    message: DescMessage,
) -> tuple[list[DescField], st.SearchStrategy[list[DescField]], list[st.SearchStrategy[DescField | None]]]:
    """The fields that must be there, some that are in no oneof, and at most one of each oneof."""
    alone = [field for field in message.fields if getattr(field.value, "oneof", None) is None]
    always_there = [field for field in alone if field.presence == _ALWAYS_THERE]
    some: st.SearchStrategy[list[DescField]] = st.just([])
    if alone:
        some = st.lists(st.sampled_from(alone), max_size=_MOST_FIELDS, unique=True)
    return always_there, some, [st.sampled_from([None, *oneof.fields]) for oneof in message.oneofs]


def _holds_messages(field: DescField) -> bool:
    match field.value:
        case DescFieldValueMessage() | DescFieldValueList(element=DescMessage()):
            return True
        case DescFieldValueMap(value=DescMessage()):
            return True
    return False


@cache
def values(field: DescField, any_of: tuple[DescMessage, ...], depth: int) -> st.SearchStrategy[Any]:
    """Values of a field, as a message takes them."""
    match field.value:
        case DescFieldValueList(element=element):
            return st.lists(_elements(element, any_of, depth), max_size=2)
        case DescFieldValueMap(key=key, value=element):
            return st.dictionaries(_elements(key, (), depth), _elements(element, any_of, depth), max_size=2)
        case DescFieldValueMessage(message=message):
            return _elements(message, any_of, depth)
        case DescFieldValueEnum(enum=enum):
            return _elements(enum, any_of, depth)
        case DescFieldValueScalar(scalar=scalar):
            return _elements(scalar, any_of, depth)


@cache
def _elements(
    element: DescMessage | DescEnum | ScalarType, any_of: tuple[DescMessage, ...], depth: int
) -> st.SearchStrategy[Any]:
    match element:
        case DescMessage():
            return messages(element, any_of, depth)
        case DescEnum():
            return st.sampled_from([element.type(value.number) for value in element.values])
        case ScalarType.BOOL:
            return st.booleans()
        case ScalarType.STRING:
            return _TEXT
        case ScalarType.BYTES:
            return st.binary(max_size=5)
        case ScalarType.FLOAT:
            return _FLOATS
        case ScalarType.DOUBLE:
            return st.floats()
    least, greatest = INTEGERS[element]
    return st.integers(least, greatest) | st.sampled_from([least, 0, greatest])
