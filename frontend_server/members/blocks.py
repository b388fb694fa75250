"""Blocks of users by hand: while one is in force, the user can neither borrow nor renew."""

from __future__ import annotations

from collections.abc import Sequence

from frontend_server.members.accounts import facts, locked_user, message, update_row
from frontend_server.members.eligibility import change_refusals
from frontend_server.members.own_fields import check_time
from frontend_server.refusals import raise_if_refused
from frontend_server.store.models import User
from library.frontend.v1.member_service_pb2 import BlockUserRequest, UnblockUserRequest
from library.v1 import user_pb2
from library.v1.history_pb2 import HISTORY_EVENT_USER_BLOCKED, HISTORY_EVENT_USER_UNBLOCKED
from library_domain.errors import BlockNotFound
from library_domain.users import block_columns, user_message
from service_kit.clock import Clock, micros, timestamp
from service_kit.errors import FieldInvalid
from service_kit.idempotency import once
from service_kit.ids import new_id
from service_kit.store import Store
from service_kit.text.keys import tidied
from service_kit.unreadable import readable

MOST_BLOCKS = 50
"""The most blocks of a user that are in force, so that the message of a user stays small."""


def check_block(request: BlockUserRequest) -> None:
    """Raise `FieldInvalid` for an end time that is not a time."""
    if request.HasField("end_time"):
        check_time("end_time", request.end_time)


def block_user(store: Store, request: BlockUserRequest, clock: Clock) -> user_pb2.User:
    """Block a user. Raises `FieldInvalid`, `UserNotFound` and `UserClosed`."""
    check_block(request)

    def block() -> user_pb2.User:
        row = locked_user(store, request.user_id)
        raise_if_refused(change_refusals(facts(row), ""))
        now = clock()
        if request.HasField("end_time") and micros(request.end_time) <= now:
            raise FieldInvalid(("end_time", "must be a time to come"))
        blocks = [each for each in _blocks(row) if not each.HasField("end_time") or micros(each.end_time) > now]
        if len(blocks) >= MOST_BLOCKS:
            raise FieldInvalid(("user_id", f"has {len(blocks)} blocks in force; lift one before you add another"))
        added = user_pb2.UserBlock(id=new_id(), reason=tidied(request.reason), create_time=timestamp(now))
        if request.HasField("end_time"):
            added.end_time.CopyFrom(timestamp(micros(request.end_time)))
        return message(update_row(row, block_columns([*blocks, added]), clock, HISTORY_EVENT_USER_BLOCKED))

    with readable("user", request.user_id):
        return once(store, request, user_pb2.User, block, clock)


def unblock_user(store: Store, request: UnblockUserRequest, clock: Clock) -> user_pb2.User:
    """Lift a block of a user. Raises `UserNotFound`, `UserClosed` and `BlockNotFound`."""

    def unblock() -> user_pb2.User:
        row = locked_user(store, request.user_id)
        raise_if_refused(change_refusals(facts(row), ""))
        blocks = _blocks(row)
        rest = [each for each in blocks if each.id != request.block_id]
        if len(rest) == len(blocks):
            raise BlockNotFound(block_id=request.block_id, user_id=request.user_id)
        return message(update_row(row, block_columns(rest), clock, HISTORY_EVENT_USER_UNBLOCKED))

    with readable("user", request.user_id):
        return once(store, request, user_pb2.User, unblock, clock)


def _blocks(row: User) -> Sequence[user_pb2.UserBlock]:
    return user_message(row, 0).blocks
