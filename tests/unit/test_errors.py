"""The errors in the code, the reasons in the contract and its comments agree."""

from __future__ import annotations

import re

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2

import library_domain.access.errors
import library_domain.errors
import library_domain.import_errors
from library.v1.error_reason_pb2 import ErrorReason
from library_domain.contract import contract_descriptors
from service_kit import errors
from service_kit.errors import FieldInvalid, ServiceError, combined, rich_status

PREFIX = "ERROR_REASON_"


MODULES = (
    errors.__name__,
    library_domain.errors.__name__,
    library_domain.access.errors.__name__,
    library_domain.import_errors.__name__,
)


def groups_others(error: type[ServiceError]) -> bool:
    """Whether it is there only for those of a status or a reason; what library-rest makes of it is another matter."""
    return any(
        narrower.__module__ in MODULES and (narrower.reason == error.reason or "reason" not in vars(error))
        for narrower in error.__subclasses__()
    )


ERRORS: list[type[ServiceError]] = [
    found
    for module in (errors, library_domain.errors, library_domain.access.errors, library_domain.import_errors)
    for found in vars(module).values()
    if isinstance(found, type) and issubclass(found, ServiceError) and found.__module__ == module.__name__
    if not groups_others(found)
]


def documented_statuses() -> dict[str, str]:
    """What the contract's comment on each reason begins with: the reason's name to the status."""
    files = FileDescriptorSet.FromString(contract_descriptors()).file
    file = next(file for file in files if file.name == "library/v1/error_reason.proto")
    comments = {tuple(location.path): location.leading_comments for location in file.source_code_info.location}
    return {
        value.name: comments[(5, 0, 2, index)].strip().partition(".")[0]
        for index, value in enumerate(file.enum_type[0].value)
        if value.number
    }


def test_every_error_has_a_reason_in_the_contract_and_every_reason_an_error() -> None:
    raised = {PREFIX + error.reason for error in ERRORS}  # ETAG_MISMATCH has a class for each kind of resource
    assert raised == {name for name, number in ErrorReason.items() if number}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_has_the_status_of_the_contract(error: type[ServiceError]) -> None:
    assert error.status.name == documented_statuses()[PREFIX + error.reason]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_belongs_to_this_library(error: type[ServiceError]) -> None:
    assert error.domain == "lending-library"


def test_an_error_names_what_is_missing_with_its_type() -> None:
    status = rich_status(library_domain.errors.BookNotFound(book_id="b-1"), request_id="r-1")
    info, resource, request = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.ResourceInfo(),
        error_details_pb2.RequestInfo(),
    )
    assert [detail.Unpack(kind) for detail, kind in zip(status.details, (info, resource, request), strict=True)]
    assert status.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert status.message == "No book has the id b-1."
    assert (info.domain, info.reason, dict(info.metadata)) == (
        "lending-library",
        "BOOK_NOT_FOUND",
        {"book_id": "b-1"},
    )
    assert (resource.resource_type, resource.resource_name) == ("library.v1.Book", "b-1")
    assert request.request_id == "r-1"


def test_wrong_fields_are_named_each() -> None:
    status = rich_status(FieldInvalid(("title", "is empty"), ("copies", "is 0")), request_id="r-1")
    bad_request = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad_request)
    assert [(each.field, each.description) for each in bad_request.field_violations] == [
        ("title", "is empty"),
        ("copies", "is 0"),
    ]
    assert status.message == "title: is empty; copies: is 0"


def test_no_number_of_wrong_fields_outgrows_what_a_client_takes_as_metadata() -> None:
    error = FieldInvalid(*((f"update_mask.paths[{index}]" + "x" * 500, "y" * 500) for index in range(1_000)))
    assert rich_status(error, request_id="r-1").ByteSize() + len(str(error)) < 16_000
    assert error.problems[0][0].startswith("update_mask.paths[0]")


def test_one_long_list_leaves_room_for_the_other_fields() -> None:
    error = FieldInvalid(*((f"authors[{index}]", "y" * 150) for index in range(50)), ("copies", "is 0"), ("isbn", "no"))
    fields = error.metadata["fields"].split(", ")
    assert fields[0] == "authors[0]"
    assert fields[-2:] == ["copies", "isbn"]
    assert len(fields) > 10


def infos_of(error: ServiceError) -> list[error_details_pb2.ErrorInfo]:
    details = rich_status(error, request_id="r-1").details
    infos = [error_details_pb2.ErrorInfo() for _ in details]
    return [info for detail, info in zip(details, infos, strict=True) if detail.Unpack(info)]


def test_a_call_is_refused_for_all_its_reasons_of_which_the_first_decides() -> None:
    refusals = [
        library_domain.errors.UserNotFound(user_id="u-1"),
        library_domain.errors.BookRemoved(book_id="b-1"),
        library_domain.errors.LoanLimitReached(user_id="u-1", loan_limit=5),
    ]
    error = combined(refusals)
    assert error is refusals[0]
    status = rich_status(error, request_id="r-1")
    assert (status.code, status.message) == (grpc.StatusCode.NOT_FOUND.value[0], "No user has the id u-1.")
    assert [(info.domain, info.reason, dict(info.metadata)) for info in infos_of(error)] == [
        ("lending-library", "USER_NOT_FOUND", {"user_id": "u-1"}),
        ("lending-library", "BOOK_REMOVED", {"book_id": "b-1"}),
        ("lending-library", "LOAN_LIMIT_REACHED", {"user_id": "u-1", "loan_limit": "5"}),
    ]
    assert [detail.TypeName() for detail in status.details] == [
        "google.rpc.ErrorInfo",
        "google.rpc.ResourceInfo",
        "google.rpc.ErrorInfo",
        "google.rpc.ErrorInfo",
        "google.rpc.RequestInfo",
    ]


def test_no_number_of_reasons_outgrows_what_a_client_takes_as_metadata() -> None:
    others = [library_domain.errors.BookRemoved(book_id=f"b-{number}") for number in range(1_000)]
    error = combined([library_domain.errors.UserNotFound(user_id="u-1"), *others])
    assert rich_status(error, request_id="r-1").ByteSize() < 4_000
    assert len(infos_of(error)) > 10
    large = combined([FieldInvalid(*((f"field_{number}", "y" * 150) for number in range(50))), *others])
    assert infos_of(large)[0].reason == "FIELD_INVALID"
    assert rich_status(large, request_id="r-1").ByteSize() < 4_000


def test_the_metadata_is_in_the_order_of_its_keys() -> None:
    metadata = dict.fromkeys(("key-e", "key-b", "key-d", "key-a", "key-c"), "")
    packed = errors.packed(error_details_pb2.ErrorInfo(metadata=metadata))
    assert re.findall(rb"key-.", packed.value) == sorted(key.encode() for key in metadata)


def test_a_message_that_lacks_a_value_is_a_fault_in_the_code_and_is_loud() -> None:
    with pytest.raises(KeyError):
        library_domain.errors.BookNotFound()


def test_a_throttled_sign_in_has_the_seconds_to_wait() -> None:
    retry = error_details_pb2.RetryInfo()
    throttled = library_domain.access.errors.SignInThrottled(seconds=42)
    assert any(detail.Unpack(retry) for detail in throttled.details())
    assert retry.retry_delay.seconds == 42
