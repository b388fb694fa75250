"""Rows of rules, requests and what is seen of them: bodies, answers, precedence, verbs, and invalid rules."""

from __future__ import annotations

import pytest

from tests.support.transcoding.contracts import Rule
from tests.support.transcoding.path_rules import (
    OTHER_BODIES,
)

# --- bodies that are one field ---

FIELD_BODIES = [
    pytest.param(
        Rule('post: "/field/message" body: "message"'),
        'POST /field/message {"text": "a"}',
        'message { text: "a" }',
        id="message",
    ),
    pytest.param(
        Rule('post: "/field/message" body: "message"'),
        'POST /field/message?text=b&sub.subfield=c&words=d&words=e {"text": "a"}',
        'message { text: "a" } text: "b" sub { subfield: "c" } words: "d" words: "e"',
        id="message, and parameters next to it",
    ),
    pytest.param(
        Rule('post: "/field/messages" body: "messages"'),
        'POST /field/messages?text=b [{"text": "a"}, {}]',
        'messages { text: "a" } messages {} text: "b"',
        id="list of messages",
    ),
    pytest.param(
        Rule('post: "/field/numbers" body: "numbers"'),
        'POST /field/numbers [1, "2"]',
        "numbers: 1 numbers: 2",
        id="list",
    ),
    pytest.param(Rule('post: "/field/numbers" body: "numbers"'), "POST /field/numbers []", "", id="list, empty"),
    pytest.param(
        Rule('post: "/field/counts" body: "counts"'),
        'POST /field/counts {"a": 1}',
        'counts { key: "a" value: 1 }',
        id="map",
    ),
    pytest.param(Rule('post: "/field/text" body: "text"'), 'POST /field/text "a"', 'text: "a"', id="string"),
    pytest.param(
        Rule('post: "/field/int64" body: "int64_value"'), 'POST /field/int64 "5"', "int64_value: 5", id="int64"
    ),
    pytest.param(
        Rule('post: "/field/bool" body: "bool_value"'), "POST /field/bool true", "bool_value: true", id="bool"
    ),
    pytest.param(
        Rule('post: "/field/colour" body: "colour"'), 'POST /field/colour "COLOUR_RED"', "colour: COLOUR_RED", id="enum"
    ),
    pytest.param(
        Rule('post: "/field/timestamp" body: "timestamp"'),
        'POST /field/timestamp "1970-01-01T00:00:01Z"',
        "timestamp { seconds: 1 }",
        id="Timestamp",
    ),
    pytest.param(
        Rule('post: "/field/value" body: "value"'),
        "POST /field/value [1]",
        "value { list_value { values { number_value: 1 } } }",
        id="Value",
    ),
    pytest.param(
        Rule('put: "/field/chosen/{name}" body: "chosen_message"'),
        'PUT /field/chosen/b {"text": "a"}',
        'name: "b" chosen_message { text: "a" }',
        id="one of a oneof",
    ),
]

# --- answers that are one field: here the row ends with what is answered ---

FIELD_ANSWERS = [
    pytest.param(
        Rule('get: "/answer/message" response_body: "message"'),
        "GET /answer/message?message.text=a&text=b",
        {"messageId": "", "text": "a"},
        id="message",
    ),
    pytest.param(
        Rule('get: "/answer/words" response_body: "words"'), "GET /answer/words?words=a&words=b", ["a", "b"], id="list"
    ),
    pytest.param(Rule('get: "/answer/words" response_body: "words"'), "GET /answer/words", [], id="list, empty"),
    pytest.param(
        Rule('post: "/answer/messages" body: "messages" response_body: "messages"'),
        'POST /answer/messages [{"text": "a"}]',
        [{"messageId": "", "text": "a"}],
        id="list of messages",
    ),
    pytest.param(
        Rule('post: "/answer/counts" body: "counts" response_body: "counts"'),
        'POST /answer/counts {"a": 1}',
        {"a": 1},
        id="map",
    ),
    pytest.param(Rule('get: "/answer/text" response_body: "text"'), "GET /answer/text?text=a", "a", id="string"),
    pytest.param(Rule('get: "/answer/text" response_body: "text"'), "GET /answer/text", "", id="string, empty"),
    pytest.param(
        Rule('get: "/answer/int64" response_body: "int64_value"'), "GET /answer/int64?int64_value=5", "5", id="int64"
    ),
    pytest.param(
        Rule('get: "/answer/colour" response_body: "colour"'), "GET /answer/colour?colour=1", "COLOUR_RED", id="enum"
    ),
    pytest.param(
        Rule('get: "/answer/since" response_body: "timestamp"'),
        "GET /answer/since?timestamp=1970-01-01T00:00:01Z",
        "1970-01-01T00:00:01Z",
        id="Timestamp",
    ),
    pytest.param(
        Rule('post: "/answer/struct" body: "struct" response_body: "struct"'),
        'POST /answer/struct {"a": [1.5, null]}',
        {"a": [1.5, None]},
        id="Struct",
    ),
    pytest.param(
        OTHER_BODIES,
        "GET /bindings/a?sub.subfield=b",
        {"subfield": "b", "words": [], "favouriteColour": "COLOUR_UNSPECIFIED"},
        id="of an additional binding only",
    ),
]

# --- which rule a path belongs to, where it could be more than one's ---

RANKED_LOW = Rule('get: "/rank/{text}"')
RANKED_REST = Rule('get: "/rank/{name=**}"')
RANKED_SAME = [Rule('get: "/rank/same/{text}"'), Rule('get: "/rank/same/{name}"')]

PRECEDENCE = [
    # The rules are in the contract in this order, the least first.
    pytest.param(RANKED_REST, "GET /rank/a/b/c", 'name: "a/b/c"', id="** where nothing else is"),
    pytest.param(RANKED_LOW, "GET /rank/a", 'text: "a"', id="* before **"),
    pytest.param(Rule('get: "/rank/fixed"'), "GET /rank/fixed", "", id="a literal before a variable"),
    pytest.param(Rule('get: "/rank/{text}:check"'), "GET /rank/a:check", 'text: "a"', id="a verb before none"),
    pytest.param(RANKED_LOW, "GET /rank/a:other", 'text: "a:other"', id="another verb is a part of the value"),
    pytest.param(RANKED_LOW, "GET /rank/fixed:other", 'text: "fixed:other"', id="another verb, behind the literal"),
    pytest.param(
        Rule('get: "/rank/fixed/{text}/left"'), "GET /rank/fixed/a/left", 'text: "a"', id="a literal further up"
    ),
    pytest.param(
        Rule('get: "/rank/{text}/b/right"'), "GET /rank/fixed/b/right", 'text: "fixed"', id="back from a dead end"
    ),
    pytest.param(
        Rule('delete: "/rank/{text}"'),
        "DELETE /rank/fixed",
        'text: "fixed"',
        id="the literal is not for this verb of HTTP",
    ),
    pytest.param(RANKED_SAME[0], "GET /rank/same/a", 'text: "a"', id="the first of two with the same paths"),
]

# --- which verbs of HTTP a path takes ---

NOT_ALLOWED = [
    pytest.param("POST /simple/a", {"GET"}, id="one verb"),
    pytest.param("LOCK /kinds/a", {"GET", "PUT", "POST", "DELETE", "PATCH", "PURGE", "REPORT"}, id="many"),
    pytest.param("GET /transcoding.test.v1.Transcoding/Unsaid", {"POST"}, id="without a rule"),
    pytest.param("PUT /rank/fixed", {"GET", "DELETE"}, id="of both rules that the path could be"),
    pytest.param("GET /resources/a:archive", {"POST"}, id="with a verb of the path"),
]

# --- invalid rules: left out and logged, while all others are served ---

MALFORMED = [
    pytest.param(Rule('get: "/bad/**/{name=**}"'), id="two **"),
    pytest.param(Rule('get: "/bad/**/more"'), id="** not at the end"),
    pytest.param(Rule('get: "/bad/{name=**}/more"'), id="{var=**} not at the end"),
    pytest.param(Rule('get: "/bad/{nothing}"'), id="no such field"),
    pytest.param(Rule('get: "/bad/{sub.nothing}"'), id="no such nested field"),
    pytest.param(Rule('get: "/bad/{text.more}"'), id="a field inside of a text"),
    pytest.param(Rule('get: "/bad/{words}"'), id="repeated field"),
    pytest.param(Rule('get: "/bad/{messages.text}"'), id="a field of a repeated message"),
    pytest.param(Rule('get: "/bad/{counts}"'), id="map"),
    pytest.param(Rule('get: "/bad/{sub}"'), id="message"),
    pytest.param(Rule('get: "/bad/{name"'), id="unclosed brace"),
    pytest.param(Rule('get: "/bad/name}"'), id="brace that closes nothing"),
    pytest.param(Rule('get: "/bad/{}"'), id="variable without a name"),
    pytest.param(Rule('get: "/bad/{name={text}}"'), id="a variable inside of one"),
    pytest.param(Rule('get: "/bad/{name}{text}"'), id="two variables in a segment"),
    pytest.param(Rule('get: "/bad/{name}/{name}"'), id="a variable twice"),
    pytest.param(Rule('get: "/bad/{name=}"'), id="variable with an empty template"),
    pytest.param(Rule('get: "/bad/a*b"'), id="* inside of a literal"),
    pytest.param(Rule('get: "/bad//name"'), id="empty segment"),
    pytest.param(Rule('get: "bad/name"'), id="no slash at the beginning"),
    pytest.param(Rule('get: ""'), id="empty path"),
    pytest.param(Rule('body: "*"'), id="no pattern"),
    pytest.param(Rule('post: "/bad/body" body: "nothing"'), id="body names no field"),
    pytest.param(Rule('post: "/bad/body" body: "sub.words"'), id="body is not of the top level"),
    pytest.param(Rule('post: "/bad/{text}" body: "text"'), id="body is in the path, too"),
    pytest.param(Rule('get: "/bad/answer" response_body: "nothing"'), id="response body names no field"),
    pytest.param(Rule('get: "/bad/answer" response_body: "sub.words"'), id="response body is not of the top level"),
    pytest.param(
        Rule('get: "/half/{text}" additional_bindings { get: "/half/{nothing}/here" }'), id="additional binding"
    ),
    pytest.param(
        Rule(
            'get: "/levels/{text}" additional_bindings { get: "/levels/{text}/two"'
            ' additional_bindings { get: "/levels/{text}/three" } }'
        ),
        id="additional bindings of an additional binding",
    ),
]
