"""Hashes of passwords and PINs: Argon2id (RFC 9106), of which few are computed at a time.

A hash takes much memory and time on purpose. So the number of those that are computed and that wait is bounded, and
callers above the bound are refused at once.
"""

from __future__ import annotations

import base64
import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service_kit.calls.current import check_wanted, seconds_to_wait
from service_kit.errors import ServerBusy


@dataclass(frozen=True)
class HashCost:
    """What a hash costs, and how many may be computed and wait in one process."""

    memory_kib: int = 64 * 1024
    time_cost: int = 3
    """Passes over the memory."""
    at_once: int = 2
    waiting: int = 16


HASH_BYTES, SALT_BYTES = 32, 16


class Passwords:
    """Makes and verifies hashes of secrets. Texts are compared in the form NFKC, as keyboards differ."""

    def __init__(self, cost: HashCost | None = None) -> None:
        self._cost = cost or HashCost()
        self._hasher = PasswordHasher(
            time_cost=self._cost.time_cost,
            memory_cost=self._cost.memory_kib,
            parallelism=1,
            hash_len=HASH_BYTES,
            salt_len=SALT_BYTES,
        )
        self._running = threading.BoundedSemaphore(self._cost.at_once)
        self._places = threading.BoundedSemaphore(self._cost.at_once + self._cost.waiting)
        self._nobodys_hash = self._random_hash()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until this thread may compute hashes. Raises `ServerBusy`."""
        if not self._places.acquire(blocking=False):
            raise ServerBusy(limit=f"{self._cost.at_once + self._cost.waiting} callers sign in")
        try:
            seconds = seconds_to_wait()
            if not self._running.acquire(timeout=None if seconds < 0 else seconds):
                raise ServerBusy(limit=f"{self._cost.at_once} callers sign in at a time")
            try:
                check_wanted()
                yield
            finally:
                self._running.release()
        finally:
            self._places.release()

    def hash(self, secret: str) -> str:
        """Return the hash of a secret, in the format of Argon2, with a salt. Within `turn` only."""
        return self._hasher.hash(_normal(secret))

    def verify(self, secret_hash: str, secret: str) -> bool:
        """Return whether a hash is that of a secret. Within `turn` only.

        An empty hash matches no secret, after the same time: so nobody can find out who has an account.
        """
        try:
            self._hasher.verify(secret_hash or self._nobodys_hash, _normal(secret))
        except (VerificationError, InvalidHashError):
            return False
        return bool(secret_hash)

    def is_outdated(self, secret_hash: str) -> bool:
        """Return whether a hash was made at another cost, so that the secret should be hashed again."""
        return self._hasher.check_needs_rehash(secret_hash)

    def _random_hash(self) -> str:
        """Return a hash of no secret, at the present cost."""
        salt, digest = (
            base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode() for size in (SALT_BYTES, HASH_BYTES)
        )
        return f"$argon2id$v=19$m={self._cost.memory_kib},t={self._cost.time_cost},p=1${salt}${digest}"


def _normal(secret: str) -> str:
    return unicodedata.normalize("NFKC", secret)
