"""The errors of imports and of other catalogues, each with its status (the base class), its reason and its message."""

from __future__ import annotations

import grpc

from service_kit.errors import (
    FailedPrecondition,
    NotFound,
    ResourceExhausted,
    ServiceError,
    Unavailable,
)


class OperationNotFound(NotFound):
    reason = "OPERATION_NOT_FOUND"
    resource_type = "google.longrunning.Operation"
    message = "No operation has the name {name}."


class OperationNotDone(FailedPrecondition):
    reason = "OPERATION_NOT_DONE"
    message = "The operation {name} has not ended; cancel it first, or wait for it."


class UploadTooLarge(ResourceExhausted):
    reason = "UPLOAD_TOO_LARGE"
    message = "An upload can have {most_bytes} bytes at most; split the file, and import its parts one after the other."


class TooManyImports(ResourceExhausted):
    reason = "TOO_MANY_IMPORTS"
    message = "{waiting} imports wait already; wait for one of them to end, or cancel one (`library imports`)."


class FileUnreadable(ServiceError):
    """The error of an operation, which no call is refused with."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    reason = "FILE_UNREADABLE"
    message = "The file cannot be read after record {record}: {problem}. The records after it were left out."


class OperationCancelled(ServiceError):
    """The error of an operation, which no call is refused with."""

    status = grpc.StatusCode.CANCELLED
    reason = "OPERATION_CANCELLED"
    message = "The import was cancelled after record {record}; the records after it were left out."


class SourceNotSetUp(FailedPrecondition):
    reason = "SOURCE_NOT_SET_UP"
    message = "The source {source} cannot be asked: {problem}."


class SourceUnavailable(Unavailable):
    reason = "SOURCE_UNAVAILABLE"
    message = "The source {source} did not answer: {problem}. Nothing was changed; try again later."


class ExternalBookNotFound(NotFound):
    reason = "EXTERNAL_BOOK_NOT_FOUND"
    resource_type = "library.admin.v1.ExternalBook"
    message = "No source has a book with the number {external_id}."


class ExternalBookInvalid(FailedPrecondition):
    reason = "EXTERNAL_BOOK_INVALID"
    message = "The record {external_id} of {source} cannot be a book of this library: {problem}."


class CoverNotFound(NotFound):
    reason = "COVER_NOT_FOUND"
    resource_type = "library.admin.v1.Cover"
    message = "The library has no picture of the cover of the book {book_id}."
