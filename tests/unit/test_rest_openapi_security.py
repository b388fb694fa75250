"""What callers need, in the OpenAPI document: by an option of the methods, with any names of roles."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor_pool import Default

from library.access.v1 import access_pb2
from rest_server.openapi.operations import ERROR_SCHEMA
from tests.support.described import library_contracts
from tests.support.openapi import of, served

DEFINED = """
    import "google/protobuf/descriptor.proto";
    enum Staff { STAFF_UNKNOWN = 0; STAFF_COOK = 5; STAFF_ANYONE = 2; STAFF_CHEF = 9; }
    message Whose { string path = 1; }
    message Needs { Staff role = 1; repeated Whose own = 2; }
    extend google.protobuf.MethodOptions { Needs access = 50500; }
"""


def needing(option: str, defined: str = DEFINED) -> dict[str, Any]:
    """The document of one method `POST /v1` with an option."""
    rule = 'option (google.api.http) = { post: "/v1" body: "*" };'
    return of(served(f"rpc Do(T.Everything) returns (T.Message) {{ {rule} {option} }}", more=defined))


def test_a_role_is_a_need_for_a_token() -> None:
    made = needing("option (access) = { role: STAFF_COOK };")

    do = made["paths"]["/v1"]["post"]
    assert (do["security"], do["x-required-role"]) == ([{"Token": []}], "COOK")
    assert "Needs the role COOK" in do["description"]
    assert list(do["responses"]) == ["200", "400", "401", "403", "default"]
    assert made["components"]["securitySchemes"]["Token"]["scheme"] == "bearer"
    refused = made["components"]["responses"]["Unauthenticated"]
    assert "WWW-Authenticate" in refused["headers"]
    assert refused["content"]["application/json"]["schema"] == ERROR_SCHEMA
    assert refused["content"]["application/json"]["example"]["error"]["code"] == 401


def test_the_first_role_needs_no_token() -> None:
    do = needing("option (access) = { role: STAFF_ANYONE };")["paths"]["/v1"]["post"]

    assert (do["security"], do["x-required-role"]) == ([{}, {"Token": []}], "ANYONE")
    assert "role" not in do["description"]
    assert list(do["responses"]) == ["200", "400", "401", "default"], "a wrong token is refused"


def test_fields_that_name_what_is_the_callers_own_are_named() -> None:
    own = 'own: { path: "message.message_id" } own: { path: "nothing_here" }'
    do = needing(f"option (access) = {{ role: STAFF_COOK {own} }};")["paths"]["/v1"]["post"]

    assert do["x-own-fields"] == ["message.messageId", "nothing_here"]
    assert "`message.messageId` and `nothing_here` can only name" in do["description"]


@pytest.mark.parametrize(
    ("option", "defined"),
    [
        ('option (access) = "COOK";', "extend google.protobuf.MethodOptions { string access = 50500; }"),
        (
            'option (access) = { role: "COOK" };',
            "message Needs { string role = 1; } extend google.protobuf.MethodOptions { Needs access = 50500; }",
        ),
        (
            "option (allowed) = { role: STAFF_COOK };",
            DEFINED.replace("Needs access", "Needs allowed"),
        ),
    ],
    ids=["text", "a role that is text", "another name"],
)
def test_without_a_role_nothing_is_described(option: str, defined: str) -> None:
    if "descriptor.proto" not in defined:
        defined = f'import "google/protobuf/descriptor.proto"; {defined}'
    do = needing(option, defined)["paths"]["/v1"]["post"]

    assert not {"security", "x-required-role", "x-own-fields"} & set(do)
    assert list(do["responses"]) == ["200", "400", "default"]


@pytest.mark.parametrize("option", ["", "option (access) = {};"], ids=["no option", "no role"])
def test_a_method_without_a_role_in_a_contract_with_roles_may_need_a_token(option: str) -> None:
    do = needing(option, DEFINED)["paths"]["/v1"]["post"]

    assert not {"x-required-role", "x-own-fields"} & set(do)
    assert do["security"] == [{}, {"Token": []}]
    assert list(do["responses"]) == ["200", "400", "401", "403", "default"]
    assert do["description"].endswith("May need a token, if the service checks tokens.")


@pytest.mark.parametrize("own", ["string own = 2;", "repeated string own = 2;", "repeated Whose own = 2;"])
def test_what_own_is_in_another_contract_does_no_harm(own: str) -> None:
    whose = "message Whose { int32 path = 1; }"
    defined = DEFINED.replace("repeated Whose own = 2;", own).replace("message Whose { string path = 1; }", whose)
    value = "{ path: 3 }" if "Whose" in own else '"a"'
    do = needing(f"option (access) = {{ role: STAFF_COOK own: {value} }};", defined)["paths"]["/v1"]["post"]

    assert do["x-required-role"] == "COOK"
    assert "x-own-fields" not in do


def test_the_library_describes_what_each_method_needs() -> None:
    made = of(*library_contracts())

    every = [operation for item in made["paths"].values() for operation in item.values()]
    operations = [operation for operation in every if not operation["x-grpc-method"].startswith("google.")]
    for operation in operations:
        method = Default().FindMethodByName(operation["x-grpc-method"].replace("/", "."))
        access = method.GetOptions().Extensions[access_pb2.access]
        role = access_pb2.Role.Name(access.role).removeprefix("ROLE_")
        assert operation["x-required-role"] == role
        assert ({} in operation["security"]) is (role == "GUEST")
        assert len(operation.get("x-own-fields", [])) == len(access.own)
    of_google = [operation for operation in every if operation not in operations]
    assert [operation["security"] for operation in of_google] == [[{}, {"Token": []}]] * 5
    assert {operation["x-required-role"] for operation in operations} >= {"GUEST", "PATRON", "LIBRARIAN"}
