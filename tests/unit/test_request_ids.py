"""Every method that changes something takes a request id (AIP-155), under the same rules."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor

from buf.validate import validate_pb2
from tests.support.changing_methods import CHANGING_METHODS, SYNC_NOW, WITHOUT_REQUEST_ID


def test_there_are_such_methods_and_sync_now_is_not_one() -> None:
    assert {
        "library.frontend.v1.LendingService/RenewLoan",
        "library.frontend.v1.LendingService/ReturnBook",
        "library.admin.v1.CatalogService/RemoveBook",
    } <= CHANGING_METHODS.keys()
    assert SYNC_NOW not in CHANGING_METHODS


@pytest.mark.parametrize("name", CHANGING_METHODS)
def test_every_changing_method_takes_a_request_id(name: str) -> None:
    method = CHANGING_METHODS[name]
    if name in WITHOUT_REQUEST_ID:
        assert "request_id" not in method.input_type.fields_by_name
        return
    field = method.input_type.fields_by_name.get("request_id")
    assert field is not None, f"{method.input_type.full_name} lacks request_id"
    assert field.type == FieldDescriptor.TYPE_STRING
    assert not field.is_repeated
    rules = field.GetOptions().Extensions[validate_pb2.field]
    assert rules.string.uuid
    assert rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE


@pytest.mark.parametrize("method", CHANGING_METHODS.values(), ids=CHANGING_METHODS)
def test_the_request_is_named_after_its_method(method: MethodDescriptor) -> None:
    """The table of answers knows a method by its request's name."""
    assert method.input_type.full_name == f"{method.containing_service.file.package}.{method.name}Request"
