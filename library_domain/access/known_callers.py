"""Who sends a token: verified once, and asked about again after some seconds."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from library.v1.staff_pb2 import ApiToken
from library_domain.access import tokens
from library_domain.access.accounts import Accounts
from library_domain.access.bearer import ApiTokenText, api_token_of
from library_domain.access.callers import Caller
from library_domain.access.errors import TokenInvalid
from library_domain.access.roles import PROGRAM_ROLES, USER_ROLES
from library_domain.access.tokens import TokenRefused
from service_kit.clock import SECOND, Clock, micros
from service_kit.random_secrets import hash_of_secret

FRESH_SECONDS = 5.0
"""How long a caller is known: a role, a session or a token that ends is noticed within this time."""

MOST_KNOWN = 4_096
"""The most callers that a process remembers. Each takes less than a kilobyte."""

NOTE_SECONDS = 60.0
"""How often the use of an API token is noted."""


class _Known(NamedTuple):
    caller: Caller
    until: float
    """When the caller is asked about again, in seconds of a monotonic clock."""


class KnownCallers:
    """The callers of tokens. A token that is not valid is not remembered."""

    def __init__(self, accounts: Accounts, clock: Clock, seconds: Callable[[], float]) -> None:
        """Ask these accounts; tokens expire by `clock`, and what is known by `seconds`."""
        self._accounts, self._clock, self._seconds = accounts, clock, seconds
        self._known: dict[bytes, _Known] = {}  # the oldest first; by a digest, as the token itself is a secret
        self._noted: dict[str, float] = {}
        self._forgotten = 0
        self._lock = threading.Lock()

    def of(self, token: str) -> Caller:
        """Return who sends a token. Raises `TokenInvalid`."""
        digest = blake2b(token.encode(), digest_size=20).digest()
        known = self._known.get(digest)
        if known is not None and self._seconds() < known.until:
            return known.caller
        forgotten = self._forgotten
        caller = self._find(token)
        self._remember(digest, caller, forgotten)
        return caller

    def forget_user(self, user_id: str) -> None:
        """Ask about a user again at the user's next call."""
        with self._lock:
            self._forgotten += 1
            for digest in [key for key, known in self._known.items() if known.caller.user_id == user_id]:
                del self._known[digest]

    def _remember(self, digest: bytes, caller: Caller, forgotten: int) -> None:
        fresh = FRESH_SECONDS
        if caller.expire_time:
            fresh = min(fresh, (caller.expire_time - self._clock()) / SECOND)
        with self._lock:
            if forgotten != self._forgotten:
                return  # it was read before what is forgotten had changed
            self._known.pop(digest, None)
            while len(self._known) >= MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[digest] = _Known(caller, self._seconds() + fresh)

    def _find(self, token: str) -> Caller:
        program = api_token_of(token)
        return self._user(token) if program is None else self._program(program)

    def _user(self, token: str) -> Caller:
        accounts = self._accounts
        try:
            claims = tokens.read(token, issuer=accounts.issuer(), public_key=accounts.public_key, now=self._clock())
        except TokenRefused:
            # Not even as the cause: the client and the log learn no more than that it is not valid.
            raise TokenInvalid from None
        account = accounts.account(claims.user_id)
        if account is None or account.role not in USER_ROLES or not accounts.is_live(claims.session_id):
            raise TokenInvalid
        return Caller(
            account.role,
            claims.user_id,
            account.display_name,
            claims.session_id,
            account.override_reasons,
            expire_time=claims.expire_time,
        )

    def _program(self, text: ApiTokenText) -> Caller:
        entry = self._accounts.api_token(text.id)
        # The hash is computed and compared also for an unknown token, so that the time of the answer says nothing.
        known_hash = entry.secret_hash if entry else ""
        is_right = hmac.compare_digest(hash_of_secret(text.secret).encode(), known_hash.encode())
        if entry is None or not is_right or not self._is_valid(entry):
            raise TokenInvalid
        self._note_use(text.id)
        expire_time = micros(entry.expire_time) if entry.HasField("expire_time") else 0
        return Caller(entry.role, "", entry.display_name, text.id, scopes=tuple(entry.scopes), expire_time=expire_time)

    def _is_valid(self, entry: ApiToken) -> bool:
        has_expired = entry.HasField("expire_time") and micros(entry.expire_time) <= self._clock()
        return entry.role in PROGRAM_ROLES and not has_expired and not entry.HasField("revoke_time")

    def _note_use(self, token_id: str) -> None:
        now = self._seconds()
        with self._lock:
            last = self._noted.get(token_id)
            if last is not None and now < last + NOTE_SECONDS:
                return
            while len(self._noted) >= MOST_KNOWN:
                del self._noted[next(iter(self._noted))]
            self._noted[token_id] = now
        self._accounts.note_use(token_id)
