"""Errors name fields as the client wrote them, and not as the contract or another client does."""

from __future__ import annotations

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
        message Inner { string first_name = 1; string last_name = 2; repeated Inner other_names = 3; }
        message Asked { Inner inner_one = 1; string page_token = 2; string odd_one = 3 [json_name = "strange"]; }
        service S {
          rpc Whole(Asked) returns (Asked) { option (google.api.http) = { post: "/whole" body: "*" }; }
          rpc Part(Asked) returns (Asked) { option (google.api.http) = { patch: "/part" body: "inner_one" }; }
          rpc Query(Asked) returns (Asked) { option (google.api.http) = { get: "/query" }; }
        }
        """,
        "S",
    ).rules
}


@pytest.mark.parametrize(
    ("path", "query", "body", "named", "told"),
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
def test_a_field_is_named_as_it_was_written(path: str, query: str, body: bytes, named: str, told: str) -> None:
    spelling = Spelling(RULES[path], [(query, "x")] if query else [], body)

    assert spelling.of(named) == told


def test_names_in_sentences_are_spelled_alike() -> None:
    said = "must not be empty when last_name is; see docs/last_name.md"

    assert (
        Spelling(RULES["/part"], [], b"").in_text(said) == "must not be empty when lastName is; see docs/last_name.md"
    )
    assert Spelling(RULES["/part"], [], b'{"first_name": ""}').in_text(said) == said
