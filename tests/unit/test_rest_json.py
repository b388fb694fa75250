"""protobuf-py's JSON is google.protobuf's, of all messages of the library and of one with a field of every kind.

It is a young library. These tests are why it may be relied on, and what they allow as a difference is all there is.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from protobuf import DescMessage, message_from_json_value

from rest_server.contracts.contract import Contract
from tests.support.any_messages import messages
from tests.support.described import contract, library_contracts
from tests.support.processes import ROOT

TEST = contract(
    """
    syntax = "proto3";
    package p;
    import "messages.proto";
    service S { rpc M(transcoding.test.v1.Everything) returns (transcoding.test.v1.Everything); }
    """,
    "S",
)
EVERYTHING = "transcoding.test.v1.Everything"

IN_ANY = tuple(
    message
    for name in ("transcoding.test.v1.Message", "google.protobuf.Timestamp", "google.protobuf.Struct")
    if (message := TEST.registry.message(name)) is not None
)

TYPE = TEST.services[0].methods[0].input.type

CONTRACTS = [*library_contracts(), TEST]


def messages_of(contract: Contract) -> Iterator[DescMessage]:
    """All that its methods take and return, and what those contain."""
    known: set[str] = set()
    found = [message for service in contract.services for method in service.methods
             for message in (method.input, method.output)]  # fmt: skip
    while found:
        message = found.pop()
        if message.type_name not in known:
            known.add(message.type_name)
            yield message
            found += [held for field in message.fields for name in ("message", "element", "value")
                      if isinstance(held := getattr(field.value, name, None), DescMessage)]  # fmt: skip


# By name, as hypothesis writes out what a test is given, and that of a contract takes minutes.
MESSAGES = {message.type_name: (contract, message) for contract in CONTRACTS for message in messages_of(contract)}


def pool_of(contract: Contract) -> descriptor_pool.DescriptorPool:
    return POOLS[contract.target]


def _pool(contract: Contract) -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(contract.description.files).file:
        pool.Add(file)
    return pool


POOLS = {contract.target: _pool(contract) for contract in CONTRACTS}


def by_google(contract: Contract, name: str) -> Any:
    """Google's class of a message."""
    return message_factory.GetMessageClass(pool_of(contract).FindMessageTypeByName(name))


def in_json_by_google(contract: Contract, message: Any) -> Any:
    return json_format.MessageToDict(
        message, always_print_fields_with_no_presence=True, descriptor_pool=pool_of(contract)
    )


def agree(ours: Any, theirs: Any) -> bool:
    """Whether both are the same JSON, but for how a float of 32 bits is written.

    Google's writes the shortest number that reads as the same float, 0.1; protobuf-py the float itself,
    0.10000000149011612, which is the same when it is read as a float.
    """
    match ours, theirs:
        case dict(), dict():
            return ours.keys() == theirs.keys() and all(agree(value, theirs[name]) for name, value in ours.items())
        case list(), list():
            return len(ours) == len(theirs) and all(map(agree, ours, theirs))
        case float(), float() if ours != theirs:
            return struct.pack("f", ours) == struct.pack("f", theirs) and float_of(ours) == ours
    return type(ours) is type(theirs) and bool(ours == theirs)


def float_of(number: float) -> float:
    """The float of 32 bits that is next to it."""
    (nearest,) = struct.unpack("f", struct.pack("f", number))
    return float(nearest)


QUICK = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
THOROUGH = settings(QUICK, max_examples=40)
EACH_MESSAGE = pytest.mark.parametrize("name", MESSAGES)


@EACH_MESSAGE
@QUICK
@given(data=st.data())
def test_both_write_and_read_the_same(name: str, data: st.DataObject) -> None:
    write_and_read_with_both(name, data)


@pytest.mark.slow
@EACH_MESSAGE
@THOROUGH
@given(data=st.data())
def test_both_write_and_read_the_same_of_many_values(name: str, data: st.DataObject) -> None:
    write_and_read_with_both(name, data)


def write_and_read_with_both(name: str, data: st.DataObject) -> None:
    contract, message = MESSAGES[name]
    ours = data.draw(messages(message, IN_ANY if contract is TEST else ()))
    theirs = by_google(contract, name).FromString(ours.to_binary())
    registry, pool = contract.registry, pool_of(contract)

    value = json.loads(ours.to_json(registry=registry, always_emit_implicit=True))
    assert agree(value, in_json_by_google(contract, theirs))

    for proto_names in (False, True):
        value = json_format.MessageToDict(theirs, preserving_proto_field_name=proto_names, descriptor_pool=pool)
        read = message_from_json_value(message.type, value, registry=registry)
        read_by_google = json_format.ParseDict(value, by_google(contract, name)(), descriptor_pool=pool)
        ours_by_google = by_google(contract, name).FromString(read.to_binary())
        # In the bytes of an Any the entries of a map have no order, so that two of them may differ and mean the same.
        assert ours_by_google == read_by_google or (
            in_json_by_google(contract, ours_by_google) == in_json_by_google(contract, read_by_google)
        )


# --- where they differ ---

NOTHING = "neither writes it"

WRITTEN = [
    # Neither can write what its type does not allow.
    ("timestamp { seconds: -62135596801 }", NOTHING, NOTHING),
    ("timestamp { seconds: 253402300800 }", NOTHING, NOTHING),
    ("timestamp { nanos: -1 }", NOTHING, NOTHING),
    ("duration { seconds: 1 nanos: -1 }", NOTHING, NOTHING),
    ("duration { seconds: 315576000001 }", NOTHING, NOTHING),
    ('mask { paths: "aB" }', NOTHING, NOTHING),
    ('mask { paths: "a_1" }', NOTHING, NOTHING),
    ("value { number_value: nan }", NOTHING, NOTHING),
    ("value { number_value: inf }", NOTHING, NOTHING),
    ('any { type_url: "type.googleapis.com/nothing" value: "a" }', NOTHING, NOTHING),
    # A path of nothing, or of two, would be read as another mask.
    ('mask { paths: "" }', NOTHING, {"mask": ""}),
    ('mask { paths: "a,b" }', NOTHING, {"mask": "a,b"}),
    # A Value without a value is an error by google/protobuf/struct.proto, which Google's writes as null.
    ("value { }", NOTHING, {"value": None}),
    ("list { values { } }", NOTHING, {"list": [None]}),
    # Bytes of no type: Google's fails, protobuf-py leaves them out.
    ('any { value: "a" }', {"any": {}}, NOTHING),
    # Floats of 32 bits; see `agree`.
    ("float_value: 0.1", {"floatValue": 0.10000000149011612}, {"floatValue": 0.1}),
    # And what might differ, but does not.
    ("float_value: 16777217", {"floatValue": 16777216.0}, {"floatValue": 16777216.0}),
    ("double_value: -0.0", {"doubleValue": -0.0}, {"doubleValue": -0.0}),
    ("double_value: 1e300", {"doubleValue": 1e300}, {"doubleValue": 1e300}),
    ("float_value: -inf double_value: nan",) + ({"floatValue": "-Infinity", "doubleValue": "NaN"},) * 2,
    ("colour: 99 colours: 98", {"colour": 99, "colours": [98]}, {"colour": 99, "colours": [98]}),
    ("any { }", {"any": {}}, {"any": {}}),
    (r'text: "\001\342\200\250</script>"',) + ({"text": "\x01\u2028</script>"},) * 2,
]


@pytest.mark.parametrize(("text", "ours", "googles"), WRITTEN, ids=[row[0] for row in WRITTEN])
def test_what_either_writes(text: str, ours: Any, googles: Any) -> None:
    message = text_format.Parse(text, by_google(TEST, EVERYTHING)(), descriptor_pool=pool_of(TEST))
    by_googles: Any
    try:
        by_googles = json_format.MessageToDict(message, descriptor_pool=pool_of(TEST))
    except (json_format.Error, TypeError):
        by_googles = NOTHING
    try:
        by_ours = json.loads(TYPE.from_binary(message.SerializeToString()).to_json(registry=TEST.registry))
    except ValueError:  # which rest_server.operations answers as ANSWER_UNREADABLE
        by_ours = NOTHING
    assert (by_ours, by_googles) == (ours, googles)


REFUSED = "refuses it"

READ = [
    # What protobuf's JSON mapping does not have, and Google's lets pass because Python does.
    ('{"doubleValue": "1_0"}', REFUSED, "double_value: 10"),
    ('{"doubleValue": "inf"}', REFUSED, "double_value: inf"),
    ('{"doubleValue": "1e400"}', REFUSED, "double_value: inf"),
    ('{"doubleValue": true}', REFUSED, "double_value: 1"),
    ('{"bytesValue": "Y Q=="}', REFUSED, 'bytes_value: "a"'),
    ('{"colour": "1"}', REFUSED, "colour: COLOUR_RED"),
    ('{"colour": true}', REFUSED, "colour: COLOUR_RED"),
    ('{"colour": 1.0}', REFUSED, "colour: COLOUR_RED"),
    ('{"timestamp": "2026-01-01T00:00:00.Z"}', REFUSED, "timestamp { seconds: 1767225600 }"),
    ('{"duration": "1.1234567891s"}', REFUSED, "duration { seconds: 1 nanos: 123456789 }"),
    ('{"duration": "+1s"}', REFUSED, "duration { seconds: 1 }"),
    ('{"duration": " 1s"}', REFUSED, "duration { seconds: 1 }"),
    ('{"sub": []}', REFUSED, "sub { }"),
    ('{"sub": ""}', REFUSED, "sub { }"),
    # Readers look at what is behind the slash.
    (
        '{"any": {"@type": "x/transcoding.test.v1.Message"}}',
        'any { type_url: "type.googleapis.com/transcoding.test.v1.Message" }',
        'any { type_url: "x/transcoding.test.v1.Message" }',
    ),
    # Both of these are refused by rest_server.requests.
    ('{"chosenText": "a", "chosenNumber": 1}', "chosen_number: 1", REFUSED),
    ('{"int32Value": 1, "int32_value": 2}', "int32_value: 2", "int32_value: 2"),
    # And what might differ, but does not.
    ('{"int32Value": "1_0"}', "int32_value: 10", "int32_value: 10"),
    *(
        (f'{{"{name}": {value}}}', REFUSED, REFUSED)
        for name, values in {
            "int32Value": ['"1.5"', '" 1"', '"0x1"', '""', "true", "[]", "2147483648"],
            "uint32Value": ["-1"],
            "int64Value": ["1e19", "1.5"],
            "doubleValue": ['""', '"nan"'],
            "floatValue": ["3.5e38"],
            "boolValue": ['"true"', "1"],
            "stringValue": ["1"],
            "colour": ['"colour_red"', '"GREEN"'],
            "words": ['"a"', "[null]"],
            "counts": ['{"a": null}', "[]"],
            "messages": ["[null]"],
            "messagesByNumber": ['{" 1": {}}'],
            "timestamp": ['"2026-01-01T00:00:00"', '"2026-01-01T24:00:00Z"', '"10000-01-01T00:00:00Z"', "1"],
            "duration": ['"1"', '"s"', '"315576000001s"'],
            "mask": ['"a_b"'],
            "int64Wrapper": ['{"value": 1}'],
            "empty": ['{"a": 1}'],
            "any": ['{"a": 1}', '{"@type": ""}'],
            "messageid": ['"a"'],
        }.items()
        for value in values
    ),
]


@pytest.mark.parametrize(("body", "ours", "googles"), READ, ids=[row[0] for row in READ])
def test_what_either_reads(body: str, ours: str, googles: str) -> None:
    try:
        read = json_format.Parse(body, by_google(TEST, EVERYTHING)(), descriptor_pool=pool_of(TEST))
        by_googles = read.SerializeToString()
    except json_format.ParseError:
        by_googles = REFUSED.encode()
    try:
        by_ours = message_from_json_value(TYPE, json.loads(body), registry=TEST.registry).to_binary()
    except (ValueError, TypeError, OverflowError):
        by_ours = REFUSED.encode()
    assert (by_ours, by_googles) == (_serialized(ours), _serialized(googles))


def _serialized(text: str) -> bytes:
    if text == REFUSED:
        return REFUSED.encode()
    message = text_format.Parse(text, by_google(TEST, EVERYTHING)(), descriptor_pool=pool_of(TEST))
    return bytes(message.SerializeToString())


# --- what ends in an exception and not in a crash, which would take the tests with it: so in a process of its own ---

DEEP = """
from tests.unit.test_rest_json import TEST, TYPE
from protobuf import message_from_json_value

known = TEST.registry

def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])

def nested(depth, inside, wrap):
    for _ in range(depth):
        inside = wrap(inside)
    return inside

for depth in (50, 99, 100, 101, 1_000, 4_000):
    for read in (
        lambda: message_from_json_value(TYPE, {"sub": nested(depth, {}, lambda v: {"deeper": v})}, registry=known),
        lambda: message_from_json_value(TYPE, {"value": nested(depth, 1, lambda v: [v])}, registry=known),
        lambda: message_from_json_value(TYPE, {"words": nested(depth, 1, lambda v: [v])}, registry=known),
        lambda: TYPE.from_binary(nested(depth, b"", lambda v: b"\x12" + varint(len(v)) + v)),
        lambda: TYPE.from_binary(b"\x2a" + varint(len(deep)) + deep),
    ):
        deep = nested(depth, b"", lambda v: b"\x12" + varint(len(v)) + v)
        try:
            message = read()
            message.to_json(registry=known, always_emit_implicit=True)
            message.to_binary()
            print(depth, "read")
        except Exception as error:
            print(depth, type(error).__name__)
print("alive")
"""


def test_nothing_is_nested_so_deep_that_it_crashes() -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", DEEP],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2_000:]
    *reported, last = ended.stdout.splitlines()
    assert last == "alive"
    assert {line.split()[1] for line in reported} <= {
        "read",
        "RecursionError",
        "TypeError",
        "ValueError",
        "UnicodeDecodeError",
    }
    assert "50 read" in reported
    assert "4000 RecursionError" in reported
