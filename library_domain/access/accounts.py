"""What the guard asks a service about callers. Each service answers from its own store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from library.access.v1.access_pb2 import Role
from library.v1.staff_pb2 import ApiToken


@dataclass(frozen=True, slots=True)
class Account:
    """A user who can sign in."""

    display_name: str
    role: Role.ValueType
    override_reasons: frozenset[str] = frozenset()


class Accounts(Protocol):
    """Facts about callers. Each method is one statement at most, and may be called from any thread."""

    def issuer(self) -> str:
        """Return who issues access tokens: the id of the frontend's store; empty while it is not known."""

    def public_key(self, key_id: str) -> bytes | None:
        """Return the 32 bytes of a signing key that is not retired yet."""

    def account(self, user_id: str) -> Account | None:
        """Return a user whose account is active, with the role that the user has now."""

    def is_live(self, session_id: str) -> bool:
        """Return whether a session has not ended. The admin service, which has no sessions, returns True."""

    def api_token(self, token_id: str) -> ApiToken | None:
        """Return an API token, with the hash of its secret, also one that is revoked or has expired."""

    def note_use(self, token_id: str) -> None:
        """Note that an API token was used. It is called at most once a minute for each token in each process."""

    def owner_of_loan(self, loan_id: str) -> str | None:
        """Return the id of the user of a loan."""
