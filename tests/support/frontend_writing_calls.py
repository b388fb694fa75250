"""Every writing call of the frontend with values that overlap: users, books, loans, items and addresses of a few."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from uuid import UUID

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from frontend_server import watched_clock
from frontend_server.access import keys
from frontend_server.access.audit import AuditTable
from frontend_server.access.used_tokens import use_once
from frontend_server.circulation import checkin, checkout, renewal
from frontend_server.circulation.fines import DailyFine
from frontend_server.circulation.rules import LendingRules
from frontend_server.members import blocks, members, privacy
from frontend_server.store import models
from frontend_server.sync import apply_page, parking, push, resync, retry_set_aside
from frontend_server.sync.pushed_kinds import PUSHED_KINDS
from frontend_server.watched_clock import WatchedClock
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, RenewLoanRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import (
    AnonymizeLoansRequest,
    BlockUserRequest,
    CloseUserRequest,
    EnrollUserRequest,
    EraseUserRequest,
    UnblockUserRequest,
    UpdateUserRequest,
)
from library.sync.v1.sync_service_pb2 import (
    RECORD_RESULT_RECORDED,
    RECORD_RESULT_REFUSED,
    RECORD_RESULT_UNKNOWN_KIND,
    CatalogChange,
    ListCatalogChangesResponse,
    RecordOutcome,
    RecordResult,
    RecordStatesRequest,
    RecordStatesResponse,
)
from library.v1 import (
    book_pb2,
    branch_pb2,
    calendar_pb2,
    circulation_rule_pb2,
    item_pb2,
    library_settings_pb2,
    user_pb2,
)
from library.v1.book_pb2 import BOOK_STATE_ACTIVE
from library.v1.item_pb2 import ITEM_STATE_IN_SERVICE, ITEM_STATE_SET_ASIDE
from library_domain.barcodes import card_number
from service_kit.clock import DAY, SECOND, Clock, timestamp
from service_kit.idempotency import Cleanup
from service_kit.ids import new_id
from service_kit.revisions import head_revision
from service_kit.store import Store
from service_kit.unreadable import Damaged
from tests.support.access_calls import AccessCalls
from tests.support.desk_calls import DeskCalls
from tests.support.writing_calls import (
    BARCODES,
    EMAILS,
    WORDS,
    Audited,
    Call,
    refused_or_done,
    some_request_id,
)
from tests.sync.libraries import WireError

CARDS = [card_number(number) for number in range(1, 6)]
"""The first of the series, so that a generated one can be one of these."""

BOOK_IDS = [str(UUID(int=number)) for number in range(1, 9)]
ITEM_IDS = [str(UUID(int=number)) for number in range(201, 213)]
REFUSED, UNKNOWN, FAILS = tuple("04"), tuple("8c"), tuple("13579bdf")
"""The last digits of the ids of rows that the admin refuses, whose kind it does not know, or at which it fails."""

MOST_PUSHES = 12
"""After how many calls of one push the admin is away: otherwise a push may not end while others write."""

RULES = LendingRules(loan_limit=3, daily_fine=DailyFine.parse("0.20 EUR"))


class FrontendCalls:
    """The writing calls of a frontend whose store is bound."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Start the frontend, with some books and users."""
        self.store, self.clock = store, clock
        self.cleanup = Cleanup(store)
        self._revisions = itertools.count(1)
        models.ensure_frontend_id(store)
        chance = random.Random(0)
        self.apply_page(chance)
        for _ in range(3):
            refused_or_done(self.enroll, chance)
        table = AuditTable(store)
        self.audited = Audited(table, clock)
        self.by_name: Mapping[str, Call] = MappingProxyType(
            self.audited.calls(
                {
                    "library.frontend.v1.MemberService/EnrollUser": self.enroll,
                    "library.frontend.v1.MemberService/UpdateUser": self.update,
                    "library.frontend.v1.MemberService/CloseUser": self.close,
                    "library.frontend.v1.MemberService/BlockUser": self.block,
                    "library.frontend.v1.MemberService/UnblockUser": self.unblock,
                    "library.frontend.v1.MemberService/EraseUser": self.erase,
                    "library.frontend.v1.MemberService/AnonymizeLoans": self.anonymize,
                    "library.frontend.v1.LendingService/BorrowBook": self.borrow,
                    "library.frontend.v1.LendingService/ReturnBook": self.bring_back,
                    "library.frontend.v1.LendingService/RenewLoan": self.renew,
                    **DeskCalls(store, clock, some_request_id).by_name,
                    **AccessCalls(store, clock).by_name,
                    "a page": self.apply_page,
                    "a page with bad rows": self.apply_bad_page,
                    "rows that were set aside": lambda chance: retry_set_aside.retry_set_aside(store),
                    "the last page of a resync": self.end_resync,
                    "a resync": lambda chance: resync.begin_resync(store, self._state()),
                    "rows that were parked": lambda chance: parking.unpark(store),
                    "a damaged row": lambda chance: parking.park_damaged(
                        store, PUSHED_KINDS[0], Damaged(1, error := ValueError("by hand")), error
                    ),
                    "an ID token is used": lambda chance: use_once(store, bytes([chance.randrange(9)]), clock()),
                    "the first key": lambda chance: keys.ensure_key(store, clock),
                    "another key": lambda chance: keys.rotate_keys(store, clock, retire_now=chance.random() < 0.3),
                    "a key is replaced": self.replace_key,
                    "a push": lambda chance: self.push(newest=lambda: 0),
                    "a push after a restore": lambda chance: self.push(newest=lambda: self._head() + 5),
                    "a push after another copy's": lambda chance: self.push(newest=lambda: 0, start_id=new_id()),
                    "pushes to an older admin": self.push_to_older_admin,
                    "a start": lambda chance: models.ensure_frontend_id(store),
                    "a replaced database": self.replace_database,
                    "the clock": self.see_time,
                    "the clock is accepted": lambda chance: watched_clock.accept(
                        store, clock() + chance.randrange(SECOND)
                    ),
                    "old entries of the audit log": lambda chance: table.delete_old(clock() + 500 * DAY),
                    "expired request ids": lambda chance: self.cleanup.run(lambda: clock() + 30 * DAY),
                }
            )
        )

    def enroll(self, chance: random.Random) -> object:
        request = EnrollUserRequest(
            email=chance.choice([*EMAILS, ""]),
            first_name="Ada",
            last_name="King",
            card_number=chance.choice([*CARDS, "", ""]),
            request_id=some_request_id(chance),
        )
        return members.enroll_user(self.store, request, self.clock)

    def update(self, chance: random.Random) -> object:
        user = user_pb2.User(
            id=self._some(models.User, chance),
            email=chance.choice(EMAILS),
            first_name="Augusta",
            card_number=chance.choice(CARDS),
        )
        paths = [["email"], ["first_name"], ["email", "first_name"], ["card_number"], ["email", "card_number"]]
        mask = FieldMask(paths=chance.choice(paths))
        request = UpdateUserRequest(user=user, update_mask=mask, request_id=some_request_id(chance))
        return members.update_user(self.store, request, self.clock)

    def close(self, chance: random.Random) -> object:
        request = CloseUserRequest(id=self._some(models.User, chance), request_id=some_request_id(chance))
        return members.close_user(self.store, request, self.clock)

    def block(self, chance: random.Random) -> object:
        request = BlockUserRequest(
            user_id=self._some(models.User, chance), reason="Damaged book", request_id=some_request_id(chance)
        )
        return blocks.block_user(self.store, request, self.clock)

    def unblock(self, chance: random.Random) -> object:
        user_id = self._some(models.User, chance)
        found = members.get_user(self.store, user_id).blocks
        block_id = chance.choice(found).id if found else new_id()
        request = UnblockUserRequest(user_id=user_id, block_id=block_id, request_id=some_request_id(chance))
        return blocks.unblock_user(self.store, request, self.clock)

    def erase(self, chance: random.Random) -> object:
        request = EraseUserRequest(user_id=self._some(models.User, chance), request_id=some_request_id(chance))
        return privacy.erase_user(self.store, request, self.clock)

    def anonymize(self, chance: random.Random) -> object:
        request = AnonymizeLoansRequest(
            before=timestamp(self.clock()), page_size=chance.randint(1, 20), request_id=some_request_id(chance)
        )
        return privacy.anonymize_loans(self.store, request, self.clock)

    def borrow(self, chance: random.Random) -> object:
        request = BorrowBookRequest(
            book_id=chance.choice(BOOK_IDS),
            user_id=self._some(models.User, chance),
            days=14,
            request_id=some_request_id(chance),
        )
        return checkout.borrow_book(self.store, request, RULES, self.clock)

    def bring_back(self, chance: random.Random) -> object:
        request = ReturnBookRequest(loan_id=self._some(models.Loan, chance), request_id=some_request_id(chance))
        return checkin.return_book(self.store, request, RULES, self.clock)

    def renew(self, chance: random.Random) -> object:
        request = RenewLoanRequest(loan_id=self._some(models.Loan, chance), days=1, request_id=some_request_id(chance))
        return renewal.renew_loan(self.store, request, RULES, self.clock)

    def apply_page(self, chance: random.Random) -> object:
        books = [self._change(book_id, chance) for book_id in chance.sample(BOOK_IDS, 5)]
        items = [self._item(item_id, chance) for item_id in [*chance.sample(ITEM_IDS, 4), new_id()]]
        return self._apply(chance.sample([*books, *items, *self._policy(chance)], 9), has_more=True)

    def apply_bad_page(self, chance: random.Random) -> object:
        changes = [self._change(book_id, chance) for book_id in chance.sample(BOOK_IDS, 3)]
        changes[0].book.title = ""
        changes[1].book.state = book_pb2.BookState.ValueType(99)
        items = [self._item(item_id, chance) for item_id in chance.sample(ITEM_IDS, 3)]
        items[0].item.barcode = ""
        items[0].item.state = ITEM_STATE_IN_SERVICE
        return self._apply([*changes, *items], has_more=True)

    def end_resync(self, chance: random.Random) -> object:
        books = [self._change(book_id, chance) for book_id in BOOK_IDS]
        items = [self._item(item_id, chance) for item_id in chance.sample(ITEM_IDS, 7)]
        return self._apply([*books, *items], has_more=False)

    def push(self, newest: Callable[[], int], start_id: str = "") -> object:
        """Push to an admin that refuses some rows, fails at others, and is away after some calls."""
        calls = itertools.count()

        def record(request: RecordStatesRequest) -> RecordStatesResponse:
            ids = [getattr(row, row.WhichOneof("state") or "").id for row in request.states]
            if next(calls) == MOST_PUSHES:
                raise WireError(grpc.StatusCode.UNAVAILABLE, "away")
            if any(each.endswith(FAILS) for each in ids):
                raise WireError(grpc.StatusCode.INTERNAL, "a bad row")
            outcomes = [RecordOutcome(id=each, result=_result(each)) for each in ids]
            return RecordStatesResponse(
                outcomes=outcomes, receipt=new_id(), newest_revision=newest(), start_id=start_id
            )

        return push.push(self.store, record, self.clock)

    def push_to_older_admin(self, chance: random.Random) -> None:
        """Push to an admin that knows no kind of rows: first all rows that are due, then one of each kind again."""

        def record(request: RecordStatesRequest) -> RecordStatesResponse:
            outcomes = [RecordOutcome(result=RECORD_RESULT_UNKNOWN_KIND) for _ in request.states]
            return RecordStatesResponse(outcomes=outcomes, receipt=new_id())

        for _ in range(2):
            push.push(self.store, record, self.clock)

    def replace_key(self, chance: random.Random) -> None:
        new = keys.rotate_keys(self.store, self.clock, retire_now=False)
        with self.store.reading():  # the admin acknowledges it
            model = models.SigningKey
            model.update(pushed_revision=model.revision).where(model.id == new).execute()
        keys.retire_replaced_keys(self.store, self.clock)

    def replace_database(self, chance: random.Random) -> None:
        models.restart_in_replaced_database(self.store)

    def see_time(self, chance: random.Random) -> None:
        watched = WatchedClock(self.store, self.clock)
        watched.refresh()
        watched.note_time(watched.newest_time + 90 * SECOND)

    def _head(self) -> int:
        with self.store.reading():
            return head_revision()

    def _state(self) -> models.SyncState:
        with self.store.reading():
            return models.SyncState.get()

    def _some(self, model: type[models.User] | type[models.Loan], chance: random.Random) -> str:
        """Return the id of one of the newest rows, so that several calls are about the same one."""
        with self.store.reading():
            ids = [row.id for row in model.select(model.id).order_by(model.key.desc()).limit(6)]
        return chance.choice(ids or [new_id()])

    def _apply(self, changes: list[CatalogChange], *, has_more: bool) -> object:
        page = ListCatalogChangesResponse(changes=changes, next_cursor=new_id(), has_more=has_more)
        return apply_page.apply_page(self.store, self._state(), page)

    def _change(self, book_id: str, chance: random.Random) -> CatalogChange:
        book = book_pb2.Book(
            id=book_id, title=" ".join(chance.sample(WORDS, 3)), total_copies=2, state=BOOK_STATE_ACTIVE
        )
        return CatalogChange(revision=next(self._revisions), book=book)

    def _item(self, item_id: str, chance: random.Random) -> CatalogChange:
        """Return a change of an item, which may move to another book, or get the barcode of another one."""
        item = item_pb2.Item(id=item_id, book_id=chance.choice(BOOK_IDS), barcode=chance.choice(BARCODES))
        item.state = chance.choice([ITEM_STATE_IN_SERVICE, ITEM_STATE_IN_SERVICE, ITEM_STATE_SET_ASIDE])
        return CatalogChange(revision=next(self._revisions), item=item)

    def _policy(self, chance: random.Random) -> Iterator[CatalogChange]:
        rule = circulation_rule_pb2.CirculationRule(id=ITEM_IDS[0], loan_days=7, deleted=chance.random() < 0.5)
        yield CatalogChange(revision=next(self._revisions), rule=rule)
        yield CatalogChange(revision=next(self._revisions), branch=branch_pb2.Branch(code="main"))
        yield CatalogChange(revision=next(self._revisions), calendar=calendar_pb2.Calendar(branch="main"))
        settings = library_settings_pb2.LibrarySettings(loan_limit=3)
        yield CatalogChange(revision=next(self._revisions), settings=settings)


def _result(row_id: str) -> RecordResult.ValueType:
    if row_id.endswith(UNKNOWN):
        return RECORD_RESULT_UNKNOWN_KIND
    return RECORD_RESULT_REFUSED if row_id.endswith(REFUSED) else RECORD_RESULT_RECORDED
