"""Signing in with a password or a PIN, and setting one."""

from __future__ import annotations

from dataclasses import replace

from frontend_server.access import throttle
from frontend_server.access.accounts import role_of
from frontend_server.access.passwords import Passwords
from frontend_server.access.people import Person, find_person, is_active, proof_of
from frontend_server.access.reset_codes import is_code_of
from frontend_server.access.secret_rules import check_new_secret, check_secret_of, is_pin
from frontend_server.access.sessions import Sessions, end_sessions_of, named
from frontend_server.members.accounts import locked_user
from frontend_server.store.models import Credential
from library.access.v1 import access_service_pb2 as pb
from library.access.v1.access_pb2 import ROLE_PATRON
from library_domain.access.errors import SignInFailed
from library_domain.errors import UserNotFound
from service_kit.change_record import record_change
from service_kit.clock import Clock
from service_kit.statements import Statement, param
from service_kit.store import Store

SET_SECRET = Statement(
    Credential.insert(
        user_id=param("user_id"),
        secret_hash=param("secret_hash"),
        is_pin=param("is_pin"),
        change_time=param("change_time"),
        code_hash="",
        code_expire_time=0,
    ).on_conflict(
        conflict_target=[Credential.user_id],
        update={
            Credential.secret_hash: param("secret_hash"),
            Credential.is_pin: param("is_pin"),
            Credential.change_time: param("change_time"),
            Credential.code_hash: "",
            Credential.code_expire_time: 0,
        },
    )
)
REHASH = Statement(Credential.update(secret_hash=param("secret_hash")).where(Credential.user_id == param("user_id")))


def check_set_password(request: pb.SetPasswordRequest) -> None:
    """Raise `FieldInvalid` for a secret that nobody should choose."""
    check_new_secret(request.new_secret)


class SignIn:
    """Signs users in, and sets their secrets."""

    def __init__(self, store: Store, passwords: Passwords, sessions: Sessions, clock: Clock) -> None:
        self._store, self._passwords, self._sessions, self._clock = store, passwords, sessions, clock

    def create_session(self, request: pb.CreateSessionRequest, address: str) -> pb.Session:
        """Sign a user in. Raises `SignInFailed`, `SignInThrottled` and `ServerBusy`."""
        person = self._find(request.name)
        throttle.check_wait(self._store, person.account, address, self._clock())
        with self._passwords.turn():
            attempt = self._verified(person, request.secret, address)
            rehashed = self._rehashed(person, request.secret)
        with self._store.writing():
            self._lock_active(person.user_id)
            if proof_of(person.user_id).change_time != person.proof.change_time:
                raise SignInFailed
            if rehashed:
                REHASH.rows(user_id=person.user_id, secret_hash=rehashed)
            session = self._sessions.begin(person.user_id)
            throttle.note_success(attempt, self._clock())
            record_change(named(session))
        return self._sessions.message(session)

    def open_session(self, user_id: str) -> pb.Session:
        """Begin a session of a user who has proved elsewhere who it is. Raises `SignInFailed` unless it is active."""
        with self._store.writing():
            self._lock_active(user_id)
            session = self._sessions.begin(user_id)
            record_change(named(session))
        return self._sessions.message(session)

    def set_password(self, request: pb.SetPasswordRequest, address: str) -> str:
        """Set the secret of a user who proves who it is with the present one, or with a reset code. Return the user id.

        A code is never refused because of earlier failures, so others cannot keep the user from using it. It has 80
        random bits, which nobody guesses.
        Raises `FieldInvalid`, `SignInFailed`, `SignInThrottled` and `ServerBusy`.
        """
        check_set_password(request)
        person = self._find(request.name)
        by_code = is_code_of(person, request.proof, self._clock())
        if not by_code:
            throttle.check_wait(self._store, person.account, address, self._clock())
        with self._passwords.turn():
            attempt = None if by_code else self._verified(person, request.proof, address)
            check_secret_of(request.new_secret, person.texts, is_staff=person.role > ROLE_PATRON)
            secret_hash = self._passwords.hash(request.new_secret)
        with self._store.writing():
            self._lock_active(person.user_id)
            # Of two calls with one reset code, the second one finds no code here.
            if proof_of(person.user_id) != person.proof:
                raise SignInFailed
            now = self._clock()
            _check_role_now(person, request, now, by_code=by_code)
            SET_SECRET.rows(
                user_id=person.user_id,
                secret_hash=secret_hash,
                is_pin=int(is_pin(request.new_secret)),
                change_time=max(now, person.proof.change_time + 1),
            )
            end_sessions_of(person.user_id, now)
            if attempt is None:
                throttle.note_known(person.account, address, now)
            else:
                throttle.note_success(attempt, now)
            record_change(pb.ResetCode(user_id=person.user_id))
        return person.user_id

    def _find(self, name: str) -> Person:
        with self._store.reading():
            return find_person(name)

    def _verified(self, person: Person, secret: str, address: str) -> throttle.Attempt:
        """Count the attempt, then verify the secret. Within a turn. Raises `SignInFailed` and `SignInThrottled`."""
        attempt = throttle.begin_attempt(self._store, person.account, address, self._clock())
        is_right = self._passwords.verify(person.proof.secret_hash, secret)
        # A PIN is too short for the staff: it no longer signs in a user who was granted a role.
        if not is_right or (person.proof.is_pin and person.role > ROLE_PATRON):
            raise SignInFailed
        return attempt

    def _rehashed(self, person: Person, secret: str) -> str:
        """Return a new hash if the present one was made at another cost; otherwise an empty text. Within a turn."""
        return self._passwords.hash(secret) if self._passwords.is_outdated(person.proof.secret_hash) else ""

    def _lock_active(self, user_id: str) -> None:
        """Lock the row of a user until the transaction ends. Raises `SignInFailed` unless the account is open."""
        try:
            locked_user(self._store, user_id)
        except UserNotFound as error:
            raise SignInFailed from error
        if not is_active(user_id):
            raise SignInFailed


def _check_role_now(person: Person, request: pb.SetPasswordRequest, now: int, *, by_code: bool) -> None:
    """Check, within the transaction, that a role which the user was granted meanwhile allows the code and the secret.

    Raises `SignInFailed`.
    """
    role = role_of(person.user_id)
    is_too_short = role > ROLE_PATRON and is_pin(request.new_secret)
    if is_too_short or (by_code and not is_code_of(replace(person, role=role), request.proof, now)):
        raise SignInFailed
