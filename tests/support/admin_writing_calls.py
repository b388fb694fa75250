"""Every writing call of the admin with values that overlap: books, items, ISBNs and barcodes of a few."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from google.protobuf.field_mask_pb2 import FieldMask

from admin_server.access.audit import AuditTable
from admin_server.books import catalog
from admin_server.covers.pictures import checked_cover
from admin_server.covers.storing import store_cover
from admin_server.intake import imports, undo
from admin_server.inventory import items
from admin_server.store import models as admin_models
from admin_server.sync import epochs, pairing, records
from library.admin.v1.catalog_service_pb2 import (
    ON_DUPLICATE_ADD_COPIES,
    ON_DUPLICATE_SKIP,
    ON_DUPLICATE_UPDATE,
    AddBookRequest,
    ImportBooksRequest,
    ImportOptions,
    RemoveBookRequest,
    UndoImportRequest,
    UpdateBookRequest,
)
from library.admin.v1.inventory_service_pb2 import (
    BatchCreateItemsRequest,
    CreateItemRequest,
    UpdateItemRequest,
    WithdrawItemRequest,
)
from library.sync.v1.sync_service_pb2 import (
    RecordStatesRequest,
    State,
)
from library.v1 import (
    book_pb2,
    history_pb2,
    loan_pb2,
    user_pb2,
)
from library.v1.audit_pb2 import AUDIT_RESULT_DONE, AuditEntry, SigningKey
from library.v1.history_pb2 import HISTORY_EVENT_CHECK_OUT
from library.v1.item_pb2 import ITEM_STATE_SET_ASIDE, Item
from library.v1.user_pb2 import USER_STATE_ACTIVE
from library_domain.pairing import Credentials
from service_kit.clock import DAY, Clock, timestamp
from service_kit.idempotency import Cleanup
from service_kit.ids import new_id
from service_kit.store import Store
from tests.support.job_writing_calls import JobCalls
from tests.support.operation_writing_calls import OperationCalls
from tests.support.pictures import picture
from tests.support.policy_writing_calls import PolicyCalls
from tests.support.source_writing_calls import SourceCalls
from tests.support.staff_writing_calls import StaffCalls
from tests.support.writing_calls import BARCODES, EMAILS, WORDS, Audited, Call, refused_or_done, some_request_id

USER_IDS = [str(UUID(int=number)) for number in range(101, 109)]
ISBNS = ["9780141439518", "9780141439587", "9780141439471", "9780141439600", ""]
FRONTEND = str(UUID(int=0xF))


def some_run_id(mode: int, chance: random.Random) -> str:
    """Return the id of one of many runs, of which each has one way with duplicates; or none, where that is allowed."""
    if mode != ON_DUPLICATE_ADD_COPIES and chance.random() < 0.2:
        return ""
    return str(UUID(int=2_000 + 10 * chance.randrange(100) + mode))


class AdminCalls:
    """The writing calls of an admin whose store is bound."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Start the admin, with some books."""
        self.store, self.clock = store, clock
        self.cleanup = Cleanup(store)
        self._revisions = itertools.count(1)
        epochs.begin_epoch(store, clock)
        for number in range(4):
            refused_or_done(self.add, random.Random(number))
        table = AuditTable(store)
        self.audited = Audited(table, clock)
        self.by_name: Mapping[str, Call] = MappingProxyType(
            self.audited.calls(
                {
                    "library.admin.v1.CatalogService/AddBook": self.add,
                    "library.admin.v1.CatalogService/UpdateBook": self.update,
                    "library.admin.v1.CatalogService/RemoveBook": self.remove,
                    "library.admin.v1.CatalogService/ImportBooks": self.import_books,
                    "library.admin.v1.CatalogService/UndoImport": self.undo_import,
                    **OperationCalls(store, clock, ISBNS).by_name,
                    **PolicyCalls(store, clock).by_name,
                    **StaffCalls(store, clock, USER_IDS).by_name,
                    **JobCalls(store, clock, ISBNS).by_name,
                    **SourceCalls(store, clock, ISBNS).by_name,
                    "library.admin.v1.InventoryService/CreateItem": self.create_item,
                    "library.admin.v1.InventoryService/BatchCreateItems": self.create_items,
                    "library.admin.v1.InventoryService/UpdateItem": self.update_item,
                    "library.admin.v1.InventoryService/WithdrawItem": self.withdraw_item,
                    "library.sync.v1.SyncService/RecordStates": self.record,
                    "a cover is stored": self.store_cover,
                    "a frontend is accepted": lambda chance: pairing.accept_frontend(store, FRONTEND),
                    "a first call": lambda chance: pairing.check_caller(
                        store, Credentials(FRONTEND, "s" * 43).metadata(), RecordStatesRequest(frontend_id=FRONTEND)
                    ),
                    "a start": lambda chance: epochs.begin_epoch(store, clock),
                    "a replaced database": lambda chance: epochs.begin_epoch_in_replaced_database(store, clock),
                    "old entries of the audit log": lambda chance: table.delete_old(clock() + 500 * DAY),
                    "expired request ids": lambda chance: self.cleanup.run(lambda: clock() + 30 * DAY),
                }
            )
        )

    def add(self, chance: random.Random) -> object:
        return catalog.add_book(self.store, self._addition(chance, some_request_id(chance)), self.clock)

    def update(self, chance: random.Random) -> object:
        book = book_pb2.Book(
            id=self._some_book(chance), title=" ".join(chance.sample(WORDS, 2)), isbn=chance.choice(ISBNS)
        )
        book.total_copies = chance.randint(1, 3)
        mask = FieldMask(paths=chance.choice([["title"], ["isbn"], ["title", "isbn"], ["total_copies"]]))
        request = UpdateBookRequest(book=book, update_mask=mask, request_id=some_request_id(chance))
        return catalog.update_book(self.store, request, self.clock)

    def remove(self, chance: random.Random) -> object:
        request = RemoveBookRequest(
            id=self._some_book(chance), withdraw=chance.random() < 0.5, request_id=some_request_id(chance)
        )
        return catalog.remove_book(self.store, request, self.clock)

    def import_books(self, chance: random.Random) -> object:
        mode = chance.choice([ON_DUPLICATE_SKIP, ON_DUPLICATE_UPDATE, ON_DUPLICATE_ADD_COPIES])
        run_id = some_run_id(mode, chance)
        options = ImportOptions(run_id=run_id, on_duplicate=mode, match_title=bool(run_id))
        lines = chance.sample(range(1, 40), 3)
        rows = [ImportBooksRequest(line=line, book=self._addition(chance), options=options) for line in lines]
        return imports.import_books(self.store, rows, self.clock)

    def undo_import(self, chance: random.Random) -> object:
        run_id = some_run_id(chance.choice([ON_DUPLICATE_UPDATE, ON_DUPLICATE_ADD_COPIES]), chance)
        request = UndoImportRequest(run_id=run_id, request_id=some_request_id(chance))
        return undo.undo_import(self.store, request, self.clock)

    def store_cover(self, chance: random.Random) -> object:
        found = checked_cover(picture(number=chance.randrange(8)))
        assert found is not None
        run_id = some_run_id(ON_DUPLICATE_UPDATE, chance)
        options = ImportOptions(run_id=run_id, on_duplicate=ON_DUPLICATE_UPDATE, match_title=True) if run_id else None
        return store_cover(self.store, self._some_book(chance), found, "https://covers.example/1", self.clock, options)

    def create_item(self, chance: random.Random) -> object:
        item = Item(book_id=self._some_book(chance), barcode=chance.choice(["", *BARCODES]))
        request = CreateItemRequest(item=item, request_id=some_request_id(chance))
        return items.create_item(self.store, request, self.clock)

    def create_items(self, chance: random.Random) -> object:
        request = BatchCreateItemsRequest(
            item=Item(book_id=self._some_book(chance)), request_id=some_request_id(chance)
        )
        if chance.random() < 0.5:
            request.barcodes.extend(chance.sample(BARCODES, 2))
        else:
            request.count = 2
        return items.batch_create_items(self.store, request, self.clock)

    def update_item(self, chance: random.Random) -> object:
        item = Item(id=self._some_item(chance), barcode=chance.choice(BARCODES), state=ITEM_STATE_SET_ASIDE)
        mask = FieldMask(paths=chance.choice([["barcode"], ["state"], ["barcode", "state"]]))
        request = UpdateItemRequest(item=item, update_mask=mask, request_id=some_request_id(chance))
        return items.update_item(self.store, request, self.clock)

    def withdraw_item(self, chance: random.Random) -> object:
        request = WithdrawItemRequest(
            id=self._some_item(chance), force=chance.random() < 0.5, request_id=some_request_id(chance)
        )
        return items.withdraw_item(self.store, request, self.clock)

    def record(self, chance: random.Random) -> object:
        now = timestamp(self.clock())
        users = [
            State(
                revision=next(self._revisions),
                user=user_pb2.User(
                    id=user_id, email=EMAILS[0], state=USER_STATE_ACTIVE, create_time=now, update_time=now
                ),
            )
            for user_id in chance.sample(USER_IDS, 4)
        ]
        loans = [
            State(
                revision=next(self._revisions),
                loan=loan_pb2.Loan(
                    id=loan_id,
                    book_id=self._some_book(chance),
                    item_id=self._some_item(chance),
                    user_id=USER_IDS[0],
                    borrow_time=now,
                    due_time=now,
                ),
            )
            for loan_id in chance.sample(USER_IDS, 4)
        ]
        entries = [
            State(
                revision=next(self._revisions),
                history=history_pb2.HistoryEntry(id=entry_id, time=now, event=HISTORY_EVENT_CHECK_OUT),
            )
            for entry_id in chance.sample(USER_IDS, 4)
        ]
        keys = [
            State(
                revision=next(self._revisions),
                signing_key=SigningKey(id=key_id, public_key="A" * 43, create_time=now),
            )
            for key_id in chance.sample(USER_IDS, 2)
        ]
        audit = [
            State(
                revision=next(self._revisions),
                audit_entry=AuditEntry(id=entry_id, time=now, result=AUDIT_RESULT_DONE, objects=USER_IDS[:2]),
            )
            for entry_id in chance.sample(USER_IDS, 2)
        ]
        states = chance.sample([*users, *loans, *entries, *keys, *audit], 9)
        return records.record_states(self.store, RecordStatesRequest(frontend_id=FRONTEND, states=states))

    def _addition(self, chance: random.Random, request_id: str = "") -> AddBookRequest:
        return AddBookRequest(title=" ".join(chance.sample(WORDS, 3)), isbn=chance.choice(ISBNS), request_id=request_id)

    def _some_item(self, chance: random.Random) -> str:
        with self.store.reading():
            ids = [row.id for row in admin_models.Item.select().order_by(admin_models.Item.key.desc()).limit(8)]
        return chance.choice(ids or [new_id()])

    def _some_book(self, chance: random.Random) -> str:
        with self.store.reading():
            ids = [row.id for row in admin_models.Book.select().order_by(admin_models.Book.key.desc()).limit(8)]
        return chance.choice(ids or [new_id()])
