"""The words of the OpenAPI document: comments, samples, marks and names of schemas."""

from __future__ import annotations

import json
from typing import Any

from rest_server.contracts.contract import Contract
from rest_server.openapi.components import named
from tests.support.described import contract
from tests.support.openapi import answer_schema, body_schema, method, of, operation, served

COMMENTED = """
    // What is served.
    //
    // (-- For ourselves: nobody
    // is to see this. --)
    // Title: Comments
    service Commented {
      // Does it, e.g. at once. Then it
      // goes on:
      //
      // - with this,
      // - with that.
      //
      // Errors: INVALID_ARGUMENT, `BAD`, when it is bad; NOT_FOUND for what is not there, ABORTED or
      // FAILED_PRECONDITION.
      rpc Do(Asked) returns (Asked) { option deprecated = true; }
      // Fails with NOT_FOUND, always. `NOT_FOUND` has its reasons.
      rpc Fail(Asked) returns (Asked);
      rpc Silent(Asked) returns (Asked); // Behind it.
    }
    // Asked and answered.
    message Asked {
      // The kind. (-- internal --)
      Kind kind = 1;
    }
    // A kind.
    enum Kind {
      // Not set.
      KIND_UNSPECIFIED = 0;
      KIND_GOOD = 1;
    }
"""


def test_comments_are_the_words_of_the_document() -> None:
    made = of(contract(f'syntax = "proto3"; package p; {COMMENTED}', "Commented"))

    assert made["tags"] == [{"name": "Comments", "description": "What is served.\n\nIn gRPC: `p.Commented`."}]
    do = made["paths"]["/p.Commented/Do"]["post"]
    assert do["summary"] == "Does it, e.g. at once"
    assert do["description"] == "Then it goes on:\n\n- with this,\n- with that."
    assert do["deprecated"] is True
    descriptions = {status: response.get("description") for status, response in do["responses"].items()}
    assert descriptions == {
        "200": "Asked and answered.",
        "400": "INVALID_ARGUMENT, `BAD`, when it is bad; FAILED_PRECONDITION",
        "404": "NOT_FOUND for what is not there",
        "409": "ABORTED",
        "default": None,
    }
    fail = made["paths"]["/p.Commented/Fail"]["post"]
    assert fail["summary"] == "Fails with NOT_FOUND, always"
    assert fail["responses"]["404"]["description"] == "NOT_FOUND, always"
    assert made["paths"]["/p.Commented/Silent"]["post"]["summary"] == "Behind it"
    schemas = made["components"]["schemas"]
    assert schemas["Asked"]["description"] == "Asked and answered."
    assert schemas["Asked"]["properties"]["kind"]["description"] == "The kind."
    assert schemas["Kind"]["description"] == "A kind.\n\n- `KIND_UNSPECIFIED`: Not set."


SAMPLED = """
    message Sampled {
      // Text.
      // Example: a text
      string text = 1;
      // Example: 12
      string digits = 2;
      // Example: ["a", "b"]
      repeated string list = 3;
      // Example: "2026-02-03T04:05:06Z"
      google.protobuf.Timestamp time = 4;
      // Example: "seven"
      int32 not_a_number = 5;
      // Example: null
      string left_out = 6;
      T.Colour colour = 7;
      string unmarked = 8;
      string must = 9 [(google.api.field_behavior) = REQUIRED];
      // Example: 00000000-0000-0000-0000-000000000000
      string request_id = 10;
      Sampled itself = 11;
      oneof either { string first = 12; string second = 13; }
      // Example: \"\"
      string empty = 14;
      // Example: x
      string made_here = 15 [(google.api.field_behavior) = OUTPUT_ONLY];
      Plain must_plain = 16 [(google.api.field_behavior) = REQUIRED];
      Plain may_plain = 17;
      // Example: {"a": 1}
      Plain partial = 18;
      message Plain { int32 a = 1; int32 b = 2; }
    }
"""


def test_samples_come_from_comments_and_fit_the_types() -> None:
    made = operation(
        method('post: "/v1/{text}" body: "*"', "Sampled", "Sampled"),
        more=f'import "google/protobuf/timestamp.proto"; {SAMPLED}'.replace('\\"', '"'),
    )

    assert made["parameters"][0]["example"] == "a text"
    assert made["requestBody"]["content"]["application/json"]["example"] == {
        "digits": "12",
        "list": ["a", "b"],
        "time": "2026-02-03T04:05:06Z",
        "must": "text",
        "empty": "",
        "mustPlain": {},
        "partial": {"a": 1},
    }
    answer = made["responses"]["200"]["content"]["application/json"]["example"]
    assert {name: answer[name] for name in ("text", "notANumber", "colour", "unmarked", "empty", "madeHere")} == {
        "text": "a text",
        "notANumber": 1,
        "colour": "COLOUR_RED",
        "unmarked": "text",
        "empty": "",
        "madeHere": "x",
    }
    assert "first" in answer
    assert answer["partial"] == {"a": 1, "b": 0}
    assert not {"leftOut", "second"} & set(answer)
    assert "Example" not in json.dumps(made)


def test_read_only_and_deprecated_fields_are_marked() -> None:
    made = of(
        served(
            "rpc Do(Marked) returns (Marked);",
            more="""
                message Marked {
                  string made = 1 [(google.api.field_behavior) = OUTPUT_ONLY, (buf.validate.field).string.min_len = 1];
                  string secret = 2 [(google.api.field_behavior) = INPUT_ONLY];
                  string old = 3 [deprecated = true];
                  string must = 4 [(google.api.field_behavior) = REQUIRED];
                }
            """,
        )
    )

    asked = made["components"]["schemas"]["Marked-input"]
    assert asked["required"] == ["must"]
    assert asked["properties"]["made"]["readOnly"] is True
    # In an answer it would make a pointer of a required property in Go, and leave out the setter in Java.
    assert "readOnly" not in made["components"]["schemas"]["Marked"]["properties"]["made"]
    assert asked["properties"]["secret"]["writeOnly"] is True
    assert asked["properties"]["old"]["deprecated"] is True
    # An answer prints it, if only as an empty text.
    assert "writeOnly" not in made["components"]["schemas"]["Marked"]["properties"]["secret"]


def of_types(made: dict[str, Any]) -> list[str]:
    """The names of all schemas but those of errors."""
    return [name for name in made["components"]["schemas"] if not name.startswith("http-error")]


def test_types_of_several_packages_have_short_names() -> None:
    def target(package: str, field: str) -> Contract:
        return contract(
            f"""
            syntax = "proto3";
            package {package};
            message Status {{ string {field} = 1; Inner inner = 2; message Inner {{ string {field} = 1; }} }}
            service Reading {{ rpc Read(Status) returns (Status); }}
            """,
            f"{package}.Reading",
        )

    made = of(target("shop.front.v1", "a"), target("shop.back.v2beta", "b"), target("shop.front.v3", "c"))

    firsts = {name: next(iter(schema["properties"])) for name, schema in made["components"]["schemas"].items()}
    expected = {"Status": "a", "BackStatus": "b", "FrontStatus": "c"}
    expected |= {"Inner": "a", "StatusInner": "b", "FrontStatusInner": "c"}
    assert {name: firsts.get(name) for name in expected} == expected
    answer = answer_schema(made["paths"]["/shop.back.v2beta.Reading/Read"]["post"])
    assert answer == {"$ref": "#/components/schemas/BackStatus"}


def test_no_schema_has_the_name_of_a_class_that_generated_java_needs() -> None:
    made = contract(
        """
        syntax = "proto3";
        package shop.desk.v1;
        message Override { string text = 1; Date date = 2; message Date { string text = 1; } }
        service Desk { rpc Do(Override) returns (Override); }
        """,
        "shop.desk.v1.Desk",
    )

    assert {name.removesuffix("-input") for name in of_types(of(made))} == {"DeskOverride", "OverrideDate"}
    assert named({"Override answer 0": {}, "Map answer 0": {}}) == {
        "Override answer 0": "Override-2",
        "Map answer 0": "Map-2",
    }


def test_a_further_rule_of_a_method_does_not_rename_the_body_of_the_first_one() -> None:
    more = "message Named { string z = 1; string a = 2; string text = 3; }"
    first = 'post: "/v1/z/{z}" body: "*"'
    further = f'{first} additional_bindings {{ post: "/v1/a/{{a}}" body: "*" }}'

    for rule in (first, further):
        made = of(served(method(rule, "Named"), more=more))
        assert body_schema(made["paths"]["/v1/z/{z}"]["post"]) == {"$ref": "#/components/schemas/Named"}


def test_a_request_that_needs_one_of_several_fields_needs_a_body() -> None:
    more = """
        // Needs: first or last
        message Either { string first = 1; string last = 2; string third = 3; }
        // Needs: either b or a
        message One {
            // Example: x
            string a = 1;
            // Example: y
            string b = 2;
            string c = 3; }
        """
    both = 'post: "/v1/a/{a}" body: "*" additional_bindings { post: "/v1/c/{c}" body: "*" }'
    made = of(served(method('post: "/v1" body: "*"', "Either"), method(both, "One", name="Be"), more=more))

    bodies = {path: item["post"]["requestBody"] for path, item in made["paths"].items()}
    assert {path: body.get("required", False) for path, body in bodies.items()} == {
        "/v1": True,
        "/v1/a/{a}": False,
        "/v1/c/{c}": True,
    }
    samples = {path: body["content"]["application/json"]["example"] for path, body in bodies.items()}
    assert samples == {"/v1": {}, "/v1/a/{a}": {}, "/v1/c/{c}": {"b": "y"}}


def test_equal_types_of_the_same_name_share_a_schema() -> None:
    def target(service: str, inner: str) -> Contract:
        return contract(
            f"""
            syntax = "proto3";
            package p;
            message Outer {{ Inner inner = 1; Outer outer = 2; }}
            message Inner {{ {inner} }}
            message Same {{ Kind kind = 1; }}
            enum Kind {{ KIND_UNSPECIFIED = 0; }}
            service {service} {{ rpc Do(Same) returns (Outer); rpc Echo(Same) returns (Same); }}
            """,
            service,
        )

    same = of(target("A", "string text = 1;"), target("B", "string text = 1;"))
    other = of(target("A", "string text = 1;"), target("B", "int32 number = 1;"))

    assert of_types(same) == ["Inner", "Kind", "Outer", "Same", "Same-input"]
    assert of_types(other) == ["Inner", "Inner-2", "Kind", "Outer", "Outer-2", "Same", "Same-input"]
    second = answer_schema(other["paths"]["/p.B/Do"]["post"])
    assert second == {"$ref": "#/components/schemas/Outer-2"}
    properties = other["components"]["schemas"]["Outer-2"]["properties"]
    assert properties["inner"] == {"$ref": "#/components/schemas/Inner-2"}
    assert properties["outer"] == {"$ref": "#/components/schemas/Outer-2"}
