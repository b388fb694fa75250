"""Requests made of what comes by HTTP: a message, or a refusal that names what is wrong, and nothing worse."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from protobuf import DescMessage

from rest_server.calls import MOST_PARAMETERS
from rest_server.contracts.http_rules import HttpRule, message_of
from rest_server.errors import FieldsInvalid, IdempotencyKeyUnusable, Refusal
from rest_server.guards.json_bodies import MOST_NESTING, json_of
from rest_server.requests import NO_BODY, serialized_request
from tests.support.described import contract
from tests.support.made_requests import (
    COUNTED,
    FIND,
    GET,
    LISTED,
    OPERATIONS,
    PATCH,
    POST,
    PUT,
    READ,
    SEND,
    SEND_BY_GET,
    SEND_BY_PATH,
    SEND_STREAM,
    TEST,
    assert_can_be_returned,
    made,
    refused,
)


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
            assert_can_be_returned(refusal)


def names_in(message: DescMessage, depth: int = 2) -> list[str]:
    """The names that fields have in a message and in those inside it."""
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


Queries = list[tuple[str, str]]


@cache  # hypothesis checks a new strategy before it is used, which takes longer than to use it
def asked_for(operation: str) -> tuple[st.SearchStrategy[dict[str, Any]], st.SearchStrategy[Queries]]:
    """Bodies and queries for an operation."""
    names = names_in(OPERATIONS[operation][1].method.input) or ["a"]
    objects = st.dictionaries(st.sampled_from(names), json_with(names), max_size=4)
    return objects, st.lists(st.tuples(st.sampled_from([*names, "a.b", ""]), st.text(max_size=3)), max_size=3)


PATHS = st.sampled_from(["1", "a", "%2F", "true", "\u2028", "-"])
CALLERS = st.sampled_from([None, "a"])


QUICK = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
THOROUGH = settings(QUICK, max_examples=40)
EACH_OPERATION = pytest.mark.parametrize("operation", OPERATIONS)


@EACH_OPERATION
@QUICK
@given(data=st.data())
def test_any_json_is_a_request_or_is_refused(operation: str, data: st.DataObject) -> None:
    make_or_refuse(operation, data)


@pytest.mark.slow
@EACH_OPERATION
@THOROUGH
@given(data=st.data())
def test_any_of_much_json_is_a_request_or_is_refused(operation: str, data: st.DataObject) -> None:
    make_or_refuse(operation, data)


def make_or_refuse(operation: str, data: st.DataObject) -> None:
    contract, rule = OPERATIONS[operation]
    objects, queries = asked_for(operation)
    body = json.dumps(data.draw(objects)).encode() if rule.body else None
    path, query = data.draw(PATHS), data.draw(queries)
    try:
        value = NO_BODY if body is None else json_of(body)
        request = serialized_request(rule, contract, [path] * 6, query, value, data.draw(CALLERS))
    except Refusal as refusal:
        assert_can_be_returned(refusal)
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
        assert_can_be_returned(refusal)


@given(st.lists(st.tuples(st.sampled_from(names_in(GET.method.input)), st.text(max_size=5)), max_size=5))
def test_any_parameters_are_a_request_or_are_refused(query: list[tuple[str, str]]) -> None:
    try:
        serialized_request(GET, TEST, ["get"], query, NO_BODY, None)
    except Refusal as refusal:
        assert_can_be_returned(refusal)


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


def test_a_list_may_come_under_both_names() -> None:
    assert made(FIND, "find", query=b"many_words=a&manyWords=b&many_words=c") == {"manyWords": ["a", "b", "c"]}
    assert set(refused(FIND, "find", query=b"one_word=a&oneWord=a")) == {"one_word"}


def test_a_query_may_be_nested_as_a_body() -> None:
    assert made(READ, "read", "a", "b") == {"sub": {"subfield": "a/b"}}
    deep = "sub" + ".deeper" * (MOST_NESTING - 2)
    made(GET, "get", query=f"{deep}.subfield=a".encode())
    for depth in (MOST_NESTING, 4_000):
        query = "sub" + ".deeper" * depth + ".subfield=a"
        with pytest.raises(FieldsInvalid, match="nested more than 100 levels deep"):
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
def test_the_values_of_the_path_are_kept(body: bytes, expected: Any) -> None:
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


def test_a_path_that_is_not_a_value_of_its_field_is_named() -> None:
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


@pytest.mark.parametrize(("count", "others"), [(7, ""), (40, " and 33 others")])
def test_the_names_of_an_enum_are_whole(count: int, others: str) -> None:
    names = [f"IMPORT_FORMAT_NUMBER_NAMED_{number:02}" for number in range(count)]
    values = " ".join(f"{name} = {number};" for number, name in enumerate(names))
    text = """
        syntax = "proto3";
        package p;
        import "google/api/annotations.proto";
        message Request { Kind kind = 1; }
        enum Kind { VALUES }
        service Served { rpc Do(Request) returns (Request) { option (google.api.http) = { get: "/v1/kinds" }; } }
    """
    of_kinds = contract(text.replace("VALUES", values), "Served")
    listed = ", ".join(names[:7])
    assert refused(of_kinds.rules[0], query=b"kind=NOTHING", contract=of_kinds) == {
        "kind": f"must be one of {listed}{others}"
    }
