"""A released HTTP path is a promise: each rule of the released contract is in the present one, unchanged.

`buf breaking` compares messages and does not know `google.api.http`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.api.annotations_pb2 import http
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet, MethodDescriptorProto

from library_domain.contract import contract_descriptors

RELEASED = FileDescriptorSet.FromString((Path(__file__).parents[2] / "protos" / "released.binpb").read_bytes())
PRESENT = FileDescriptorSet.FromString(contract_descriptors())

BORROW = "library.frontend.v1.LendingService/BorrowBook"
LIST_LOANS = "library.frontend.v1.LendingService/ListLoans"
UPDATE_USER = "library.frontend.v1.MemberService/UpdateUser"


def methods(files: FileDescriptorSet) -> Iterator[tuple[str, MethodDescriptorProto]]:
    for file in files.file:
        for service in file.service:
            for method in service.method:
                yield f"{file.package}.{service.name}/{method.name}", method


def rule_of(method: MethodDescriptorProto) -> HttpRule:
    # Its stub does not name which message the extension extends.
    rule: HttpRule = method.options.Extensions[http]  # type: ignore[index]
    return rule


def promises(files: FileDescriptorSet) -> set[str]:
    """Return what a client may rely on: a line for each rule, and one for each query parameter of a rule."""
    messages = {f".{file.package}.{message.name}": message for file in files.file for message in file.message_type}
    found = set()
    for name, method in methods(files):
        rule = rule_of(method)
        for each in (rule, *rule.additional_bindings):
            verb = each.WhichOneof("pattern")
            if verb is None:
                continue
            call = f"{name}: {verb.upper()} {getattr(each, verb)}"
            found.add(f"{call}, body {each.body!r}, response body {each.response_body!r}")
            found |= {f"{call}?{parameter}" for parameter in parameters(each, messages[method.input_type])}
    return found


def parameters(rule: HttpRule, request: DescriptorProto) -> Iterator[str]:
    """Yield the fields of a request that are query parameters: all that neither the body nor the path has."""
    if rule.body != "*":
        path = getattr(rule, rule.WhichOneof("pattern") or "")
        yield from (
            field.name
            for field in request.field
            if field.name != rule.body and f"{{{field.name}}}" not in path and f"{{{field.name}=" not in path
        )


def broken(released: FileDescriptorSet, present: FileDescriptorSet) -> list[str]:
    return sorted(promises(released) - promises(present))


def altered(name: str, alter: Callable[[HttpRule], object]) -> FileDescriptorSet:
    """Return the released contract with the rule of one method altered."""
    files = FileDescriptorSet.FromString(RELEASED.SerializeToString())
    alter(rule_of(dict(methods(files))[name]))
    return files


def test_each_released_http_rule_is_unchanged() -> None:
    assert promises(RELEASED), "released.binpb has no HTTP rules"
    gone = broken(RELEASED, PRESENT)
    assert not gone, "released HTTP rules were changed or removed; clients call these:\n" + "\n".join(gone)


def test_a_further_rule_breaks_nothing() -> None:
    added = altered(LIST_LOANS, lambda rule: rule.additional_bindings.add(get="/v1/further"))
    assert broken(RELEASED, added) == []


@pytest.mark.parametrize(
    ("name", "alter", "gone"),
    [
        pytest.param(
            BORROW,
            lambda rule: setattr(rule, "post", "/v1/books/{book_id}:lend"),
            f"{BORROW}: POST /v1/books/{{book_id}}:borrow, body '*', response body ''",
            id="path",
        ),
        pytest.param(
            BORROW,
            lambda rule: setattr(rule, "put", rule.post),
            f"{BORROW}: POST /v1/books/{{book_id}}:borrow, body '*', response body ''",
            id="verb",
        ),
        pytest.param(
            BORROW,
            lambda rule: setattr(rule, "body", ""),
            f"{BORROW}: POST /v1/books/{{book_id}}:borrow, body '*', response body ''",
            id="body",
        ),
        pytest.param(
            BORROW,
            lambda rule: setattr(rule, "response_body", "id"),
            f"{BORROW}: POST /v1/books/{{book_id}}:borrow, body '*', response body ''",
            id="response body",
        ),
        pytest.param(
            BORROW,
            lambda rule: rule.Clear(),
            f"{BORROW}: POST /v1/books/{{book_id}}:borrow, body '*', response body ''",
            id="removed",
        ),
        pytest.param(
            LIST_LOANS,
            lambda rule: rule.additional_bindings.pop(),
            f"{LIST_LOANS}: GET /v1/users/{{user_id}}/loans, body '', response body ''",
            id="binding",
        ),
        pytest.param(
            UPDATE_USER,
            lambda rule: setattr(rule, "body", "*"),
            f"{UPDATE_USER}: PATCH /v1/users/{{user.id}}?update_mask",
            id="parameter that moves into the body",
        ),
    ],
)
def test_a_changed_rule_is_named(name: str, alter: Callable[[HttpRule], object], gone: str) -> None:
    assert gone in broken(RELEASED, altered(name, alter))


def test_a_renamed_parameter_is_named() -> None:
    files = FileDescriptorSet.FromString(RELEASED.SerializeToString())
    file = next(file for file in files.file if file.package == "library.frontend.v1" and "lending" in file.name)
    request = next(message for message in file.message_type if message.name == "ListLoansRequest")
    next(field for field in request.field if field.name == "page_size").name = "limit"
    assert f"{LIST_LOANS}: GET /v1/loans?page_size" in broken(RELEASED, files)
