"""All errors that a client can meet, beside their statuses (the base class) and their reasons.

Those without library words, such as a wrong field, are in `service_kit.errors`. The reasons are the names of
`library.v1.ErrorReason`, whose comments explain them to clients; a test holds the two together.
"""

from __future__ import annotations

from service_kit.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    NotFound,
    OutOfRange,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)


class BookNotFound(NotFound):
    """No book has this id."""

    reason = "BOOK_NOT_FOUND"
    resource_type = "library.v1.Book"
    message = "No book has the id {book_id}."


class UserNotFound(NotFound):
    """No user has this id."""

    reason = "USER_NOT_FOUND"
    resource_type = "library.v1.User"
    message = "No user has the id {user_id}."


class LoanNotFound(NotFound):
    """No loan has this id."""

    reason = "LOAN_NOT_FOUND"
    resource_type = "library.v1.Loan"
    message = "No loan has the id {loan_id}."


class NoCopyAvailable(FailedPrecondition):
    """Every copy is out. `next_available_time` is RFC 3339."""

    reason = "NO_COPY_AVAILABLE"
    message = "Every copy of the book {book_id} is out; one is expected back at {next_available_time}."


class BookUnavailable(FailedPrecondition):
    """The book does not circulate at present."""

    reason = "BOOK_UNAVAILABLE"
    message = "The book {book_id} does not circulate at present."


class BookRemoved(FailedPrecondition):
    """The book has left the catalogue."""

    reason = "BOOK_REMOVED"
    message = "The book {book_id} has left the catalogue."


class LoanLimitReached(FailedPrecondition):
    """The user has as many loans out as a user may have."""

    reason = "LOAN_LIMIT_REACHED"
    message = "The user {user_id} has as many loans out as a user may have: {loan_limit}."


class UserClosed(FailedPrecondition):
    """The user's account is closed."""

    reason = "USER_CLOSED"
    message = "The account of the user {user_id} is closed."


class UserNotActive(FailedPrecondition):
    """The user's account is neither active nor closed. `state` is a number of `UserState` that is not known here."""

    reason = "USER_NOT_ACTIVE"
    message = "The account of the user {user_id} is not active; it is in the state {state}, unknown to this version."


class UserHasLoans(FailedPrecondition):
    """The user has loans out."""

    reason = "USER_HAS_LOANS"
    message = "The user {user_id} has {active_loan_count} loans out; the account can be closed when they are back."


class LoanReturned(FailedPrecondition):
    """The loan has come back already. `return_time` is RFC 3339."""

    reason = "LOAN_RETURNED"
    message = "The loan {loan_id} came back at {return_time}."


class LoanOverdue(FailedPrecondition):
    """The loan is past its due time. `due_time` is RFC 3339."""

    reason = "LOAN_OVERDUE"
    message = "The loan {loan_id} was due at {due_time}; bring the book back."


class RenewalLimitReached(FailedPrecondition):
    """The loan cannot be renewed once more, or for so long."""

    reason = "RENEWAL_LIMIT_REACHED"
    message = "The loan {loan_id} can be renewed {renewal_limit} times and for {day_limit} days in all, and no more."


class ClockBehind(FailedPrecondition):
    """The clock is more than a day behind the newest time in the store. `now` and `newest_time` are RFC 3339."""

    reason = "CLOCK_BEHIND"
    message = (
        "The clock of the frontend service shows {now}, but it was {newest_time} before: nothing is lent, renewed or "
        "returned until the clock is set right. If {newest_time} is the wrong time, run: library-frontend accept-clock"
    )


class BookOnLoan(FailedPrecondition):
    """Copies of the book are out."""

    reason = "BOOK_ON_LOAN"
    message = "{copies_out} copies of the book {book_id} are out; withdraw it, or wait until they are back."


class EmailTaken(AlreadyExists):
    """A user has enrolled with this address. The error does not say who: that is not for anybody who tries addresses.

    The message does not repeat the address either, as messages end up in logs.
    """

    reason = "EMAIL_TAKEN"
    message = "A user has enrolled with this e-mail address."


class IsbnTaken(AlreadyExists):
    """Another book has this ISBN."""

    reason = "ISBN_TAKEN"
    message = "The book {book_id} has the ISBN {isbn}."


class EtagMismatch(Aborted):
    """The book has changed since it was read."""

    reason = "ETAG_MISMATCH"
    message = "The book {book_id} has changed since it was read; read it again and decide again."


class UserEtagMismatch(EtagMismatch):
    """The user has changed since it was read."""

    message = "The user {user_id} has changed since it was read; read it again and decide again."


class CursorExpired(OutOfRange):
    """The admin does not have the past that the cursor stands for."""

    reason = "CURSOR_EXPIRED"
    message = "This catalogue does not have the past of that cursor or receipt; begin again from the empty cursor."


class OtherFrontend(FailedPrecondition):
    """The admin takes the rows of one frontend, and this is another one."""

    reason = "OTHER_FRONTEND"
    message = (
        "This catalogue is lent by the frontend {frontend_id}; a second one would lend the same copies again. "
        "When the other is gone for good, run: library-admin accept-frontend {other_frontend_id}"
    )


class SyncSecretWrong(Unauthenticated):
    """A sync method was called without the secret of the frontend that the admin is paired with, or a wrong one."""

    reason = "SYNC_SECRET_WRONG"
    message = (
        "This method needs the secret of the frontend service that this admin service is paired with, and {problem}. "
        "If that frontend has lost its secret, as one restored from a backup of before the pairing has, run: "
        "library-admin accept-frontend {frontend_id}"
    )


class ImportTooLong(ResourceExhausted):
    """More rows in one stream than it takes."""

    reason = "IMPORT_TOO_LONG"
    message = "One import takes {row_limit} rows, and they are in; send the rest in another one."


class ImportRunNotFound(NotFound):
    """No import has been done under this run id."""

    reason = "IMPORT_RUN_NOT_FOUND"
    resource_type = "library.admin.v1.ImportRun"
    message = "No import has been done under the run id {run_id}."


class ImportRunUndone(FailedPrecondition):
    """The run was taken back. `undo_time` is RFC 3339."""

    reason = "IMPORT_RUN_UNDONE"
    message = "The import {run_id} was taken back at {undo_time}; import the rows under a new run id."


class AdminUnavailable(Unavailable):
    """The admin did not answer."""

    reason = "ADMIN_UNAVAILABLE"
    message = "The admin service at {admin_target} did not answer ({problem}); lending goes on, try again later."
