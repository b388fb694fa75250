"""Requests of a contract with every kind of field, made as library-rest makes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rest_server.calls import parameters
from rest_server.contracts.contract import Contract
from rest_server.contracts.http_rules import HttpRule
from rest_server.error_answers import refusal_answer
from rest_server.errors import BodyInvalid, FieldsInvalid, Refusal
from rest_server.guards.json_bodies import json_of
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
    assert_can_be_returned(refusal.value)
    return dict(refusal.value.problems)


def refused_body(rule: HttpRule, body: bytes) -> str:
    with pytest.raises(BodyInvalid) as refusal:
        made(rule, body=body)
    assert_can_be_returned(refusal.value)
    return str(refusal.value)


def assert_can_be_returned(refusal: Refusal) -> None:
    _, body = refusal_answer(refusal, "some-request")
    assert json.loads(body)["error"]["message"] == str(refusal)
    assert len(body) < 24_000


def nested(depth: int, inside: str = "") -> str:
    """`{"deeper": {"deeper": …}}`, `depth` of them."""
    return '{"deeper":' * depth + "{" + inside + "}" + "}" * depth
