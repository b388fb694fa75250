"""Streams as lines of JSON, and content that is not JSON: google.api.HttpBody, alone and in streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.rest import RestServers
from tests.support.transcoding.contracts import Rule
from tests.support.transcoding.served_rules import ServedRules, rules_of, serving_rules

# --- streams: the row has all the messages of either side ---

STREAM_OUT = Rule('post: "/raw/stream/out" body: "*"', takes="Several", returns="stream google.api.HttpBody")

# --- streams: here the row has all the messages of either side ---

STREAM_OUT = Rule('post: "/stream/out" body: "*"', takes="Several", returns="stream Everything")
STREAM_IN = Rule('post: "/stream/in" body: "*"', takes="stream Everything", returns="Several")
STREAM_BOTH = Rule('post: "/stream/both" body: "*"', takes="stream Everything")

STREAMS = [
    pytest.param(
        STREAM_OUT,
        'POST /stream/out {"everything": [{"text": "a"}, {"text": "b"}]}',
        ['everything { text: "a" } everything { text: "b" }'],
        ['text: "a"', 'text: "b"'],
        id="server stream",
    ),
    pytest.param(STREAM_OUT, "POST /stream/out {}", [""], [], id="server stream, nothing in it"),
    pytest.param(
        Rule('get: "/stream/{text}"', returns="stream Everything"),
        "GET /stream/a?words=b",
        ['text: "a" words: "b"'],
        ['text: "a" words: "b"'],
        id="server stream by GET",
    ),
    pytest.param(
        STREAM_IN,
        'POST /stream/in {"text": "a"}\n{"text": "b"}\n',
        ['text: "a"', 'text: "b"'],
        ['everything { text: "a" } everything { text: "b" }'],
        id="client stream",
    ),
    pytest.param(
        STREAM_IN,
        'POST /stream/in {"text": "a"}\r\n\n{"text": "b"}',
        ['text: "a"', 'text: "b"'],
        ['everything { text: "a" } everything { text: "b" }'],
        id="client stream, other line ends",
    ),
    pytest.param(
        Rule('post: "/stream/in/message" body: "message"', takes="stream Everything", returns="Several"),
        'POST /stream/in/message {"text": "a"}\n{"text": "b"}\n',
        ['message { text: "a" }', 'message { text: "b" }'],
        ['everything { message { text: "a" } } everything { message { text: "b" } }'],
        id="client stream of a field",
    ),
    pytest.param(
        STREAM_BOTH,
        'POST /stream/both {"text": "a"}\n{"text": "b"}\n',
        ['text: "a"', 'text: "b"'],
        ['text: "a"', 'text: "b"'],
        id="streams both ways",
    ),
    pytest.param(
        Rule("", takes="stream Everything", method="UnsaidStream"),
        'POST /transcoding.test.v1.Transcoding/UnsaidStream {"text": "a"}\n{"text": "b"}\n',
        ['text: "a"', 'text: "b"'],
        ['text: "a"', 'text: "b"'],
        id="streams both ways, without a rule",
    ),
]

# --- content that is not JSON ---

RAW_IN = Rule('post: "/raw/in" body: "*"', takes="google.api.HttpBody", returns="Everything")
RAW_FIELD_IN = Rule('put: "/raw/in/{name}" body: "raw"')
RAW_OUT = Rule('get: "/raw/out"', returns="google.api.HttpBody")
RAW_FIELD_OUT = Rule('get: "/raw/out/field" response_body: "raw"')
RAW_BOTH = Rule('post: "/raw/both" body: "*"', takes="google.api.HttpBody")
RAW_STREAM_IN = Rule('post: "/raw/stream/in" body: "*"', takes="stream google.api.HttpBody", returns="Several")
RAW_STREAM_OUT = Rule('post: "/raw/stream/out" body: "*"', takes="Several", returns="stream google.api.HttpBody")

RAW = [RAW_IN, RAW_FIELD_IN, RAW_OUT, RAW_FIELD_OUT, RAW_BOTH, RAW_STREAM_IN, RAW_STREAM_OUT]


@pytest.fixture(scope="module")
def served(module_rest_servers: RestServers) -> Iterator[ServedRules]:
    with serving_rules(module_rest_servers, [*rules_of(STREAMS), *RAW]) as both:
        yield both


@pytest.mark.parametrize(("rule", "http", "seen", "answered"), STREAMS)
def test_streams_are_lines_of_json(
    served: ServedRules, rule: Rule, http: str, seen: list[str], answered: list[str]
) -> None:
    takes_lines, returns_lines = (type.startswith("stream ") for type in (rule.takes, rule.returns or rule.takes))
    answer = served.ask(http, headers={"Content-Type": "application/x-ndjson"} if takes_lines else None)
    assert served.seen() == [served.call(rule, *seen)], answer.body
    assert answer.status == 200
    assert answer.headers["Content-Type"] == ("application/x-ndjson" if returns_lines else "application/json")
    returned = (rule.returns or rule.takes).removeprefix("stream ")
    assert answer.lines() == [served.contract.json_of(served.contract.parsed(returned, text)) for text in answered]


# All 256 bytes: line ends, and sequences that are not UTF-8.
BYTES = bytes(range(256))


def test_a_raw_body_is_the_request(served: ServedRules) -> None:
    answer = served.ask("POST /raw/in", BYTES, {"Content-Type": "image/png"})
    assert served.seen() == [served.call(RAW_IN, raw("image/png", BYTES))]
    assert answer.json()["raw"] == served.echo()


def test_a_raw_body_is_a_field_of_the_request(served: ServedRules) -> None:
    answer = served.ask("PUT /raw/in/a?text=b", BYTES, {"Content-Type": "text/csv; charset=utf-8"})
    seen = f'name: "a" text: "b" raw {{ {raw("text/csv; charset=utf-8", BYTES)} }}'
    assert served.seen() == [served.call(RAW_FIELD_IN, seen)]
    assert (answer.status, answer.json()) == (200, served.echo())


@pytest.mark.parametrize("path", ["/raw/out", "/raw/out/field"])
def test_a_raw_answer_is_as_it_is(served: ServedRules, path: str) -> None:
    answer = served.ask(f"GET {path}?raw.content_type=text/html&raw.data=PGI%2B/zwvYj4%3D")
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "text/html", b"<b>\xff</b>")
    # A browser that opens it runs no script of it as a page of this server.
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def test_a_type_of_raw_content_that_no_header_can_have_is_replaced(served: ServedRules) -> None:
    answer = served.ask("GET /raw/out?raw.content_type=text/html%0D%0AX-More:%201&raw.data=PGI%2B/zwvYj4%3D")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/octet-stream")
    assert "X-More" not in answer.headers


def test_a_raw_body_comes_back_as_it_went(served: ServedRules) -> None:
    answer = served.ask("POST /raw/both", BYTES * 1_000, {"Content-Type": "application/octet-stream"})
    assert (answer.headers["Content-Type"], answer.body) == ("application/octet-stream", BYTES * 1_000)


def test_a_raw_stream_comes_in_parts(served: ServedRules) -> None:
    answer = served.ask("POST /raw/stream/in", BYTES * 4_000, {"Content-Type": "image/png"})
    assert answer.status == 200, answer.body
    (call,) = served.calls()
    parts: list[Any] = list(call.requests)
    assert call.method == served.contract.method(RAW_STREAM_IN)
    assert b"".join(part.data for part in parts) == BYTES * 4_000
    assert parts[0].content_type == "image/png"


def test_a_raw_stream_goes_out_as_its_parts_together(served: ServedRules) -> None:
    parts = [{"contentType": "text/csv", "data": "YSxi"}, {"data": "LGMK"}]
    answer = served.ask("POST /raw/stream/out", {"raw": parts})
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "text/csv", b"a,b,c\n")


def raw(content_type: str, content: bytes) -> str:
    """An HttpBody in protobuf's text format."""
    escaped = "".join(f"\\{byte:03o}" for byte in content)
    return f'content_type: "{content_type}" data: "{escaped}"'
