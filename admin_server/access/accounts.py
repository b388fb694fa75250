"""What the guard asks about callers, answered from the admin's store."""

from __future__ import annotations

import peewee

from admin_server.access.messages import TOKEN_COLUMNS, texts, token_of
from admin_server.store.models import ApiToken, Frontend, Loan, SigningKey, StaffRole, User
from library.v1 import staff_pb2
from library.v1.user_pb2 import USER_STATE_ACTIVE
from library_domain.access.accounts import Account
from library_domain.access.roles import effective_role
from library_domain.access.tokens import decode_key
from library_domain.users import display_name
from service_kit.clock import Clock
from service_kit.logs import logger
from service_kit.revisions import lock_revisions
from service_kit.statements import Statement, param
from service_kit.store import Store, is_unavailable
from service_kit.unreadable import readable_part

ISSUER = Statement(Frontend.select(Frontend.id))
PUBLIC_KEY = Statement(
    SigningKey.select(SigningKey.public_key).where(
        SigningKey.id == param("key_id"), (SigningKey.retire_time == 0) | (SigningKey.retire_time > param("now"))
    )
)
ROLE_AND_NAME = Statement(
    User.select(User.state, User.first_name, User.last_name, StaffRole.role, StaffRole.override_reasons)
    .join(StaffRole, peewee.JOIN.LEFT_OUTER, on=StaffRole.user_id == User.id)
    .where(User.id == param("user_id"))
)
ROLE = Statement(
    StaffRole.select(StaffRole.role, StaffRole.override_reasons).where(StaffRole.user_id == param("user_id"))
)
API_TOKEN = Statement(ApiToken.select(*TOKEN_COLUMNS).where(ApiToken.id == param("token_id")))
OWNER_OF_LOAN = Statement(Loan.select(Loan.user_id).where(Loan.id == param("loan_id")))

log = logger(__name__)


class StoredAccounts:
    """Facts about callers: see `library_domain.access.accounts.Accounts`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def issuer(self) -> str:
        """Return the id of the paired frontend; empty before the first one is paired."""
        with self._store.reading():
            row = ISSUER.row()
        return str(row[0]) if row else ""

    def public_key(self, key_id: str) -> bytes | None:
        """Return a key that the frontend has pushed and that is not retired yet."""
        with self._store.reading():
            row = PUBLIC_KEY.row(key_id=key_id, now=self._clock())
        if row is None:
            return None
        return readable_part("signing_key", key_id, lambda: decode_key(str(row[0])))

    def account(self, user_id: str) -> Account | None:
        """Return a user whose account is active.

        A role that was granted on the machine counts before the frontend has pushed the user. Without a name, the id
        is the name.
        """
        with self._store.reading():
            row = ROLE_AND_NAME.row(user_id=user_id)
            role = ROLE.row(user_id=user_id) if row is None else row[3:]
        if row is None and role is None:
            return None
        if row is not None and row[0] != USER_STATE_ACTIVE:
            return None
        name = display_name(row[1], row[2]) if row else user_id
        return _account(user_id, name, *(role or (None, None)))

    def is_live(self, session_id: str) -> bool:
        """Return True: this service has no sessions. An access token outlives its session here, until it expires."""
        return True

    def api_token(self, token_id: str) -> staff_pb2.ApiToken | None:
        """Return an API token, with the hash of its secret; None also for a damaged one."""
        with self._store.reading():
            row = API_TOKEN.row(token_id=token_id)
        if row is None:
            return None
        return readable_part("api_token", token_id, lambda: token_of(*row))

    def note_use(self, token_id: str) -> None:
        """Store that an API token was used. A call does not fail because that cannot be stored."""
        try:
            with self._store.writing():
                lock_revisions()
                ApiToken.update(last_use_time=self._clock()).where(ApiToken.id == token_id).execute()
        except Exception as error:
            if not is_unavailable(error):
                raise
            log.warning("the use of an API token was not stored", token_id=token_id, error=self._store.said(error))

    def owner_of_loan(self, loan_id: str) -> str | None:
        """Return the id of the user of a loan; None for an unknown loan, and for one without a user."""
        with self._store.reading():
            row = OWNER_OF_LOAN.row(loan_id=loan_id)
        return (row[0] or None) if row else None


def _account(user_id: str, name: str, role: int | None, override_reasons: str | None) -> Account:
    """Return an account. With a damaged role it is a patron's."""

    def account() -> Account:
        return Account(name, effective_role(role), frozenset(texts(override_reasons) if override_reasons else ()))

    return readable_part("staff_role", user_id, account) or Account(name, effective_role(None))
