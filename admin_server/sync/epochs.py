"""Epochs: how a store that was restored from a backup is noticed, even when it has moved on since.

Every start of the service begins an epoch, and so does a PostgreSQL that was replaced while the service ran: restored,
or failed over to a server that was behind. A cursor or receipt has the epoch it was made in and a revision. It is
valid if this store contains the epoch, and the epoch reached the revision: then this store had the same history up to
there. A backup does not contain what came after it: neither the epochs, nor the later revisions of its last epoch.
"""

from __future__ import annotations

import base64
import binascii
import re

from google.protobuf.message import Message

from admin_server.store.models import Epoch
from library_domain.errors import CursorExpired
from service_kit.clock import Clock
from service_kit.errors import FieldInvalid
from service_kit.ids import UUID, new_id
from service_kit.revisions import head_revision, is_revision, take_revisions
from service_kit.store import Store
from service_kit.unreadable import readable

NOT_RETURNED = "must be one that this service returned"

_POSITION = re.compile("(?P<epoch_id>[0-9a-f-]{36}):(?P<revision>[0-9]{1,18})")


def begin_epoch(store: Store, clock: Clock) -> None:
    """Begin an epoch, at the start of the service. It takes a revision, so that no two epochs share one."""
    with store.writing():
        _begin(take_revisions(), store, clock)


def begin_epoch_in_replaced_database(store: Store, clock: Clock) -> None:
    """Begin an epoch unless another process of this store has begun one since the database was replaced.

    Raises:
        peewee.OperationalError: the database is empty, or is being restored.
    """
    with store.writing():
        first_revision = take_revisions()  # first, so that of several processes the others wait here and then see it
        newest = _newest_epoch()
        if newest is None or newest.witness != store.witness:
            _begin(first_revision, store, clock)


def _begin(first_revision: int, store: Store, clock: Clock) -> None:
    Epoch.create(id=new_id(), first_revision=first_revision, start_time=clock(), witness=store.witness)


def current_epoch() -> Epoch:
    """Read the newest epoch from the store, because processes may share it.

    Raises:
        RowUnreadable: It is damaged. The next start of the service begins another one.
    """
    with readable("epoch", "newest"):
        epoch = _newest_epoch()
        assert epoch is not None, "a server begins one before it serves"
        if not UUID.fullmatch(epoch.id):
            raise ValueError("the id of the epoch is not a UUID")
    return epoch


def _newest_epoch() -> Epoch | None:
    epoch: Epoch | None = Epoch.select().order_by(Epoch.number.desc()).first()
    return epoch


def encode_cursor(epoch_id: str, revision: int) -> str:
    """Write a position in this store's history as a cursor or receipt."""
    return base64.urlsafe_b64encode(f"{epoch_id}:{revision}".encode()).decode()


def check_positions(request: Message) -> None:
    """Raise `FieldInvalid` for a cursor or receipt in the request that this service cannot have made."""
    positions = {field.name: value for field, value in request.ListFields() if field.name in ("cursor", "receipt")}
    wrong = [name for name, token in positions.items() if _read(token) is None]
    if wrong:
        raise FieldInvalid(*((name, NOT_RETURNED) for name in wrong))


def decode_cursor(token: str, field: str) -> int:
    """Read the revision of a cursor or receipt, 0 for an empty one.

    Raises:
        FieldInvalid: The token is not a cursor or receipt.
        CursorExpired: It is not valid for this store, which may have been restored from an older backup.
    """
    if not token:
        return 0
    position = _read(token)
    if position is None:
        raise FieldInvalid((field, NOT_RETURNED))
    revision = int(position["revision"])
    epoch = Epoch.select(Epoch.number).where(Epoch.id == position["epoch_id"]).first()
    if epoch is None or revision > _last_revision(epoch):
        raise CursorExpired()
    return revision


def _read(token: str) -> re.Match[str] | None:
    try:
        return _POSITION.fullmatch(base64.urlsafe_b64decode(token.encode("ascii")).decode("ascii"))
    except (UnicodeError, binascii.Error):
        return None


def _last_revision(epoch: Epoch) -> int:
    later = Epoch.select(Epoch.first_revision).where(Epoch.number > epoch.number).order_by(Epoch.number).first()
    if later is None:
        return head_revision()
    # Of a damaged epoch it is not known how far the one before it reached: so none of its positions is valid.
    return later.first_revision - 1 if is_revision(later.first_revision) else -1
