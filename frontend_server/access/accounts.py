"""What the guard asks about callers, answered from the frontend's store."""

from __future__ import annotations

import peewee

from frontend_server.store.models import ApiToken, Loan, Session, SigningKey, StaffRole, SyncState, User
from library.access.v1.access_pb2 import Role
from library.v1 import staff_pb2
from library.v1.user_pb2 import USER_STATE_ACTIVE
from library_domain.access.accounts import Account
from library_domain.access.roles import effective_role
from library_domain.access.tokens import decode_key
from library_domain.users import display_name
from service_kit.clock import Clock, system_clock
from service_kit.statements import Statement, param
from service_kit.store import Store
from service_kit.unreadable import readable_part

ISSUER = Statement(SyncState.select(SyncState.frontend_id))
PUBLIC_KEY = Statement(
    SigningKey.select(SigningKey.public_key).where(
        SigningKey.id == param("key_id"), (SigningKey.retire_time == 0) | (SigningKey.retire_time > param("now"))
    )
)
ACCOUNT = Statement(
    User.select(User.first_name, User.last_name, StaffRole.message)
    .join(StaffRole, peewee.JOIN.LEFT_OUTER, on=StaffRole.id == User.id)
    .where(User.id == param("user_id"), User.state == USER_STATE_ACTIVE)
)
ROLE = Statement(StaffRole.select(StaffRole.message).where(StaffRole.id == param("user_id")))
LIVE_SESSION = Statement(Session.select(Session.key).where(Session.id == param("session_id"), Session.end_time == 0))
API_TOKEN = Statement(ApiToken.select(ApiToken.message).where(ApiToken.id == param("token_id")))
OWNER_OF_LOAN = Statement(Loan.select(Loan.user_id).where(Loan.id == param("loan_id")))


class StoredAccounts:
    """Facts about callers: see `library_domain.access.accounts.Accounts`."""

    def __init__(self, store: Store, clock: Clock = system_clock) -> None:
        self._store, self._clock = store, clock

    def issuer(self) -> str:
        """Return the id of this frontend."""
        with self._store.reading():
            row = ISSUER.row()
        return str(row[0]) if row else ""

    def public_key(self, key_id: str) -> bytes | None:
        """Return a key that is not retired yet."""
        with self._store.reading():
            row = PUBLIC_KEY.row(key_id=key_id, now=self._clock())
        if row is None:
            return None
        return readable_part("signing_key", key_id, lambda: decode_key(str(row[0])))

    def account(self, user_id: str) -> Account | None:
        """Return a user whose account is active, with the role that was pulled from the admin."""
        with self._store.reading():
            row = ACCOUNT.row(user_id=user_id)
        if row is None:
            return None
        role = _role_in(user_id, row[2])
        return Account(display_name(row[0], row[1]), effective_role(role.role), frozenset(role.override_reasons))

    def is_live(self, session_id: str) -> bool:
        """Return whether a session has not ended."""
        with self._store.reading():
            return LIVE_SESSION.row(session_id=session_id) is not None

    def api_token(self, token_id: str) -> staff_pb2.ApiToken | None:
        """Return an API token, with the hash of its secret; None also for a damaged one."""
        with self._store.reading():
            row = API_TOKEN.row(token_id=token_id)
        if row is None:
            return None
        return readable_part("api_token", token_id, lambda: staff_pb2.ApiToken.FromString(bytes(row[0])))

    def note_use(self, token_id: str) -> None:
        """Do nothing: this service has a replica of API tokens, which only the sync writes."""

    def owner_of_loan(self, loan_id: str) -> str | None:
        """Return the id of the user of a loan; None for an unknown loan, and for one without a user."""
        with self._store.reading():
            row = OWNER_OF_LOAN.row(loan_id=loan_id)
        return (row[0] or None) if row else None


def role_of(user_id: str) -> Role.ValueType:
    """Return the role of a user, within the caller's transaction: the one that was pulled, or PATRON."""
    row = ROLE.row(user_id=user_id)
    return effective_role(_role_in(user_id, row[0] if row else None).role)


def _role_in(user_id: str, message: bytes | None) -> staff_pb2.StaffRole:
    """Read a replica of a role. A damaged one is a patron's, and so is a missing one."""
    read = readable_part("staff_role", user_id, lambda: staff_pb2.StaffRole.FromString(bytes(message or b"")))
    return staff_pb2.StaffRole() if read is None else read
