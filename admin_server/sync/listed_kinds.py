"""The kinds of rows that ListCatalogChanges lists. docs/sync.md, "Add a kind", lists what a new one needs."""

from __future__ import annotations

from typing import Any

from admin_server.access import messages as access_messages
from admin_server.books.messages import CATALOG_COLUMNS, catalog_message
from admin_server.inventory.messages import FEED_COLUMNS, feed_message
from admin_server.policy import messages
from admin_server.store.models import (
    ApiToken,
    Book,
    Branch,
    Calendar,
    CirculationRule,
    Item,
    LibrarySettings,
    StaffRole,
)
from admin_server.sync.listed_kind import ListedKind, ListedKinds
from library.sync.v1.sync_service_pb2 import ListCatalogChangesResponse
from library.v1 import book_pb2, item_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library.v1.item_pb2 import ITEM_STATE_MISSING, ITEM_STATE_UNSPECIFIED
from service_kit.salvage import shown_id

BOOK_STATES = frozenset({BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE, BOOK_STATE_REMOVED})
ITEM_STATES = frozenset(item_pb2.ItemState.values()) - {ITEM_STATE_UNSPECIFIED}
COPIES = range(2**31)


def _salvaged_book(book_id: Any, state: Any, total_copies: Any) -> book_pb2.Book:
    """Return what a damaged row contains of a book. If that does not include its state, the book may not be lent."""
    return book_pb2.Book(
        id=shown_id(book_id),
        state=state if state in BOOK_STATES else BOOK_STATE_UNAVAILABLE,
        total_copies=total_copies if isinstance(total_copies, int) and total_copies in COPIES else 0,
    )


def _salvaged_item(item_id: Any, book_id: Any, state: Any) -> item_pb2.Item:
    """Return what a damaged row contains of an item. If that does not include its state, the item may not be lent."""
    return item_pb2.Item(
        id=shown_id(item_id),
        book_id=book_id if isinstance(book_id, str) else "",
        state=state if state in ITEM_STATES else ITEM_STATE_MISSING,
    )


LISTED_KINDS = ListedKinds(
    ListCatalogChangesResponse,
    [
        ListedKind(
            "book",
            columns=[getattr(Book, name) for name in CATALOG_COLUMNS],
            message_of=catalog_message,
            salvaged=[Book.id, Book.state, Book.total_copies],
            salvage=_salvaged_book,
        ),
        ListedKind(
            "branch",
            columns=messages.BRANCH_COLUMNS,
            message_of=lambda row: messages.branch_of(*row),
            salvaged=[Branch.code],
            salvage=messages.salvaged_branch,
        ),
        ListedKind(
            "calendar",
            columns=messages.CALENDAR_COLUMNS,
            message_of=lambda row: messages.calendar_of(*row),
            salvaged=[Calendar.branch],
            salvage=messages.salvaged_calendar,
        ),
        ListedKind(
            "rule",
            columns=messages.RULE_COLUMNS,
            message_of=lambda row: messages.rule_of(*row),
            salvaged=[CirculationRule.id, CirculationRule.deleted],
            salvage=messages.salvaged_rule,
        ),
        ListedKind(
            "settings",
            columns=messages.SETTINGS_COLUMNS,
            message_of=lambda row: messages.settings_of(*row),
            salvaged=[LibrarySettings.id],
            salvage=messages.salvaged_settings,
        ),
        ListedKind(
            "item",
            columns=[getattr(Item, name) for name in FEED_COLUMNS],
            message_of=feed_message,
            salvaged=[Item.id, Item.book_id, Item.state],
            salvage=_salvaged_item,
        ),
        ListedKind(
            "staff_role",
            columns=access_messages.ROLE_COLUMNS,
            message_of=lambda row: access_messages.role_of(*row),
            salvaged=[StaffRole.user_id],
            salvage=access_messages.salvaged_role,
        ),
        ListedKind(
            "api_token",
            columns=access_messages.FEED_TOKEN_COLUMNS,
            message_of=lambda row: access_messages.token_of(*row),
            salvaged=[ApiToken.id],
            salvage=access_messages.salvaged_token,
        ),
    ],
)
