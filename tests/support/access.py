"""Callers for tests of the guard: accounts in memory, and tokens of every kind, good and bad."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.timestamp_pb2 import Timestamp

from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_GUEST, ROLE_LIBRARIAN, ROLE_MANAGER, ROLE_PATRON, Role
from library.v1.staff_pb2 import ApiToken
from library_domain.access.accounts import Account
from library_domain.access.bearer import api_token_text
from library_domain.access.tokens import KeyPair, new_key_pair, sign
from service_kit.clock import SECOND, system_clock
from service_kit.ids import new_id
from service_kit.random_secrets import hash_of_secret

ISSUER = "01920000-0000-7000-8000-000000000001"
USER_ROLES = (ROLE_PATRON, ROLE_LIBRARIAN, ROLE_MANAGER, ROLE_ADMIN)


@dataclass
class AccountsInMemory:
    """Accounts of a service without a store. A test changes them at any time."""

    keys: dict[str, bytes] = field(default_factory=dict)
    users: dict[str, Account] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    tokens: dict[str, ApiToken] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)
    questions: int = 0

    def issuer(self) -> str:
        return ISSUER

    def public_key(self, key_id: str) -> bytes | None:
        self.questions += 1
        return self.keys.get(key_id)

    def account(self, user_id: str) -> Account | None:
        return self.users.get(user_id)

    def is_live(self, session_id: str) -> bool:
        return session_id not in self.ended

    def api_token(self, token_id: str) -> ApiToken | None:
        self.questions += 1
        return self.tokens.get(token_id)

    def note_use(self, token_id: str) -> None:
        self.used.append(token_id)

    def owner_of_loan(self, loan_id: str) -> str | None:
        return self.owners.get(loan_id)


@dataclass(frozen=True)
class Issuer:
    """Signs tokens as the frontend does, and as attackers would."""

    key: KeyPair = field(default_factory=lambda: new_key_pair(new_id()))
    issuer: str = ISSUER

    def token(self, user_id: str, session_id: str = "", *, issued: int | None = None) -> str:
        """Return an access token of a user."""
        now = system_clock() if issued is None else issued
        return sign(self.key, issuer=self.issuer, user_id=user_id, session_id=session_id or new_id(), now=now)[0]

    def bad_tokens(self, user_id: str) -> dict[str, str]:
        """Return tokens for a user that are not valid, each by what is wrong with it."""
        good = self.token(user_id)
        header, payload, signature = good.split(".")
        claims = _read(payload)
        return {
            "expired": self.token(user_id, issued=system_clock() - 16 * 60 * SECOND),
            "of the future": self.token(user_id, issued=system_clock() + 16 * 60 * SECOND),
            "another audience": self._signed(claims | {"aud": "another"}),
            "another issuer": Issuer(self.key, new_id()).token(user_id),
            "unknown key id": Issuer(KeyPair(new_id(), self.key.public, self.key.private)).token(user_id),
            "another key": Issuer(KeyPair(self.key.id, *_parts(new_key_pair(new_id())))).token(user_id),
            "alg none": f"{_written({'alg': 'none', 'typ': 'at+jwt', 'kid': self.key.id})}.{payload}.",
            "HS256 with the public key": self._hs256(payload),
            "tampered": f"{header}.{_written(claims | {'sub': new_id()})}.{signature}",
            "cut": good[:-4],
            "not a token": "x" * 40,
        }

    def _signed(self, claims: dict[str, Any]) -> str:
        signing_input = f"{self.token('').split('.')[0]}.{_written(claims)}"
        signature = Ed25519PrivateKey.from_private_bytes(self.key.private).sign(signing_input.encode())
        return f"{signing_input}.{_base64(signature)}"

    def _hs256(self, payload: str) -> str:
        signing_input = f"{_written({'alg': 'HS256', 'typ': 'at+jwt', 'kid': self.key.id})}.{payload}"
        return f"{signing_input}.{_base64(hmac.digest(self.key.public, signing_input.encode(), 'sha256'))}"


@dataclass(frozen=True)
class Callers:
    """A user of each role, programs, and their tokens."""

    accounts: AccountsInMemory
    issuer: Issuer
    users: dict[Role.ValueType, str]
    """The id of a user by role."""

    @classmethod
    def made(cls) -> Callers:
        """Return accounts with a user of each role."""
        issuer = Issuer()
        users = {role: new_id() for role in USER_ROLES}
        accounts = AccountsInMemory({issuer.key.id: issuer.key.public})
        for role, user_id in users.items():
            accounts.users[user_id] = Account(f"{Role.Name(role)} Lovelace", role)
        return cls(accounts, issuer, users)

    def token(self, role: Role.ValueType) -> str:
        """Return an access token of the user with a role."""
        return self.issuer.token(self.users[role])

    def api_token(self, role: Role.ValueType = ROLE_GUEST, scopes: tuple[str, ...] = (), **fields: Timestamp) -> str:
        """Return an API token, which is valid unless `fields` set a time at which it is not."""
        token_id, secret = new_id(), "s" * 43
        self.accounts.tokens[token_id] = ApiToken(
            id=token_id, display_name="importer", role=role, scopes=scopes, secret_hash=hash_of_secret(secret), **fields
        )
        return api_token_text(token_id, secret)


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a call with a token; of a guest's for an empty one."""
    return (("authorization", f"Bearer {token}"),) if token else ()


def _parts(key: KeyPair) -> tuple[bytes, bytes]:
    return key.public, key.private


def _read(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=="))
    return found


def _written(part: dict[str, Any]) -> str:
    return _base64(json.dumps(part).encode())


def _base64(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
