"""An exception for each reason of `library.v1.ErrorReason`.

Made by `make generate` from the contract: do not edit it. All of them are a `LibraryError`, which is what is raised for
errors without a reason, such as an unreachable server, and for reasons that are newer than this package.
"""

from __future__ import annotations

from library_client.library_error import FieldViolation, LibraryError

__all__ = [
    "AdminUnavailable",
    "ApiTokenExists",
    "ApiTokenNotFound",
    "BY_REASON",
    "BarcodeTaken",
    "BlockNotFound",
    "BookNotFound",
    "BookOnLoan",
    "BookRemoved",
    "BookUnavailable",
    "BranchExists",
    "BranchNotFound",
    "CallIdle",
    "CannotCancel",
    "CardNumberTaken",
    "ClockBehind",
    "ClosedDayPassed",
    "CoverNotFound",
    "CursorExpired",
    "DueTimePassed",
    "DueTimeUnchanged",
    "EmailTaken",
    "EtagMismatch",
    "ExternalBookInvalid",
    "ExternalBookNotFound",
    "FieldInvalid",
    "FieldViolation",
    "FileUnreadable",
    "ImportRunNotFound",
    "ImportRunUndone",
    "ImportTooLong",
    "Internal",
    "IsbnTaken",
    "ItemNotFound",
    "ItemNotLendable",
    "ItemNotOnLoan",
    "ItemOnLoan",
    "ItemTypeLimitReached",
    "ItemWithdrawn",
    "LastAdmin",
    "LibraryError",
    "LoanLimitReached",
    "LoanNotFound",
    "LoanOverdue",
    "LoanReturned",
    "LoanTooLong",
    "MembershipExpired",
    "MessageUnreadable",
    "NeverOpen",
    "NoCopyAvailable",
    "NotServing",
    "NotYourOwn",
    "OperationCancelled",
    "OperationNotDone",
    "OperationNotFound",
    "OtherFrontend",
    "OverrideNotPermitted",
    "ProviderNotSetUp",
    "ProviderUnavailable",
    "RenewalLimitReached",
    "RenewalTooEarly",
    "RequestIdReused",
    "RoleRequired",
    "RowUnreadable",
    "RuleExists",
    "RuleNotFound",
    "RuleNotLendable",
    "RuleRequired",
    "ScopeRequired",
    "ServerBusy",
    "SessionEnded",
    "SignInFailed",
    "SignInRequired",
    "SignInThrottled",
    "SourceNotSetUp",
    "SourceUnavailable",
    "StoreUnavailable",
    "SyncSecretWrong",
    "TokenInvalid",
    "TooManyImports",
    "UploadTooLarge",
    "UserBlocked",
    "UserClosed",
    "UserHasLoans",
    "UserNotActive",
    "UserNotFound",
]


class FieldInvalid(LibraryError):
    """At least one field is invalid; `google.rpc.BadRequest` names each and explains it.

    Status: INVALID_ARGUMENT.
    """

    reason = "FIELD_INVALID"


class BookNotFound(LibraryError):
    """No book has this id.

    Status: NOT_FOUND.
    """

    reason = "BOOK_NOT_FOUND"


class UserNotFound(LibraryError):
    """No user has this id.

    Status: NOT_FOUND.
    """

    reason = "USER_NOT_FOUND"


class LoanNotFound(LibraryError):
    """No loan has this id.

    Status: NOT_FOUND.
    """

    reason = "LOAN_NOT_FOUND"


class NoCopyAvailable(LibraryError):
    """Every copy of the book is on loan; the metadata has the next due time.

    Status: FAILED_PRECONDITION.
    """

    reason = "NO_COPY_AVAILABLE"


class BookUnavailable(LibraryError):
    """The book does not circulate at present.

    Status: FAILED_PRECONDITION.
    """

    reason = "BOOK_UNAVAILABLE"


class BookRemoved(LibraryError):
    """The book has left the catalogue.

    Status: FAILED_PRECONDITION.
    """

    reason = "BOOK_REMOVED"


class LoanLimitReached(LibraryError):
    """The user has reached the limit of open loans.

    Status: FAILED_PRECONDITION.
    """

    reason = "LOAN_LIMIT_REACHED"


class LoanReturned(LibraryError):
    """The loan was returned before; the metadata has the time.

    Status: FAILED_PRECONDITION.
    """

    reason = "LOAN_RETURNED"


class LoanOverdue(LibraryError):
    """The loan is past its due time, so it cannot be renewed.

    Status: FAILED_PRECONDITION.
    """

    reason = "LOAN_OVERDUE"


class RenewalLimitReached(LibraryError):
    """The loan has reached the limit of renewals or days.

    Status: FAILED_PRECONDITION.
    """

    reason = "RENEWAL_LIMIT_REACHED"


class BookOnLoan(LibraryError):
    """Copies of the book are on loan.

    Wait for them, or withdraw the book. To lower the number of copies: the metadata has `copies_free`, the most that
    can be withdrawn now.

    Status: FAILED_PRECONDITION.
    """

    reason = "BOOK_ON_LOAN"


class EmailTaken(LibraryError):
    """Another open account has this e-mail address.

    Status: ALREADY_EXISTS.
    """

    reason = "EMAIL_TAKEN"


class IsbnTaken(LibraryError):
    """Another book has this ISBN; the metadata has its id.

    Status: ALREADY_EXISTS.
    """

    reason = "ISBN_TAKEN"


class RequestIdReused(LibraryError):
    """The request id was used before, for another method or with other arguments.

    Status: ALREADY_EXISTS.
    """

    reason = "REQUEST_ID_REUSED"


class EtagMismatch(LibraryError):
    """The book or the user has changed since it was read; read it again and decide again.

    Status: ABORTED.
    """

    reason = "ETAG_MISMATCH"


class CursorExpired(LibraryError):
    """The cursor is not valid for this catalogue, which may have been restored from a backup.

    Start again with an empty cursor.

    Status: OUT_OF_RANGE.
    """

    reason = "CURSOR_EXPIRED"


class OtherFrontend(LibraryError):
    """The admin is paired with another frontend.

    Status: FAILED_PRECONDITION.
    """

    reason = "OTHER_FRONTEND"


class ImportTooLong(LibraryError):
    """The import stream has too many rows.

    Send the rest in another call.

    Status: RESOURCE_EXHAUSTED.
    """

    reason = "IMPORT_TOO_LONG"


class AdminUnavailable(LibraryError):
    """The admin service did not answer, so the catalogue could not be synchronized just now.

    Status: UNAVAILABLE.
    """

    reason = "ADMIN_UNAVAILABLE"


class NotServing(LibraryError):
    """The server is starting or stopping; try again in a moment.

    Status: UNAVAILABLE.
    """

    reason = "NOT_SERVING"


class StoreUnavailable(LibraryError):
    """The store did not answer in time, or is full; try again, with the same request id if there is one.

    Status: UNAVAILABLE.
    """

    reason = "STORE_UNAVAILABLE"


class Internal(LibraryError):
    """The server has a fault.

    Quote the request id to the people who run it.

    Status: INTERNAL.
    """

    reason = "INTERNAL"


class MessageUnreadable(LibraryError):
    """The bytes that were sent are not a message of the type that the method takes.

    Status: INVALID_ARGUMENT.
    """

    reason = "MESSAGE_UNREADABLE"


class SyncSecretWrong(LibraryError):
    """A method of `library.sync.v1.SyncService` was called without the secret of the frontend that this admin service is
    paired with, or with a wrong one.

    Status: UNAUTHENTICATED.
    """

    reason = "SYNC_SECRET_WRONG"


class ClockBehind(LibraryError):
    """The clock of the frontend service is more than a day behind the newest time in its store, so loans and fines would
    get wrong times; the metadata has both, as `now` and `newest_time`.

    Set the clock.

    Status: FAILED_PRECONDITION.
    """

    reason = "CLOCK_BEHIND"


class UserClosed(LibraryError):
    """The user's account is closed.

    Status: FAILED_PRECONDITION.
    """

    reason = "USER_CLOSED"


class UserNotActive(LibraryError):
    """The user's account is neither active nor closed but in a state that this server does not know, for example one of a
    newer version; the metadata has its number.

    Status: FAILED_PRECONDITION.
    """

    reason = "USER_NOT_ACTIVE"


class UserHasLoans(LibraryError):
    """The user has open loans, so the account cannot be closed; the metadata has their number.

    Status: FAILED_PRECONDITION.
    """

    reason = "USER_HAS_LOANS"


class ServerBusy(LibraryError):
    """The server has reached a limit, which the metadata names.

    Try again after the time in RetryInfo, with the same request id if the call has one.

    Status: RESOURCE_EXHAUSTED.
    """

    reason = "SERVER_BUSY"


class CallIdle(LibraryError):
    """The client kept a call open without sending or reading, so the server ended it.

    Status: DEADLINE_EXCEEDED.
    """

    reason = "CALL_IDLE"


class RowUnreadable(LibraryError):
    """The requested row is damaged in the server's store and cannot be returned; the metadata has its `kind`.

    Lists leave such rows out.

    Status: FAILED_PRECONDITION.
    """

    reason = "ROW_UNREADABLE"


class ImportRunNotFound(LibraryError):
    """No import has this run id.

    Status: NOT_FOUND.
    """

    reason = "IMPORT_RUN_NOT_FOUND"


class ImportRunUndone(LibraryError):
    """This import run was undone, so it takes no more rows.

    Use a new run id.

    Status: FAILED_PRECONDITION.
    """

    reason = "IMPORT_RUN_UNDONE"


class MembershipExpired(LibraryError):
    """The user's membership has ended; the metadata has its last day.

    Renew the membership.

    Status: FAILED_PRECONDITION.
    """

    reason = "MEMBERSHIP_EXPIRED"


class LoanTooLong(LibraryError):
    """The borrower asks for more days than the circulation rule allows; the metadata has the most.

    Status: FAILED_PRECONDITION.
    """

    reason = "LOAN_TOO_LONG"


class DueTimePassed(LibraryError):
    """The loan would be due at a time that has passed, for example because the term has ended; the metadata has the due
    time.

    Status: FAILED_PRECONDITION.
    """

    reason = "DUE_TIME_PASSED"


class DueTimeUnchanged(LibraryError):
    """The renewal would not make the loan due later than it is; the metadata has the due time.

    Status: FAILED_PRECONDITION.
    """

    reason = "DUE_TIME_UNCHANGED"


class RenewalTooEarly(LibraryError):
    """The loan cannot be renewed yet; the metadata has the earliest day.

    Status: FAILED_PRECONDITION.
    """

    reason = "RENEWAL_TOO_EARLY"


class NeverOpen(LibraryError):
    """The calendar would have no open day in 366 days; `google.rpc.BadRequest` names its fields.

    Status: INVALID_ARGUMENT.
    """

    reason = "NEVER_OPEN"


class RuleNotFound(LibraryError):
    """No circulation rule has this id; it may have been deleted.

    Status: NOT_FOUND.
    """

    reason = "RULE_NOT_FOUND"


class RuleExists(LibraryError):
    """A circulation rule for the same branch, user category and item type exists; the metadata has its id.

    Change that rule instead.

    Status: ALREADY_EXISTS.
    """

    reason = "RULE_EXISTS"


class RuleRequired(LibraryError):
    """The circulation rule for everything cannot be deleted.

    Change it instead.

    Status: FAILED_PRECONDITION.
    """

    reason = "RULE_REQUIRED"


class BranchNotFound(LibraryError):
    """No branch has this code.

    Status: NOT_FOUND.
    """

    reason = "BRANCH_NOT_FOUND"


class BranchExists(LibraryError):
    """A branch with this code exists.

    Status: ALREADY_EXISTS.
    """

    reason = "BRANCH_EXISTS"


class ClosedDayPassed(LibraryError):
    """The calendar would open a day in the past on which the branch was closed, which fines may have been counted by; the
    metadata has the date.

    Keep that day closed, for example by an exception.

    Status: FAILED_PRECONDITION.
    """

    reason = "CLOSED_DAY_PASSED"


class ItemNotFound(LibraryError):
    """No item has this id or barcode.

    Status: NOT_FOUND.
    """

    reason = "ITEM_NOT_FOUND"


class ItemNotLendable(LibraryError):
    """The item is set aside, on order, missing or withdrawn; the metadata has its `state`.

    Status: FAILED_PRECONDITION.
    """

    reason = "ITEM_NOT_LENDABLE"


class ItemOnLoan(LibraryError):
    """A user has the item; the metadata has the due time.

    Status: FAILED_PRECONDITION.
    """

    reason = "ITEM_ON_LOAN"


class ItemWithdrawn(LibraryError):
    """The item is withdrawn, which is final.

    Status: FAILED_PRECONDITION.
    """

    reason = "ITEM_WITHDRAWN"


class BarcodeTaken(LibraryError):
    """Items have these barcodes already, maybe withdrawn ones; the metadata has the barcodes.

    Status: ALREADY_EXISTS.
    """

    reason = "BARCODE_TAKEN"


class ItemNotOnLoan(LibraryError):
    """Nobody has the item, so its loan cannot be renewed.

    Status: FAILED_PRECONDITION.
    """

    reason = "ITEM_NOT_ON_LOAN"


class RuleNotLendable(LibraryError):
    """The circulation rule does not lend such an item to such a user; the metadata has the rule.

    Status: FAILED_PRECONDITION.
    """

    reason = "RULE_NOT_LENDABLE"


class UserBlocked(LibraryError):
    """The user is blocked by hand and can neither borrow nor renew; the metadata has until when.

    Status: FAILED_PRECONDITION.
    """

    reason = "USER_BLOCKED"


class ItemTypeLimitReached(LibraryError):
    """The user has the most open loans of items of this type that the circulation rule allows.

    Status: FAILED_PRECONDITION.
    """

    reason = "ITEM_TYPE_LIMIT_REACHED"


class CannotCancel(LibraryError):
    """The check-out or check-in cannot be cancelled any more; the metadata has the problem.

    Status: FAILED_PRECONDITION.
    """

    reason = "CANNOT_CANCEL"


class CardNumberTaken(LibraryError):
    """Another user, possibly one whose account is closed, has this card number.

    Status: ALREADY_EXISTS.
    """

    reason = "CARD_NUMBER_TAKEN"


class BlockNotFound(LibraryError):
    """The user has no block with this id.

    Status: NOT_FOUND.
    """

    reason = "BLOCK_NOT_FOUND"


class SignInRequired(LibraryError):
    """The method needs a caller who has signed in, and this call has no token.

    Sign in, and send the access token as `authorization: Bearer TOKEN`.

    Status: UNAUTHENTICATED.
    """

    reason = "SIGN_IN_REQUIRED"


class TokenInvalid(LibraryError):
    """The token of this call is not valid: it is malformed or not signed by this library, has expired or was revoked, or
    its session or account has ended.

    Refresh the session, or sign in again.

    Status: UNAUTHENTICATED.
    """

    reason = "TOKEN_INVALID"


class RoleRequired(LibraryError):
    """The method, or the user whom the call is about, needs a higher role than the caller's; the metadata has both.

    Status: PERMISSION_DENIED.
    """

    reason = "ROLE_REQUIRED"


class NotYourOwn(LibraryError):
    """A patron can act only for himself or herself; the metadata has the field that names somebody else.

    Status: PERMISSION_DENIED.
    """

    reason = "NOT_YOUR_OWN"


class OverrideNotPermitted(LibraryError):
    """The caller may not override these refusals; the metadata has them.

    Status: PERMISSION_DENIED.
    """

    reason = "OVERRIDE_NOT_PERMITTED"


class ScopeRequired(LibraryError):
    """The API token is limited to other methods; the metadata has the scopes.

    Status: PERMISSION_DENIED.
    """

    reason = "SCOPE_REQUIRED"


class SignInFailed(LibraryError):
    """No user has this name and this secret.

    Status: UNAUTHENTICATED.
    """

    reason = "SIGN_IN_FAILED"


class SignInThrottled(LibraryError):
    """Too many attempts to sign in failed; the metadata has the seconds to wait.

    Status: RESOURCE_EXHAUSTED.
    """

    reason = "SIGN_IN_THROTTLED"


class SessionEnded(LibraryError):
    """The session has ended, or the refresh token is not its newest one.

    Sign in again.

    Status: UNAUTHENTICATED.
    """

    reason = "SESSION_ENDED"


class ProviderNotSetUp(LibraryError):
    """The library has no OpenID provider.

    Status: FAILED_PRECONDITION.
    """

    reason = "PROVIDER_NOT_SET_UP"


class ProviderUnavailable(LibraryError):
    """The OpenID provider did not answer.

    Status: UNAVAILABLE.
    """

    reason = "PROVIDER_UNAVAILABLE"


class LastAdmin(LibraryError):
    """The library would have no admin any more.

    Grant the role to somebody else first.

    Status: FAILED_PRECONDITION.
    """

    reason = "LAST_ADMIN"


class ApiTokenExists(LibraryError):
    """An API token that was not revoked has this name.

    Status: ALREADY_EXISTS.
    """

    reason = "API_TOKEN_EXISTS"


class ApiTokenNotFound(LibraryError):
    """No API token has this id.

    Status: NOT_FOUND.
    """

    reason = "API_TOKEN_NOT_FOUND"


class OperationNotFound(LibraryError):
    """No operation has this name.

    Status: NOT_FOUND.
    """

    reason = "OPERATION_NOT_FOUND"


class OperationNotDone(LibraryError):
    """The operation has not ended, so it cannot be deleted.

    Cancel it, or wait for it.

    Status: FAILED_PRECONDITION.
    """

    reason = "OPERATION_NOT_DONE"


class UploadTooLarge(LibraryError):
    """The file is larger than the server takes; the metadata has the most bytes.

    Status: RESOURCE_EXHAUSTED.
    """

    reason = "UPLOAD_TOO_LARGE"


class TooManyImports(LibraryError):
    """Too many imports wait; the metadata has their number.

    Wait for one of them, or cancel one.

    Status: RESOURCE_EXHAUSTED.
    """

    reason = "TOO_MANY_IMPORTS"


class FileUnreadable(LibraryError):
    """The error of an operation: its file ends early, or cannot be read on; the metadata has the problem.

    Status: INVALID_ARGUMENT.
    """

    reason = "FILE_UNREADABLE"


class OperationCancelled(LibraryError):
    """The error of an operation that was cancelled.

    Status: CANCELLED.
    """

    reason = "OPERATION_CANCELLED"


class SourceNotSetUp(LibraryError):
    """The source of books cannot be asked until it is set up; the metadata has what is missing.

    Status: FAILED_PRECONDITION.
    """

    reason = "SOURCE_NOT_SET_UP"


class SourceUnavailable(LibraryError):
    """The source of books did not answer, or not with what it should; the metadata has the problem.

    Status: UNAVAILABLE.
    """

    reason = "SOURCE_UNAVAILABLE"


class ExternalBookNotFound(LibraryError):
    """The sources have no book with this id or ISBN.

    Status: NOT_FOUND.
    """

    reason = "EXTERNAL_BOOK_NOT_FOUND"


class ExternalBookInvalid(LibraryError):
    """The record of the source cannot be a book here; the metadata has the problem.

    Status: FAILED_PRECONDITION.
    """

    reason = "EXTERNAL_BOOK_INVALID"


class CoverNotFound(LibraryError):
    """The library has stored no picture of this book's cover.

    Status: NOT_FOUND.
    """

    reason = "COVER_NOT_FOUND"


BY_REASON: dict[str, type[LibraryError]] = {
    "FIELD_INVALID": FieldInvalid,
    "BOOK_NOT_FOUND": BookNotFound,
    "USER_NOT_FOUND": UserNotFound,
    "LOAN_NOT_FOUND": LoanNotFound,
    "NO_COPY_AVAILABLE": NoCopyAvailable,
    "BOOK_UNAVAILABLE": BookUnavailable,
    "BOOK_REMOVED": BookRemoved,
    "LOAN_LIMIT_REACHED": LoanLimitReached,
    "LOAN_RETURNED": LoanReturned,
    "LOAN_OVERDUE": LoanOverdue,
    "RENEWAL_LIMIT_REACHED": RenewalLimitReached,
    "BOOK_ON_LOAN": BookOnLoan,
    "EMAIL_TAKEN": EmailTaken,
    "ISBN_TAKEN": IsbnTaken,
    "REQUEST_ID_REUSED": RequestIdReused,
    "ETAG_MISMATCH": EtagMismatch,
    "CURSOR_EXPIRED": CursorExpired,
    "OTHER_FRONTEND": OtherFrontend,
    "IMPORT_TOO_LONG": ImportTooLong,
    "ADMIN_UNAVAILABLE": AdminUnavailable,
    "NOT_SERVING": NotServing,
    "STORE_UNAVAILABLE": StoreUnavailable,
    "INTERNAL": Internal,
    "MESSAGE_UNREADABLE": MessageUnreadable,
    "SYNC_SECRET_WRONG": SyncSecretWrong,
    "CLOCK_BEHIND": ClockBehind,
    "USER_CLOSED": UserClosed,
    "USER_NOT_ACTIVE": UserNotActive,
    "USER_HAS_LOANS": UserHasLoans,
    "SERVER_BUSY": ServerBusy,
    "CALL_IDLE": CallIdle,
    "ROW_UNREADABLE": RowUnreadable,
    "IMPORT_RUN_NOT_FOUND": ImportRunNotFound,
    "IMPORT_RUN_UNDONE": ImportRunUndone,
    "MEMBERSHIP_EXPIRED": MembershipExpired,
    "LOAN_TOO_LONG": LoanTooLong,
    "DUE_TIME_PASSED": DueTimePassed,
    "DUE_TIME_UNCHANGED": DueTimeUnchanged,
    "RENEWAL_TOO_EARLY": RenewalTooEarly,
    "NEVER_OPEN": NeverOpen,
    "RULE_NOT_FOUND": RuleNotFound,
    "RULE_EXISTS": RuleExists,
    "RULE_REQUIRED": RuleRequired,
    "BRANCH_NOT_FOUND": BranchNotFound,
    "BRANCH_EXISTS": BranchExists,
    "CLOSED_DAY_PASSED": ClosedDayPassed,
    "ITEM_NOT_FOUND": ItemNotFound,
    "ITEM_NOT_LENDABLE": ItemNotLendable,
    "ITEM_ON_LOAN": ItemOnLoan,
    "ITEM_WITHDRAWN": ItemWithdrawn,
    "BARCODE_TAKEN": BarcodeTaken,
    "ITEM_NOT_ON_LOAN": ItemNotOnLoan,
    "RULE_NOT_LENDABLE": RuleNotLendable,
    "USER_BLOCKED": UserBlocked,
    "ITEM_TYPE_LIMIT_REACHED": ItemTypeLimitReached,
    "CANNOT_CANCEL": CannotCancel,
    "CARD_NUMBER_TAKEN": CardNumberTaken,
    "BLOCK_NOT_FOUND": BlockNotFound,
    "SIGN_IN_REQUIRED": SignInRequired,
    "TOKEN_INVALID": TokenInvalid,
    "ROLE_REQUIRED": RoleRequired,
    "NOT_YOUR_OWN": NotYourOwn,
    "OVERRIDE_NOT_PERMITTED": OverrideNotPermitted,
    "SCOPE_REQUIRED": ScopeRequired,
    "SIGN_IN_FAILED": SignInFailed,
    "SIGN_IN_THROTTLED": SignInThrottled,
    "SESSION_ENDED": SessionEnded,
    "PROVIDER_NOT_SET_UP": ProviderNotSetUp,
    "PROVIDER_UNAVAILABLE": ProviderUnavailable,
    "LAST_ADMIN": LastAdmin,
    "API_TOKEN_EXISTS": ApiTokenExists,
    "API_TOKEN_NOT_FOUND": ApiTokenNotFound,
    "OPERATION_NOT_FOUND": OperationNotFound,
    "OPERATION_NOT_DONE": OperationNotDone,
    "UPLOAD_TOO_LARGE": UploadTooLarge,
    "TOO_MANY_IMPORTS": TooManyImports,
    "FILE_UNREADABLE": FileUnreadable,
    "OPERATION_CANCELLED": OperationCancelled,
    "SOURCE_NOT_SET_UP": SourceNotSetUp,
    "SOURCE_UNAVAILABLE": SourceUnavailable,
    "EXTERNAL_BOOK_NOT_FOUND": ExternalBookNotFound,
    "EXTERNAL_BOOK_INVALID": ExternalBookInvalid,
    "COVER_NOT_FOUND": CoverNotFound,
}
"""The exception of each reason."""
