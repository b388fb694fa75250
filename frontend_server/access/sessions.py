"""Sessions: an access token for some minutes, and a refresh token that is replaced at each use.

A refresh token is the id of its session and a random secret, of which the store has the hash. A token that was replaced
long ago may have been stolen, and its use ends the session. For some seconds it gets the same answer again, because
the answer may have been lost, and because a client may send it twice at the same moment. To that end the new secret is
made from the old one and from a random salt in the row: neither of the two alone is enough to make it.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from frontend_server.access.accounts import role_of
from frontend_server.access.people import is_active
from frontend_server.store.models import Session
from library.access.v1 import access_service_pb2 as pb
from library_domain.access.errors import SessionEnded
from library_domain.access.tokens import Claims
from service_kit.change_record import record_change
from service_kit.clock import DAY, SECOND, Clock, timestamp
from service_kit.ids import new_id
from service_kit.random_secrets import hash_of_secret, new_secret
from service_kit.statements import Statement, param
from service_kit.store import Store

LIFE = 30 * DAY
"""How long a session lasts after it was refreshed last."""

GRACE = 20 * SECOND
"""How long the token before the newest one can be used again."""

MOST_SESSIONS = 50
"""Of a user. The one that was refreshed longest ago ends when there would be more."""

Sign = Callable[[str, str], tuple[str, Claims]]
"""Returns an access token for a user id and a session id, and what it says. Called outside of transactions."""

_TOKEN = re.compile(r"(?P<id>[0-9a-f]{32})\.(?P<secret>[A-Za-z0-9_-]{43})", re.ASCII)

INSERT = Statement(
    Session.insert(
        id=param("id"),
        user_id=param("user_id"),
        refresh_hash=param("refresh_hash"),
        previous_hash="",
        refresh_salt="",
        refresh_time=param("now"),
        create_time=param("now"),
        expire_time=param("expire_time"),
        end_time=0,
    )
)
_COLUMNS = (
    *(Session.user_id, Session.refresh_hash, Session.previous_hash, Session.refresh_salt),
    *(Session.refresh_time, Session.expire_time),
)
REPLACE = Statement(
    Session.update(
        refresh_hash=param("refresh_hash"),
        previous_hash=Session.refresh_hash,
        refresh_salt=param("refresh_salt"),
        refresh_time=param("now"),
        expire_time=param("expire_time"),
    ).where(Session.id == param("id"))
)
_LIVE = Session.end_time == 0
LIVE = Statement(Session.select(Session.key).where(Session.id == param("id"), _LIVE))
END = Statement(Session.update(end_time=param("now"), expire_time=param("now")).where(Session.id == param("id"), _LIVE))
END_OF_USER = Statement(
    Session.update(end_time=param("now"), expire_time=param("now")).where(Session.user_id == param("user_id"), _LIVE)
)
_KEPT = (
    Session.select(Session.key)
    .where(Session.user_id == param("user_id"), _LIVE)
    .order_by(Session.refresh_time.desc(), Session.key.desc())
    .limit(MOST_SESSIONS)
)
END_SURPLUS = Statement(
    Session.update(end_time=param("now"), expire_time=param("now")).where(
        Session.user_id == param("user_id"), _LIVE, Session.key.not_in(_KEPT)
    )
)


class RefreshToken(NamedTuple):
    """The parts of a refresh token."""

    session_id: str
    secret: str

    def __str__(self) -> str:
        return f"{self.session_id.replace('-', '')}.{self.secret}"

    def __repr__(self) -> str:
        return f"RefreshToken({self.session_id})"

    @property
    def hash(self) -> str:
        """What the store has of the secret."""
        return hash_of_secret(self.secret)

    def next(self, salt: str) -> RefreshToken:
        """Return the token that replaces this one."""
        made = hmac.digest(self.secret.encode(), f"refresh {salt}".encode(), "sha256")
        return RefreshToken(self.session_id, base64.urlsafe_b64encode(made).rstrip(b"=").decode())


def read_token(text: str) -> RefreshToken | None:
    """Return the parts of a refresh token; None for another text."""
    found = _TOKEN.fullmatch(text)
    return RefreshToken(str(UUID(found["id"])), found["secret"]) if found else None


@dataclass(frozen=True, slots=True)
class _Row:
    user_id: str
    refresh_hash: str
    previous_hash: str
    refresh_salt: str
    refresh_time: int
    expire_time: int


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session with its newest refresh token."""

    user_id: str
    token: RefreshToken
    expire_time: int


def named(session: OpenSession) -> pb.Session:
    """Return the ids of a session, for the audit log."""
    return pb.Session(id=session.token.session_id, user_id=session.user_id)


class Sessions:
    """The sessions of the users of a store."""

    def __init__(self, store: Store, sign: Sign, clock: Clock) -> None:
        self._store, self._sign, self._clock = store, sign, clock

    def begin(self, user_id: str) -> OpenSession:
        """Begin a session of an active user. Within a transaction that has locked the row of the user."""
        now = self._clock()
        token = RefreshToken(new_id(), new_secret())
        INSERT.rows(id=token.session_id, user_id=user_id, refresh_hash=token.hash, now=now, expire_time=now + LIFE)
        END_SURPLUS.rows(user_id=user_id, now=now)
        return OpenSession(user_id, token, now + LIFE)

    def message(self, session: OpenSession) -> pb.Session:
        """Return a session for its client, with an access token. After the transaction."""
        access_token, claims = self._sign(session.user_id, session.token.session_id)
        with self._store.reading():
            role = role_of(session.user_id)
        return pb.Session(
            id=session.token.session_id,
            user_id=session.user_id,
            role=role,
            access_token=access_token,
            access_expire_time=timestamp(claims.expire_time),
            refresh_token=str(session.token),
            refresh_expire_time=timestamp(session.expire_time),
        )

    def refresh(self, refresh_token: str) -> pb.Session:
        """Replace the refresh token of a session. Raises `SessionEnded`."""
        token = read_token(refresh_token)
        if token is None or not self._is_live(token.session_id):
            raise SessionEnded
        with self._store.writing():
            session = self._refreshed(token)
            if session is not None:
                record_change(named(session))
        if session is None:  # after the end of the session was committed
            raise SessionEnded
        return self.message(session)

    def end(self, refresh_token: str) -> str:
        """End the session of a refresh token. Returns the id of its user; empty if nothing was ended."""
        token = read_token(refresh_token)
        if token is None or not self._is_live(token.session_id):
            return ""
        with self._store.writing():
            now = self._clock()
            row = self._live_row(token.session_id, now)
            if row is None or token.hash not in (row.refresh_hash, row.previous_hash):
                return ""
            END.rows(id=token.session_id, now=now)
            record_change(pb.Session(id=token.session_id, user_id=row.user_id))
            return row.user_id

    def _refreshed(self, token: RefreshToken) -> OpenSession | None:
        """Return the session with its new token. Returns None if it has ended, or ends by this."""
        now = self._clock()
        row = self._live_row(token.session_id, now)
        if row is None:
            return None
        if is_active(row.user_id):
            if hmac.compare_digest(token.hash, row.refresh_hash):
                return _replace(token, row.user_id, now)
            if hmac.compare_digest(token.hash, row.previous_hash) and now - row.refresh_time <= GRACE:
                return OpenSession(row.user_id, token.next(row.refresh_salt), row.expire_time)
        END.rows(id=token.session_id, now=now)
        return None

    def _is_live(self, session_id: str) -> bool:
        """Return whether a session has not ended. It only reads, so made-up tokens keep no writer waiting."""
        with self._store.reading():
            return LIVE.row(id=session_id) is not None

    def _live_row(self, session_id: str, now: int) -> _Row | None:
        """Return the row of a session that has not ended, locked until the transaction ends."""
        query = Session.select(*_COLUMNS).where(Session.id == session_id, _LIVE, Session.expire_time > now)
        row = self._store.locking(query).tuples().first()
        return _Row(*row) if row else None


def _replace(token: RefreshToken, user_id: str, now: int) -> OpenSession:
    salt = new_secret()
    new, expire_time = token.next(salt), now + LIFE
    REPLACE.rows(id=token.session_id, refresh_hash=new.hash, refresh_salt=salt, now=now, expire_time=expire_time)
    return OpenSession(user_id, new, expire_time)


def end_sessions_of(user_id: str, now: int) -> None:
    """End all sessions of a user. Within a transaction that has locked the row of the user."""
    END_OF_USER.rows(user_id=user_id, now=now)
