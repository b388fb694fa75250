"""Parked rows: those that the admin did not record. They are not due, so they do not delay the others.

A row is parked with the reason, which GetSyncStatus shows. It is due again when it changes, by SyncNow(retry_parked),
and after a resync.

If the admin is older than this frontend, it may not know the kind of a row. Such a row is parked, too, but it needs no
operator: each push sends one row of the kind again, and once the admin knows the kind, all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import grpc

from frontend_server.store.models import IS_DUE, IS_PARKED, lock_sync_state
from frontend_server.sync.pushed_kinds import PUSHED_KINDS, Outgoing, PushedKind
from frontend_server.sync.trials import REASON_LENGTH, plain
from library_domain.errors import CursorExpired, OtherFrontend
from service_kit.channel import error_info
from service_kit.errors import RowUnreadable, ServerBusy
from service_kit.logs import logger
from service_kit.store import Store
from service_kit.unreadable import Damaged

UNKNOWN_KIND = "UNKNOWN_KIND:"
"""How the reason begins if the admin does not know the kind of a row. Stores contain it, so it must not change."""

UNKNOWN_KIND_REASON = f"{UNKNOWN_KIND} the admin service is older than this frontend; the row is sent after its upgrade"

BLAMES_A_ROW = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
"""The statuses of a call that may have failed because of a row. The others are about the connection or the caller.

RESOURCE_EXHAUSTED without a reason is a message of more than 4 MB. Where it is an older admin that is too busy, a row
that it has recorded before fails as well, and nothing is parked.
"""

OF_NO_ROW = frozenset({CursorExpired.reason, OtherFrontend.reason, ServerBusy.reason, RowUnreadable.reason})
"""Reasons with such a status that are about the admin or this frontend as a whole."""

log = logger(__name__)


def park(sent: Outgoing, reason: str) -> None:
    """Park a row in the version that was sent, but not a newer one."""
    model = sent.kind.model
    parked = model.update(park_reason=reason)
    parked.where(model.key == sent.row.key, model.revision == sent.row.revision).execute()


def park_damaged(store: Store, kind: PushedKind, row: Any, error: Exception) -> None:
    """Park a row of which no message can be made because it is damaged in this store."""
    reason = plain(f"the row is damaged in the store of the frontend: {type(error).__name__}: {error}")[:REASON_LENGTH]
    with store.writing():
        parked = kind.model.update(park_reason=reason).where(kind.model.key == row.key)
        if not isinstance(row, Damaged):
            parked = parked.where(kind.model.revision == row.revision)  # not a version that was written meanwhile
        parked.execute()
    log.error("damaged row cannot be sent to the admin", kind=kind.name, key=row.key, reason=reason)


def unpark(store: Store, kinds: Sequence[PushedKind] = PUSHED_KINDS, reason: str = "") -> None:
    """Make parked rows due again: those whose reason begins with `reason`."""
    with store.writing():
        lock_sync_state(store)  # otherwise it could lock the rows in another order than an answer that is being settled
        for kind in reversed(kinds):
            which = kind.model.park_reason.startswith(reason)
            kind.model.update(park_reason="").where(IS_PARKED, which).execute()


def probe_unknown_kinds(store: Store, kinds: Sequence[PushedKind]) -> list[PushedKind]:
    """Return the kinds with rows that wait for an upgrade of the admin. Of each, make a row due if none is."""
    with store.reading():
        waiting = [(kind, row) for kind in kinds if (row := _oldest_of_unknown_kind(kind)) is not None]
    for kind, row in waiting:
        with store.writing():
            if not kind.model.select().where(IS_DUE).exists():
                kind.model.update(park_reason="").where(kind.model.key == row.key).execute()
    return [kind for kind, _ in waiting]


def _oldest_of_unknown_kind(kind: PushedKind) -> Any:
    parked = kind.model.select(kind.model.key).where(IS_PARKED, kind.model.park_reason.startswith(UNKNOWN_KIND))
    return parked.order_by(kind.model.key).first()


def may_blame_a_row(error: grpc.RpcError) -> bool:
    """Return whether a call may have failed because of a row in it, and would fail again."""
    code = cast("grpc.Call", error).code()
    return code in BLAMES_A_ROW and error_info(error).reason not in OF_NO_ROW
