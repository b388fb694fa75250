"""What a body may be: what is wrong is named, and nothing takes long."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from protobuf import DescField

from rest_server.errors import Refusal
from rest_server.guards.json_bodies import MOST_NESTING, MOST_VALUES
from tests.support.made_requests import (
    POST,
    SECONDS,
    assert_can_be_returned,
    made,
    nested,
    refused,
    refused_body,
)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{", "it is not JSON: Expecting"),
        ('{"text": "a",}', "it is not JSON"),
        ("{'text': 'a'}", "it is not JSON"),
        ('{"text": "a"} {}', "it is not JSON: Extra data"),
        ('{"text": "a\nb"}', "it is not JSON"),
        ("{}\0", "it is not JSON"),
        ("NaN", "NaN must be in quotes"),
        ('{"doubleValue": Infinity}', "Infinity must be in quotes"),
        ('{"doubleValue": 1e999}', "the number 1e999 is too large"),
        ('{"struct": {"a": -1e999}}', "the number -1e999 is too large"),
        ('{"text": "a", "text": "a"}', "'text' occurs twice"),
        ('{"struct": {"a": [{"b": 1, "b": 2}]}}', "'b' occurs twice"),
        ('{"text": "\\ud83d"}', "half of a surrogate pair"),
        ('{"text": "\\uDE00\\ud83d"}', "half of a surrogate pair"),
        ('{"\\ud83d": 1}', "half of a surrogate pair"),
        ('{"counts": {"\\udfff": 1}}', "half of a surrogate pair"),
        (f'{{"int64Value": {"1" * 5_000}}}', "it is not JSON"),
        (f'{{"sub": {nested(MOST_NESTING)}}}', "nested more than 100 levels deep"),
        pytest.param('{"words": [' + '"",' * MOST_VALUES + '""]}', "more than 100000 values", id="too many values"),
        (f'{{"value": {"[" * 90}{"]" * 90}}}', "nested too deep"),
    ],
)
def test_an_invalid_body_is_refused(body: str, problem: str) -> None:
    assert problem in refused_body(POST, body.encode())


@pytest.mark.parametrize("body", [b"\xff", b'{"text": "\xe9"}'])
def test_a_body_is_utf_8(body: bytes) -> None:
    assert "not UTF-8." in refused_body(POST, body)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("body", ['{"text": "é"}', '{"text": "a"}', "{}", "[]"])
def test_another_encoding_of_unicode_is_named(body: str, encoding: str) -> None:
    assert f"not UTF-8 but {encoding[:6].upper()}" in refused_body(POST, body.encode(encoding))


def test_a_byte_order_mark_is_not_a_part_of_the_body() -> None:
    for body in (b'{"text": "a"}', b"{}", b" {}"):
        assert made(POST, body=b"\xef\xbb\xbf" + body) == made(POST, body=body)
    assert "it is not JSON" in refused_body(POST, b"\xef\xbb\xbf" * 2 + b"{}")


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
    assert_can_be_returned(refusal.value)


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
