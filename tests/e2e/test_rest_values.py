"""Values in parameters and bodies: every type of field, in protobuf's JSON, compared with Google's implementation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.rest import RestServers
from tests.support.transcoding.contracts import Rule
from tests.support.transcoding.served_rules import ServedRules, serving_rules

QUERY = Rule('get: "/query"')
BODY = Rule('post: "/body" body: "*"')
OLDER_QUERY = Rule('get: "/older/{name}"', takes="Older")
OLDER_BODY = Rule('put: "/older" body: "*"', takes="Older")

# --- query parameters, and the request that they are ---

PARAMETERS = [
    pytest.param("double_value=-1.5e3", "double_value: -1500", id="double"),
    pytest.param("double_value=NaN", "double_value: nan", id="double, not a number"),
    pytest.param("double_value=-Infinity", "double_value: -inf", id="double, infinite"),
    pytest.param("float_value=0.5", "float_value: 0.5", id="float"),
    pytest.param("int32_value=-2147483648", "int32_value: -2147483648", id="int32"),
    pytest.param("int64_value=9223372036854775807", "int64_value: 9223372036854775807", id="int64"),
    pytest.param("uint32_value=4294967295", "uint32_value: 4294967295", id="uint32"),
    pytest.param("uint64_value=18446744073709551615", "uint64_value: 18446744073709551615", id="uint64"),
    pytest.param("sint32_value=-1", "sint32_value: -1", id="sint32"),
    pytest.param("sint64_value=-1", "sint64_value: -1", id="sint64"),
    pytest.param("fixed32_value=1", "fixed32_value: 1", id="fixed32"),
    pytest.param("fixed64_value=18446744073709551615", "fixed64_value: 18446744073709551615", id="fixed64"),
    pytest.param("sfixed32_value=-1", "sfixed32_value: -1", id="sfixed32"),
    pytest.param("sfixed64_value=-9223372036854775808", "sfixed64_value: -9223372036854775808", id="sfixed64"),
    pytest.param("bool_value=true", "bool_value: true", id="bool, true"),
    pytest.param("bool_value=false", "", id="bool, false"),
    pytest.param("string_value=a", 'string_value: "a"', id="string"),
    pytest.param("string_value=", "", id="string, empty"),
    pytest.param("string_value=17", 'string_value: "17"', id="string that looks like a number"),
    pytest.param("string_value=true", 'string_value: "true"', id="string that looks like a bool"),
    pytest.param("string_value=a%20b+c%2Bd%26e%3D%E2%82%AC", 'string_value: "a b c+d&e=€"', id="string, encoded"),
    pytest.param("bytes_value=%2B/8%3D", r'bytes_value: "\373\377"', id="bytes, base64"),
    pytest.param("bytes_value=-_8%3D", r'bytes_value: "\373\377"', id="bytes, URL-safe base64"),
    pytest.param("bytes_value=-_8", r'bytes_value: "\373\377"', id="bytes, no padding"),
    pytest.param("colour=COLOUR_RED", "colour: COLOUR_RED", id="enum by name"),
    pytest.param("colour=2", "colour: COLOUR_BLUE", id="enum by number"),
    pytest.param("colour=77", "colour: 77", id="enum by a number without a name"),
    pytest.param("int32Value=5", "int32_value: 5", id="by the name in JSON"),
    pytest.param("calledOtherwise=a", 'renamed: "a"', id="by a name in JSON of its own"),
    pytest.param("renamed=a", 'renamed: "a"', id="and by the name in the .proto"),
    pytest.param("words=a&words=b&words=a", 'words: "a" words: "b" words: "a"', id="repeated string"),
    pytest.param("words=a", 'words: "a"', id="repeated string, once"),
    pytest.param("words=a,b", 'words: "a,b"', id="repeated string, a comma is nothing special"),
    pytest.param("numbers=1&text=a&numbers=-2", 'numbers: 1 numbers: -2 text: "a"', id="repeated int64"),
    pytest.param("colours=COLOUR_RED&colours=2", "colours: COLOUR_RED colours: COLOUR_BLUE", id="repeated enum"),
    pytest.param("sub.subfield=a", 'sub { subfield: "a" }', id="nested"),
    pytest.param("sub.deeper.deeper.subfield=a", 'sub { deeper { deeper { subfield: "a" } } }', id="nested deeper"),
    pytest.param("sub.words=a&sub.words=b", 'sub { words: "a" words: "b" }', id="nested and repeated"),
    pytest.param(
        "sub.subfield=a&sub.favouriteColour=COLOUR_RED&sub.deeper.subfield=b",
        'sub { subfield: "a" favourite_colour: COLOUR_RED deeper { subfield: "b" } }',
        id="nested, some of one message",
    ),
    pytest.param("chosenMessage.message_id=a", 'chosen_message { message_id: "a" }', id="nested, names of either kind"),
    pytest.param("sub.since=1970-01-01T00:00:01Z", "sub { since { seconds: 1 } }", id="nested timestamp"),
    pytest.param("chosen_number=0", "chosen_number: 0", id="one of a oneof"),
    pytest.param("optional_number=0", "optional_number: 0", id="optional, zero"),
    pytest.param("optional_text=", 'optional_text: ""', id="optional, empty"),
    pytest.param("", "", id="none"),
    pytest.param(
        "timestamp=1970-01-01T00:00:01.5Z", "timestamp { seconds: 1 nanos: 500000000 }", id="Timestamp in UTC"
    ),
    pytest.param("timestamp=1970-01-01T02:00:01%2B02:00", "timestamp { seconds: 1 }", id="Timestamp with an offset"),
    pytest.param("duration=-1.5s", "duration { seconds: -1 nanos: -500000000 }", id="Duration"),
    pytest.param(
        "mask=text,sub.favouriteColour", 'mask { paths: "text" paths: "sub.favourite_colour" }', id="FieldMask"
    ),
    pytest.param("bool_wrapper=false", "bool_wrapper {}", id="BoolValue"),
    pytest.param("int32_wrapper=5", "int32_wrapper { value: 5 }", id="Int32Value"),
    pytest.param("int64Wrapper=-5", "int64_wrapper { value: -5 }", id="Int64Value"),
    pytest.param("uint32_wrapper=5", "uint32_wrapper { value: 5 }", id="UInt32Value"),
    pytest.param("uint64_wrapper=5", "uint64_wrapper { value: 5 }", id="UInt64Value"),
    pytest.param("float_wrapper=0.5", "float_wrapper { value: 0.5 }", id="FloatValue"),
    pytest.param("double_wrapper=0.5", "double_wrapper { value: 0.5 }", id="DoubleValue"),
    pytest.param("string_wrapper=", "string_wrapper {}", id="StringValue"),
    pytest.param("bytes_wrapper=aGk%3D", 'bytes_wrapper { value: "hi" }', id="BytesValue"),
]

# --- bodies, and the request that they are ---

BODIES = [
    pytest.param("{}", "", id="empty"),
    pytest.param(
        '{"text": "a", "int32Value": 1, "int64_value": 2}', 'text: "a" int32_value: 1 int64_value: 2', id="names"
    ),
    pytest.param('{"calledOtherwise": "a"}', 'renamed: "a"', id="a name in JSON of its own"),
    pytest.param(
        '{"int64Value": "-9223372036854775808", "uint64Value": "18446744073709551615"}',
        "int64_value: -9223372036854775808 uint64_value: 18446744073709551615",
        id="64 bits as texts",
    ),
    pytest.param('{"int64Value": 9007199254740993}', "int64_value: 9007199254740993", id="64 bits as a number"),
    pytest.param(
        '{"int32Value": "5", "doubleValue": "NaN"}', "int32_value: 5 double_value: nan", id="numbers as texts"
    ),
    pytest.param(
        '{"int32Value": 5.0, "uint32Value": 1e3}', "int32_value: 5 uint32_value: 1000", id="whole, with a point"
    ),
    pytest.param('{"floatValue": 0.5, "doubleValue": 0.1}', "float_value: 0.5 double_value: 0.1", id="fractions"),
    pytest.param('{"bytesValue": "+/8="}', r'bytes_value: "\373\377"', id="bytes"),
    pytest.param('{"text": "\\u20ac \\ud83d\\ude00 €"}', 'text: "€ 😀 €"', id="text beyond ASCII"),
    pytest.param('{"colour": "COLOUR_RED"}', "colour: COLOUR_RED", id="enum by name"),
    pytest.param('{"colour": 2}', "colour: COLOUR_BLUE", id="enum by number"),
    pytest.param('{"text": null, "sub": null, "words": null}', "", id="null is as if not there"),
    pytest.param('{"optionalNumber": 0, "optionalText": ""}', 'optional_number: 0 optional_text: ""', id="optional"),
    pytest.param('{"chosenMessage": {"text": "a"}}', 'chosen_message { text: "a" }', id="one of a oneof"),
    pytest.param(
        '{"words": ["a", "b"], "numbers": ["1", 2]}', 'words: "a" words: "b" numbers: 1 numbers: 2', id="lists"
    ),
    pytest.param('{"messages": [{"text": "a"}, {}]}', 'messages { text: "a" } messages {}', id="a list of messages"),
    pytest.param(
        '{"counts": {"a": 1, "b.c": 2}}',
        'counts { key: "a" value: 1 } counts { key: "b.c" value: 2 }',
        id="map by text",
    ),
    pytest.param(
        '{"messagesByNumber": {"-1": {"text": "a"}}, "wordsByTruth": {"true": "b"}}',
        'messages_by_number { key: -1 value { text: "a" } } words_by_truth { key: true value: "b" }',
        id="maps by number and by truth",
    ),
    pytest.param(
        '{"timestamp": "2026-01-31T12:00:00.000001Z", "duration": "3.000000001s", "mask": "text,sub.words"}',
        "timestamp { seconds: 1769860800 nanos: 1000 } duration { seconds: 3 nanos: 1 }"
        ' mask { paths: "text" paths: "sub.words" }',
        id="times and masks",
    ),
    pytest.param(
        '{"int64Wrapper": "5", "boolWrapper": false, "stringWrapper": null}',
        "int64_wrapper { value: 5 } bool_wrapper {}",
        id="wrappers",
    ),
    pytest.param(
        '{"struct": {"a": [1, null, {"b": true}]}}',
        'struct { fields { key: "a" value { list_value { values { number_value: 1 } values { null_value: NULL_VALUE }'
        ' values { struct_value { fields { key: "b" value { bool_value: true } } } } } } } }',
        id="Struct",
    ),
    pytest.param('{"value": "a"}', 'value { string_value: "a" }', id="Value, a text"),
    pytest.param('{"value": null}', "value { null_value: NULL_VALUE }", id="Value, null"),
    pytest.param(
        '{"list": [1, "a"]}', 'list { values { number_value: 1 } values { string_value: "a" } }', id="ListValue"
    ),
    pytest.param('{"empty": {}}', "empty {}", id="Empty"),
    pytest.param(
        '{"any": {"@type": "type.googleapis.com/transcoding.test.v1.Message", "text": "a"}}',
        'any { [type.googleapis.com/transcoding.test.v1.Message] { text: "a" } }',
        id="Any of a message of the contract",
    ),
    pytest.param(
        '{"any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.5s"}}',
        "any { [type.googleapis.com/google.protobuf.Duration] { seconds: 1 nanos: 500000000 } }",
        id="Any of a type with JSON of its own",
    ),
    pytest.param(
        '{"raw": {"contentType": "text/plain", "data": "aGk="}}',
        'raw { content_type: "text/plain" data: "hi" }',
        id="HttpBody inside of the body is a message as others",
    ),
]

# --- messages of proto2, in either way ---

OLDER = [
    pytest.param(OLDER_QUERY, "GET /older/a", 'name: "a"', id="defaults are not sent"),
    pytest.param(
        OLDER_QUERY,
        "GET /older/a?number=0&closed=FIRST&inner.text=b",
        'name: "a" number: 0 closed: FIRST Inner { text: "b" }',
        id="parameters",
    ),
    pytest.param(
        OLDER_BODY,
        'PUT /older {"name": "", "inner": {}, "[transcoding.test.v1.more]": "c"}',
        'name: "" Inner {} [transcoding.test.v1.more]: "c"',
        id="a body, and an extension",
    ),
]

OLDER_REFUSALS = [
    pytest.param("GET /older/a?closed=3", "closed", id="a number that a closed enum has not"),
    pytest.param("PUT /older {}", "name", id="no value for a required field"),
]


@pytest.fixture(scope="module")
def served(module_rest_servers: RestServers) -> Iterator[ServedRules]:
    with serving_rules(module_rest_servers, [QUERY, BODY, OLDER_QUERY, OLDER_BODY]) as both:
        yield both


@pytest.mark.parametrize(("query", "seen"), PARAMETERS)
def test_query_parameters_are_fields(served: ServedRules, query: str, seen: str) -> None:
    answer = served.ask(f"GET /query?{query}")
    assert served.seen() == [served.call(QUERY, seen)], answer.body
    assert (answer.status, answer.json()) == (200, served.echo())


@pytest.mark.parametrize(("body", "seen"), BODIES)
def test_the_body_is_the_request(served: ServedRules, body: str, seen: str) -> None:
    answer = served.ask("POST /body", body)
    assert served.seen() == [served.call(BODY, seen)], answer.body
    assert (answer.status, answer.json()) == (200, served.echo())


@pytest.mark.parametrize(("rule", "http", "seen"), OLDER)
def test_messages_of_proto2_are_transcoded_too(served: ServedRules, rule: Rule, http: str, seen: str) -> None:
    answer = served.ask(http)
    assert served.seen() == [served.call(rule, seen)], answer.body
    assert (answer.status, answer.json()) == (200, served.echo())


@pytest.mark.parametrize(("http", "named"), OLDER_REFUSALS)
def test_values_that_proto2_refuses_are_refused(served: ServedRules, http: str, named: str) -> None:
    answer = served.ask(http)
    assert (answer.status, list(answer.refusal.fields)) == (400, [named])
    assert served.seen() == []
