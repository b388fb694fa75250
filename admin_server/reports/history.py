"""What was done at the desk, as the frontend has pushed it."""

from __future__ import annotations

from admin_server.store.models import HistoryEntry
from library.admin.v1.report_service_pb2 import ListHistoryRequest
from library.v1 import history_pb2
from library_domain.history import history_message, history_rows
from service_kit.paging import page
from service_kit.store import Store


def list_history(store: Store, request: ListHistoryRequest) -> tuple[list[history_pb2.HistoryEntry], str]:
    """Return a page of entries, the newest first, and the token of the next page."""
    with store.reading():
        rows = history_rows(HistoryEntry, request)
    return page(request, rows, history_message, lambda row: row.key)
