"""The status of the store."""

from __future__ import annotations

import peewee

from admin_server.books.entries import MOST_COPIES
from admin_server.store.models import IN_CATALOGUE, NOT_CLOSED, Book, Frontend, Loan, User
from admin_server.sync.epochs import current_epoch
from library.admin.v1.status_service_pb2 import Status
from service_kit.clock import timestamp
from service_kit.revisions import head_revision
from service_kit.statements import tuples
from service_kit.store import Store
from service_kit.unreadable import readable


def get_status(store: Store) -> Status:
    """Return the counts of the store, its epoch and its frontend. It counts rows, so it is too slow for polling."""
    with store.reading(), readable("status", "epoch"):
        epoch = current_epoch()
        frontend = Frontend.get_or_none()
        # A damaged number of copies counts as 0, and does not fail the report.
        copies = peewee.fn.SUM(Book.total_copies).filter(Book.total_copies.between(0, MOST_COPIES))
        title_count, copy_count = tuples(Book.select(peewee.fn.COUNT(Book.key), copies).where(IN_CATALOGUE))[0]
        return Status(
            book_count=Book.select().count(),
            user_count=User.select().count(),
            loan_count=Loan.select().count(),
            open_loan_count=Loan.select().where(Loan.return_time.is_null()).count(),
            revision=head_revision(),
            epoch=epoch.id,
            epoch_time=timestamp(epoch.start_time),
            frontend_id=frontend.id if frontend else "",
            store_size_bytes=store.size_bytes(),
            title_count=title_count,
            copy_count=int(copy_count or 0),
            current_user_count=User.select().where(NOT_CLOSED).count(),
        )
