"""Reset codes, with which a librarian helps a user to a new secret; and ending the sessions of a user."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from frontend_server.access.people import Person
from frontend_server.access.sessions import end_sessions_of
from frontend_server.access.standing import check_standing, is_below
from frontend_server.members.accounts import locked_user
from frontend_server.store.models import Credential
from library.access.v1 import access_service_pb2 as pb
from library.access.v1.access_pb2 import Role
from library.v1.user_pb2 import USER_STATE_CLOSED
from library_domain.access.callers import Caller
from library_domain.access.roles import STAFF_ROLES
from library_domain.errors import UserClosed
from service_kit.change_record import record_change
from service_kit.clock import DAY, Clock, timestamp
from service_kit.statements import Statement, param
from service_kit.store import Store

LIFE = DAY
"""How long a code can be used."""

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Those of Crockford's base 32, which leaves out letters that look like others."""

GROUPS, GROUP = 4, 4
"""A code has 16 digits, which are 80 random bits, written in groups."""

_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})

SET_CODE = Statement(
    Credential.insert(
        user_id=param("user_id"),
        secret_hash="",
        is_pin=0,
        change_time=0,
        code_hash=param("code_hash"),
        code_expire_time=param("expire_time"),
    ).on_conflict(
        conflict_target=[Credential.user_id],
        update={Credential.code_hash: param("code_hash"), Credential.code_expire_time: param("expire_time")},
    )
)


def create_reset_code(store: Store, user_id: str, caller: Caller, clock: Clock) -> pb.ResetCode:
    """Make a reset code for a user. Raises `UserNotFound`, `UserClosed` and `RoleRequired`."""
    code = "-".join("".join(secrets.choice(DIGITS) for _ in range(GROUP)) for _ in range(GROUPS))
    with store.writing():
        row = locked_user(store, user_id)
        check_standing(caller, user_id)
        if row.state == USER_STATE_CLOSED:
            raise UserClosed(user_id=user_id)
        expire_time = clock() + LIFE
        SET_CODE.rows(user_id=user_id, code_hash=code_hash(code, caller.role), expire_time=expire_time)
        record_change()
    return pb.ResetCode(user_id=user_id, code=code, expire_time=timestamp(expire_time))


def is_code_of(person: Person, text: str, now: int) -> bool:
    """Return whether a text is the code of a user, and the role of the user is still below that of its maker.

    Otherwise a librarian could keep the code of a patron who then becomes an admin.
    """
    makers = [maker for maker in STAFF_ROLES if is_below(person.role, maker)]
    hashes = [code_hash(text, maker) for maker in makers]
    is_right = any(hmac.compare_digest(person.proof.code_hash, each) for each in hashes)
    return is_right and now < person.proof.code_expire_time


def code_hash(code: str, maker: Role.ValueType) -> str:
    """Return what the store has of a code, which may be typed in lower case and without its hyphens.

    Args:
        code: The code.
        maker: The role of who made it, which the hash proves.
    """
    return hashlib.sha256(f"{code.upper().translate(_READ_AS)} {int(maker)}".encode()).hexdigest()


def end_user_sessions(store: Store, user_id: str, caller: Caller, clock: Clock) -> None:
    """End all sessions of a user. Raises `UserNotFound` and `RoleRequired`."""
    with store.writing():
        locked_user(store, user_id)
        check_standing(caller, user_id, may_be_own=True)
        end_sessions_of(user_id, clock())
        record_change()
