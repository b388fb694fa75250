"""Signing in at a frontend of this process: with cheap hashes, a key of its own, and addresses to choose."""

from __future__ import annotations

from frontend_server.access import reset_codes
from frontend_server.access.accounts import StoredAccounts
from frontend_server.access.passwords import HashCost, Passwords
from frontend_server.access.sessions import Sessions
from frontend_server.access.sign_in import SignIn
from frontend_server.store.models import StaffRole
from frontend_server.sync.pulled_callers import PulledRoles
from library.access.v1 import access_service_pb2 as pb
from library.access.v1.access_pb2 import Role
from library.v1 import staff_pb2, user_pb2
from library_domain.access.callers import ANYBODY, Caller
from library_domain.access.tokens import Claims, new_key_pair, sign
from service_kit.ids import new_id
from tests.support.frontend import LocalFrontend

CHEAP = HashCost(memory_kib=8, time_cost=1)
HOME, AWAY = "192.0.2.1", "198.51.100.7"
PASSWORD = "a quiet harbour"
KEY = new_key_pair(new_id())


class SignIns:
    """The sign-in of a frontend."""

    def __init__(self, frontend: LocalFrontend, cost: HashCost = CHEAP) -> None:
        self.frontend, self.store, self.clock = frontend, frontend.store, frontend.clock
        self.passwords = Passwords(cost)
        self.sessions = Sessions(self.store, self.sign, self.clock)
        self.sign_in = SignIn(self.store, self.passwords, self.sessions, self.clock)

    def sign(self, user_id: str, session_id: str) -> tuple[str, Claims]:
        """Sign an access token."""
        return sign(KEY, issuer=new_id(), user_id=user_id, session_id=session_id, now=self.clock())

    def member(self, secret: str = PASSWORD, role: Role.ValueType | None = None) -> user_pb2.User:
        """Enrol a user who has a secret, and perhaps a role."""
        user = self.frontend.user()
        if role is not None:
            self.grant(user.id, role)
        self.set_by_code(user, secret)
        return user

    def grant(self, user_id: str, role: Role.ValueType) -> None:
        """Receive a role of a user, as the sync does."""
        message = staff_pb2.StaffRole(user_id=user_id, role=role).SerializeToString()
        with self.store.writing():
            StaffRole.delete().where(StaffRole.id == user_id).execute()
            StaffRole.insert(id=user_id, message=message, revision=1, generation=1).execute()
            PulledRoles().write_derived(self.store, [{"id": user_id, "message": message}])

    def code(self, user_id: str, caller: Caller = ANYBODY) -> str:
        """Make a reset code."""
        return reset_codes.create_reset_code(self.store, user_id, caller, self.clock).code

    def enter(self, name: str, secret: str = PASSWORD, address: str = HOME) -> pb.Session:
        """Sign in."""
        return self.sign_in.create_session(pb.CreateSessionRequest(name=name, secret=secret), address)

    def set(self, name: str, proof: str, new_secret: str = PASSWORD, address: str = HOME) -> str:
        """Set a secret."""
        return self.sign_in.set_password(pb.SetPasswordRequest(name=name, proof=proof, new_secret=new_secret), address)

    def set_by_code(self, user: user_pb2.User, secret: str = PASSWORD, address: str = HOME) -> None:
        """Set a secret with a reset code."""
        self.set(user.card_number, self.code(user.id), secret, address)

    def refresh(self, session: pb.Session) -> pb.Session:
        """Refresh a session."""
        return self.sessions.refresh(session.refresh_token)

    def is_live(self, session: pb.Session) -> bool:
        """Return whether the guard accepts the tokens of a session."""
        return StoredAccounts(self.store).is_live(session.id)
