"""The sync from the admin to this store: reads changes of the catalogue page by page, and applies each with its cursor.

On `CURSOR_EXPIRED` the admin was restored from an older backup. Then the whole catalogue is read again, by mark and
sweep: each row seen gets the new generation, and those that were not seen are removed, but only after the last page, so
that patrons read and borrow all the while.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import grpc

from frontend_server.store.models import sync_state
from frontend_server.sync.answers import PullProgress, is_position
from frontend_server.sync.apply_page import apply_page
from frontend_server.sync.pulled_kind import PulledKinds
from frontend_server.sync.pulled_kinds import PULLED_KINDS
from frontend_server.sync.pushed_kinds import PUSHED_KINDS, PushedKind
from frontend_server.sync.resync import begin_resync, refuses_position
from library.sync.v1.sync_service_pb2 import ListCatalogChangesRequest
from service_kit.clock import Clock, system_clock
from service_kit.errors import RowUnreadable
from service_kit.store import Store

PAGE_SIZE = 1_000

Fetch = Callable[[ListCatalogChangesRequest], Any]
"""Returns a page of the type that the kinds have: of production, ListCatalogChangesResponse."""


def pull(
    store: Store,
    fetch: Fetch,
    clock: Clock = system_clock,
    kinds: PulledKinds = PULLED_KINDS,
    page_size: int = PAGE_SIZE,
    pushed_kinds: Sequence[PushedKind] = PUSHED_KINDS,
) -> int:
    """Apply all that changed at the admin since the cursor; return how many changes that were.

    A change that this store cannot apply is set aside, and counts. What was applied stays applied.

    Raises:
        grpc.RpcError: The admin does not answer.
        AnswerRefused: It sent a page that cannot be right, or pages without an end.
    """
    applied = 0
    has_resynced = False
    progress: PullProgress | None = None
    while True:
        with store.reading():
            state = sync_state()
        if not (is_position(state.cursor) and is_position(state.receipt)):
            if has_resynced:
                raise RowUnreadable(kind="sync_state", id="1")
            begin_resync(store, state, pushed_kinds)  # damaged: the admin would refuse it at each pull
            has_resynced = True
            continue
        progress = progress or PullProgress(state.cursor)
        try:
            page = fetch(ListCatalogChangesRequest(cursor=state.cursor, page_size=page_size, receipt=state.receipt))
        except grpc.RpcError as error:
            # Once in a pull: an admin that refuses its own cursors must not make this store resync in a loop.
            if has_resynced or not refuses_position(error, state):
                raise
            begin_resync(store, state, pushed_kinds)
            has_resynced, progress = True, None
            continue
        progress.check(page, page_size)
        if not apply_page(store, state, page, clock, kinds):
            return applied  # another process of this store was quicker, and goes on from there
        applied += len(page.changes)
        if not page.has_more:
            return applied
