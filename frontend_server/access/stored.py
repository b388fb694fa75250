"""What is stored about how a user signs in: exporting it, and deleting it when the user is erased."""

from __future__ import annotations

from frontend_server.access.people import proof_of
from frontend_server.access.standing import has_standing
from frontend_server.access.throttle import forget_account
from frontend_server.store.models import Credential, Session
from library.frontend.v1.member_service_pb2 import StoredSignIn
from library_domain.access.callers import Caller
from service_kit.clock import timestamp
from service_kit.statements import tuples
from service_kit.store import Store

MOST_SESSIONS = 200
"""In an export: more than a user has, but for those that have ended a moment ago."""


def stored_sign_in(user_id: str, caller: Caller) -> StoredSignIn:
    """Return which secrets a user has, without them, and the sessions.

    The ids of the sessions are only for callers who may end them: a refresh token with such an id and a wrong secret
    ends the session, as it may be an old token that was stolen.
    """
    shows_ids = has_standing(caller, user_id, may_be_own=True)
    proof = proof_of(user_id)
    stored = StoredSignIn(
        has_password=bool(proof.secret_hash) and not proof.is_pin,
        has_pin=bool(proof.secret_hash) and proof.is_pin,
        has_reset_code=bool(proof.code_hash),
    )
    if proof.change_time:
        stored.secret_change_time.CopyFrom(timestamp(proof.change_time))
    columns = (Session.id, Session.create_time, Session.refresh_time, Session.expire_time)
    rows = Session.select(*columns).where(Session.user_id == user_id).order_by(Session.key.desc()).limit(MOST_SESSIONS)
    for session_id, create_time, refresh_time, expire_time in tuples(rows):
        stored.sessions.add(
            id=session_id if shows_ids else "",
            create_time=timestamp(create_time),
            refresh_time=timestamp(refresh_time),
            expire_time=timestamp(expire_time),
        )
    return stored


def forget_sign_in(store: Store, user_id: str) -> None:
    """Delete the secrets, the sessions and the failures of a user.

    Within a transaction that has locked `sync_state` and the row of the user.
    """
    Credential.delete().where(Credential.user_id == user_id).execute()
    Session.delete().where(Session.user_id == user_id).execute()
    forget_account(store, user_id)
