"""Every form that the comments in google/api/http.proto give, on a service that is no part of the library.

A row says: by this rule, this HTTP request is that request to the gRPC server. What is answered is compared with what
Google's own implementation of protobuf's JSON makes of the server's answer, which is what it was asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import pytest
from _pytest.mark import ParameterSet
from google.protobuf import text_format
from google.protobuf.message import Message

from tests.support.rest import Answer, RestProcess, RestServers
from tests.support.transcoding.contracts import Contract, Rule
from tests.support.transcoding.server import TranscodedServer

# --- the rules that more than one row is about ---

SIMPLE = Rule('get: "/simple/{text}"')
DEEP = Rule('get: "/deep/{name=**}"')
FILES = Rule('get: "/files/{name=files/**}"')
QUERY = Rule('get: "/query"')
BODY = Rule('post: "/body" body: "*"')
MESSAGE_BODY = Rule('patch: "/v3/messages/{message_id}" body: "message"')
WHOLE_BODY = Rule('patch: "/v4/messages/{message_id}" body: "*"')
VERB = Rule('post: "/things/{text}:archive" body: "*"')
NESTED = Rule('get: "/v6/messages/{message_id}/{sub.subfield}"')
NESTED_BODY = Rule('patch: "/nested/{chosen_message.message_id}" body: "chosen_message"')
NESTED_WHOLE_BODY = Rule('patch: "/nested-whole/{chosen_message.message_id}" body: "*"')
NUMBERED = Rule('put: "/numbered/{revision}" body: "*"')
FLAGGED = Rule('get: "/flags/{bool_value}"')
COLOURED = Rule('get: "/colours/{colour}"')
CHOSEN = Rule('get: "/chosen/{chosen_text}"')
UNSAID = Rule("", method="Unsaid")
HEAD = Rule('custom { kind: "HEAD" path: "/heads/{text}" }')
TIMED = Rule('get: "/timed/{text}"')
TWO_BINDINGS = Rule(
    'get: "/v5/messages/{message_id}" additional_bindings { get: "/v5/users/{user_id}/messages/{message_id}" }'
)
OTHER_BODIES = Rule(
    'post: "/bindings/{name}" body: "message"'
    ' additional_bindings { put: "/bindings/{name}" body: "*" }'
    ' additional_bindings { post: "/bindings/{name}/words" body: "words" }'
    ' additional_bindings { get: "/bindings/{name}" response_body: "sub" }'
)

# --- templates: which paths a rule has, and what its variables take from them ---

TEMPLATES = [
    # The examples, in the order of the comments; their `v1` is counted on, as they would be in one another's way.
    pytest.param(
        Rule('get: "/v1/{name=messages/*}"'), "GET /v1/messages/123456", 'name: "messages/123456"', id="first example"
    ),
    pytest.param(
        Rule('get: "/v2/messages/{message_id}"'),
        "GET /v2/messages/123456?revision=2&sub.subfield=foo",
        'message_id: "123456" revision: 2 sub { subfield: "foo" }',
        id="the rest are query parameters",
    ),
    pytest.param(
        MESSAGE_BODY,
        'PATCH /v3/messages/123456 { "text": "Hi!" }',
        'message_id: "123456" message { text: "Hi!" }',
        id="a field is the body",
    ),
    pytest.param(
        WHOLE_BODY,
        'PATCH /v4/messages/123456 { "text": "Hi!" }',
        'message_id: "123456" text: "Hi!"',
        id="all fields left are the body",
    ),
    pytest.param(TWO_BINDINGS, "GET /v5/messages/123456", 'message_id: "123456"', id="first of two bindings"),
    pytest.param(
        TWO_BINDINGS,
        "GET /v5/users/me/messages/123456",
        'user_id: "me" message_id: "123456"',
        id="second of two bindings",
    ),
    pytest.param(
        NESTED, "GET /v6/messages/123456/foo", 'message_id: "123456" sub { subfield: "foo" }', id="nested field path"
    ),
    # Verbs of HTTP.
    pytest.param(Rule('get: "/kinds/{text}"'), "GET /kinds/a", 'text: "a"', id="get"),
    pytest.param(Rule('put: "/kinds/{text}"'), "PUT /kinds/a", 'text: "a"', id="put"),
    pytest.param(Rule('post: "/kinds/{text}"'), "POST /kinds/a", 'text: "a"', id="post"),
    pytest.param(Rule('delete: "/kinds/{text}"'), "DELETE /kinds/a", 'text: "a"', id="delete"),
    pytest.param(Rule('patch: "/kinds/{text}"'), "PATCH /kinds/a", 'text: "a"', id="patch"),
    pytest.param(
        Rule('custom { kind: "PURGE" path: "/kinds/{text}" }'), "PURGE /kinds/a", 'text: "a"', id="custom kind"
    ),
    pytest.param(
        Rule('custom { kind: "*" path: "/any-kind/{text}" }'), "GET /any-kind/a", 'text: "a"', id="any kind: GET"
    ),
    pytest.param(
        Rule('custom { kind: "*" path: "/any-kind/{text}" }'), "PUT /any-kind/a", 'text: "a"', id="any kind: PUT"
    ),
    pytest.param(
        Rule('custom { kind: "*" path: "/any-kind/{text}" }'), "LOCK /any-kind/a", 'text: "a"', id="any kind: its own"
    ),
    pytest.param(
        Rule('custom { kind: "REPORT" path: "/kinds/{name}" } body: "*"'),
        'REPORT /kinds/a {"text": "b"}',
        'name: "a" text: "b"',
        id="custom kind with a body",
    ),
    # Segments.
    pytest.param(SIMPLE, "GET /simple/a", 'text: "a"', id="{var}"),
    pytest.param(Rule('get: "/star/{text=*}"'), "GET /star/a", 'text: "a"', id="{var=*}"),
    pytest.param(
        Rule('get: "/v7/{name=shelves/*/books/*}"'),
        "GET /v7/shelves/1/books/2",
        'name: "shelves/1/books/2"',
        id="{var=literal/*/literal/*}",
    ),
    pytest.param(
        Rule('get: "/v7/{name=shelves/*}/{text=boxes/*}/end"'),
        "GET /v7/shelves/1/boxes/2/end",
        'name: "shelves/1" text: "boxes/2"',
        id="two variables of two segments",
    ),
    pytest.param(Rule('get: "/unnamed/*/end"'), "GET /unnamed/whatever/end", "", id="* outside of a variable"),
    pytest.param(DEEP, "GET /deep/a", 'name: "a"', id="{var=**} with one segment"),
    pytest.param(DEEP, "GET /deep/a/b/c", 'name: "a/b/c"', id="{var=**} with three segments"),
    pytest.param(DEEP, "GET /deep", "", id="{var=**} with no segment"),
    pytest.param(FILES, "GET /files/files", 'name: "files"', id="{var=literal/**} with no segment after it"),
    pytest.param(FILES, "GET /files/files/a", 'name: "files/a"', id="{var=literal/**} with one"),
    pytest.param(FILES, "GET /files/files/a/b", 'name: "files/a/b"', id="{var=literal/**} with two"),
    pytest.param(
        Rule('get: "/owners/{user_id}/{name=*/files/**}"'),
        "GET /owners/me/disk/files/a/b",
        'user_id: "me" name: "disk/files/a/b"',
        id="{var=*/literal/**} behind another",
    ),
    pytest.param(Rule('get: "/tail/**"'), "GET /tail", "", id="** outside of a variable, no segment"),
    pytest.param(Rule('get: "/tail/**"'), "GET /tail/a", "", id="** outside of a variable, one segment"),
    pytest.param(Rule('get: "/tail/**"'), "GET /tail/a/b/c", "", id="** outside of a variable, three segments"),
    pytest.param(
        Rule('get: "/tail-of/{text}/**"'), "GET /tail-of/a/b/c", 'text: "a"', id="** behind a variable of one segment"
    ),
    pytest.param(Rule('get: "/just/these/words"'), "GET /just/these/words?text=a", 'text: "a"', id="literals only"),
    pytest.param(
        Rule('get: "/sub/{sub.deeper.subfield}/{sub.subfield}"'),
        "GET /sub/a/b?sub.words=c",
        'sub { subfield: "b" deeper { subfield: "a" } words: "c" }',
        id="nested field paths, and a sibling as a parameter",
    ),
    # Verbs of the path.
    pytest.param(VERB, "POST /things/a:archive {}", 'text: "a"', id="verb behind {var}"),
    pytest.param(VERB, "POST /things/a:b:archive {}", 'text: "a:b"', id="verb behind a value with a colon"),
    pytest.param(
        Rule('post: "/things:count" body: "*"'), 'POST /things:count {"text": "a"}', 'text: "a"', id="verb of a literal"
    ),
    pytest.param(
        Rule('get: "/v7/{name=shelves/*/books/*}:read"'),
        "GET /v7/shelves/1/books/2:read",
        'name: "shelves/1/books/2"',
        id="verb behind two segments",
    ),
    pytest.param(Rule('get: "/deep/{name=**}:read"'), "GET /deep/a/b:read", 'name: "a/b"', id="verb behind {var=**}"),
    pytest.param(Rule('get: "/deep/{name=**}:read"'), "GET /deep/a:read", 'name: "a"', id="verb behind one segment"),
    pytest.param(Rule('get: "/tail/**:read"'), "GET /tail/a/b:read", "", id="verb behind **"),
    pytest.param(SIMPLE, "GET /simple/a:b", 'text: "a:b"', id="no rule has this verb: it is a part of the value"),
    pytest.param(VERB, "POST /things/a%3Ab:archive {}", 'text: "a:b"', id="an encoded colon is a part of the value"),
    # Literals with characters that paths reserve or cannot have.
    pytest.param(Rule('get: "/words/a%2Fb"'), "GET /words/a%2Fb", "", id="literal with %2F"),
    pytest.param(Rule('get: "/words/a%2Fb"'), "GET /words/a%2fb", "", id="literal with %2F, asked in lower case"),
    pytest.param(Rule('get: "/words/@me"'), "GET /words/@me", "", id="literal with @"),
    pytest.param(Rule('get: "/words/@me"'), "GET /words/%40me", "", id="literal with @, asked encoded"),
    pytest.param(Rule('get: "/words/%24all"'), "GET /words/%24all", "", id="literal with an encoded $"),
    pytest.param(Rule('get: "/words/%24all"'), "GET /words/$all", "", id="literal with an encoded $, asked plainly"),
    pytest.param(Rule('get: "/words/{text}/a%3Fb%23c"'), "GET /words/x/a%3Fb%23c", 'text: "x"', id="literal with ?#"),
    pytest.param(Rule('get: "/words/caf%C3%A9"'), "GET /words/caf%C3%A9", "", id="literal beyond ASCII"),
    # Types that a variable can have.
    pytest.param(NUMBERED, "PUT /numbered/7 {}", "revision: 7", id="int64 in the path"),
    pytest.param(NUMBERED, "PUT /numbered/-7 {}", "revision: -7", id="negative int64 in the path"),
    pytest.param(
        NUMBERED,
        "PUT /numbered/-9223372036854775808 {}",
        "revision: -9223372036854775808",
        id="least int64 in the path",
    ),
    pytest.param(
        Rule('get: "/unsigned/{uint32_value}"'), "GET /unsigned/4294967295", "uint32_value: 4294967295", id="uint32"
    ),
    pytest.param(
        Rule('get: "/floating/{double_value}"'), "GET /floating/-1.5e3", "double_value: -1500", id="double in the path"
    ),
    pytest.param(FLAGGED, "GET /flags/true", "bool_value: true", id="true in the path"),
    pytest.param(FLAGGED, "GET /flags/false", "", id="false in the path"),
    pytest.param(COLOURED, "GET /colours/COLOUR_RED", "colour: COLOUR_RED", id="enum in the path, by name"),
    pytest.param(COLOURED, "GET /colours/2", "colour: COLOUR_BLUE", id="enum in the path, by number"),
    pytest.param(
        Rule('get: "/encoded/{bytes_value}"'), "GET /encoded/-_8", r'bytes_value: "\373\377"', id="bytes in the path"
    ),
    pytest.param(CHOSEN, "GET /chosen/a", 'chosen_text: "a"', id="one of a oneof in the path"),
    pytest.param(
        Rule('get: "/optional/{optional_number}"'), "GET /optional/0", "optional_number: 0", id="optional in the path"
    ),
    # Fields of the path that the body could have, too.
    pytest.param(
        NESTED_BODY,
        'PATCH /nested/1?text=a {"text": "Hi!"}',
        'chosen_message { message_id: "1" text: "Hi!" } text: "a"',
        id="the path has a field of the body's field",
    ),
    pytest.param(
        NESTED_BODY,
        'PATCH /nested/1 {"messageId": "1", "text": "Hi!"}',
        'chosen_message { message_id: "1" text: "Hi!" }',
        id="the body has it again",
    ),
    pytest.param(
        NESTED_WHOLE_BODY,
        'PATCH /nested-whole/1 {"chosenMessage": {"text": "Hi!"}}',
        'chosen_message { message_id: "1" text: "Hi!" }',
        id="the body has its siblings, under the name in JSON",
    ),
    pytest.param(
        NESTED_WHOLE_BODY,
        'PATCH /nested-whole/1 {"chosen_message": {"message_id": "1", "text": "Hi!"}}',
        'chosen_message { message_id: "1" text: "Hi!" }',
        id="the body has its siblings, under the name in the .proto",
    ),
    pytest.param(
        NUMBERED, 'PUT /numbered/7 {"revision": "7"}', "revision: 7", id="the body has it again, as JSON has an int64"
    ),
    pytest.param(NUMBERED, 'PUT /numbered/7 {"revision": 7}', "revision: 7", id="the body has it again, as a number"),
    # Bindings with bodies of their own.
    pytest.param(
        OTHER_BODIES,
        'POST /bindings/a?text=b {"text": "c"}',
        'name: "a" text: "b" message { text: "c" }',
        id="the first binding's body",
    ),
    pytest.param(
        OTHER_BODIES, 'PUT /bindings/a {"text": "b"}', 'name: "a" text: "b"', id="another binding has another body"
    ),
    pytest.param(
        OTHER_BODIES, 'POST /bindings/a/words ["b", "c"]', 'name: "a" words: "b" words: "c"', id="and yet another"
    ),
    # No rule.
    pytest.param(
        UNSAID,
        'POST /transcoding.test.v1.Transcoding/Unsaid {"text": "a", "words": ["b"]}',
        'text: "a" words: "b"',
        id="a method without a rule",
    ),
    pytest.param(
        Rule('get: "/half/{text}" additional_bindings { get: "/half/{nothing}/here" }'),
        "GET /half/a",
        'text: "a"',
        id="another binding is malformed",
    ),
]

DECODING = [
    pytest.param(SIMPLE, "/simple/a%2Fb", 'text: "a/b"', id="one segment: %2F"),
    pytest.param(SIMPLE, "/simple/a%2fb", 'text: "a/b"', id="one segment: %2f"),
    pytest.param(SIMPLE, "/simple/a%20b+c", 'text: "a b+c"', id="one segment: a plus is no space"),
    pytest.param(SIMPLE, "/simple/%E2%82%AC", 'text: "€"', id="one segment: UTF-8"),
    pytest.param(SIMPLE, "/simple/100%25", 'text: "100%"', id="one segment: %25"),
    pytest.param(SIMPLE, "/simple/%252F", 'text: "%2F"', id="one segment: decoded once"),
    pytest.param(SIMPLE, "/simple/%3F%23%5B%5D%3B%3D%26", 'text: "?#[];=&"', id="one segment: reserved characters"),
    pytest.param(SIMPLE, "/simple/!$&'()*,;=@", 'text: "!$&\'()*,;=@"', id="one segment: reserved, as they are"),
    pytest.param(SIMPLE, "/simple/..%2F..", 'text: "../.."', id="one segment: dots and an encoded slash"),
    pytest.param(Rule('get: "/star/{text=*}"'), "/star/a%2Fb", 'text: "a/b"', id="{var=*} is one segment"),
    pytest.param(NESTED, "/v6/messages/a%2Fb/c%2Fd", 'message_id: "a/b" sub { subfield: "c/d" }', id="a nested field"),
    pytest.param(DEEP, "/deep/a%2Fb/c", 'name: "a%2Fb/c"', id="more segments: %2F stays"),
    pytest.param(DEEP, "/deep/a%2fb/c", 'name: "a%2fb/c"', id="more segments: %2f stays"),
    pytest.param(DEEP, "/deep/a%20b/%E2%82%AC", 'name: "a b/€"', id="more segments: the rest is decoded"),
    pytest.param(DEEP, "/deep/a%2Fb", 'name: "a%2Fb"', id="{var=**} may be more, also where it is one"),
    pytest.param(FILES, "/files/files/a%2Fb%3F", 'name: "files/a%2Fb?"', id="{var=literal/**}"),
    pytest.param(
        Rule('get: "/v1/{name=messages/*}"'), "/v1/messages/a%2Fb%20c", 'name: "messages/a%2Fb c"', id="{var=literal/*}"
    ),
    pytest.param(DEEP, "/deep/%25/%3A", 'name: "%/:"', id="more segments: %25, %3A"),
]

# --- query parameters, by `get: "/query"` ---

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

# --- bodies, by `post: "/body" body: "*"` ---

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
        id="message, and parameters beside it",
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
    # The rules stand in the contract in this order, the least first.
    pytest.param(RANKED_REST, "GET /rank/a/b/c", 'name: "a/b/c"', id="** where nothing else is"),
    pytest.param(RANKED_LOW, "GET /rank/a", 'text: "a"', id="* before **"),
    pytest.param(Rule('get: "/rank/fixed"'), "GET /rank/fixed", "", id="a literal before a variable"),
    pytest.param(Rule('get: "/rank/{text}:check"'), "GET /rank/a:check", 'text: "a"', id="a verb before none"),
    pytest.param(RANKED_LOW, "GET /rank/a:other", 'text: "a:other"', id="another verb is none"),
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

# --- content that is no JSON: google.api.HttpBody ---

RAW_IN = Rule('post: "/raw/in" body: "*"', takes="google.api.HttpBody", gives="Everything")
RAW_FIELD_IN = Rule('put: "/raw/in/{name}" body: "raw"')
RAW_OUT = Rule('get: "/raw/out"', gives="google.api.HttpBody")
RAW_FIELD_OUT = Rule('get: "/raw/out/field" response_body: "raw"')
RAW_BOTH = Rule('post: "/raw/both" body: "*"', takes="google.api.HttpBody")
RAW_STREAM_IN = Rule('post: "/raw/stream/in" body: "*"', takes="stream google.api.HttpBody", gives="Several")
RAW_STREAM_OUT = Rule('post: "/raw/stream/out" body: "*"', takes="Several", gives="stream google.api.HttpBody")

# --- streams: here the row has all the messages of either side ---

STREAM_OUT = Rule('post: "/stream/out" body: "*"', takes="Several", gives="stream Everything")
STREAM_IN = Rule('post: "/stream/in" body: "*"', takes="stream Everything", gives="Several")
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
        Rule('get: "/stream/{text}"', gives="stream Everything"),
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
        Rule('post: "/stream/in/message" body: "message"', takes="stream Everything", gives="Several"),
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

# --- requests that are refused: the status, the reason, and the field that is named, if one is ---

NO_FIELD = ""

REFUSALS = [
    pytest.param("GET /nowhere", 404, "PATH_UNKNOWN", NO_FIELD, id="unknown path"),
    pytest.param("GET /simple", 404, "PATH_UNKNOWN", NO_FIELD, id="a segment too few"),
    pytest.param("GET /simple/a/b", 404, "PATH_UNKNOWN", NO_FIELD, id="a segment too many"),
    pytest.param("GET /simple/", 404, "PATH_UNKNOWN", NO_FIELD, id="{var} is not for an empty segment"),
    pytest.param("GET /unnamed//end", 404, "PATH_UNKNOWN", NO_FIELD, id="* is not for an empty segment"),
    pytest.param("GET /just/these/words/", 404, "PATH_UNKNOWN", NO_FIELD, id="a slash too many"),
    pytest.param("GET /v7/shelves/1/boxes/2", 404, "PATH_UNKNOWN", NO_FIELD, id="another literal in a variable"),
    pytest.param("GET /words/a/b", 404, "PATH_UNKNOWN", NO_FIELD, id="a slash is not the literal's %2F"),
    pytest.param("POST /things/a:restore {}", 404, "PATH_UNKNOWN", NO_FIELD, id="another verb"),
    pytest.param("POST /things/a%3Aarchive {}", 404, "PATH_UNKNOWN", NO_FIELD, id="an encoded colon is no verb's"),
    pytest.param("POST /things/:archive {}", 404, "PATH_UNKNOWN", NO_FIELD, id="a verb behind nothing"),
    pytest.param("GET /simple/%FF", 400, "FIELD_INVALID", "path", id="path: not UTF-8"),
    pytest.param("PUT /numbered/seven {}", 400, "FIELD_INVALID", "revision", id="path: no number"),
    pytest.param("PUT /numbered/9223372036854775808 {}", 400, "FIELD_INVALID", "revision", id="path: out of range"),
    pytest.param("GET /flags/maybe", 400, "FIELD_INVALID", "bool_value", id="path: no bool"),
    pytest.param("GET /colours/COLOUR_NONE", 400, "FIELD_INVALID", "colour", id="path: no such enum value"),
    pytest.param("GET /query?nothing=1", 400, "FIELD_INVALID", "nothing", id="unknown parameter"),
    pytest.param("GET /query?nothing", 400, "FIELD_INVALID", "nothing", id="unknown parameter without a value"),
    pytest.param("GET /query?sub.nothing=1", 400, "FIELD_INVALID", "sub.nothing", id="unknown nested parameter"),
    pytest.param("GET /query?text.more=1", 400, "FIELD_INVALID", "text.more", id="a parameter inside of a text"),
    pytest.param("GET /query?messages=1", 400, "FIELD_INVALID", "messages", id="repeated message as a parameter"),
    pytest.param(
        "GET /query?messages.text=1", 400, "FIELD_INVALID", "messages.text", id="a field of a repeated message"
    ),
    pytest.param("GET /query?counts=1", 400, "FIELD_INVALID", "counts", id="map as a parameter"),
    pytest.param("GET /query?counts.a=1", 400, "FIELD_INVALID", "counts.a", id="a map's key as a parameter"),
    pytest.param("GET /query?sub=1", 400, "FIELD_INVALID", "sub", id="message as one parameter"),
    pytest.param("GET /query?struct=1", 400, "FIELD_INVALID", "struct", id="Struct as a parameter"),
    pytest.param("GET /query?any=1", 400, "FIELD_INVALID", "any", id="Any as a parameter"),
    pytest.param("GET /query?text=a&text=b", 400, "FIELD_INVALID", "text", id="given twice"),
    pytest.param("GET /query?text=a&text=a", 400, "FIELD_INVALID", "text", id="given twice, the same"),
    pytest.param(
        "GET /query?int32_value=1&int32Value=2", 400, "FIELD_INVALID", "int32_value", id="given under both its names"
    ),
    pytest.param(
        "GET /query?sub.subfield=1&sub.subfield=2", 400, "FIELD_INVALID", "sub.subfield", id="given twice, nested"
    ),
    pytest.param("GET /query?int32_value=five", 400, "FIELD_INVALID", "int32_value", id="no number"),
    pytest.param("GET /query?int32_value=", 400, "FIELD_INVALID", "int32_value", id="an empty number"),
    pytest.param("GET /query?int32_value=1.5", 400, "FIELD_INVALID", "int32_value", id="no whole number"),
    pytest.param("GET /query?int32_value=2147483648", 400, "FIELD_INVALID", "int32_value", id="int32 out of range"),
    pytest.param("GET /query?uint32_value=-1", 400, "FIELD_INVALID", "uint32_value", id="uint32 below 0"),
    pytest.param(
        "GET /query?uint64_value=18446744073709551616", 400, "FIELD_INVALID", "uint64_value", id="uint64 out of range"
    ),
    pytest.param("GET /query?float_value=1e39", 400, "FIELD_INVALID", "float_value", id="float out of range"),
    pytest.param("GET /query?double_value=high", 400, "FIELD_INVALID", "double_value", id="no double"),
    pytest.param("GET /query?bool_value=1", 400, "FIELD_INVALID", "bool_value", id="bool as a number"),
    pytest.param("GET /query?bool_value=", 400, "FIELD_INVALID", "bool_value", id="an empty bool"),
    pytest.param("GET /query?colour=red", 400, "FIELD_INVALID", "colour", id="no such enum value"),
    pytest.param("GET /query?bytes_value=***", 400, "FIELD_INVALID", "bytes_value", id="no base64"),
    pytest.param("GET /query?timestamp=yesterday", 400, "FIELD_INVALID", "timestamp", id="no timestamp"),
    pytest.param("GET /query?timestamp=2026-01-31", 400, "FIELD_INVALID", "timestamp", id="a date only"),
    pytest.param("GET /query?duration=1h", 400, "FIELD_INVALID", "duration", id="no duration"),
    pytest.param("GET /query?int64_wrapper=a", 400, "FIELD_INVALID", "int64_wrapper", id="no number in a wrapper"),
    pytest.param("GET /query?numbers=1&numbers=b", 400, "FIELD_INVALID", "numbers", id="one of more is no number"),
    pytest.param("GET /query?text=%FF", 400, "FIELD_INVALID", "query", id="query: not UTF-8"),
    pytest.param(
        "GET /query?chosen_text=a&chosen_number=1", 400, "FIELD_INVALID", "chosen_number", id="query: two of a oneof"
    ),
    pytest.param(
        "GET /chosen/a?chosen_number=1", 400, "FIELD_INVALID", "chosen_number", id="path and query: one oneof"
    ),
    pytest.param("GET /simple/a?text=b", 400, "FIELD_INVALID", "text", id="path field again in the query"),
    pytest.param(
        "GET /v6/messages/1/foo?sub.subfield=bar", 400, "FIELD_INVALID", "sub.subfield", id="nested path field, too"
    ),
    pytest.param('POST /body?text=a {"name": "b"}', 400, "FIELD_INVALID", "text", id="a parameter where the body is *"),
    pytest.param(
        'POST /field/message?message.text=a {"text": "b"}',
        400,
        "FIELD_INVALID",
        "message.text",
        id="a parameter of the body's field",
    ),
    pytest.param(
        'PATCH /v4/messages/1 {"messageId": "2"}', 400, "FIELD_INVALID", "message_id", id="path field again in the body"
    ),
    pytest.param(
        'PATCH /nested/1 {"message_id": "2"}',
        400,
        "FIELD_INVALID",
        "chosen_message.message_id",
        id="path field again in the body's field",
    ),
    pytest.param(
        'PATCH /nested-whole/1 {"chosenMessage": {"messageId": "2"}}',
        400,
        "FIELD_INVALID",
        "chosen_message.message_id",
        id="nested path field again in the body",
    ),
    pytest.param("POST /body {", 400, "BODY_INVALID", NO_FIELD, id="body: half of an object"),
    pytest.param("POST /body text=a", 400, "BODY_INVALID", NO_FIELD, id="body: no JSON"),
    pytest.param("POST /body {} {}", 400, "BODY_INVALID", NO_FIELD, id="body: two values"),
    pytest.param('POST /body {"doubleValue": NaN}', 400, "BODY_INVALID", NO_FIELD, id="body: NaN is no JSON"),
    pytest.param("POST /body " + "[" * 5000, 400, "BODY_INVALID", NO_FIELD, id="body: nested without end"),
    pytest.param("POST /body []", 400, "FIELD_INVALID", "body", id="body: a list"),
    pytest.param('POST /body "a"', 400, "FIELD_INVALID", "body", id="body: a text"),
    pytest.param("POST /body null", 400, "FIELD_INVALID", "body", id="body: null"),
    pytest.param('POST /body {"nothing": 1}', 400, "FIELD_INVALID", "nothing", id="body: unknown field"),
    pytest.param('POST /body {"sub": {"nothing": 1}}', 400, "FIELD_INVALID", "sub.nothing", id="body: unknown, nested"),
    pytest.param(
        'POST /body {"messages": [{}, {"nothing": 1}]}',
        400,
        "FIELD_INVALID",
        "messages[1].nothing",
        id="body: unknown, in a list",
    ),
    pytest.param('POST /body {"int32Value": "a"}', 400, "FIELD_INVALID", "int32_value", id="body: no number"),
    pytest.param('POST /body {"int32Value": 2147483648}', 400, "FIELD_INVALID", "int32_value", id="body: out of range"),
    pytest.param('POST /body {"text": 5}', 400, "FIELD_INVALID", "text", id="body: a number for a text"),
    pytest.param('POST /body {"words": "a"}', 400, "FIELD_INVALID", "words", id="body: a text for a list"),
    pytest.param('POST /body {"words": ["a", null]}', 400, "FIELD_INVALID", "words", id="body: null in a list"),
    pytest.param('POST /body {"sub": "a"}', 400, "FIELD_INVALID", "sub", id="body: a text for a message"),
    pytest.param('POST /body {"colour": "RED"}', 400, "FIELD_INVALID", "colour", id="body: no such enum value"),
    pytest.param('POST /body {"bytesValue": "*"}', 400, "FIELD_INVALID", "bytes_value", id="body: no base64"),
    pytest.param('POST /body {"timestamp": "soon"}', 400, "FIELD_INVALID", "timestamp", id="body: no timestamp"),
    pytest.param('POST /body {"counts": {"a": "b"}}', 400, "FIELD_INVALID", "counts", id="body: no number in a map"),
    pytest.param(
        'POST /body {"messagesByNumber": {"a": {}}}',
        400,
        "FIELD_INVALID",
        "messages_by_number",
        id="body: no number as a key",
    ),
    pytest.param(
        'POST /body {"chosenText": "a", "chosenNumber": 1}',
        400,
        "FIELD_INVALID",
        "chosenNumber",
        id="body: two of a oneof",
    ),
    pytest.param(
        'POST /body {"any": {"@type": "type.googleapis.com/no.such.Type"}}',
        400,
        "FIELD_INVALID",
        "any",
        id="body: Any of an unknown type",
    ),
    pytest.param("POST /field/message []", 400, "FIELD_INVALID", "message", id="field as the body: a list"),
    pytest.param(
        'POST /field/message {"nothing": 1}',
        400,
        "FIELD_INVALID",
        "message.nothing",
        id="field as the body: unknown field",
    ),
    pytest.param("POST /field/messages {}", 400, "FIELD_INVALID", "messages", id="list as the body: an object"),
    pytest.param('POST /kinds/a {"name": "b"}', 400, "FIELD_INVALID", "body", id="a body for a rule that takes none"),
    pytest.param("POST /kinds/a []", 400, "FIELD_INVALID", "body", id="a list for a rule that takes no body"),
    pytest.param("POST /kinds/a name=b", 400, "BODY_INVALID", NO_FIELD, id="no JSON for a rule that takes no body"),
    pytest.param('GET /simple/a {"text": "b"}', 400, "FIELD_INVALID", "body", id="a body for GET"),
    pytest.param(
        'POST /stream/in {"text": "a"}\n{"text":', 400, "BODY_INVALID", NO_FIELD, id="client stream: half a line"
    ),
    pytest.param(
        'POST /stream/in {"text": "a"}\n{"nothing": 1}',
        400,
        "FIELD_INVALID",
        "line 2: nothing",
        id="client stream: unknown field",
    ),
]

NOT_ALLOWED = [
    pytest.param("POST /simple/a", {"GET"}, id="one verb"),
    pytest.param("LOCK /kinds/a", {"GET", "PUT", "POST", "DELETE", "PATCH", "PURGE", "REPORT"}, id="many"),
    pytest.param("GET /transcoding.test.v1.Transcoding/Unsaid", {"POST"}, id="without a rule"),
    pytest.param("PUT /rank/fixed", {"GET", "DELETE"}, id="of both rules that the path could be"),
    pytest.param("GET /things/a:archive", {"POST"}, id="with a verb of the path"),
]

# --- rules that are none: left out and told, while all others are served ---

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

OTHERS = [
    QUERY,
    BODY,
    HEAD,
    TIMED,
    *RANKED_SAME,
    RAW_IN,
    RAW_FIELD_IN,
    RAW_OUT,
    RAW_FIELD_OUT,
    RAW_BOTH,
    RAW_STREAM_IN,
    RAW_STREAM_OUT,
]


def rules_of(*tables: Sequence[ParameterSet]) -> list[Rule]:
    """The rules of a table, which each row begins with."""
    values = (row.values[0] for table in tables for row in table)
    return [value for value in values if isinstance(value, Rule)]


@pytest.fixture(scope="module")
def contract() -> Contract:
    rules = rules_of(TEMPLATES, DECODING, FIELD_BODIES, FIELD_ANSWERS, PRECEDENCE, STREAMS, MALFORMED)
    return Contract([*rules, *OTHERS])


@pytest.fixture(scope="module")
def server(contract: Contract) -> Iterator[TranscodedServer]:
    started = TranscodedServer(contract)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def rest(module_rest_servers: RestServers, server: TranscodedServer) -> RestProcess:
    return module_rest_servers.start([server.address])


@pytest.fixture(autouse=True)
def no_calls_yet(server: TranscodedServer) -> None:
    server.take_calls()


def sent(rest: RestProcess, http: str, headers: dict[str, str] | None = None) -> Answer:
    """Make a request that is written as in google/api/http.proto: `PATCH /v1/messages/123456 { "text": "Hi!" }`."""
    parts = re.fullmatch(r"(\S+) (\S+)(?: (.*))?", http, re.DOTALL)
    assert parts is not None
    verb, path, body = parts.groups()
    return rest.request(verb, path, body, headers)


def texts(*messages: Message) -> list[str]:
    """Messages as texts that can be compared, and read where they differ."""
    return [text_format.MessageToString(message) for message in messages]


def assert_seen(server: TranscodedServer, rule: Rule, *requests: str) -> list[Message]:
    """The server has seen one call, of this rule's method, with these requests; gives them."""
    (call,) = server.take_calls()
    contract = server.contract
    assert call.method == contract.method(rule)
    takes = rule.takes.removeprefix("stream ")
    assert texts(*call.requests) == texts(*(contract.parsed(takes, request) for request in requests))
    return call.requests


def assert_answered(server: TranscodedServer, answer: Answer, message: Message) -> None:
    """The answer is this message."""
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json"), answer.body
    assert answer.json() == server.contract.json_of(message)


@pytest.mark.parametrize(("rule", "http", "seen"), [*TEMPLATES, *FIELD_BODIES, *PRECEDENCE])
def test_the_rule_makes_a_call_of_the_request(
    server: TranscodedServer, rest: RestProcess, rule: Rule, http: str, seen: str
) -> None:
    answer = sent(rest, http)
    (request,) = assert_seen(server, rule, seen)
    assert_answered(server, answer, request)


@pytest.mark.parametrize(("rule", "path", "seen"), DECODING)
def test_the_path_is_decoded(server: TranscodedServer, rest: RestProcess, rule: Rule, path: str, seen: str) -> None:
    answer = rest.request("GET", path)
    (request,) = assert_seen(server, rule, seen)
    assert_answered(server, answer, request)


@pytest.mark.parametrize(("query", "seen"), PARAMETERS)
def test_query_parameters_are_fields(server: TranscodedServer, rest: RestProcess, query: str, seen: str) -> None:
    answer = rest.request("GET", f"/query?{query}")
    (request,) = assert_seen(server, QUERY, seen)
    assert_answered(server, answer, request)


@pytest.mark.parametrize(("body", "seen"), BODIES)
def test_the_body_is_the_request(server: TranscodedServer, rest: RestProcess, body: str, seen: str) -> None:
    answer = rest.request("POST", "/body", body)
    (request,) = assert_seen(server, BODY, seen)
    assert_answered(server, answer, request)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "0"}])
def test_no_body_is_an_empty_one(server: TranscodedServer, rest: RestProcess, headers: dict[str, str]) -> None:
    answer = rest.request("POST", "/things/a:archive", headers=headers)
    (request,) = assert_seen(server, VERB, 'text: "a"')
    assert_answered(server, answer, request)


@pytest.mark.parametrize(("rule", "http", "answered"), FIELD_ANSWERS)
def test_the_answer_is_the_response_body(
    server: TranscodedServer, rest: RestProcess, rule: Rule, http: str, answered: Any
) -> None:
    answer = sent(rest, http)
    assert (answer.status, answer.json()) == (200, answered)
    (call,) = server.take_calls()
    assert call.method == server.contract.method(rule)


def test_a_rule_for_head_answers_without_a_body(server: TranscodedServer, rest: RestProcess) -> None:
    answer = sent(rest, "HEAD /heads/a")
    assert_seen(server, HEAD, 'text: "a"')
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(("rule", "http", "seen", "answered"), STREAMS)
def test_streams_are_lines_of_json(
    server: TranscodedServer, rest: RestProcess, rule: Rule, http: str, seen: list[str], answered: list[str]
) -> None:
    takes_lines, gives_lines = (type.startswith("stream ") for type in (rule.takes, rule.gives or rule.takes))
    answer = sent(rest, http, {"Content-Type": "application/x-ndjson"} if takes_lines else None)
    assert_seen(server, rule, *seen)
    gives = (rule.gives or rule.takes).removeprefix("stream ")
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == ("application/x-ndjson" if gives_lines else "application/json")
    assert answer.lines() == [server.contract.json_of(server.contract.parsed(gives, text)) for text in answered]


# --- content that is no JSON ---


def test_a_raw_body_is_the_request(server: TranscodedServer, rest: RestProcess) -> None:
    content = bytes(range(256))
    answer = rest.request("POST", "/raw/in", content, {"Content-Type": "image/png"})
    (request,) = assert_seen(server, RAW_IN, _raw_text("image/png", content))
    assert answer.json()["raw"] == server.contract.json_of(request)


def test_a_raw_body_is_a_field_of_the_request(server: TranscodedServer, rest: RestProcess) -> None:
    answer = rest.request("PUT", "/raw/in/a?text=b", b"\xff\x00", {"Content-Type": "text/csv; charset=utf-8"})
    raw = _raw_text("text/csv; charset=utf-8", b"\xff\x00")
    (request,) = assert_seen(server, RAW_FIELD_IN, f'name: "a" text: "b" raw {{ {raw} }}')
    assert_answered(server, answer, request)


@pytest.mark.parametrize("path", ["/raw/out", "/raw/out/field"])
def test_a_raw_answer_is_as_it_is(rest: RestProcess, path: str) -> None:
    answer = rest.request("GET", f"{path}?raw.content_type=text/html&raw.data=PGI%2B/zwvYj4%3D")
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "text/html", b"<b>\xff</b>")


def test_a_raw_body_comes_back_as_it_went(server: TranscodedServer, rest: RestProcess) -> None:
    content = bytes(range(256)) * 1000
    answer = rest.request("POST", "/raw/both", content, {"Content-Type": "application/octet-stream"})
    assert_seen(server, RAW_BOTH, _raw_text("application/octet-stream", content))
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.body == content


def test_a_raw_stream_comes_in_parts(server: TranscodedServer, rest: RestProcess) -> None:
    content = bytes(range(256)) * 4000
    answer = rest.request("POST", "/raw/stream/in", content, {"Content-Type": "image/png"})
    assert answer.status == 200, answer.body
    (call,) = server.take_calls()
    parts: list[Any] = list(call.requests)
    assert call.method == server.contract.method(RAW_STREAM_IN)
    assert b"".join(part.data for part in parts) == content
    assert parts[0].content_type == "image/png"


def test_a_raw_stream_goes_out_as_its_parts_together(rest: RestProcess) -> None:
    parts = [{"contentType": "text/csv", "data": "YSxi"}, {"data": "LGMK"}]
    answer = rest.request("POST", "/raw/stream/out", {"raw": parts})
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "text/csv", b"a,b,c\n")


def _raw_text(content_type: str, content: bytes) -> str:
    escaped = "".join(f"\\{byte:03o}" for byte in content)
    return f'content_type: "{content_type}" data: "{escaped}"'


# --- refusals ---


@pytest.mark.parametrize(("http", "status", "reason", "named"), REFUSALS)
def test_a_request_that_no_rule_has_is_refused(
    server: TranscodedServer, rest: RestProcess, http: str, status: int, reason: str, named: str
) -> None:
    answer = sent(rest, http)
    assert answer.status == status, answer.body
    refusal = answer.refusal
    expected = grpc.StatusCode.NOT_FOUND if status == 404 else grpc.StatusCode.INVALID_ARGUMENT
    assert (refusal.code, refusal.reason, refusal.domain) == (expected, reason, "library-rest")
    assert list(refusal.fields) == ([named] if named else [])
    assert refusal.message
    assert all(description for description in refusal.fields.values())
    # A client stream may have begun before the line that is wrong; nothing else reaches the server.
    assert server.take_calls() == [] or http.startswith("POST /stream/in")


@pytest.mark.parametrize(("http", "allowed"), NOT_ALLOWED)
def test_another_verb_is_refused_with_those_that_are_allowed(rest: RestProcess, http: str, allowed: set[str]) -> None:
    answer = sent(rest, http)
    assert (answer.status, answer.refusal.reason) == (405, "METHOD_NOT_ALLOWED")
    assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("timeout", ["", "5", "S", "5s", "-5S", "5 S", "1.5S", "123456789S", "5S5S", "soon"])
def test_a_timeout_that_is_none_is_refused(server: TranscodedServer, rest: RestProcess, timeout: str) -> None:
    answer = rest.request("GET", "/timed/a", headers={"Grpc-Timeout": timeout})
    assert answer.status == 400, answer.body
    assert list(answer.refusal.fields) == ["grpc-timeout"]
    assert server.take_calls() == []


def test_more_than_one_field_is_named(rest: RestProcess) -> None:
    answer = rest.request("POST", "/body", {"int32Value": "a", "nothing": 1, "sub": {"words": [1]}})
    assert set(answer.refusal.fields) == {"int32_value", "nothing", "sub.words"}


@pytest.mark.parametrize("rule", MALFORMED)
def test_a_malformed_rule_is_told_in_the_log(contract: Contract, rest: RestProcess, rule: Rule) -> None:
    told = [event for event in rest.log_events() if event.get("method") == contract.method(rule).removeprefix("/")]
    assert [event["level"] for event in told] == ["warning"]
    assert told[0]["problem"]


def test_no_other_rule_is_called_malformed(contract: Contract, rest: RestProcess) -> None:
    told = [event["method"] for event in rest.log_events() if event["event"] == "rule left out"]
    assert set(told) == {contract.method(rule).removeprefix("/") for rule in rules_of(MALFORMED)}


@pytest.mark.parametrize("path", ["/bad/a", "/bad/a/more", "/bad/answer", "/levels/a/three", "/half/a/here"])
def test_nothing_is_served_by_a_malformed_rule(rest: RestProcess, path: str) -> None:
    assert rest.request("GET", path).status == 404
