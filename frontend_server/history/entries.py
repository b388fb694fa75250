"""Adding entries to the history, listing them, and cutting their tie to a user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from frontend_server.store.models import HistoryEntry
from library.frontend.v1.circulation_service_pb2 import ListHistoryRequest
from library.v1 import history_pb2
from library_domain.history import SUBJECTS, history_message, overridden_text, subject_of
from service_kit.ids import new_id
from service_kit.paging import page
from service_kit.revisions import take_revisions
from service_kit.row_lists import list_newest_rows
from service_kit.statements import Statement, param
from service_kit.store import Store

COLUMNS = ("id", "time", "event", *SUBJECTS, "staff", "detail", "overridden", "revision")

INSERT = Statement(HistoryEntry.insert(**{name: param(name) for name in COLUMNS}))


def record(
    event: history_pb2.HistoryEvent.ValueType,
    time: int,
    revision: int,
    *,
    user_id: str = "",
    loan_id: str = "",
    item_id: str = "",
    book_id: str = "",
    staff: str = "",
    detail: str = "",
    overridden: Mapping[str, str] | None = None,
) -> None:
    """Add an entry within the present transaction.

    Args:
        event: What was done.
        time: When, in microseconds since 1970.
        revision: One that this transaction took for the entry alone; at best by the same `take_revisions(2)` as that of
            the row that changed.
        user_id: The user that it is about, if any; likewise the other ids.
        loan_id: See `user_id`.
        item_id: See `user_id`.
        book_id: See `user_id`.
        staff: Who did it, as the call said.
        detail: Details for people, such as the new due time. No names: they would stay after the user is erased.
        overridden: The refusals that were overridden, each with its reason.
    """
    INSERT.rows(
        id=new_id(),
        time=time,
        event=int(event),
        user_id=user_id,
        loan_id=loan_id,
        item_id=item_id,
        book_id=book_id,
        staff=staff,
        detail=detail,
        overridden=overridden_text(overridden or {}),
        revision=revision,
    )


def list_history(store: Store, request: ListHistoryRequest) -> tuple[list[history_pb2.HistoryEntry], str]:
    """Return a page of entries, the newest first, and the token of the next page."""
    name, value = subject_of(request)
    with store.reading():
        rows = list_newest_rows(HistoryEntry, request, [getattr(HistoryEntry, name) == value])
    return page(request, rows, history_message, lambda row: row.key)


def forget_user_of_loans(loan_ids: Iterable[str]) -> None:
    """Cut the tie between users and the entries of these loans, within the present transaction.

    Its caller has locked `sync_state`, since this locks many rows.
    """
    _forget(HistoryEntry.loan_id.in_(list(loan_ids)))


def forget_user(user_id: str) -> None:
    """Cut the tie between a user and all entries, within the present transaction, which has locked `sync_state`."""
    _forget(HistoryEntry.user_id == user_id)


def _forget(condition: object) -> None:
    """Empty the user of entries, and the reasons of overrides, which people wrote. The entries share a revision."""
    HistoryEntry.update(user_id="", overridden="", revision=take_revisions(), park_reason="").where(
        condition, HistoryEntry.user_id != ""
    ).execute()
