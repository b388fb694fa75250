"""The OpenAPI document of contracts of every shape: valid, complete, and with the words of their comments."""

from __future__ import annotations

from collections.abc import Sequence

import jsonschema_rs
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, ResourceInfo

from rest_server.errors import FieldsInvalid
from rest_server.openapi.error_samples import refusal_sample
from tests.support.described import library_contracts
from tests.support.openapi import answer_schema, body_schema, method, names, of, operation, served


def test_the_librarys_document_is_valid_and_has_every_rule() -> None:
    contracts = library_contracts()

    made = of(*contracts)

    operations = [one["operationId"] for item in made["paths"].values() for one in item.values()]
    assert len(operations) == len(set(operations)) == sum(len(one.rules) for one in contracts)
    assert {one["tags"][0] for item in made["paths"].values() for one in item.values()} == {
        tag["name"] for tag in made["tags"]
    }
    assert all(tag["description"] for tag in made["tags"])
    assert all(one["summary"] != one["operationId"] for item in made["paths"].values() for one in item.values())


def test_a_contract_without_comments_and_annotations_is_described_by_its_names() -> None:
    made = of(served("rpc Do(T.Message) returns (T.Message);"))

    do = made["paths"]["/p.Served/Do"]["post"]
    assert (do["summary"], do["operationId"], do["tags"]) == ("Do", "Served_Do", ["Served"])
    assert body_schema(do) == {"$ref": "#/components/schemas/Message-input"}
    assert answer_schema(do) == {"$ref": "#/components/schemas/Message"}
    assert made["components"]["schemas"]["Message"]["required"] == ["messageId", "text"]
    assert "required" not in made["components"]["schemas"]["Message-input"]


@pytest.mark.parametrize(
    ("rule", "path", "parameters"),
    [
        ('get: "/v1/messages/{message_id}"', "/v1/messages/{messageId}", ["messageId"]),
        ('get: "/v1/messages/{message.message_id}"', "/v1/messages/{message.messageId}", ["message.messageId"]),
        ('get: "/v1/messages/{message_id}:read"', "/v1/messages/{messageId}:read", ["messageId"]),
        ('get: "/v1/messages:read"', "/v1/messages:read", []),
        ('get: "/v1/{name=shelves/*/books/*}"', "/v1/shelves/{shelves}/books/{books}", ["shelves", "books"]),
        ('get: "/v1/{name=shelves/*}/all"', "/v1/shelves/{shelves}/all", ["shelves"]),
        ('get: "/v1/{name=*/*}"', "/v1/{v1}/{segment}", ["v1", "segment"]),
        ('get: "/v1/{name=a/*}/{text=a/*}"', "/v1/a/{a}/a/{a_2}", ["a", "a_2"]),
        ('get: "/v1/{name=**}"', "/v1/{name}", ["name"]),
        ('get: "/v1/{name=files/**}:watch"', "/v1/files/{files}:watch", ["files"]),
        ('get: "/v1/*/x/**"', "/v1/{v1}/x/{x}", ["v1", "x"]),
        ('get: "/v1/{name=fixed}"', "/v1/fixed", []),
        ('get: "/v1/a b/ü:go on"', "/v1/a%20b/%C3%BC:go%20on", []),
        ('get: "/v1/a%3Ago"', "/v1/a%3Ago", []),
        ('get: "/v1/{name=%7Bb%7D/*}"', "/v1/%7Bb%7D/{_b_}", ["_b_"]),
    ],
)
def test_path_templates_become_paths_of_single_segments(rule: str, path: str, parameters: Sequence[str]) -> None:
    made = of(served(method(rule)))

    assert list(made["paths"]) == [path]
    do = made["paths"][path]["get"]
    assert names(do, "path") == parameters
    assert all(parameter["required"] for parameter in do["parameters"] if parameter["in"] == "path")


def test_a_part_of_a_variable_names_its_whole() -> None:
    rest = operation(
        method('get: "/v1/{name=files/**}"', "Named"),
        more="""message Named {
        // N.
        string name = 1; }""",
    )

    (parameter,) = rest["parameters"]
    assert parameter["description"] == (
        "A part of `name`, which is `files/**`. N.\n\nAny number of segments, with slashes between them."
    )


def test_the_same_path_under_other_names_is_one_path() -> None:
    made = of(
        served(
            method('get: "/v1/messages/{message_id}"', name="Get"),
            method('patch: "/v1/messages/{message.message_id}" body: "message"', name="Update"),
        )
    )

    (path,) = made["paths"]
    assert path == "/v1/messages/{messageId}"
    (parameter,) = (one for one in made["paths"][path]["patch"]["parameters"] if one["in"] == "path")
    assert parameter["name"] == "messageId"
    assert parameter["description"] == "`message.messageId`"


def test_every_path_of_a_method_is_there_with_an_id_of_its_own() -> None:
    made = of(
        served(method('get: "/a" additional_bindings { get: "/b" } additional_bindings { post: "/b" body: "*" }'))
    )

    assert made["paths"]["/a"]["get"]["operationId"] == "Served_Do"
    assert made["paths"]["/b"]["get"]["operationId"] == "Served_Do_2"
    assert made["paths"]["/b"]["post"]["operationId"] == "Served_Do_3"


def test_a_further_path_of_a_method_is_named_after_its_parameters() -> None:
    rule = """
        get: "/a"
        additional_bindings { get: "/a/{message_id}" }
        additional_bindings { get: "/b/{message_id}/{text}" }
        additional_bindings { get: "/c/{text}" }
        additional_bindings { get: "/d/{text}" }
    """
    paths = of(served(method(rule)))["paths"]

    assert [item["get"]["operationId"] for item in paths.values()] == [
        *("Served_Do", "Served_DoByMessageId", "Served_DoByMessageIdAndText", "Served_DoByText", "Served_DoByText_2")
    ]


def test_verbs_that_openapi_has_no_place_for_are_next_to_the_others() -> None:
    made = of(
        served(
            method('custom: { kind: "HEAD" path: "/a" }', name="Look"),
            method('custom: { kind: "FETCH" path: "/a" }', name="Fetch"),
            method('custom: { kind: "*" path: "/b" }', name="Any"),
            method('custom: { kind: "*" path: "/c" } body: "*"', name="AnyWithBody"),
            method('get: "/d"', name="First"),
            method('custom: { kind: "*" path: "/d" }', name="AllOthers"),
        )
    )

    assert set(made["paths"]["/a"]) == {"head", "x-additionalOperations"}
    assert made["paths"]["/a"]["x-additionalOperations"]["FETCH"]["operationId"] == "Served_Fetch"
    assert set(made["paths"]["/b"]) == {"get"}
    assert set(made["paths"]["/c"]) == {"post"}
    assert made["paths"]["/d"]["get"]["operationId"] == "Served_First"
    assert made["paths"]["/d"]["post"]["operationId"] == "Served_AllOthers"


QUERIED = """
    message Queried {
      // Where it is.
      string id = 1;
      string text = 2 [(google.api.field_behavior) = REQUIRED];
      repeated int64 numbers = 3;
      T.Colour colour = 4;
      Inner inner = 5;
      T.Everything wkt = 6;
      map<string, string> map = 7;
      repeated Inner inners = 8;
      string old = 9 [deprecated = true];
      // How many.
      int32 page_size = 10 [(buf.validate.field).int32 = {gte: 0 lte: 100}];
    }
    message Inner { string word = 1; Queried again = 2; bool flag = 3; }
"""


def test_what_path_and_body_leave_is_in_the_query() -> None:
    made = operation(method('patch: "/v1/{id}" body: "wkt"', "Queried"), more=QUERIED)

    assert names(made, "query") == ["text", "numbers", "colour", "inner.word", "inner.flag", "old", "pageSize"]
    by_name = {parameter["name"]: parameter for parameter in made["parameters"]}
    assert by_name["text"] == {"name": "text", "in": "query", "required": True, "schema": {"type": "string"}} | {
        "example": "text"
    }
    assert by_name["numbers"]["schema"]["items"]["type"] == "integer"
    assert by_name["colour"]["schema"] == {"$ref": "#/components/schemas/Colour"}
    assert by_name["old"]["deprecated"] is True
    assert by_name["pageSize"]["description"] == "How many."
    assert by_name["pageSize"]["schema"] == {"type": "integer", "format": "int32", "minimum": 0, "maximum": 100}
    assert by_name["id"]["description"] == "Where it is."


def test_times_masks_and_wrappers_fit_into_a_query_and_other_messages_do_not() -> None:
    made = operation(method('get: "/v1"'))

    found = names(made, "query")
    assert {"timestamp", "duration", "mask", "int64Wrapper", "bytesWrapper", "sub.since", "sub.words"} <= set(found)
    assert not {"struct", "value", "list", "any", "empty", "counts", "messages", "sub.deeper.subfield"} & set(found)


def test_a_body_of_everything_has_what_the_path_leaves() -> None:
    document_made = of(served(method('post: "/v1/{id}/{inner.word}" body: "*"', "Queried"), more=QUERIED))

    made = document_made["paths"]["/v1/{id}/{inner.word}"]["post"]
    schemas = document_made["components"]["schemas"]
    schema = schemas[body_schema(made)["$ref"].rpartition("/")[2]]
    assert made["requestBody"]["required"] is True
    assert schema["required"] == ["text"]
    assert "id" not in schema["properties"]
    inner = schemas[schema["properties"]["inner"]["$ref"].rpartition("/")[2]]
    assert set(inner["properties"]) == {"again", "flag"}
    assert names(made, "query") == []


def test_a_body_of_only_path_fields_is_left_out() -> None:
    made = operation(method('post: "/v1/{id}:go" body: "*"', "Only"), more="message Only { string id = 1; }")

    assert "requestBody" not in made


def test_a_resource_can_be_sent_back_as_it_was_read() -> None:
    made = operation(
        method('patch: "/v1/{note.id}" body: "note"', "Update", "Note"),
        more="""
            message Note { string id = 1 [(google.api.field_behavior) = OUTPUT_ONLY]; string text = 2; }
            message Update { Note note = 1 [(google.api.field_behavior) = REQUIRED]; }
        """,
    )

    assert made["requestBody"]["required"] is True
    assert body_schema(made) == {"$ref": "#/components/schemas/Note-input"}


def test_an_answer_can_be_one_field_of_the_response() -> None:
    made = operation(method('get: "/v1" response_body: "words"', "T.Message", "T.Everything"))

    assert answer_schema(made) == {"type": "array", "items": {"type": "string"}}


def test_streams_are_lines() -> None:
    made = operation(method('post: "/v1" body: "*"', "stream T.Message", "stream T.Message"))

    message = "#/components/schemas/Message"
    asked, answered = (of_it(made, "application/x-ndjson") for of_it in (body_schema, answer_schema))
    assert asked["contentSchema"] == {"type": "array", "items": {"$ref": f"{message}-input"}}
    assert answered["contentSchema"] == {"type": "array", "items": {"$ref": message}}
    assert "http-error" in made["responses"]["200"]["description"]
    assert asked["type"] == answered["type"] == "string"


def test_a_body_without_what_the_path_has_is_a_schema_with_a_name() -> None:
    made = of(served(method('post: "/v1/{text}" body: "*"', "T.SendRequest")))

    assert body_schema(made["paths"]["/v1/{text}"]["post"]) == {"$ref": "#/components/schemas/SendRequest"}
    assert list(made["components"]["schemas"]["SendRequest"]["properties"]) == ["requestId"]


def test_errors_have_types_down_to_the_reason() -> None:
    made = of(served("rpc Do(T.Message) returns (T.Message);"))

    assert made["security"] == []
    validator = jsonschema_rs.Draft202012Validator(
        {"$ref": "#/components/schemas/http-error", "components": made["components"]}
    )
    assert validator.is_valid(refusal_sample(FieldsInvalid(("page_size", "is too large"))))
    properties = made["components"]["schemas"]["http-error-detail"]["properties"]
    # Those of ResourceInfo and RequestInfo that no service sends are left out.
    sent = [
        *((ErrorInfo.DESCRIPTOR, 3), (BadRequest.DESCRIPTOR, 1)),
        *((ResourceInfo.DESCRIPTOR, 2), (RequestInfo.DESCRIPTOR, 1)),
    ]
    for message, count in sent:
        assert len({field.json_name for field in message.fields} & set(properties)) == count, message.name


def test_raw_bodies_are_of_any_type() -> None:
    made = operation(method('post: "/v1/{name}" body: "raw"', "T.Everything", "google.api.HttpBody"))

    file = {"schema": {"type": "string", "format": "binary"}}
    assert made["requestBody"]["content"] == {"application/octet-stream": file}
    assert made["responses"]["200"]["content"] == {"application/octet-stream": file, "*/*": file}


def test_a_file_of_a_stream_has_the_other_fields_in_its_query() -> None:
    made = operation(method('post: "/v1/files:upload" body: "raw"', "stream T.Everything"))

    assert list(made["requestBody"]["content"]) == ["application/octet-stream"]
    assert {"text", "sub.subfield", "colour"} <= set(names(made, "query"))
    assert not any(name.startswith("raw") for name in names(made, "query"))


@pytest.mark.parametrize("answer", ['get: "/v1"', 'get: "/v1" response_body: "raw"'])
def test_a_file_that_is_read_has_an_etag(answer: str) -> None:
    returned = "T.Everything" if "response_body" in answer else "google.api.HttpBody"
    made = operation(method(answer, "T.Message", returned))

    assert made["responses"]["200"]["headers"]["ETag"] == {"$ref": "#/components/headers/ETag"}
    assert "304" in made["responses"]


def test_a_request_id_can_be_a_header() -> None:
    made = operation(method('post: "/v1" body: "*"', "T.SendRequest"))

    assert names(made, "header") == ["Idempotency-Key"]
    # Plain text: a generated client may have a type for a format, and no way to write it into a header.
    assert made["parameters"][0]["schema"] == {"type": "string", "minLength": 1}
    assert "`requestId`" in made["parameters"][0]["description"]


def test_what_has_an_etag_is_asked_for_again_only_when_it_has_changed() -> None:
    read = operation(method('get: "/v1"', "T.Message", "T.Tagged"))
    written = operation(method('post: "/v1"', "T.Message", "T.Tagged"))

    assert {"$ref": "#/components/parameters/If-None-Match"} in read["parameters"]
    assert set(read["responses"]) == {"200", "304", "400", "default"}
    assert "ETag" in read["responses"]["200"]["headers"]
    assert set(written["responses"]) == {"200", "400", "default"}


def test_an_operation_has_the_types_of_what_it_contains() -> None:
    made = of(*library_contracts())

    upload = made["paths"]["/admin/v1/imports:upload"]["post"]
    assert upload["operationId"] == "Imports_StartImport_upload"
    answer = upload["responses"]["200"]
    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Operation"}
    assert answer["x-operation-metadata"] == "library.admin.v1.ImportProgress"
    assert answer["x-operation-response"] == "library.admin.v1.ImportSummary"
    sample = answer["content"]["application/json"]["example"]
    assert sample["metadata"]["@type"] == "type.googleapis.com/library.admin.v1.ImportProgress"
    assert {"importId", "totalBytes", "summary"} <= sample["metadata"].keys()
    assert {"@type", "recordCount", "addedCount"} <= sample["response"].keys()
    assert "error" not in sample


def test_types_of_the_contract_keep_their_names_before_those_of_google() -> None:
    schemas = of(*library_contracts())["components"]["schemas"]

    assert "titleCount" in schemas["Status"]["properties"]
    assert schemas["RpcStatus"]["required"] == ["code", "message", "details"]


def test_references_in_comments_are_names() -> None:
    cancel = of(*library_contracts())["paths"]["/v1/operations/{operations}:cancel"]["post"]

    assert "an `Operation.error` value" in cancel["description"]
    assert "][" not in cancel["description"]
