"""The schemas against what they describe: protobuf's JSON of any message, and what protovalidate finds in values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

import jsonschema_rs
import protovalidate
import pytest
from google.protobuf import json_format, message_factory
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from protobuf import DescField, DescFieldValueList, DescFieldValueMap, DescMessage

from rest_server.contracts.contract import Contract
from rest_server.contracts.http_rules import HTTP_BODY
from rest_server.openapi import Info, document
from tests.support.any_messages import messages, values
from tests.support.described import contract, library_contracts
from tests.support.ruled_fields import ABSENT, ROWS, ruled, ruled_pool

ODD = """
    syntax = "proto3";
    package p;
    import "messages.proto";
    message Recursive {
      Recursive left = 1;
      repeated Recursive others = 2;
      map<string, Recursive> named = 3;
      oneof value { string text = 4; Recursive inner = 5; int64 number = 6; }
      oneof second { bool yes = 7; Nested nested = 8; }
      message Nested { enum Kind { KIND_UNSPECIFIED = 0; KIND_GOOD = 1; } Kind kind = 1; repeated Kind kinds = 2; }
      reserved 9;
    }
    message Nothing {}
    service Odd {
      rpc CallEverything(transcoding.test.v1.Everything) returns (transcoding.test.v1.Everything);
      rpc CallRecursive(Recursive) returns (Recursive);
      rpc CallNothing(Nothing) returns (Nothing);
    }
"""

PROTO2 = """
    syntax = "proto2";
    package p;
    message Old {
      required string name = 1;
      optional int32 number = 2 [default = 7];
      repeated int32 numbers = 3;
      optional group Grouped = 4 { optional string inner = 5; }
      extensions 100 to 200;
    }
    extend Old { optional string more = 100; }
    service Proto2 { rpc CallOld(Old) returns (Old); }
"""


def odd() -> Contract:
    return served_by("odd")


@cache
def served_by(target: str) -> Contract:
    """A contract, by a name: hypothesis prints what a failing test was given, and a contract whole takes minutes."""
    match target:
        case "odd":
            return contract(ODD, "Odd")
        case "proto2":
            return contract(PROTO2, "Proto2")
    return next(one for one in library_contracts() if one.target == target)


@cache
def schemas(served: Contract) -> dict[str, Any]:
    """The schemas of a contract's document, by name."""
    found: dict[str, Any] = document([served], served.rules, Info("t", "1"))["components"]["schemas"]
    return found


@cache
def validator(served: Contract, name: str) -> jsonschema_rs.Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{name.rpartition('.')[2]}", "components": {"schemas": schemas(served)}}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def schema_of_requests(served: Contract, message: DescMessage) -> jsonschema_rs.Draft202012Validator:
    """Requests have a schema of their own, where it is another one than that of answers."""
    own = message.type_name.rpartition(".")[2]
    return validator(served, f"{own}-input" if f"{own}-input" in schemas(served) else own)


NOT_NUMBERS = ("NaN", "Infinity", "-Infinity")
"""Strings in protobuf's JSON, which schemas leave out: a number has one type in a generated client."""


def complaints(schema: jsonschema_rs.Draft202012Validator, value: Any) -> list[str]:
    return [str(error) for error in schema.iter_errors(value) if error.instance not in NOT_NUMBERS]


EVERYTHING = "transcoding.test.v1.Everything"

EXPLICIT = 1
"""protobuf-py's number for fields that distinguish unset from zero, and so may be absent."""

# To make the message smaller takes longer than to read it.
SEARCH = settings(max_examples=5, deadline=None, phases=[Phase.reuse, Phase.generate])
THOROUGH = settings(SEARCH, max_examples=20)


def any_of(served: Contract, message: DescMessage) -> tuple[DescMessage, ...]:
    """What an Any may contain: something that is an object in JSON, and something that is not."""
    duration = served.registry.message("google.protobuf.Duration")
    return (message,) if duration is None else (message, duration)


def types(target: str, which: Literal["input", "output"]) -> Iterator[tuple[str, str]]:
    names = dict.fromkeys(getattr(rule.method, which).type_name for rule in served_by(target).rules)
    return ((target, name) for name in names if name != HTTP_BODY)  # it is not JSON


ANSWERS = [pair for target in ("odd", "proto2", "frontend", "admin") for pair in types(target, "output")]
REQUESTS = [pair for target in ("odd", "proto2") for pair in types(target, "input")]


def found(target: str, type_name: str) -> tuple[Contract, DescMessage]:
    served = served_by(target)
    message = served.registry.message(type_name)
    assert message is not None
    return served, message


EACH_ANSWER = pytest.mark.parametrize(("target", "type_name"), ANSWERS)


@EACH_ANSWER
@SEARCH
@given(data=st.data())
def test_every_answer_matches_its_schema(target: str, type_name: str, data: st.DataObject) -> None:
    match_schema(target, type_name, data)


@pytest.mark.slow
@EACH_ANSWER
@THOROUGH
@given(data=st.data())
def test_many_values_of_every_answer_match_its_schema(target: str, type_name: str, data: st.DataObject) -> None:
    match_schema(target, type_name, data)


def match_schema(target: str, type_name: str, data: st.DataObject) -> None:
    served, message = found(target, type_name)
    made = data.draw(messages(message, any_of(served, message)))

    answer = json.loads(made.to_json(registry=served.registry, always_emit_implicit=True))

    assert complaints(validator(served, message.type_name), answer) == []


@EACH_ANSWER
@SEARCH
@given(data=st.data())
def test_an_answer_that_is_not_protobufs_does_not_match_the_schema(
    target: str, type_name: str, data: st.DataObject
) -> None:
    match_only_what_is_protobufs(target, type_name, data)


@pytest.mark.slow
@EACH_ANSWER
@THOROUGH
@given(data=st.data())
def test_many_answers_that_are_not_protobufs_do_not_match_the_schema(
    target: str, type_name: str, data: st.DataObject
) -> None:
    match_only_what_is_protobufs(target, type_name, data)


def match_only_what_is_protobufs(target: str, type_name: str, data: st.DataObject) -> None:
    served, message = found(target, type_name)
    answer = json.loads(data.draw(messages(message)).to_json(always_emit_implicit=True))
    always_there = [field.json_name for field in message.fields if field.presence != EXPLICIT]
    schema = validator(served, message.type_name)

    assert not schema.is_valid([answer])
    assert not schema.is_valid({**answer, "unheardOf": 1})
    for name in always_there:
        assert not schema.is_valid({key: value for key, value in answer.items() if key != name}), name
    for field in message.fields:
        if field.json_name in answer and not field.proto.type_name.endswith(".Value"):
            for wrong in _of_other_types(answer[field.json_name], field):
                assert not schema.is_valid({**answer, field.json_name: wrong}), (field.name, wrong)


@pytest.mark.parametrize("name", [field.name for field in found("odd", EVERYTHING)[1].fields])
@settings(max_examples=25, deadline=None, phases=[Phase.reuse, Phase.generate])
@given(data=st.data())
def test_each_kind_of_field_matches_its_schema(name: str, data: st.DataObject) -> None:
    served, everything = found("odd", EVERYTHING)
    field = next(field for field in everything.fields if field.name == name)
    made = everything.type()
    made[field] = data.draw(values(field, any_of(served, everything), depth=1))

    answer = json.loads(made.to_json(registry=served.registry, always_emit_implicit=True))
    request = json.loads(made.to_json(registry=served.registry))

    assert complaints(validator(served, EVERYTHING), answer) == []
    assert complaints(schema_of_requests(served, everything), request) == []


def test_extensions_have_names_in_brackets() -> None:
    schema = validator(served_by("proto2"), "p.Old")

    assert schema.is_valid({"name": "", "numbers": [], "[p.more]": "more"})
    assert not schema.is_valid({"name": "", "numbers": [], "more": "more"})


def _of_other_types(value: Any, field: DescField) -> Iterator[Any]:
    yield 5 if isinstance(value, list) else []
    yield None
    if isinstance(value, str) and value not in NOT_NUMBERS:
        yield 5
    if isinstance(field.value, DescFieldValueList):
        yield [*value, None]
    if isinstance(field.value, DescFieldValueMap):
        yield {**value, "no key": None}


@pytest.mark.parametrize(("target", "type_name"), REQUESTS)
@THOROUGH
@given(data=st.data())
def test_what_protobuf_prints_is_taken_as_a_request(target: str, type_name: str, data: st.DataObject) -> None:
    served, message = found(target, type_name)
    made = data.draw(messages(message, any_of(served, message)))

    short = json.loads(made.to_json(registry=served.registry))
    whole = json.loads(made.to_json(registry=served.registry, always_emit_implicit=True))

    schema = schema_of_requests(served, message)
    assert complaints(schema, short) == []
    assert complaints(schema, whole) == []
    assert not schema.is_valid({**short, "unheardOf": 1})


def test_64_bit_integers_are_described_as_the_strings_that_answers_have() -> None:
    everything = odd().services[0].methods[0].input

    assert schema_of_requests(odd(), everything).is_valid({"int64Value": "5", "numbers": ["6"], "uint64Wrapper": "7"})
    assert not schema_of_requests(odd(), everything).is_valid({"int64Value": 5})
    assert not schema_of_requests(odd(), everything).is_valid({"messagesByNumber": {"one": {}}})


def test_of_a_oneof_one_field_is_set_as_described() -> None:
    of_it = schemas(odd())["Recursive-input"]

    assert of_it["description"] == (
        "At most one of `text`, `inner` and `number` is set.\n\nAt most one of `yes` and `nested` is set."
    )


FLOATS = ("float", "double")


def parts(described: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All objects in a document, each with its place; the objects whose keys are names of fields are left out."""
    if isinstance(described, list):
        described = dict(enumerate(described))
    elif isinstance(described, dict) and not where.endswith("/properties"):
        yield where, described
    if isinstance(described, dict):
        for key, part in described.items():
            yield from parts(part, f"{where}/{key}")


def faults_for_generators(part: dict[str, Any]) -> Iterator[str]:
    """Find what generators of clients in other languages stumble over."""
    yield from {"anyOf", "oneOf", "allOf", "nullable"} & part.keys()
    if isinstance(part.get("type"), list):
        yield "several types"
    if "format" in part and "pattern" in part:
        yield "a pattern next to a format"
    if part.get("format") not in FLOATS and {"exclusiveMinimum", "exclusiveMaximum"} & part.keys():
        yield "an exclusive bound of whole numbers"
    if part.get("type") == "string" and {"minimum", "maximum"} & part.keys():
        yield "a bound of a string"


@pytest.mark.parametrize("target", ["odd", "proto2", "ruled", "library"])
def test_each_schema_is_one_plain_type(target: str) -> None:
    contracts = library_contracts() if target == "library" else (ruled() if target == "ruled" else served_by(target),)
    rules = [rule for one in contracts for rule in one.rules]

    made = document(contracts, rules, Info("t", "1"))
    assert [(where, fault) for where, part in parts(made) for fault in faults_for_generators(part)] == []


def samples_in(media_type: dict[str, Any]) -> Iterator[Any]:
    if "example" in media_type:
        yield media_type["example"]
    for example in media_type.get("examples", {}).values():
        yield example["value"]


@pytest.mark.parametrize("target", ["odd", "proto2", "library"])
def test_each_sample_matches_its_schema(target: str) -> None:
    contracts = library_contracts() if target == "library" else (served_by(target),)
    made = document(contracts, [rule for one in contracts for rule in one.rules], Info("t", "1"))
    components = {"components": made["components"]}

    for where, part in parts(made["paths"]):
        if "schema" not in part:
            continue
        schema = {**part["schema"], **components}
        for sample in samples_in(part):
            complained = jsonschema_rs.Draft202012Validator(schema, validate_formats=True).iter_errors(sample)
            assert [str(error) for error in complained] == [], (where, sample)
            for line in sample.splitlines() if "contentSchema" in schema else []:
                lines = {**schema["contentSchema"], **components}
                assert jsonschema_rs.Draft202012Validator(lines).is_valid([json.loads(line)]), (where, line)
    for item in made["paths"].values():
        for operation in item.values():
            for part in (operation.get("requestBody"), operation["responses"]["200"]):
                contents = part["content"].values() if part else ()
                assert all("example" in one or one["schema"].get("format") == "binary" for one in contents), operation
            assert all("example" in one for one in operation.get("parameters", []) if one.get("in") == "path")


def test_samples_of_the_library_can_be_sent_again_and_again() -> None:
    contracts = library_contracts()
    made = document(contracts, [rule for one in contracts for rule in one.rules], Info("t", "1"))

    text = json.dumps(made["paths"])
    assert "-2147483648" not in text
    for item in made["paths"].values():
        for verb, operation in item.items():
            headers = [one for one in operation.get("parameters", []) if one.get("in") == "header"]
            assert not [one for one in headers if "example" in one]
            for body in operation.get("requestBody", {}).get("content", {}).values():
                if body["schema"].get("format") == "binary":
                    continue
                sample = json.dumps(body["example"])
                assert "requestId" not in sample
                # Which one book has at most; a book that is in the catalogue can be imported again.
                assert "isbn" not in sample or operation["x-grpc-method"].endswith("/ImportExternalBook")
                assert verb != "patch" or 0 < len(body["example"]) <= 2
            for mask in (one for one in operation.get("parameters", []) if one.get("name") == "updateMask"):
                assert mask["example"] == ",".join(operation["requestBody"]["content"]["application/json"]["example"])


def test_each_error_of_the_library_has_a_sample_of_its_own_code_and_reason() -> None:
    contracts = library_contracts()
    made = document(contracts, [rule for one in contracts for rule in one.rules], Info("t", "1"))

    for item in made["paths"].values():
        for operation in item.values():
            for status, response in operation["responses"].items():
                if not status.startswith(("4", "5")) or "$ref" in response:
                    continue
                (content,) = response["content"].values()
                assert content["examples"], operation
                for reason, example in content["examples"].items():
                    error = example["value"]["error"]
                    assert f"{error['code']}" == status
                    assert error["details"][0]["reason"] == reason
                    assert error["status"] in response["description"]
                    assert reason == "FIELD_INVALID" or reason in response["description"]
    borrow = made["paths"]["/v1/books/{bookId}:borrow"]["post"]["responses"]
    assert set(borrow["404"]["content"]["application/json"]["examples"]) == {"BOOK_NOT_FOUND", "USER_NOT_FOUND"}


@pytest.mark.parametrize("number", [pytest.param(number, id=row.field) for number, row in enumerate(ROWS)])
def test_rules_are_described_as_protovalidate_has_them(number: int) -> None:
    row = ROWS[number]
    message_type = message_factory.GetMessageClass(ruled_pool().FindMessageTypeByName(f"p.M{number}"))
    schema = validator(ruled(), f"M{number}")

    for value in (*row.accepted, *row.refused, *row.refused_but_valid, *row.not_described):
        request = {} if value is ABSENT else {"f": value}
        violations = protovalidate.collect_violations(json_format.ParseDict(request, message_type()))
        assert bool(violations) == (value not in (*row.accepted, *row.not_described)), (request, violations)
        assert schema.is_valid(request) == (value not in (*row.refused, *row.not_described)), (
            request,
            schemas(ruled())[f"M{number}"],
        )


def test_answers_are_not_held_to_the_rules_for_requests() -> None:
    assert validator(ruled(), "p.Answer").is_valid({"f": ""})
