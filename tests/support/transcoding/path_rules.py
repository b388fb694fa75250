"""Rows of rules, requests and what is seen of them: path templates, and how paths are decoded."""

from __future__ import annotations

import pytest

from tests.support.transcoding.contracts import Rule

# --- the rules that more than one row is about ---

SIMPLE = Rule('get: "/simple/{text}"')
DEEP = Rule('get: "/deep/{name=**}"')
FILES = Rule('get: "/files/{name=files/**}"')
MESSAGE_BODY = Rule('patch: "/v3/messages/{message_id}" body: "message"')
WHOLE_BODY = Rule('patch: "/v4/messages/{message_id}" body: "*"')
VERB = Rule('post: "/resources/{text}:archive" body: "*"')
NESTED = Rule('get: "/v6/messages/{message_id}/{sub.subfield}"')
NESTED_BODY = Rule('patch: "/nested/{chosen_message.message_id}" body: "chosen_message"')
NESTED_WHOLE_BODY = Rule('patch: "/nested-whole/{chosen_message.message_id}" body: "*"')
NUMBERED = Rule('put: "/numbered/{revision}" body: "*"')
FLAGGED = Rule('get: "/flags/{bool_value}"')
COLOURED = Rule('get: "/colours/{colour}"')
CHOSEN = Rule('get: "/chosen/{chosen_text}"')
UNSAID = Rule("", method="Unsaid")
HEAD = Rule('custom { kind: "HEAD" path: "/heads/{text}" }')
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
    pytest.param(
        Rule('delete: "/boxes/{text}"', returns="google.protobuf.Empty"), "DELETE /boxes/a", 'text: "a"', id="no answer"
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
    pytest.param(Rule('get: "/unnamed/*/end"'), "GET /unnamed/anything/end", "", id="* outside of a variable"),
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
    pytest.param(VERB, "POST /resources/a:archive {}", 'text: "a"', id="verb behind {var}"),
    pytest.param(VERB, "POST /resources/a:b:archive {}", 'text: "a:b"', id="verb behind a value with a colon"),
    pytest.param(
        Rule('post: "/resources:count" body: "*"'),
        'POST /resources:count {"text": "a"}',
        'text: "a"',
        id="verb of a literal",
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
    pytest.param(VERB, "POST /resources/a%3Ab:archive {}", 'text: "a:b"', id="an encoded colon is a part of the value"),
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
    pytest.param(SIMPLE, "/simple/a%20b+c", 'text: "a b+c"', id="one segment: a plus is not a space"),
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
