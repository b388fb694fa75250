"""The records of a file as rows of an import, some at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from admin_server.intake.rows import PROBLEMS_REPORTED, Row, checked_row
from admin_server.operations.item_drafts import draft_columns
from admin_server.operations.leases import Interrupted
from admin_server.policy.library_settings import get_settings
from admin_server.store.models import Branch
from library.admin.v1.catalog_service_pb2 import FieldProblem, ImportBooksRequest, ImportOptions
from library_formats.records import FileUnreadableError, Place, ReadRecord
from service_kit.errors import ServiceError
from service_kit.logs import logger
from service_kit.statements import tuples
from service_kit.store import Store, is_unavailable
from service_kit.validation import Problem

FAILS = "was left out, because the server failed to import it; the log of the server has the reason"

COPIES = "total_copies"

LONGEST_CONTROL_NUMBER = 100
LONGEST_FIELD = 100
LONGEST_DESCRIPTION = 500
"""Characters that are kept of what a reader reports, as a file can have texts of any length."""

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a file, as far as its problems need it."""

    number: int
    control_number: str
    remarks: tuple[Problem, ...]
    """What was not taken from it, if it is imported."""


@dataclass
class Batch:
    """Records that are committed together."""

    after: Place
    """Where reading goes on after them."""
    records: list[Record] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Policy:
    """What the library has, as the items of records need it."""

    branches: Collection[str]
    currency: str
    """Of prices without one: that of the limit of fines of a user, which is for the whole library; or empty."""

    @staticmethod
    def of(store: Store) -> Policy:
        """Read it from the store."""
        with store.reading():
            codes = {code for (code,) in tuples(Branch.select(Branch.code))}
        return Policy(codes, get_settings(store).user_fine_cap.currency_code)


class Batches:
    """Reads the records of a file from a place on, and returns some of them at a time."""

    def __init__(
        self,
        records: Iterator[ReadRecord],
        start: Place,
        options: ImportOptions,
        policy: Policy,
        *,
        validate_only: bool,
        copies_without_items: int,
        before_each: Callable[[], object],
    ) -> None:
        """Read `records`, which begin at `start`. `before_each` is called before each record is read."""
        self._records, self._after = records, start
        self._options, self._policy, self._validate_only = options, policy, validate_only
        self._copies_without_items = copies_without_items
        self._before_each = before_each
        self.ending: FileUnreadableError | None = None
        """Why the file cannot be read after the last batch, if that is so."""

    def take(self, most_rows: int, most_bytes: int) -> Batch:
        """Return the next records; none at the end of the file, and where it cannot be read any further."""
        batch = Batch(self._after)
        try:
            while len(batch.rows) < most_rows and most_bytes > 0 and self.ending is None:
                self._before_each()
                record = next(self._records, None)
                if record is None:
                    break
                row, remarks = self._checked(record)
                batch.records.append(Record(record.number, record.control_number[:LONGEST_CONTROL_NUMBER], remarks))
                batch.rows.append(row)
                batch.after = self._after = record.after
                most_bytes -= row.weight
        except FileUnreadableError as error:
            self.ending = error
        except Exception as error:
            if isinstance(error, Interrupted | ServiceError) or is_unavailable(error):
                raise
            log.exception("a file cannot be read any further", record=self._after.records + 1)
            self.ending = FileUnreadableError("the server failed to read the next record; its log has the reason")
        return batch

    def _checked(self, record: ReadRecord) -> tuple[Row, tuple[Problem, ...]]:
        """Return the row of a record; if the check itself fails, one that is refused."""
        try:
            return self._row(record)
        except Exception:
            log.exception("a record failed and is left out", record=record.number)
            return self._refused(record.number, [("", FAILS)]), ()

    def _row(self, record: ReadRecord) -> tuple[Row, tuple[Problem, ...]]:
        found = [(problem.field, problem.description) for problem in record.problems]
        if record.book is None:
            return self._refused(record.number, found or [("", "cannot be read")]), ()
        request = ImportBooksRequest(line=record.number, book=record.book, validate_only=self._validate_only)
        row = checked_row(request, self._options)
        items, wrong, remarks = draft_columns(record.items, self._policy.branches, self._policy.currency)
        if wrong or row.problems:
            wrong = [(problem.field, problem.description) for problem in row.problems] + wrong
            return self._refused(record.number, wrong), ()
        if not items and COPIES not in row.given:
            row.columns[COPIES] = self._copies_without_items  # of a new book: it is not among the values of the record
        return row._replace(items=tuple(items)), tuple(_shortened(found + remarks))

    def _refused(self, number: int, problems: list[Problem]) -> Row:
        reported = [FieldProblem(field=name, description=problem) for name, problem in _shortened(problems)]
        return Row(number, self._validate_only, {}, (), 0, reported, 0)


def refused(row: Row, problem: str) -> Row:
    """Return the row as one that is left out because of a problem."""
    return Row(row.line, row.validate_only, {}, (), 0, [FieldProblem(description=problem)], 0)


def _shortened(problems: list[Problem]) -> Iterator[Problem]:
    for name, problem in problems[:PROBLEMS_REPORTED]:
        yield _text(name, LONGEST_FIELD), _text(problem, LONGEST_DESCRIPTION)


def _text(text: str, most: int) -> str:
    """Return the beginning of a text, with no character that a store or a message refuses."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:most])
