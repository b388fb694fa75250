"""The errors that clients can get, each with its status (the base class), its reason and its message.

Errors that any service has, such as an invalid field, are in `service_kit.errors`. The reasons are the names of
`library.v1.ErrorReason`, whose comments explain them to clients; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from service_kit.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    FieldInvalid,
    NotFound,
    OutOfRange,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)


class BookNotFound(NotFound):
    reason = "BOOK_NOT_FOUND"
    resource_type = "library.v1.Book"
    message = "No book has the id {book_id}."


class UserNotFound(NotFound):
    reason = "USER_NOT_FOUND"
    resource_type = "library.v1.User"
    message = "No user has the id {user_id}."


class CardNotFound(UserNotFound):
    message = "No user has the card {card_number}."


class LoanNotFound(NotFound):
    reason = "LOAN_NOT_FOUND"
    resource_type = "library.v1.Loan"
    message = "No loan has the id {loan_id}."


class NoOpenLoan(LoanNotFound):
    message = "The book {book_id} has no open loan by the user {user_id}."


class NoCopyAvailable(FailedPrecondition):
    """Every copy is on loan. `next_available_time`, in RFC 3339, is the earliest due time."""

    reason = "NO_COPY_AVAILABLE"
    message = "Every copy of the book {book_id} is on loan; the next is due back at {next_available_time}."


class BookUnavailable(FailedPrecondition):
    reason = "BOOK_UNAVAILABLE"
    message = "The book {book_id} does not circulate at present."


class BookRemoved(FailedPrecondition):
    reason = "BOOK_REMOVED"
    message = "The book {book_id} has left the catalogue."


class LoanLimitReached(FailedPrecondition):
    """The user has the most open loans that a user can have, `loan_limit`."""

    reason = "LOAN_LIMIT_REACHED"
    message = "The user {user_id} has {loan_limit} open loans, the most that a user can have."


class UserClosed(FailedPrecondition):
    reason = "USER_CLOSED"
    message = "The account of the user {user_id} is closed."


class UserNotActive(FailedPrecondition):
    """The user's account is neither active nor closed. `state` is a number of `UserState` of a newer version."""

    reason = "USER_NOT_ACTIVE"
    message = "The account of the user {user_id} is not active: its state is {state}, which this version does not know."


class UserHasLoans(FailedPrecondition):
    reason = "USER_HAS_LOANS"
    message = "The user {user_id} has {active_loan_count} open loans; return these books before you close the account."


class LoanReturned(FailedPrecondition):
    """The book was returned before, at `return_time`, in RFC 3339."""

    reason = "LOAN_RETURNED"
    message = "The book of the loan {loan_id} was returned at {return_time}."


class LoanOverdue(FailedPrecondition):
    """The loan is past its due time, `due_time`, in RFC 3339, so it cannot be renewed."""

    reason = "LOAN_OVERDUE"
    message = "The loan {loan_id} was due at {due_time} and cannot be renewed; return the book."


class RenewalLimitReached(FailedPrecondition):
    """The loan has no renewal left, or would last for more than `day_limit` days."""

    reason = "RENEWAL_LIMIT_REACHED"
    message = "The loan {loan_id} can be renewed at most {renewal_limit} times, for at most {day_limit} days in total."


class ItemNotFound(NotFound):
    reason = "ITEM_NOT_FOUND"
    resource_type = "library.v1.Item"
    message = "No item has the id {item_id}."


class BarcodeNotFound(ItemNotFound):
    message = "No item has the barcode {barcode}."


class ItemNotLendable(FailedPrecondition):
    """The item does not circulate. `state` is its state in words, such as `set aside`."""

    reason = "ITEM_NOT_LENDABLE"
    message = "The item {barcode} is {state}, so it is not lent."


class ItemOnLoan(FailedPrecondition):
    """Another user has the item, until `due_time`, in RFC 3339."""

    reason = "ITEM_ON_LOAN"
    message = "Another user has the item {barcode}, until {due_time}; check it in first."


class ItemIsOut(ItemOnLoan):
    message = "The item {barcode} is on loan until {due_time}; withdraw it with `force`, or when it is back."


class ItemWithdrawn(FailedPrecondition):
    reason = "ITEM_WITHDRAWN"
    message = "The item {item_id} with the barcode {barcode} is withdrawn, which is final."


class ItemNotOnLoan(FailedPrecondition):
    reason = "ITEM_NOT_ON_LOAN"
    message = "Nobody has the item {barcode}, so there is no loan to renew."


class RuleNotLendable(FailedPrecondition):
    """The circulation rule does not lend such an item to such a user."""

    reason = "RULE_NOT_LENDABLE"
    message = "The circulation rule {rule_id} does not lend such an item to such a user."


class UserBlocked(FailedPrecondition):
    """The user is blocked by hand: `until` a time in RFC 3339, or until somebody lifts the block."""

    reason = "USER_BLOCKED"
    message = "The user {user_id} is blocked until {until}."


class ItemTypeLimitReached(FailedPrecondition):
    """The user has the most open loans of items of this type, `item_type_limit`, that the circulation rule allows."""

    reason = "ITEM_TYPE_LIMIT_REACHED"
    message = "The user {user_id} has {item_type_limit} open loans of items of this type, the most by the rule."


class CannotCancel(FailedPrecondition):
    """A check-out or check-in cannot be cancelled any more. `problem` explains why."""

    reason = "CANNOT_CANCEL"
    message = "The loan {loan_id} cannot be put back: {problem}."


class MembershipExpired(FailedPrecondition):
    """The user's membership has ended. `last_date` was its last day, in ISO 8601."""

    reason = "MEMBERSHIP_EXPIRED"
    message = "The membership of the user {user_id} ended on {last_date}; renew it first."


class LoanTooLong(FailedPrecondition):
    """The borrower asks for more than `most_days`, the most days of the circulation rule."""

    reason = "LOAN_TOO_LONG"
    message = "{days} days are too long: this item is lent for at most {most_days} days."


class DueTimePassed(FailedPrecondition):
    """The loan would be due at `due_time`, in RFC 3339, which is not later than now."""

    reason = "DUE_TIME_PASSED"
    message = "The loan would be due at {due_time}, which has passed; choose a later due time."


class DueTimeUnchanged(FailedPrecondition):
    """The loan is due at `due_time`, in RFC 3339, and the renewal would not make it due later."""

    reason = "DUE_TIME_UNCHANGED"
    message = "The loan {loan_id} is due at {due_time}; a renewal now would not make it due later."


class RenewalTooEarly(FailedPrecondition):
    """The loan can be renewed from `earliest_date` on, in ISO 8601, a date of the branch that lent it."""

    reason = "RENEWAL_TOO_EARLY"
    message = "The loan {loan_id} can be renewed from {earliest_date} on."


class ClockBehind(FailedPrecondition):
    """The clock is more than a day behind the newest time in the store. `now` and `newest_time` are RFC 3339."""

    reason = "CLOCK_BEHIND"
    message = (
        "The clock of the frontend service shows {now}, but the store has a time from {newest_time}. No book can be "
        "borrowed, renewed or returned until the clock is set to the right time. If {newest_time} is the wrong time, "
        "run: library-frontend accept-clock"
    )


class BookOnLoan(FailedPrecondition):
    """Copies of the book are on loan, so it cannot be removed."""

    reason = "BOOK_ON_LOAN"
    message = "{copies_out} copies of the book {book_id} are on loan; withdraw it, or remove it when they are returned."


class CopiesOnLoan(BookOnLoan):
    """More copies of the book are on loan than it is to have. `copies_free` of its copies can be withdrawn."""

    message = "{copies_out} copies of the book {book_id} are on loan, so at most {copies_free} can be withdrawn."


class EmailTaken(AlreadyExists):
    """A user has enrolled with this address.

    The error does not name the user, as anyone can try addresses, nor the address, as messages are written to logs.
    """

    reason = "EMAIL_TAKEN"
    message = "A user has enrolled with this e-mail address."


class CardNumberTaken(AlreadyExists):
    """A user has this card number. The error has neither the user nor the number, for the same reasons."""

    reason = "CARD_NUMBER_TAKEN"
    message = "A user has this card number."


class BlockNotFound(NotFound):
    reason = "BLOCK_NOT_FOUND"
    resource_type = "library.v1.UserBlock"
    message = "No block of the user {user_id} has the id {block_id}."


class IsbnTaken(AlreadyExists):
    reason = "ISBN_TAKEN"
    message = "The book {book_id} has the ISBN {isbn}."


class BarcodeTaken(AlreadyExists):
    """Items with these barcodes exist. `barcodes` has as many of them as fit, and `taken_count` how many they are."""

    reason = "BARCODE_TAKEN"
    message = "Items have these barcodes already: {barcodes} ({taken_count} in all)."

    MOST_CHARACTERS: ClassVar[int] = 600

    @classmethod
    def of(cls, barcodes: Sequence[str]) -> BarcodeTaken:
        """Return the error for these barcodes."""
        text = ", ".join(barcodes)
        if len(text) > cls.MOST_CHARACTERS:
            text = text[: text.rindex(", ", 0, cls.MOST_CHARACTERS)] + ", …"
        return cls(barcodes=text, taken_count=len(barcodes))


class EtagMismatch(Aborted):
    reason = "ETAG_MISMATCH"
    message = "The book {book_id} has changed since it was read; read it again and decide again."


class UserEtagMismatch(EtagMismatch):
    message = "The user {user_id} has changed since it was read; read it again and decide again."


class BranchEtagMismatch(EtagMismatch):
    message = "The branch {branch} has changed since it was read; read it again and decide again."


class CalendarEtagMismatch(EtagMismatch):
    message = "The calendar of the branch {branch} has changed since it was read; read it again and decide again."


class RuleEtagMismatch(EtagMismatch):
    message = "The circulation rule {rule_id} has changed since it was read; read it again and decide again."


class SettingsEtagMismatch(EtagMismatch):
    message = "The settings of the library have changed since they were read; read them again and decide again."


class ItemEtagMismatch(EtagMismatch):
    message = "The item {item_id} has changed since it was read; read it again and decide again."


class CursorExpired(OutOfRange):
    """The cursor or receipt is not valid for the admin's database, which was restored from an older backup, for one."""

    reason = "CURSOR_EXPIRED"
    message = (
        "This cursor or receipt is not valid for this catalogue, which may have been restored from a backup. "
        "Start again with an empty cursor."
    )


class OtherFrontend(FailedPrecondition):
    """The admin is paired with another frontend than the one that calls."""

    reason = "OTHER_FRONTEND"
    message = (
        "This catalogue is lent by the frontend {frontend_id}; a second frontend would lend the same copies again. "
        "If that frontend was replaced, run: library-admin accept-frontend {other_frontend_id}"
    )


class SyncSecretWrong(Unauthenticated):
    """A sync method was called without the secret of the paired frontend, or with a wrong one."""

    reason = "SYNC_SECRET_WRONG"
    message = (
        "This method needs the secret of the frontend service that this admin service is paired with, and {problem}. "
        "If that frontend has lost its secret, as after a restore of a backup from before the pairing, run: "
        "library-admin accept-frontend {frontend_id}"
    )


class NeverOpen(FieldInvalid):
    """The calendar has no open day in the 366 days from today on."""

    reason = "NEVER_OPEN"


class ClosedDayPassed(FailedPrecondition):
    """The calendar would open `date`, in ISO 8601: a day in the past on which the branch was closed."""

    reason = "CLOSED_DAY_PASSED"
    message = (
        "The branch {branch} was closed on {date}, and fines may have been counted by that. "
        "Keep this day closed, for example by an exception."
    )


class RuleNotFound(NotFound):
    reason = "RULE_NOT_FOUND"
    resource_type = "library.v1.CirculationRule"
    message = "No circulation rule has the id {rule_id}."


class RuleExists(AlreadyExists):
    """A rule for the same branch, user category and item type exists."""

    reason = "RULE_EXISTS"
    message = "The circulation rule {rule_id} is for the same branch, user category and item type; change that rule."


class RuleRequired(FailedPrecondition):
    reason = "RULE_REQUIRED"
    message = "The circulation rule {rule_id} is the one for everything and cannot be deleted; change it instead."


class BranchNotFound(NotFound):
    reason = "BRANCH_NOT_FOUND"
    resource_type = "library.v1.Branch"
    message = "No branch has the code {branch}."


class BranchExists(AlreadyExists):
    reason = "BRANCH_EXISTS"
    message = "A branch with the code {branch} exists; choose another code."


class ImportTooLong(ResourceExhausted):
    """The stream has more rows than `row_limit`."""

    reason = "IMPORT_TOO_LONG"
    message = "One import takes {row_limit} rows, which were imported; send the other rows in another import."


class ImportRunNotFound(NotFound):
    """No import has this run id."""

    reason = "IMPORT_RUN_NOT_FOUND"
    resource_type = "library.admin.v1.ImportRun"
    message = "No import has been done under the run id {run_id}."


class ImportRunUndone(FailedPrecondition):
    """The import was undone at `undo_time`, in RFC 3339."""

    reason = "IMPORT_RUN_UNDONE"
    message = "The import {run_id} was undone at {undo_time}; import the rows under a new run id."


class AdminUnavailable(Unavailable):
    reason = "ADMIN_UNAVAILABLE"
    message = "The admin service at {admin_target} did not answer ({problem}). Lending goes on; try again later."
