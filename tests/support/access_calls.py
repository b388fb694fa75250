"""The writing calls of AccessService with values that overlap: few users, names, addresses and tokens."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from frontend_server.access import reset_codes
from frontend_server.access.cleanup import Cleanup
from frontend_server.access.passwords import Passwords
from frontend_server.access.sessions import Sessions
from frontend_server.access.sign_in import SignIn
from frontend_server.store.models import User
from library.access.v1 import access_service_pb2 as pb
from library_domain.access.callers import ANYBODY
from library_domain.access.tokens import Claims
from service_kit.clock import DAY, Clock
from service_kit.ids import new_id
from service_kit.store import Store
from tests.support.sign_ins import CHEAP, PASSWORD

ADDRESSES = ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
"""Addresses of several calls. The clock of a test may not move, so they have to wait for ever after some failures."""

MOST_TOKENS = 8


class AccessCalls:
    """The writing calls of AccessService on a frontend whose store is bound and has users."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock = store, clock
        self.sessions = Sessions(store, _sign, clock)
        self.sign_in = SignIn(store, Passwords(CHEAP), self.sessions, clock)
        self.tokens: list[str] = []
        service = "library.access.v1.AccessService"
        self.by_name: Mapping[str, Callable[[random.Random], object]] = {
            f"{service}/CreateSession": self.create_session,
            f"{service}/RefreshSession": self.refresh,
            f"{service}/EndSession": lambda chance: self.sessions.end(self._token(chance)),
            f"{service}/SetPassword": self.set_password,
            f"{service}/CreateResetCode": lambda chance: self._code(self._user(chance)),
            f"{service}/EndUserSessions": lambda chance: reset_codes.end_user_sessions(
                store, self._user(chance).id, ANYBODY, clock
            ),
            "a session of a provider": lambda chance: self._keep(self.sign_in.open_session(self._user(chance).id)),
            "sessions that have ended": lambda chance: Cleanup(store, lambda: clock() + 200 * DAY).run(),
        }

    def create_session(self, chance: random.Random) -> object:
        user, secret = self._user(chance), chance.choice([PASSWORD, PASSWORD, "a turnip at 17:03"])
        name = chance.choice([str(user.card_number), str(user.card_number), "nobody"])
        if chance.random() < 0.5:  # otherwise few users have a secret
            self._set_password(user, self._code(user).code, chance)
        request = pb.CreateSessionRequest(name=name, secret=secret)
        return self._keep(self.sign_in.create_session(request, _address(chance)))

    def refresh(self, chance: random.Random) -> object:
        return self._keep(self.sessions.refresh(self._token(chance)))

    def set_password(self, chance: random.Random) -> object:
        user = self._user(chance)
        return self._set_password(user, chance.choice([PASSWORD, self._code(user).code]), chance)

    def _set_password(self, user: User, proof: str, chance: random.Random) -> str:
        request = pb.SetPasswordRequest(name=str(user.card_number), proof=proof, new_secret=PASSWORD)
        return self.sign_in.set_password(request, _address(chance))

    def _code(self, user: User) -> pb.ResetCode:
        return reset_codes.create_reset_code(self.store, user.id, ANYBODY, self.clock)

    def _user(self, chance: random.Random) -> User:
        """Return one of the newest users, so that several calls are about the same one."""
        with self.store.reading():
            users = list(User.select().where(User.card_number.is_null(False)).order_by(User.key.desc()).limit(6))
        return chance.choice(users or [User(id=new_id(), card_number="C-0")])

    def _token(self, chance: random.Random) -> str:
        return chance.choice(self.tokens or [""])

    def _keep(self, session: pb.Session) -> pb.Session:
        self.tokens = [*self.tokens[1 - MOST_TOKENS :], session.refresh_token]
        return session


def _sign(user_id: str, session_id: str) -> tuple[str, Claims]:
    return "", Claims(user_id, session_id, 0, 0)


def _address(chance: random.Random) -> str:
    """Return one of a few addresses, or one that no other call has."""
    return chance.choice([*ADDRESSES, f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}"])
