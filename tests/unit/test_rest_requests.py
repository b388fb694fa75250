"""Requests made of whatever comes by HTTP: a message, or a refusal that names what is wrong, and nothing worse."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from protobuf import DescField, DescMessage

from rest_server.calls import MOST_PARAMETERS, parameters
from rest_server.contracts.contract import Contract
from rest_server.contracts.http_rules import HttpRule, message_of
from rest_server.error_answers import refusal_answer
from rest_server.errors import BodyInvalid, FieldsInvalid, IdempotencyKeyUnusable, Refusal
from rest_server.guards.json_bodies import MOST_NESTING, json_of
from rest_server.requests import NO_BODY, serialized_request
from tests.support.described import contract, library_contracts

SECONDS = 5.0
"""More than anything here takes on a busy machine, and much less than what goes wrong."""

TEST = contract(
    """
    syntax = "proto3";
    package p;
    import "google/api/annotations.proto";
    import "messages.proto";

    service Requests {
      rpc Post(transcoding.test.v1.Everything) returns (transcoding.test.v1.Everything) {
        option (google.api.http) = { post: "/post" body: "*" };
      }
      rpc Get(transcoding.test.v1.Everything) returns (transcoding.test.v1.Everything) {
        option (google.api.http) = { get: "/get" };
      }
      rpc Patch(transcoding.test.v1.Everything) returns (transcoding.test.v1.Everything) {
        option (google.api.http) = { patch: "/patch/{message_id}" body: "message" };
      }
      rpc Put(transcoding.test.v1.Everything) returns (transcoding.test.v1.Everything) {
        option (google.api.http) = { put: "/put/{chosen_message.message_id}/{revision}" body: "*" };
      }
      rpc Read(transcoding.test.v1.Everything) returns (transcoding.test.v1.Everything) {
        option (google.api.http) = { get: "/read/{sub.subfield=**}" };
      }
      rpc Send(transcoding.test.v1.SendRequest) returns (transcoding.test.v1.SendRequest) {
        option (google.api.http) = { post: "/send" body: "*" };
      }
      rpc SendStream(stream transcoding.test.v1.SendRequest) returns (transcoding.test.v1.SendRequest) {
        option (google.api.http) = { post: "/send-stream" body: "*" };
      }
      rpc SendByGet(transcoding.test.v1.SendRequest) returns (transcoding.test.v1.SendRequest) {
        option (google.api.http) = { get: "/send" };
      }
      rpc SendByPath(transcoding.test.v1.SendRequest) returns (transcoding.test.v1.SendRequest) {
        option (google.api.http) = { post: "/send/{request_id}" body: "*" };
      }
      rpc Count(Counted) returns (Counted) {
        option (google.api.http) = { post: "/count" body: "*" };
      }
      rpc Listed(Listing) returns (Listing) {
        option (google.api.http) = { post: "/list" body: "*" };
      }
      rpc Find(Search) returns (Search) {
        option (google.api.http) = { get: "/find" };
      }
    }

    message Counted {
      int64 request_id = 1;
    }

    message Listing {
      repeated string request_id = 1;
    }

    message Search {
      repeated string many_words = 1;
      string one_word = 2;
    }
    """,
    "Requests",
)
POST, GET, PATCH, PUT, READ, SEND, SEND_STREAM, SEND_BY_GET, SEND_BY_PATH, COUNTED, LISTED, FIND = TEST.rules

# By name, as hypothesis writes out what a test is given, and that of a contract takes minutes.
OPERATIONS = {
    f"{rule.verb} {rule.path}": (contract, rule) for contract in (*library_contracts(), TEST) for rule in contract.rules
}


def made(
    rule: HttpRule,
    *path: str,
    query: bytes = b"",
    body: bytes | None = None,
    key: str | None = None,
    contract: Contract = TEST,
) -> Any:
    """The request as its target would read it, in JSON."""
    value = NO_BODY if body is None else json_of(body)
    request = serialized_request(rule, contract, path, parameters(query), value, key)
    return json.loads(rule.method.input.type.from_binary(request).to_json(registry=contract.registry))


def refused(rule: HttpRule, *path: str, **parts: Any) -> dict[str, str]:
    """The fields that a request is refused for, with what is wrong with them; the refusal can be sent."""
    with pytest.raises(FieldsInvalid) as refusal:
        made(rule, *path, **parts)
    assert_can_be_told(refusal.value)
    return dict(refusal.value.problems)


def refused_body(rule: HttpRule, body: bytes) -> str:
    with pytest.raises(BodyInvalid) as refusal:
        made(rule, body=body)
    assert_can_be_told(refusal.value)
    return str(refusal.value)


def assert_can_be_told(refusal: Refusal) -> None:
    _, body = refusal_answer(refusal, "some-request")
    assert json.loads(body)["error"]["message"] == str(refusal)
    assert len(body) < 10_000


def nested(depth: int, inside: str = "") -> str:
    """`{"deeper": {"deeper": …}}`, so many of them."""
    return '{"deeper":' * depth + "{" + inside + "}" + "}" * depth


# --- whatever comes ---


@settings(deadline=None)
@given(st.binary() | st.text('{}[]":,\\ud8nulltre0-9.eE+ x').map(str.encode))
@example(b"")
@example(b"\xef\xbb\xbf{}")  # a byte order mark
@example('{"text": "a"}'.encode("utf-16"))
@example(b'{"text": "\\ud83d"}')
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"1" * 100_000)
def test_any_bytes_are_a_body_or_are_refused(body: bytes) -> None:
    for rule in (POST, PATCH, SEND):
        path = ["patch", "a"] if rule is PATCH else []
        try:
            made(rule, *path, body=body)
        except Refusal as refusal:
            assert_can_be_told(refusal)


def names_in(message: DescMessage, depth: int = 2) -> list[str]:
    """The names that fields have in a message and in those that it holds."""
    names = [name for field in message.fields for name in (field.name, field.json_name)]
    inner = [found for field in message.fields if (found := message_of(field)) is not None]
    return names + [name for found in inner if depth for name in names_in(found, depth - 1)]


def json_with(names: list[str]) -> st.SearchStrategy[Any]:
    """JSON values, well or ill suited, whose objects have these names, mostly."""
    keys = st.sampled_from([*names, "@type", "value", "a", "1", "true", "", "\ud800", "[p.ext]"])
    texts = st.sampled_from(
        ["", "1", "true", "COLOUR_RED", "2026-01-01T00:00:00Z", "1.5s", "a,b", "YQ==", "NaN", "\udc00", "1e400"]
    )
    numbers = st.sampled_from([0, 1, -1, 2**31, 2**63, 2**64, 10**400, 0.5, 1e300, float("inf"), float("nan")])
    types = st.sampled_from(["type.googleapis.com/google.protobuf.Empty", "type.googleapis.com/nothing", "", "/"])
    leaves = st.none() | st.booleans() | numbers | texts | types | st.text(max_size=3)
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
    )


@pytest.mark.parametrize("operation", OPERATIONS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_json_is_a_request_or_is_refused(operation: str, data: st.DataObject) -> None:
    contract, rule = OPERATIONS[operation]
    names = names_in(rule.method.input) or ["a"]
    objects = st.dictionaries(st.sampled_from(names), json_with(names), max_size=4)
    body = json.dumps(data.draw(objects)).encode() if rule.body else None
    path = data.draw(st.sampled_from(["1", "a", "%2F", "true", "\u2028", "-"]))
    query = data.draw(st.lists(st.tuples(st.sampled_from([*names, "a.b", ""]), st.text(max_size=3)), max_size=3))
    try:
        value = NO_BODY if body is None else json_of(body)
        request = serialized_request(rule, contract, [path] * 6, query, value, data.draw(st.sampled_from([None, "a"])))
    except Refusal as refusal:
        assert_can_be_told(refusal)
    else:
        rule.method.input.type.from_binary(request)


@given(st.binary() | st.text("&=%+;.ab[]\u00fc").map(str.encode))
@example(b"&".join([b"words=a"] * 201))
@example(b"text=%ff")
@example(b"text=\xff")
@example(b"=" * 30_000)
@example(b"a." * 15_000)
def test_any_query_is_a_request_or_is_refused(query: bytes) -> None:
    try:
        made(GET, "get", query=query)
    except Refusal as refusal:
        assert_can_be_told(refusal)


@given(st.lists(st.tuples(st.sampled_from(names_in(GET.method.input)), st.text(max_size=5)), max_size=5))
def test_any_parameters_are_a_request_or_are_refused(query: list[tuple[str, str]]) -> None:
    try:
        serialized_request(GET, TEST, ["get"], query, NO_BODY, None)
    except Refusal as refusal:
        assert_can_be_told(refusal)


# --- what is wrong, and where ---


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{", "it is no JSON: Expecting"),
        ('{"text": "a",}', "it is no JSON"),
        ("{'text': 'a'}", "it is no JSON"),
        ('{"text": "a"} {}', "it is no JSON: Extra data"),
        ('{"text": "a\nb"}', "it is no JSON"),
        ("{}\0", "it is no JSON"),
        ("NaN", "NaN is written in quotes"),
        ('{"doubleValue": Infinity}', "Infinity is written in quotes"),
        ('{"doubleValue": 1e999}', "1e999 is too large a number"),
        ('{"struct": {"a": -1e999}}', "-1e999 is too large a number"),
        ('{"text": "a", "text": "a"}', "'text' is there twice"),
        ('{"struct": {"a": [{"b": 1, "b": 2}]}}', "'b' is there twice"),
        ('{"text": "\\ud83d"}', "half of a surrogate pair"),
        ('{"text": "\\uDE00\\ud83d"}', "half of a surrogate pair"),
        ('{"\\ud83d": 1}', "half of a surrogate pair"),
        ('{"counts": {"\\udfff": 1}}', "half of a surrogate pair"),
        (f'{{"int64Value": {"1" * 5_000}}}', "it is no JSON"),
        (f'{{"sub": {nested(MOST_NESTING)}}}', "nested over 100 deep"),
        (f'{{"value": {"[" * 90}{"]" * 90}}}', "nested too deep"),
    ],
)
def test_what_is_no_body_is_refused(body: str, problem: str) -> None:
    assert problem in refused_body(POST, body.encode())


@pytest.mark.parametrize("body", [b"\xff", b'{"text": "\xe9"}'])
def test_a_body_is_utf_8(body: bytes) -> None:
    assert "not UTF-8." in refused_body(POST, body)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("body", ['{"text": "é"}', '{"text": "a"}', "{}", "[]"])
def test_another_encoding_of_unicode_is_named(body: str, encoding: str) -> None:
    assert f"not UTF-8 but {encoding[:6].upper()}" in refused_body(POST, body.encode(encoding))


def test_a_byte_order_mark_is_no_part_of_the_body() -> None:
    for body in (b'{"text": "a"}', b"{}", b" {}"):
        assert made(POST, body=b"\xef\xbb\xbf" + body) == made(POST, body=body)
    assert "it is no JSON" in refused_body(POST, b"\xef\xbb\xbf" * 2 + b"{}")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ("[]", {"body"}),
        ("null", {"body"}),
        ('{"nothing": 1}', {"nothing"}),
        ('{"": 1}', {""}),
        ('{"[p.extension]": 1}', {"[p.extension]"}),
        ('{"sub": {"deeper": {"nothing": 1}}}', {"sub.deeper.nothing"}),
        ('{"sub": {"deeper": [1]}}', {"sub.deeper"}),
        ('{"sub": {"words": {}}}', {"sub.words"}),
        ('{"messages": {}}', {"messages"}),
        ('{"messages": [{}, {"text": 1}, 2, null]}', {"messages[1].text", "messages[2]", "messages[3]"}),
        ('{"messagesByNumber": {"1": {"text": 1}}}', {"messages_by_number[1].text"}),
        ('{"messagesByNumber": {"a": {}}}', {"messages_by_number"}),
        ('{"messagesByNumber": {"1": null}}', {"messages_by_number[1]"}),
        ('{"messagesByNumber": []}', {"messages_by_number"}),
        ('{"counts": {"a": "b"}}', {"counts"}),
        ('{"counts": {"a": null}}', {"counts"}),
        ('{"wordsByTruth": {"yes": "a"}}', {"words_by_truth"}),
        ('{"words": [null]}', {"words"}),
        ('{"words": "a"}', {"words"}),
        ('{"colour": "GREEN"}', {"colour"}),
        ('{"colours": ["COLOUR_RED", null]}', {"colours"}),
        *((f'{{"colour": {number}}}', {"colour"}) for number in (2**31, -(2**31) - 1, 2**32 + 1, 2**64, 10**40, 1e300)),
        ('{"colours": [1, 4294967297]}', {"colours"}),
        ('{"int32Value": 2147483648, "uint32Value": -1}', {"int32_value", "uint32_value"}),
        ('{"int64Value": 9223372036854775808}', {"int64_value"}),
        ('{"int32Value": 1.5}', {"int32_value"}),
        ('{"floatValue": 1e300}', {"float_value"}),
        ('{"boolValue": "true"}', {"bool_value"}),
        ('{"boolValue": 1}', {"bool_value"}),
        ('{"bytesValue": "!"}', {"bytes_value"}),
        ('{"timestamp": "2026-02-30T00:00:00Z"}', {"timestamp"}),
        ('{"timestamp": {"seconds": 1}}', {"timestamp"}),
        ('{"duration": 1}', {"duration"}),
        ('{"mask": "a_b"}', {"mask"}),
        ('{"mask": ["a"]}', {"mask"}),
        ('{"int64Wrapper": {"value": 1}}', {"int64_wrapper"}),
        ('{"struct": []}', {"struct"}),
        ('{"any": {"@type": "type.googleapis.com/nothing"}}', {"any"}),
        ('{"any": {"@type": 1}}', {"any"}),
        ('{"empty": {"a": 1}}', {"empty"}),
        # A field by both its names, and two of a oneof: the parser would take the last one.
        ('{"int32Value": 1, "int32_value": 1}', {"int32_value"}),
        ('{"int32Value": 1, "int32_value": null}', {"int32_value"}),
        ('{"messages": [{"messageId": "a", "message_id": "a"}]}', {"messages[0].message_id"}),
        ('{"renamed": "a", "calledOtherwise": "a"}', {"calledOtherwise"}),
        ('{"chosenText": "a", "chosenNumber": 1}', {"chosenNumber"}),
        ('{"chosenText": "a", "chosenMessage": {}}', {"chosenMessage"}),
        ('{"messagesByNumber": {"1": {"text": "a", "text ": "a"}}}', {"messages_by_number[1].text "}),
    ],
)
def test_the_fields_that_are_wrong_are_named(body: str, fields: set[str]) -> None:
    assert set(refused(POST, body=body.encode())) == fields


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("{}", {}),
        ('{"chosenText": "a", "chosenNumber": null}', {"chosenText": "a"}),
        ('{"optionalNumber": 0, "optionalText": ""}', {"optionalNumber": 0, "optionalText": ""}),
        ('{"optionalNumber": 1, "chosenNumber": 1}', {"optionalNumber": 1, "chosenNumber": 1}),
        ('{"renamed": "a"}', {"calledOtherwise": "a"}),
        ('{"text": "\\ud83d\\ude00"}', {"text": "\N{GRINNING FACE}"}),
        ('{"text": "\\\\ud83d"}', {"text": "\\ud83d"}),  # a backslash, and no escape of a character
        ('{"text": "[[[[{{{{\\""}', {"text": '[[[[{{{{"'}),
        (f'{{"words": [{", ".join(["{}"] * 200)}]}}'.replace("{}", '"["'), {"words": ["["] * 200}),
        ('{"int64Value": "1e3"}', {"int64Value": "1000"}),
        ('{"doubleValue": "-Infinity"}', {"doubleValue": "-Infinity"}),
        ('{"value": null}', {"value": None}),
        ('{"struct": {"a": null}}', {"struct": {"a": None}}),
    ],
)
def test_what_may_be_in_a_body(body: str, expected: Any) -> None:
    assert made(POST, body=body.encode()) == expected


def test_null_is_what_no_value_is() -> None:
    for field in POST.method.input.fields:
        nothing = {field.json_name: None} if field.name == "value" else {}
        assert made(POST, body=json.dumps({field.json_name: None}).encode()) == nothing


def test_a_body_may_be_nested_as_deep_as_protobuf_allows() -> None:
    deepest = f'{{"sub": {nested(MOST_NESTING - 2)}}}'
    made(POST, body=deepest.encode())
    assert set(refused(POST, body=f'{{"sub": {nested(MOST_NESTING - 3, chr(34) + "x" + chr(34) + ":1")}}}'.encode()))


# --- queries ---


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("nothing=1", {"nothing"}),
        ("=1", {""}),
        ("text=a&text=b", {"text"}),
        ("bool_value=true&boolValue=true", {"bool_value"}),
        ("sub=a", {"sub"}),
        ("sub.nothing=a", {"sub.nothing"}),
        ("text.a=b", {"text.a"}),
        ("messages=a", {"messages"}),
        ("messages.text=a", {"messages.text"}),
        ("counts=a", {"counts"}),
        ("counts.a=1", {"counts.a"}),
        ("struct.a=1", {"struct.a"}),
        ("value=1", {"value"}),
        ("value.string_value=1", {"value.string_value"}),
        ("any.type_url=a", {"any.type_url"}),
        ("bool_wrapper.value=true", {"bool_wrapper.value"}),
        ("bool_wrapper=true&bool_wrapper.value=false", {"bool_wrapper.value"}),
        ("timestamp.seconds=1", {"timestamp.seconds"}),
        ("chosen_text=a&chosen_number=1", {"chosen_number"}),
        ("int32_value=a&bool_value=TRUE&nothing=1&nothing=2", {"int32_value", "bool_value", "nothing"}),
        ("int32_value=a&bool_value=TRUE", {"int32_value", "bool_value"}),
        ("int32_value=", {"int32_value"}),
        ("int32_value=99999999999", {"int32_value"}),
        ("colour=GREEN", {"colour"}),
        ("colour=4294967297", {"colour"}),
        (f"colour={10**40}", {"colour"}),
        ("raw=a", {"raw"}),
    ],
)
def test_the_parameters_that_are_wrong_are_named(query: str, fields: set[str]) -> None:
    assert set(refused(GET, "get", query=query.encode())) == fields


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("words=a&words=b", {"words": ["a", "b"]}),
        ("messageId=a&sub.favouriteColour=1", {"messageId": "a", "sub": {"favouriteColour": "COLOUR_RED"}}),
        ("sub.words=a&sub.words=b&sub.deeper.words=c", {"sub": {"words": ["a", "b"], "deeper": {"words": ["c"]}}}),
        ("calledOtherwise=a", {"calledOtherwise": "a"}),
        ("text=%F0%9F%98%80+%2B", {"text": "\N{GRINNING FACE} +"}),
        ("int64_wrapper=5&bool_wrapper=false", {"int64Wrapper": "5", "boolWrapper": False}),
        ("double_value=NaN&float_value=1e10", {"doubleValue": "NaN", "floatValue": 1e10}),
    ],
)
def test_what_may_be_in_a_query(query: str, expected: Any) -> None:
    assert made(GET, "get", query=query.encode()) == expected


def test_a_list_may_be_given_under_both_names() -> None:
    assert made(FIND, "find", query=b"many_words=a&manyWords=b&many_words=c") == {"manyWords": ["a", "b", "c"]}
    assert set(refused(FIND, "find", query=b"one_word=a&oneWord=a")) == {"one_word"}


def test_a_query_may_be_nested_as_a_body() -> None:
    assert made(READ, "read", "a", "b") == {"sub": {"subfield": "a/b"}}
    deep = "sub" + ".deeper" * (MOST_NESTING - 2)
    made(GET, "get", query=f"{deep}.subfield=a".encode())
    for depth in (MOST_NESTING, 4_000):
        query = "sub" + ".deeper" * depth + ".subfield=a"
        with pytest.raises(FieldsInvalid, match="nested over 100 deep"):
            made(GET, "get", query=query.encode())


def test_a_query_may_have_so_many_parameters() -> None:
    assert len(made(GET, "get", query=b"&".join([b"words=a"] * MOST_PARAMETERS))["words"]) == MOST_PARAMETERS
    assert set(refused(GET, "get", query=b"&".join([b"words=a"] * (MOST_PARAMETERS + 1)))) == {"query"}


# --- path, body and query together ---


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", {"messageId": "a"}),
        (b'{"chosen_message": {"text": "b"}}', {"messageId": "a", "text": "b"}),
        (b'{"chosenMessage": {"text": "b"}}', {"messageId": "a", "text": "b"}),
        (b'{"chosenMessage": {"messageId": "a"}}', {"messageId": "a"}),
        (b'{"chosenMessage": {"message_id": "a", "messageId": null}}', {"messageId": "a"}),
        (b'{"chosenMessage": null}', {"messageId": "a"}),
        (b'{"chosen_message": null}', {"messageId": "a"}),
        (b'{"revision": "5"}', {"messageId": "a"}),
        (b'{"revision": 5}', {"messageId": "a"}),
    ],
)
def test_what_the_path_says_holds(body: bytes, expected: Any) -> None:
    assert made(PUT, "put", "a", "5", body=body) == {"revision": "5", "chosenMessage": expected}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b'{"chosenMessage": {"messageId": "b"}}', {"chosen_message.message_id"}),
        (b'{"chosenMessage": {"message_id": "a", "messageId": "b"}}', {"chosen_message.message_id"}),
        (b'{"chosenMessage": []}', {"chosen_message"}),
        (b'{"chosenMessage": "a"}', {"chosen_message"}),
        (b'{"chosenMessage": {"text": "b"}, "chosen_message": {}}', {"chosen_message"}),
        (b'{"chosenText": "a"}', {"chosen_message"}),
        (b'{"revision": 6}', {"revision"}),
        (b'{"revision": {}}', {"revision"}),
    ],
)
def test_what_contradicts_the_path_is_refused(body: bytes, fields: set[str]) -> None:
    assert set(refused(PUT, "put", "a", "5", body=body)) == fields


def test_a_path_that_is_no_value_of_its_field_is_named() -> None:
    assert set(refused(PUT, "put", "a", "b", body=b"{}")) == {"revision"}
    assert set(refused(PUT, "put", "a", "9" * 30, body=b"{}")) == {"revision"}


@pytest.mark.parametrize("body", [b"null", b"5", b"[]", b'"a"'])
def test_a_body_for_a_field_is_of_its_type(body: bytes) -> None:
    if body == b"null":
        assert made(PATCH, "patch", "a", body=body) == {"messageId": "a"}
    else:
        assert set(refused(PATCH, "patch", "a", body=body)) == {"message"}


@pytest.mark.parametrize("key", ["a", '"a"', " a "])
def test_an_idempotency_key_is_the_request_id(key: str) -> None:
    assert made(SEND, "send", body=b"{}", key=key) == {"requestId": "a"}
    assert made(SEND, "send", body=b'{"requestId": "a"}', key=key) == {"requestId": "a"}
    assert made(SEND, "send", body=b'{"requestId": null}', key=key) == {"requestId": "a"}
    assert set(refused(SEND, "send", body=b'{"requestId": "b"}', key=key)) == {"request_id"}
    assert set(refused(SEND, "send", body=b'{"requestId": "a", "request_id": "b"}', key=key)) == {"request_id"}


def test_a_uuid_as_a_key_is_the_same_in_either_case() -> None:
    key, body = "2F1C3F4E-6A0B-4D7E-9C55-0D6F5A1BE001", b'{"requestId": "2f1c3f4e-6a0b-4d7e-9c55-0d6f5a1be001"}'
    assert made(SEND, "send", body=body, key=key) == {"requestId": key}
    assert set(refused(SEND, "send", body=b'{"requestId": "A"}', key="a")) == {"request_id"}


@pytest.mark.parametrize("key", ["a", ""])
@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (POST, "has no text field request_id"),
        (SEND_STREAM, "is a stream"),
        (SEND_BY_GET, "changes nothing"),
        (SEND_BY_PATH, "is in its path"),
        (COUNTED, "has no text field request_id"),
        (LISTED, "has no text field request_id"),
    ],
)
def test_a_key_that_a_method_cannot_use_is_refused(rule: HttpRule, problem: str, key: str) -> None:
    with pytest.raises(IdempotencyKeyUnusable, match=problem):
        serialized_request(rule, TEST, ["send", "a"], [], NO_BODY, key)


# --- what a body may cost ---

MANY = 1024 * 1024
MANY_LISTS = b"[" + b"[]," * (MOST_NESTING + 1)
"""So that it is asked how deep they are."""
TEXTS = ",".join(['""'] * MANY)


@pytest.mark.parametrize(
    "body",
    [
        MANY_LISTS + b'"' + b'\\"' * (MANY // 2),
        MANY_LISTS + b'"' + b'\\"' * (MANY // 2) + b"\\",
        MANY_LISTS + b'"' * (MANY - 1),
        b"[" * MANY,
        b"{" + b",".join(b'"k%d":1' % number for number in range(MANY // 12)) + b',"k0":1}',
        b"{" + b",".join(b'"k%d":1' % number for number in range(MANY // 12)) + b"}",
        b'{"messages":[' + b",".join([b'{"x":1}'] * (MANY // 8)) + b"]}",
        b'{"sub":' + nested(90, f'"words":[{TEXTS},1]').encode() + b"}",
        b'{"sub":' + nested(45, f'"words":[{TEXTS}],"subfield":1').encode() + b"}",
        b'{"messagesByNumber":{' + b",".join(b'"%d":{}' % number for number in range(MANY // 16)) + b',"a":{}}}',
        b'{"int64Value":"1e' + b"9" * MANY + b'"}',
        b'{"doubleValue":"' + b"9" * MANY + b'x"}',
        b'{"bytesValue":"' + b"!" * MANY + b'"}',
        b'{"mask":"' + b"a," * (MANY // 2) + b'_"}',
        b'{"text":' + b" " * MANY,
        b'{"' + b"x" * MANY + b'":1}',
    ],
    ids=[
        "escaped quotes without an end",
        "escaped quotes and half an escape",
        "quotes",
        "brackets",
        "many members, one twice",
        "many unknown members",
        "many unknown members in messages",
        "a wrong element deep inside",
        "a wrong field deep inside",
        "a wrong key",
        "exponent",
        "digits",
        "no base64",
        "field mask",
        "spaces",
        "a long name",
    ],
)
def test_no_body_takes_long_to_be_refused(body: bytes) -> None:
    begin = time.perf_counter()
    with pytest.raises(Refusal) as refusal:
        made(POST, body=body)
    assert time.perf_counter() - begin < SECONDS
    assert_can_be_told(refusal.value)


def test_the_messages_here_have_fields_of_all_kinds() -> None:
    """So that what is held of them is held of any message."""
    kinds: set[str] = set()

    def look(field: DescField) -> None:
        value: Any = field.value
        kinds.add(type(value).__name__)
        kinds.update(str(getattr(value, name)) for name in ("scalar", "key") if hasattr(value, name))

    for field in POST.method.input.fields:
        look(field)
    assert len([kind for kind in kinds if kind.startswith("DescFieldValue")]) == 5
