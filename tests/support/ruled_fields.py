"""Fields with rules of buf.validate, and values that these accept and refuse."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from rest_server.contracts.contract import Contract
from tests.support.described import contract


class Row(NamedTuple):
    """A field with rules, and values in JSON for it."""

    field: str
    accepted: Sequence[Any]
    refused: Sequence[Any]
    refused_but_valid: Sequence[Any] = ()
    """Refused by the rules, and valid by the schema, which cannot express it."""
    not_described: Sequence[Any] = ()
    """Accepted by the rules in another form than the one that the schema describes."""


ABSENT = object()
UUID = "6f1d3c1e-5a64-4c57-9a57-0d1b1c7a4a10"

ROWS = [
    Row("string f = 1 [R.string.min_len = 2];", ["ab", "\u00e9\u00e9"], ["a", "", ABSENT]),
    Row("string f = 1 [R.string.max_len = 2];", ["", "ab", "\u00e9\u00e9", ABSENT], ["abc", "\u00e9\u00e9\u00e9"]),
    Row("string f = 1 [R.string.len = 2];", ["ab"], ["a", "abc", ABSENT]),
    Row("string f = 1 [R.string.max_bytes = 4];", ["abcd", "\u00e9\u00e9", ABSENT], ["abcde"], ["\u00e9\u00e9\u00e9"]),
    Row("string f = 1 [R.string.min_bytes = 2];", ["ab", "\u00e9"], [], ["a", ABSENT]),
    Row('string f = 1 [R.string.pattern = "^[a-z]+$"];', ["ab"], ["A", "", ABSENT]),
    Row('string f = 1 [R.string.pattern = "b"];', ["abc"], ["a", ABSENT]),
    Row('string f = 1 [R.string.pattern = "(?i)^ab$"];', ["AB"], [], ["x"]),
    Row('string f = 1 [R.string.prefix = "a.b"];', ["a.bc"], ["axb", "xa.b", ABSENT]),
    Row('string f = 1 [R.string.suffix = "(z)"];', ["y(z)"], ["(z)y", "yz", ABSENT]),
    Row('string f = 1 [R.string = {prefix: "a" contains: "-" suffix: "z"}];', ["a-z"], ["-z", ABSENT], ["az", "a-"]),
    Row('string f = 1 [R.string.const = "yes"];', ["yes"], ["no", ABSENT]),
    Row('string f = 1 [R.string = {in: ["a", "b"]}];', ["a", "b"], ["c", ABSENT]),
    Row('string f = 1 [R.string = {not_in: ["a", "b"]}];', ["c", ABSENT], ["a"]),
    Row('string f = 1 [R.string = {not_in: [""]}];', ["c"], ["", ABSENT]),
    Row("string f = 1 [R.string.email = true];", ["a@example.org"], ["a", "", ABSENT]),
    Row(
        'string f = 1 [R.string = {email: true suffix: "@example.org"}];',
        ["a@example.org"],
        ["a", ABSENT],
        ["a@example.com"],
    ),
    Row("string f = 1 [R.string.hostname = true];", ["example.org"], ["-", ABSENT]),
    Row("string f = 1 [R.string.ipv4 = true];", ["127.0.0.1"], ["127.0.0", ABSENT]),
    Row("string f = 1 [R.string.ipv6 = true];", ["::1"], ["127.0.0.1", ABSENT]),
    Row("string f = 1 [R.string.uri = true];", ["https://example.org/a"], ["a b", "/a", ABSENT]),
    Row("string f = 1 [R.string.uri_ref = true];", ["/a", ABSENT], ["a b"]),
    Row("string f = 1 [R.string.uuid = true];", [UUID], ["", "1", ABSENT]),
    Row("string f = 1 [R.string.tuuid = true];", [UUID.replace("-", "")], [UUID, ABSENT]),
    Row("string f = 1 [R.string.uuid = true, R.ignore = IGNORE_IF_ZERO_VALUE];", [UUID, ABSENT], ["1"], [], [""]),
    Row("string f = 1 [R.string.uuid = true, R.ignore = IGNORE_ALWAYS];", [UUID, "", "1", ABSENT], []),
    Row("optional string f = 1 [R.string.uuid = true];", [UUID, ABSENT], ["", "1"]),
    Row("optional string f = 1 [R.string.uuid = true, R.ignore = IGNORE_IF_ZERO_VALUE];", [UUID, ABSENT], ["1", ""]),
    Row("optional string f = 1 [R.required = true];", ["", "a"], [ABSENT]),
    Row("int32 f = 1 [R.int32 = {gte: -5 lte: 5}];", [-5, 0, 5, ABSENT], [-6, 6]),
    Row("int32 f = 1 [R.int32 = {gt: 0 lt: 5}];", [1, 4], [0, 5, ABSENT]),
    Row("int32 f = 1 [R.int32 = {gt: 10 lt: 5}];", [4, 11, ABSENT], [], [5, 10]),
    Row("int32 f = 1 [R.int32 = {gte: 10 lt: -5}];", [-6, 10], [], [-5, 0, ABSENT]),
    Row("int32 f = 1 [R.int32.lt = 0];", [-1], [0, ABSENT]),
    Row("int32 f = 1 [R.int32.const = 5];", [5], [6, 0, ABSENT]),
    Row("int32 f = 1 [R.int32 = {in: [5, 6]}];", [5, 6], [7, ABSENT]),
    Row("int32 f = 1 [R.int32 = {in: [0, 6]}];", [0, 6, ABSENT], [7]),
    Row("int32 f = 1 [R.int32 = {not_in: [5, 6]}];", [7, ABSENT], [5]),
    Row("int32 f = 1 [R.int32.gte = 5, R.ignore = IGNORE_IF_ZERO_VALUE];", [5, ABSENT], [4], [], [0]),
    Row("optional int32 f = 1 [R.int32.gte = 1];", [1, ABSENT], [0]),
    Row("int64 f = 1 [R.int64.gte = 5];", ["5"], [4, ABSENT], ["4"], [5]),
    Row("int64 f = 1 [R.int64.const = 5];", ["5"], [4, "4", ABSENT], [], [5]),
    Row("uint64 f = 1 [R.uint64 = {in: [0, 5]}];", ["5", "0", ABSENT], [4, "4"], [], [5, 0]),
    Row("uint64 f = 1 [R.uint64.const = 5, R.ignore = IGNORE_IF_ZERO_VALUE];", ["5", ABSENT], ["4"], [], [5, 0, "0"]),
    Row("double f = 1 [R.double.gt = 0.5];", [0.75], [0.5, 0, ABSENT]),
    Row("bool f = 1 [R.bool.const = true];", [True], [False, ABSENT]),
    Row("Kind f = 1 [R.enum.defined_only = true];", ["KIND_GOOD", "KIND_UNSPECIFIED", ABSENT], []),
    Row("Kind f = 1 [R.enum = {in: [1, 2]}];", ["KIND_GOOD", "KIND_BAD"], ["KIND_UNSPECIFIED", ABSENT]),
    Row("Kind f = 1 [R.enum = {not_in: [0]}];", ["KIND_GOOD"], ["KIND_UNSPECIFIED", ABSENT]),
    Row("Kind f = 1 [R.enum.const = 2];", ["KIND_BAD"], ["KIND_GOOD", ABSENT]),
    Row(
        "Kind f = 1 [R.enum.const = 2, R.ignore = IGNORE_IF_ZERO_VALUE];",
        ["KIND_BAD", ABSENT],
        ["KIND_GOOD"],
        [],
        ["KIND_UNSPECIFIED"],
    ),
    Row("repeated string f = 1 [R.repeated = {min_items: 1 max_items: 2}];", [["a"], ["", ""]], [[], [""] * 3, ABSENT]),
    Row("repeated string f = 1 [R.repeated.unique = true];", [["a", "b"], ABSENT], [["a", "a"]]),
    Row("repeated string f = 1 [R.repeated.items.string.uuid = true];", [[UUID], [], ABSENT], [["1"], [""]]),
    Row("repeated Kind f = 1 [R.repeated.items.enum = {in: [1]}];", [["KIND_GOOD"], ABSENT], [["KIND_BAD"]]),
    Row(
        "repeated string f = 1 [R.repeated.min_items = 2, R.ignore = IGNORE_IF_ZERO_VALUE];",
        [["a", "b"], ABSENT],
        [["a"]],
        [],
        [[]],
    ),
    Row("map<string, int32> f = 1 [R.map = {min_pairs: 1 max_pairs: 1}];", [{"a": 1}], [{}, {"a": 1, "b": 2}, ABSENT]),
    Row("map<string, int32> f = 1 [R.map.keys.string.min_len = 2];", [{"ab": 1}, ABSENT], [{"a": 1}]),
    Row("map<string, int32> f = 1 [R.map.values.int32.gt = 0];", [{"a": 1}, ABSENT], [{"a": 0}]),
    Row("google.protobuf.StringValue f = 1 [R.string.min_len = 2];", ["ab", ABSENT], ["a", ""]),
    Row("google.protobuf.Int64Value f = 1 [R.int64.const = 5];", ["5", ABSENT], ["4", 4, 0], [], [5]),
    Row("repeated google.protobuf.StringValue f = 1 [R.repeated.items.string.min_len = 2];", [["ab"], ABSENT], [["a"]]),
    Row("Inner f = 1 [R.required = true];", [{"g": "ab"}], [ABSENT, {"g": "a"}, {}]),
    Row("Inner f = 1;", [{"g": "ab"}, ABSENT], [{"g": "a"}, {}]),
    Row("bytes f = 1 [R.bytes.min_len = 2];", ["YWI="], [], ["YQ==", ABSENT]),
    Row("google.protobuf.Duration f = 1 [R.duration.gt.seconds = 2];", ["3s", ABSENT], [], ["1s"]),
    Row(
        'int32 f = 1 [R.cel = {id: "even" message: "must be even" expression: "this % 2 == 0"}];',
        [2, ABSENT],
        [],
        [1],
    ),
    Row("google.protobuf.Timestamp f = 1;", ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.5+01:00", ABSENT], []),
]


@cache
def ruled() -> Contract:
    """A message for each row."""
    rows = "\n".join(f"message M{number} {{ {row.field} }}" for number, row in enumerate(ROWS))
    methods = "\n".join(f"rpc Call{number}(M{number}) returns (Answer);" for number in range(len(ROWS)))
    text = f"""
        syntax = "proto3";
        package p;
        import "buf/validate/validate.proto";
        import "google/protobuf/duration.proto";
        import "google/protobuf/timestamp.proto";
        import "google/protobuf/wrappers.proto";
        enum Kind {{ KIND_UNSPECIFIED = 0; KIND_GOOD = 1; KIND_BAD = 2; }}
        message Inner {{ string g = 1 [R.string.min_len = 2]; }}
        message Answer {{ string f = 1 [R.string.min_len = 2]; }}
        {rows}
        service Ruled {{ {methods} }}
    """
    return contract(text.replace("R.", "(buf.validate.field)."), "Ruled")


@cache
def ruled_pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in FileDescriptorSet.FromString(ruled().description.files).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool
