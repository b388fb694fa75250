"""The keys that sign access tokens: made, rotated and retired. docs/access.md explains them.

A key has a row here with both parts. The public part is pushed, so that the admin can verify tokens. A new key signs
once the admin has it; a key that signed before remains valid until its last token has expired.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import peewee

from frontend_server.store.models import SigningKey, lock_sync_state, sync_state
from library.access.v1.access_service_pb2 import JsonWebKey
from library_domain.access.tokens import (
    LIFE_SECONDS,
    Claims,
    KeyPair,
    decode_key,
    encode_key,
    json_web_key,
    new_key_pair,
    public_part,
    sign,
)
from service_kit.clock import SECOND, Clock
from service_kit.errors import RowUnreadable
from service_kit.ids import new_id
from service_kit.logs import logger
from service_kit.revisions import take_revisions
from service_kit.statements import tuples
from service_kit.store import Store
from service_kit.unreadable import all_shown, read_rows

READ_SECONDS = 5.0
"""How long a process signs with the key that it has read. The monotonic clock measures it."""

OUTLIVES_SECONDS = LIFE_SECONDS + 60
"""How long a replaced key remains valid: as long as its last token, which a process with an older reading signs."""

IS_VALID = SigningKey.retire_time == 0

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class _Key:
    key: int
    pair: KeyPair
    is_pushed: bool


class Signer:
    """Signs access tokens with the current key. Threads share it."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._current: tuple[float, str, KeyPair] | None = None

    def sign(self, user_id: str, session_id: str) -> tuple[str, Claims]:
        """Return an access token for a session, and what it says.

        It writes only if the store has no key that can be used; call it outside of transactions.
        """
        issuer, pair = self._issuer_and_key()
        return sign(pair, issuer=issuer, user_id=user_id, session_id=session_id, now=self._clock())

    def _issuer_and_key(self) -> tuple[str, KeyPair]:
        if self._current is None or time.monotonic() - self._current[0] > READ_SECONDS:
            with self._store.reading():
                issuer = sync_state().frontend_id
            self._current = (time.monotonic(), issuer, self._key())
        return self._current[1:]

    def _key(self) -> KeyPair:
        with self._store.reading():
            found = _current(_usable())
        if found is not None:
            return found.pair
        ensure_key(self._store, self._clock)
        with self._store.reading():
            found = _current(_usable())
        if found is None:
            raise RowUnreadable(kind="signing_key", id="")
        return found.pair


def ensure_key(store: Store, clock: Clock) -> None:
    """Make the first key, or one in place of damaged ones. Of several processes that start together, one does."""
    with store.writing():
        lock_sync_state(store)
        if _current(_usable()) is None:
            made = _insert(clock())
            log.info("key for access tokens made", key_id=made)


def rotate_keys(store: Store, clock: Clock, *, retire_now: bool) -> str:
    """Make a new key, and return its id.

    Args:
        store: The store.
        clock: The clock.
        retire_now: Whether to retire all other keys at once, so that no token that they signed is valid any more.
    """
    with store.writing():
        lock_sync_state(store)
        now = clock()
        if retire_now:
            _retire(store, now, SigningKey.key > 0)
        made = _insert(now)
    log.warning("keys for access tokens rotated", key_id=made, retired_others=retire_now)
    return made


def retire_replaced_keys(store: Store, clock: Clock) -> None:
    """Retire the keys that the current key has replaced, from the end of their last token on. They sign no more."""
    with store.reading():
        current = _current(_usable())
        if current is None or not SigningKey.select().where(IS_VALID, SigningKey.key < current.key).exists():
            return
    with store.writing():
        lock_sync_state(store)
        _retire(store, clock() + OUTLIVES_SECONDS * SECOND, SigningKey.key < current.key)


def list_signing_keys(store: Store, clock: Clock) -> list[JsonWebKey]:
    """Return the public keys of tokens that can be valid, newest first."""
    with store.reading():
        lives = IS_VALID | (SigningKey.retire_time > clock())
        query = SigningKey.select().where(lives).order_by(SigningKey.key.desc())
        rows = read_rows(query, SigningKey)
    return all_shown(rows, lambda row: json_web_key(row.id, decode_key(row.public_key)))


def _insert(now: int) -> str:
    pair = new_key_pair(new_id())
    SigningKey.insert(
        id=pair.id,
        public_key=encode_key(pair.public),
        private_key=encode_key(pair.private),
        create_time=now,
        retire_time=0,
        revision=take_revisions(),
    ).execute()
    return pair.id


def _retire(store: Store, when: int, which: peewee.Expression) -> None:
    """Retire keys, and delete their private parts, within a transaction that has locked `sync_state`."""
    retired = SigningKey.select(SigningKey.key).where(which, IS_VALID | (SigningKey.retire_time > when))
    keys = [key for (key,) in tuples(store.locking(retired))]  # before the counter, which locks.md puts last
    if keys:
        SigningKey.update(retire_time=when, private_key="", revision=take_revisions(), park_reason="").where(
            SigningKey.key.in_(keys)
        ).execute()


def _usable() -> Sequence[_Key]:
    """Return the keys that can sign, newest first, and log damaged ones."""
    query = SigningKey.select().where(IS_VALID).order_by(SigningKey.key.desc())
    return all_shown(read_rows(query, SigningKey), _key_of)


def _key_of(row: SigningKey) -> _Key:
    pair = KeyPair(row.id, decode_key(row.public_key), decode_key(row.private_key))
    if public_part(pair.private) != pair.public:
        raise ValueError("the two parts of the key do not belong together")
    return _Key(row.key, pair, row.pushed_revision > 0)


def _current(usable: Iterable[_Key]) -> _Key | None:
    """Return the key that signs: the newest that the admin has. If it has none, the oldest, which signed before."""
    keys = list(usable)
    return next((each for each in keys if each.is_pushed), keys[-1] if keys else None)
