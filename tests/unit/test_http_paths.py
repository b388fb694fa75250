"""Every method has its HTTP path, and verb, path and body follow from what the method does (AIP-127, 131 to 136)."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from google.api.annotations_pb2 import http
from google.api.http_pb2 import HttpRule
from google.api.visibility_pb2 import api_visibility
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

from library_domain.contract import contract_descriptors

FILES = FileDescriptorSet.FromString(contract_descriptors()).file
SERVICES = {f"{file.package}.{service.name}": service for file in FILES for service in file.service}
INTERNAL = {"library.sync.v1.SyncService"}
"""Called by one service of the other, and not by clients."""
OPERATIONS = "google.longrunning.Operations"
"""Its contract, and so its paths, are Google's."""
METHODS = {
    f"{name}/{method.name}": method
    for name, service in SERVICES.items()
    if name not in (*INTERNAL, OPERATIONS)
    for method in service.method
}
MESSAGES = {f".{file.package}.{message.name}": message for file in FILES for message in file.message_type}

# How a method's name begins, and what it does by that: what reads changes nothing, and may be asked again.
VERBS = {
    **dict.fromkeys(("Get", "List", "Search", "Lookup", "Explain", "Export", "Who"), "get"),
    "Update": "patch",
    **dict.fromkeys(("Remove", "Delete"), "delete"),
}
CREATES = ("Add", "Create", "Enroll")
PATHS = {"library.frontend.v1": "/v1/", "library.admin.v1": "/admin/v1/", "library.access.v1": "/access/v1/"}
"""How the paths of each package begin."""

MADE_WITH_SECRETS = {
    "library.access.v1.AccessService/CreateSession",
    "library.access.v1.AccessService/CreateProviderSession",
    "library.access.v1.AccessService/CreateResetCode",
    "library.admin.v1.StaffService/CreateApiToken",
}
"""Their answers have secrets that no other method returns, so the request is not the resource that is made."""


FILE = ".google.api.HttpBody"


def rules(method: str) -> list[HttpRule]:
    """A method's rule, and the further ones that come with it."""
    return rules_of(METHODS[method])


def rules_of(method: MethodDescriptorProto) -> list[HttpRule]:
    # Its stub does not name which message the extension extends.
    rule: HttpRule = method.options.Extensions[http]  # type: ignore[index]
    return [rule, *rule.additional_bindings]


def verb(rule: HttpRule) -> str:
    return rule.WhichOneof("pattern") or ""


def path(rule: HttpRule) -> str:
    return str(getattr(rule, verb(rule), ""))


def package(method: str) -> str:
    return method.rpartition(".")[0]


def first_word(method: str) -> str:
    word = re.match("[A-Z][a-z]*", method.rpartition("/")[2])
    assert word
    return word[0]


def field(message: DescriptorProto, name: str) -> FieldDescriptorProto:
    """The field of a message that a rule names, which may be one of a message within it: `book.id`."""
    outer, _, inner = name.partition(".")
    [found] = [each for each in message.field if each.name == outer]
    return field(MESSAGES[found.type_name], inner) if inner else found


def request(method: str) -> DescriptorProto:
    return MESSAGES[METHODS[method].input_type]


def test_the_contract_has_the_methods_of_both_services() -> None:
    assert {package(method) for method in METHODS} == PATHS.keys()


def test_what_is_not_for_clients_is_documented_so_and_has_no_path() -> None:
    restricted: dict[str, str] = {
        name: service.options.Extensions[api_visibility].restriction  # type: ignore[index]
        for name, service in SERVICES.items()
        if service.options.HasExtension(api_visibility)  # type: ignore[arg-type]
    }
    assert restricted == dict.fromkeys(INTERNAL, "INTERNAL")
    assert not any(method.options.HasExtension(http) for name in INTERNAL for method in SERVICES[name].method)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
def test_a_method_has_a_path_of_its_version(method: str) -> None:
    assert all(path(rule).startswith(PATHS[package(method)]) for rule in rules(method))


def test_no_two_rules_are_for_the_same_calls() -> None:
    # Both services may be behind one gateway. Paths that differ only in the names of variables are the same path.
    every = [rule for method in (*METHODS.values(), *SERVICES[OPERATIONS].method) for rule in rules_of(method)]
    calls = Counter((verb(rule), re.sub(r"{[^}=]*=?([^}]*)}", r"{\1}", path(rule))) for rule in every if verb(rule))
    assert [call for call, count in calls.items() if count > 1] == []


@pytest.mark.parametrize("method", METHODS)
def test_the_verb_is_what_the_method_does(method: str) -> None:
    assert {verb(rule) for rule in rules(method)} == {VERBS.get(first_word(method), "post")}


@pytest.mark.parametrize("method", METHODS)
def test_the_body_is_what_is_written_and_what_reads_or_removes_has_none(method: str) -> None:
    for rule in rules(method):
        if verb(rule) == "patch" or (first_word(method) == "Create" and method not in MADE_WITH_SECRETS):
            # The rest of the request, such as the update mask, are parameters (AIP-133, 134).
            assert field(request(method), rule.body).type_name == METHODS[method].output_type
        elif rule.body not in ("", "*"):
            # A file comes as it is; the same call has a path for messages in JSON.
            assert field(request(method), rule.body).type_name == FILE
            assert METHODS[method].client_streaming
            assert rules(method)[0].body == "*"
        else:
            assert rule.body == ("*" if verb(rule) == "post" else "")


@pytest.mark.parametrize("method", METHODS)
def test_a_variable_of_a_path_is_a_text_in_the_request(method: str) -> None:
    for rule in rules(method):
        for name in re.findall(r"{([^}]*)}", path(rule)):
            named = field(request(method), name)
            assert (named.type, named.label) == (FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.LABEL_OPTIONAL)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_changed_or_removed_is_the_resource_that_the_path_ends_with(method: str) -> None:
    for rule in rules(method):
        if verb(rule) in ("patch", "delete"):
            # A resource of which there is one has no id, or that of what it belongs to.
            assert re.search(r"/{(\w+\.)?(id|code)}$|/{calendar.branch}/calendar$|/librarySettings$", path(rule))


@pytest.mark.parametrize("method", METHODS)
def test_what_is_done_otherwise_than_by_making_something_is_named_after_a_colon(method: str) -> None:
    for rule in rules(method):
        if verb(rule) == "post":
            assert (":" in path(rule)) == (first_word(method) not in CREATES)


def test_the_paths_of_operations_are_those_of_google() -> None:
    found = {
        method.name: [f"{verb(rule)} {path(rule)}" for rule in rules_of(method)]
        for method in SERVICES[OPERATIONS].method
    }
    assert found == {
        "ListOperations": ["get /v1/{name=operations}"],
        "GetOperation": ["get /v1/{name=operations/**}"],
        "DeleteOperation": ["delete /v1/{name=operations/**}"],
        "CancelOperation": ["post /v1/{name=operations/**}:cancel"],
        # Without a rule, it has the path of its full name.
        "WaitOperation": [" "],
    }


def test_what_returns_a_file_is_read() -> None:
    returning = {name: [verb(rule) for rule in rules(name)] for name in METHODS if METHODS[name].output_type == FILE}
    assert returning == {"library.admin.v1.CatalogService/GetCover": ["get"]}
