"""How a resync begins: the admin was restored from a backup, so everything is read and sent again."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from frontend_server.store.models import NOTHING_IS_SURE, SyncState
from frontend_server.sync.pulled_books import forget_learned_words
from frontend_server.sync.pushed_kinds import PUSHED_KINDS, PushedKind
from library_domain.errors import CursorExpired
from service_kit.channel import error_info
from service_kit.errors import FieldInvalid
from service_kit.logs import logger
from service_kit.store import Store

POSITIONS = frozenset({"cursor", "receipt"})
"""The fields of requests by which the admin knows how far this store has come."""

log = logger(__name__)


def refuses_position(error: grpc.RpcError, state: SyncState) -> bool:
    """Return whether the admin refuses the cursor or the receipt of `state`.

    It may have been restored from an older backup. A cursor or receipt that it never made is a damaged one, and is not
    valid either.
    """
    info = error_info(error)
    is_refused = info.reason == CursorExpired.reason or (
        info.reason == FieldInvalid.reason and not POSITIONS.isdisjoint(info.metadata["fields"].split(", "))
    )
    return is_refused and bool(state.cursor or state.receipt)


def begin_resync(store: Store, state: SyncState, pushed_kinds: Sequence[PushedKind] = PUSHED_KINDS) -> None:
    """Begin to read the whole catalogue again, and to send the admin every user and loan again.

    An admin that was restored from a backup has lost users and loans, too. The new generation also makes answers to
    earlier pushes void: they came from the database that was replaced.
    """
    with store.writing():
        begun = SyncState.update(
            cursor="",
            receipt="",
            generation=SyncState.generation + 1,
            resyncing=True,
            start_revision=NOTHING_IS_SURE,
        ).where(SyncState.generation == state.generation)
        has_begun = bool(begun.execute())
        if has_begun:
            store.lift_time_limit()
            for kind in reversed(pushed_kinds):  # in the order of lending, so that the two do not wait for each other
                kind.model.update(pushed_revision=0, park_reason="").execute()
    if has_begun:
        forget_learned_words(store)
        log.warning("the admin was restored from a backup; reading the catalogue and sending all rows again")
