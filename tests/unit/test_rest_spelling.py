"""Errors name fields as the client wrote them, and not as the contract or another client does."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from rest_server.spelling import Spelling
from tests.support.described import contract

RULES = {
    rule.path: rule
    for rule in contract(
        """
        syntax = "proto3";
        package p;
        import "google/api/annotations.proto";
        import "google/protobuf/field_mask.proto";
        message Inner { string first_name = 1; string last_name = 2; repeated Inner other_names = 3; }
        message Asked { Inner inner_one = 1; string page_token = 2; string odd_one = 3 [json_name = "strange"];
          google.protobuf.FieldMask update_mask = 4; string request_id = 5; }
        message Answered { string next_page_token = 1; }
        service S {
          rpc Whole(Asked) returns (Asked) { option (google.api.http) = { post: "/whole" body: "*" }; }
          rpc Part(Asked) returns (Asked) { option (google.api.http) = { patch: "/part" body: "inner_one" }; }
          rpc Query(Asked) returns (Answered) { option (google.api.http) = { get: "/query" }; }
        }
        """,
        "S",
    ).rules
}


@pytest.mark.parametrize(
    ("path", "query", "body", "named", "expected"),
    [
        ("/whole", "", b"", "page_token", "pageToken"),
        ("/whole", "", b'{"pageToken": 1}', "page_token", "pageToken"),
        ("/whole", "", b'{"page_token": 1}', "page_token", "page_token"),
        ("/whole", "", b'{"innerOne": {"first_name": 1}}', "inner_one.first_name", "innerOne.first_name"),
        ("/whole", "", b'{"inner_one": {"firstName": 1}}', "inner_one.first_name", "inner_one.firstName"),
        ("/whole", "", b'{"inner_one": {"firstName": 1}}', "inner_one.last_name", "inner_one.lastName"),
        ("/whole", "", b'{"inner_one": {"first_name": 1}}', "page_token", "page_token"),
        ("/whole", "", b'{"page_token_": "page_token"}', "page_token", "pageToken"),
        ("/whole", "", b'{"strange": 1}', "odd_one", "strange"),
        ("/whole", "", b"", "inner_one.other_names[2].last_name", "innerOne.otherNames[2].lastName"),
        ("/whole", "", b"", "no_such_field", "no_such_field"),
        ("/whole", "", b"\xff{", "page_token", "pageToken"),
        ("/part", "", b'{"firstName": 1}', "inner_one.first_name", "firstName"),
        ("/part", "", b'{"first_name": 1}', "inner_one.first_name", "first_name"),
        ("/part", "", b"[]", "inner_one", "body"),
        ("/part", "", b"", "page_token", "pageToken"),
        ("/part", "inner_one.first_name", b"{}", "inner_one.first_name", "inner_one.first_name"),
        ("/query", "pageToken", b"", "page_token", "pageToken"),
        ("/query", "page_token", b"", "page_token", "page_token"),
        ("/query", "inner_one.firstName", b"", "inner_one.first_name", "inner_one.firstName"),
    ],
)
def test_a_field_is_named_as_it_was_written(path: str, query: str, body: bytes, named: str, expected: str) -> None:
    spelling = Spelling(RULES[path], [(query, "x")] if query else [], body)

    assert spelling.of(named) == expected


def test_names_in_sentences_are_spelled_alike() -> None:
    text = "must not be empty when last_name is; see docs/last_name.md"

    assert (
        Spelling(RULES["/part"], [], b"").in_text(text) == "must not be empty when lastName is; see docs/last_name.md"
    )
    assert Spelling(RULES["/part"], [], b'{"first_name": ""}').in_text(text) == text


@pytest.mark.parametrize(
    ("query", "body", "expected"),
    [
        ("updateMask=firstName", b"{}", ("updateMask", "firstName is read-only, lastName is not")),
        ("update_mask=first_name", b'{"lastName": 1}', ("update_mask", "first_name is read-only, lastName is not")),
        (
            "update_mask=x,inner.first_name",
            b'{"lastName": 1}',
            ("update_mask", "first_name is read-only, lastName is not"),
        ),
        ("updateMask=firstName", b'{"first_name": 1}', ("updateMask", "firstName is read-only, lastName is not")),
        (
            "updateMask=lastName&updateMask=first_name",
            b"{}",
            ("updateMask", "first_name is read-only, lastName is not"),
        ),
    ],
)
def test_a_mask_has_its_own_spelling(query: str, body: bytes, expected: tuple[str, str]) -> None:
    spelling = Spelling(RULES["/part"], parse_qsl(query), body)

    assert spelling.problem("update_mask", "first_name is read-only, last_name is not") == expected


def test_an_unknown_name_in_a_mask_is_as_it_was_written() -> None:
    for written in ("fooBar", "foo_bar"):
        spelling = Spelling(RULES["/query"], [("updateMask", f"a,{written}")], b"")
        assert spelling.problem("update_mask", "there is no field foo_bar") == (
            "updateMask",
            f"there is no field {written}",
        )


def test_names_of_the_answer_are_spelled_as_it_has_them() -> None:
    text = "must be the next_page_token of a page"

    for parameter, name in (("pageToken", "nextPageToken"), ("page_token", "next_page_token")):
        spelling = Spelling(RULES["/query"], [(parameter, "x")], b"")
        assert spelling.in_text(text) == f"must be the {name} of a page"


@pytest.mark.parametrize(
    ("body", "key", "expected"),
    [
        (b"{}", "x", "idempotency-key"),
        (b'{"page_token": ""}', "x", "idempotency-key"),
        (b'{"requestId": "y"}', "x", "requestId"),
        (b'{"request_id": "y"}', "x", "request_id"),
        (b"{}", None, "requestId"),
    ],
)
def test_a_request_id_that_came_as_a_header_is_named_so(body: bytes, key: str | None, expected: str) -> None:
    assert Spelling(RULES["/whole"], [], body, key).of("request_id") == expected
