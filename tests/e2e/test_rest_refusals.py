"""Requests that are refused before the server sees them: a status, a reason, and the field that is to blame."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

from tests.support.rest import RestServers
from tests.support.transcoding.contracts import Rule
from tests.support.transcoding.served_rules import ServedRules, rules_of, serving_rules

SIMPLE = Rule('get: "/simple/{text}"')
UNNAMED = Rule('get: "/unnamed/*/end"')
WORDS = Rule('get: "/just/these/words"')
SHELVES = Rule('get: "/v7/{name=shelves/*/books/*}"')
SLASHED = Rule('get: "/words/a%2Fb"')
VERB = Rule('post: "/resources/{text}:archive" body: "*"')
NUMBERED = Rule('put: "/numbered/{revision}" body: "*"')
FLAG = Rule('get: "/flags/{bool_value}"')
COLOURED = Rule('get: "/colours/{colour}"')
CHOSEN = Rule('get: "/chosen/{chosen_text}"')
NESTED = Rule('get: "/v6/messages/{message_id}/{sub.subfield}"')
QUERY = Rule('get: "/query"')
BODY = Rule('post: "/body" body: "*"')
NO_BODY = Rule('post: "/kinds/{text}"')
MESSAGE_BODY = Rule('post: "/field/message" body: "message"')
LIST_BODY = Rule('post: "/field/messages" body: "messages"')
WHOLE_BODY = Rule('patch: "/v4/messages/{message_id}" body: "*"')
NESTED_BODY = Rule('patch: "/nested/{chosen_message.message_id}" body: "chosen_message"')
NESTED_WHOLE_BODY = Rule('patch: "/nested-whole/{chosen_message.message_id}" body: "*"')
STREAM_IN = Rule('post: "/stream/in" body: "*"', takes="stream Everything", returns="Several")

STATUS = {
    "PATH_UNKNOWN": (404, grpc.StatusCode.NOT_FOUND),
    "BODY_INVALID": (400, grpc.StatusCode.INVALID_ARGUMENT),
    "FIELD_INVALID": (400, grpc.StatusCode.INVALID_ARGUMENT),
}
NO_FIELD = ""

# --- the rule that the request just misses, the request, the reason, and the field that is named, if one is ---

REFUSALS = [
    pytest.param(SIMPLE, "GET /nowhere", "PATH_UNKNOWN", NO_FIELD, id="unknown path"),
    pytest.param(SIMPLE, "GET /simple", "PATH_UNKNOWN", NO_FIELD, id="a segment too few"),
    pytest.param(SIMPLE, "GET /simple/a/b", "PATH_UNKNOWN", NO_FIELD, id="a segment too many"),
    pytest.param(SIMPLE, "GET /simple/", "PATH_UNKNOWN", NO_FIELD, id="{var} is not for an empty segment"),
    pytest.param(UNNAMED, "GET /unnamed//end", "PATH_UNKNOWN", NO_FIELD, id="* is not for an empty segment"),
    pytest.param(WORDS, "GET /just/these/words/", "PATH_UNKNOWN", NO_FIELD, id="a slash too many"),
    pytest.param(SHELVES, "GET /v7/shelves/1/boxes/2", "PATH_UNKNOWN", NO_FIELD, id="another literal in a variable"),
    pytest.param(SLASHED, "GET /words/a/b", "PATH_UNKNOWN", NO_FIELD, id="a slash is not the literal's %2F"),
    pytest.param(VERB, "POST /resources/a:restore {}", "PATH_UNKNOWN", NO_FIELD, id="another verb"),
    pytest.param(
        VERB, "POST /resources/a%3Aarchive {}", "PATH_UNKNOWN", NO_FIELD, id="an encoded colon does not begin a verb"
    ),
    pytest.param(VERB, "POST /resources/:archive {}", "PATH_UNKNOWN", NO_FIELD, id="a verb behind nothing"),
    pytest.param(SIMPLE, "GET /simple/%FF", "FIELD_INVALID", "path", id="path: not UTF-8"),
    pytest.param(NUMBERED, "PUT /numbered/seven {}", "FIELD_INVALID", "revision", id="path: no number"),
    pytest.param(
        NUMBERED, "PUT /numbered/9223372036854775808 {}", "FIELD_INVALID", "revision", id="path: out of range"
    ),
    pytest.param(FLAG, "GET /flags/maybe", "FIELD_INVALID", "boolValue", id="path: no bool"),
    pytest.param(COLOURED, "GET /colours/COLOUR_NONE", "FIELD_INVALID", "colour", id="path: no such enum value"),
    pytest.param(QUERY, "GET /query?nothing=1", "FIELD_INVALID", "nothing", id="unknown parameter"),
    pytest.param(QUERY, "GET /query?nothing", "FIELD_INVALID", "nothing", id="unknown parameter without a value"),
    pytest.param(QUERY, "GET /query?sub.nothing=1", "FIELD_INVALID", "sub.nothing", id="unknown nested parameter"),
    pytest.param(QUERY, "GET /query?text.more=1", "FIELD_INVALID", "text.more", id="a parameter inside of a text"),
    pytest.param(QUERY, "GET /query?messages=1", "FIELD_INVALID", "messages", id="repeated message as a parameter"),
    pytest.param(
        QUERY, "GET /query?messages.text=1", "FIELD_INVALID", "messages.text", id="a field of a repeated message"
    ),
    pytest.param(QUERY, "GET /query?counts=1", "FIELD_INVALID", "counts", id="map as a parameter"),
    pytest.param(QUERY, "GET /query?counts.a=1", "FIELD_INVALID", "counts.a", id="a map's key as a parameter"),
    pytest.param(QUERY, "GET /query?sub=1", "FIELD_INVALID", "sub", id="message as one parameter"),
    pytest.param(QUERY, "GET /query?struct=1", "FIELD_INVALID", "struct", id="Struct as a parameter"),
    pytest.param(QUERY, "GET /query?any=1", "FIELD_INVALID", "any", id="Any as a parameter"),
    pytest.param(QUERY, "GET /query?text=a&text=b", "FIELD_INVALID", "text", id="given twice"),
    pytest.param(QUERY, "GET /query?text=a&text=a", "FIELD_INVALID", "text", id="given twice, the same"),
    pytest.param(
        QUERY, "GET /query?int32_value=1&int32Value=2", "FIELD_INVALID", "int32_value", id="given under both its names"
    ),
    pytest.param(
        QUERY, "GET /query?sub.subfield=1&sub.subfield=2", "FIELD_INVALID", "sub.subfield", id="given twice, nested"
    ),
    pytest.param(QUERY, "GET /query?int32_value=five", "FIELD_INVALID", "int32_value", id="no number"),
    pytest.param(QUERY, "GET /query?int32_value=", "FIELD_INVALID", "int32_value", id="an empty number"),
    pytest.param(QUERY, "GET /query?int32_value=1.5", "FIELD_INVALID", "int32_value", id="no whole number"),
    pytest.param(QUERY, "GET /query?int32_value=2147483648", "FIELD_INVALID", "int32_value", id="int32 out of range"),
    pytest.param(QUERY, "GET /query?uint32_value=-1", "FIELD_INVALID", "uint32_value", id="uint32 below 0"),
    pytest.param(
        QUERY, "GET /query?uint64_value=18446744073709551616", "FIELD_INVALID", "uint64_value", id="uint64 out of range"
    ),
    pytest.param(QUERY, "GET /query?float_value=1e39", "FIELD_INVALID", "float_value", id="float out of range"),
    pytest.param(QUERY, "GET /query?double_value=high", "FIELD_INVALID", "double_value", id="no double"),
    pytest.param(QUERY, "GET /query?bool_value=1", "FIELD_INVALID", "bool_value", id="bool as a number"),
    pytest.param(QUERY, "GET /query?bool_value=", "FIELD_INVALID", "bool_value", id="an empty bool"),
    pytest.param(QUERY, "GET /query?colour=red", "FIELD_INVALID", "colour", id="no such enum value"),
    pytest.param(QUERY, "GET /query?bytes_value=***", "FIELD_INVALID", "bytes_value", id="no base64"),
    pytest.param(QUERY, "GET /query?timestamp=yesterday", "FIELD_INVALID", "timestamp", id="no timestamp"),
    pytest.param(QUERY, "GET /query?timestamp=2026-01-31", "FIELD_INVALID", "timestamp", id="a date only"),
    pytest.param(QUERY, "GET /query?duration=1h", "FIELD_INVALID", "duration", id="no duration"),
    pytest.param(QUERY, "GET /query?int64_wrapper=a", "FIELD_INVALID", "int64_wrapper", id="no number in a wrapper"),
    pytest.param(
        QUERY, "GET /query?numbers=1&numbers=b", "FIELD_INVALID", "numbers", id="one of several is not a number"
    ),
    pytest.param(QUERY, "GET /query?text=%FF", "FIELD_INVALID", "query", id="query: not UTF-8"),
    pytest.param(
        QUERY, "GET /query?chosen_text=a&chosen_number=1", "FIELD_INVALID", "chosen_number", id="query: two of a oneof"
    ),
    pytest.param(
        CHOSEN, "GET /chosen/a?chosen_number=1", "FIELD_INVALID", "chosen_text", id="path and query: one oneof"
    ),
    pytest.param(SIMPLE, "GET /simple/a?text=b", "FIELD_INVALID", "text", id="path field again in the query"),
    pytest.param(SIMPLE, "GET /simple/a?text=a", "FIELD_INVALID", "text", id="path field again, the same"),
    pytest.param(
        NESTED, "GET /v6/messages/1/foo?sub.subfield=bar", "FIELD_INVALID", "sub.subfield", id="nested path field, too"
    ),
    pytest.param(
        BODY, 'POST /body?text=a {"name": "b"}', "FIELD_INVALID", "text", id="a parameter where the body is *"
    ),
    pytest.param(
        MESSAGE_BODY,
        'POST /field/message?message.text=a {"text": "b"}',
        "FIELD_INVALID",
        "message.text",
        id="a parameter of the body's field",
    ),
    pytest.param(
        WHOLE_BODY,
        'PATCH /v4/messages/1 {"messageId": "2"}',
        "FIELD_INVALID",
        "messageId",
        id="path field again in the body",
    ),
    pytest.param(
        NESTED_BODY,
        'PATCH /nested/1 {"message_id": "2"}',
        "FIELD_INVALID",
        "message_id",
        id="path field again in the body's field",
    ),
    pytest.param(
        NESTED_WHOLE_BODY,
        'PATCH /nested-whole/1 {"chosenMessage": {"messageId": "2"}}',
        "FIELD_INVALID",
        "chosenMessage.messageId",
        id="nested path field again in the body",
    ),
    pytest.param(BODY, "POST /body {", "BODY_INVALID", NO_FIELD, id="body: half of an object"),
    pytest.param(BODY, "POST /body text=a", "BODY_INVALID", NO_FIELD, id="body: no JSON"),
    pytest.param(BODY, "POST /body {} {}", "BODY_INVALID", NO_FIELD, id="body: two values"),
    pytest.param(BODY, 'POST /body {"text": "a", "text": "b"}', "BODY_INVALID", NO_FIELD, id="body: a name twice"),
    pytest.param(
        BODY,
        'POST /body {"int32Value": 1, "int32_value": 1}',
        "FIELD_INVALID",
        "int32_value",
        id="body: a field under both its names",
    ),
    pytest.param(BODY, 'POST /body {"doubleValue": NaN}', "BODY_INVALID", NO_FIELD, id="body: NaN is not JSON"),
    pytest.param(BODY, "POST /body " + "[" * 5000, "BODY_INVALID", NO_FIELD, id="body: nested without end"),
    pytest.param(
        BODY,
        'POST /body {"value": ' + "[" * 99 + "]" * 99 + "}",
        "BODY_INVALID",
        NO_FIELD,
        id="body: a Value nested deep",
    ),
    pytest.param(
        BODY, 'POST /body {"text": "\\ud83d"}', "BODY_INVALID", NO_FIELD, id="body: half of a character of two"
    ),
    pytest.param(BODY, "POST /body []", "FIELD_INVALID", "body", id="body: a list"),
    pytest.param(BODY, 'POST /body "a"', "FIELD_INVALID", "body", id="body: a text"),
    pytest.param(BODY, "POST /body null", "FIELD_INVALID", "body", id="body: null"),
    pytest.param(BODY, 'POST /body {"nothing": 1}', "FIELD_INVALID", "nothing", id="body: unknown field"),
    pytest.param(
        BODY, 'POST /body {"sub": {"nothing": 1}}', "FIELD_INVALID", "sub.nothing", id="body: unknown, nested"
    ),
    pytest.param(
        BODY,
        'POST /body {"messages": [{}, {"nothing": 1}]}',
        "FIELD_INVALID",
        "messages[1].nothing",
        id="body: unknown, in a list",
    ),
    pytest.param(BODY, 'POST /body {"int32Value": "a"}', "FIELD_INVALID", "int32Value", id="body: no number"),
    pytest.param(BODY, 'POST /body {"int32Value": 2147483648}', "FIELD_INVALID", "int32Value", id="body: out of range"),
    pytest.param(BODY, 'POST /body {"text": 5}', "FIELD_INVALID", "text", id="body: a number for a text"),
    pytest.param(BODY, 'POST /body {"words": "a"}', "FIELD_INVALID", "words", id="body: a text for a list"),
    pytest.param(BODY, 'POST /body {"words": ["a", null]}', "FIELD_INVALID", "words", id="body: null in a list"),
    pytest.param(BODY, 'POST /body {"sub": "a"}', "FIELD_INVALID", "sub", id="body: a text for a message"),
    pytest.param(BODY, 'POST /body {"colour": "RED"}', "FIELD_INVALID", "colour", id="body: no such enum value"),
    pytest.param(BODY, 'POST /body {"bytesValue": "*"}', "FIELD_INVALID", "bytesValue", id="body: no base64"),
    pytest.param(BODY, 'POST /body {"timestamp": "soon"}', "FIELD_INVALID", "timestamp", id="body: no timestamp"),
    pytest.param(BODY, 'POST /body {"counts": {"a": "b"}}', "FIELD_INVALID", "counts", id="body: no number in a map"),
    pytest.param(
        BODY,
        'POST /body {"messagesByNumber": {"a": {}}}',
        "FIELD_INVALID",
        "messagesByNumber",
        id="body: no number as a key",
    ),
    pytest.param(
        BODY,
        'POST /body {"chosenText": "a", "chosenNumber": 1}',
        "FIELD_INVALID",
        "chosenNumber",
        id="body: two of a oneof",
    ),
    pytest.param(
        BODY,
        'POST /body {"any": {"@type": "type.googleapis.com/no.such.Type"}}',
        "FIELD_INVALID",
        "any",
        id="body: Any of an unknown type",
    ),
    pytest.param(MESSAGE_BODY, "POST /field/message []", "FIELD_INVALID", "body", id="field as the body: a list"),
    pytest.param(
        MESSAGE_BODY,
        'POST /field/message {"nothing": 1}',
        "FIELD_INVALID",
        "nothing",
        id="field as the body: unknown field",
    ),
    pytest.param(LIST_BODY, "POST /field/messages {}", "FIELD_INVALID", "body", id="list as the body: an object"),
    pytest.param(
        NO_BODY, 'POST /kinds/a {"name": "b"}', "FIELD_INVALID", "body", id="a body for a rule that takes none"
    ),
    pytest.param(NO_BODY, "POST /kinds/a []", "FIELD_INVALID", "body", id="a list for a rule that takes no body"),
    pytest.param(NO_BODY, "POST /kinds/a name=b", "BODY_INVALID", NO_FIELD, id="no JSON for a rule that takes no body"),
    pytest.param(SIMPLE, 'GET /simple/a {"text": "b"}', "FIELD_INVALID", "body", id="a body for GET"),
    pytest.param(
        STREAM_IN, 'POST /stream/in {"text": "a"}\n{"text":', "BODY_INVALID", NO_FIELD, id="client stream: half a line"
    ),
    pytest.param(
        STREAM_IN,
        'POST /stream/in {"text": "a"}\n{"nothing": 1}',
        "FIELD_INVALID",
        "line 2: nothing",
        id="client stream: unknown field",
    ),
]


@pytest.fixture(scope="module")
def served(module_rest_servers: RestServers) -> Iterator[ServedRules]:
    with serving_rules(module_rest_servers, rules_of(REFUSALS)) as both:
        yield both


@pytest.mark.parametrize(("rule", "http", "reason", "named"), REFUSALS)
def test_a_request_that_matches_no_rule_is_refused(
    served: ServedRules, rule: Rule, http: str, reason: str, named: str
) -> None:
    answer = served.ask(http)
    assert answer.status == STATUS[reason][0], answer.body
    refusal = answer.refusal
    assert (refusal.code, refusal.reason, refusal.domain) == (STATUS[reason][1], reason, "library-rest")
    assert list(refusal.fields) == ([named] if named else [])
    assert all([refusal.message, *refusal.fields.values()])
    # A client stream has begun before its second line comes; nothing else reaches the server.
    assert served.seen() == [] or rule is STREAM_IN


@pytest.mark.parametrize("timeout", ["", "5", "S", "5s", "-5S", "5 S", "1.5S", "123456789S", "5S5S", "soon"])
def test_an_invalid_timeout_is_refused(served: ServedRules, timeout: str) -> None:
    answer = served.ask("GET /simple/a", headers={"Grpc-Timeout": timeout})
    assert (answer.status, list(answer.refusal.fields)) == (400, ["grpc-timeout"])
    assert served.seen() == []


OTHER_FORMS_OF_TIMEOUTS = [
    "H", "1", "1 S", "+1S", "-0n", "0", "0x1S", "1e3S", "000000001S", "1ms", "1s", "1h", "\u00b2S", "1S,1S", "1S;q=1",
    "inf", "NaN", "9" * 30_000,
]  # fmt: skip


@pytest.mark.parametrize("timeout", OTHER_FORMS_OF_TIMEOUTS, ids=lambda timeout: timeout[:10])
def test_another_form_of_a_timeout_is_refused(served: ServedRules, timeout: str) -> None:
    answer = served.ask("GET /simple/a", headers={"Grpc-Timeout": timeout})
    assert (answer.status, list(answer.refusal.fields)) == (400, ["grpc-timeout"])
    assert served.seen() == []


def test_more_than_one_field_is_named(served: ServedRules) -> None:
    answer = served.ask("POST /body", {"int32Value": "a", "nothing": 1, "sub": {"words": [1]}})
    assert set(answer.refusal.fields) == {"int32Value", "nothing", "sub.words"}
