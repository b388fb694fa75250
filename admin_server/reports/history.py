"""What was done at the desk, as the frontend has pushed it."""

from __future__ import annotations

from admin_server.store.models import HistoryEntry
from library.admin.v1.report_service_pb2 import ListHistoryRequest
from library.v1 import history_pb2
from library_domain.history import history_message, subject_of
from service_kit.paging import page
from service_kit.row_lists import list_newest_rows
from service_kit.store import Store


def list_history(store: Store, request: ListHistoryRequest) -> tuple[list[history_pb2.HistoryEntry], str]:
    """Return a page of entries, the newest first, and the token of the next page."""
    name, value = subject_of(request)
    with store.reading():
        rows = list_newest_rows(HistoryEntry, request, [getattr(HistoryEntry, name) == value])
    return page(request, rows, history_message, lambda row: row.key)
