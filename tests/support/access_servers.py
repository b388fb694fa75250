"""Both servers in the mode `token`, with a user of each role, programs, keys and a loan in their stores."""

from __future__ import annotations

from dataclasses import dataclass, field

from admin_server.store import models as admin_models
from frontend_server.store import models as frontend_models
from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_GUEST, ROLE_LIBRARIAN, ROLE_PATRON, Role
from library.v1.item_pb2 import ITEM_PLACE_ON_LOAN, ITEM_STATE_IN_SERVICE, Item
from library.v1.staff_pb2 import ApiToken, StaffRole
from library_domain.access.bearer import api_token_text
from library_domain.access.tokens import encode_key, new_key_pair
from service_kit.clock import DAY, system_clock, timestamp
from service_kit.ids import new_id
from service_kit.random_secrets import hash_of_secret
from service_kit.revisions import take_revisions
from tests.support.access import USER_ROLES, Issuer
from tests.support.certificates import Site
from tests.support.clients import CREDENTIALS
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import Engine, FreshDatabases, bound_store

NO_ADMIN = "127.0.0.1:1"
"""A port where nothing listens. The frontend keeps what the test has put into its store."""

PROGRAM_SECRET = "p" * 43
NOTE = "Ask Ben about the stain"
"""The note for the staff at the item that the patron has."""

REASON = "LOAN_LIMIT_REACHED"
"""What the librarian may override."""


@dataclass
class People:
    """Who is in the stores: users by role, programs by what they may do, and the key that signs tokens."""

    issuer: Issuer = field(default_factory=lambda: Issuer(issuer=CREDENTIALS.frontend_id))
    retired: Issuer = field(default_factory=lambda: Issuer(issuer=CREDENTIALS.frontend_id))
    users: dict[Role.ValueType, str] = field(default_factory=lambda: {role: new_id() for role in USER_ROLES})
    other: str = field(default_factory=new_id)
    """Another patron, who has a loan."""
    closed: str = field(default_factory=new_id)
    sessions: dict[str, str] = field(default_factory=dict)
    """The session of a user, by the user's id."""
    ended_session: str = field(default_factory=new_id)
    loans: dict[str, str] = field(default_factory=dict)
    """The loan of a user, by the user's id."""
    books: dict[str, str] = field(default_factory=dict)
    """The book of a user's loan, and likewise the item."""
    items: dict[str, str] = field(default_factory=dict)
    programs: dict[str, ApiToken] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sessions = {user_id: new_id() for user_id in (*self.users.values(), self.other, self.closed)}
        self.loans, self.books, self.items = (
            {user_id: new_id() for user_id in (self.users[ROLE_PATRON], self.other)} for _ in range(3)
        )
        past = timestamp(system_clock() - DAY)
        catalog = "library.admin.v1.CatalogService"
        for name, entry in {
            "guest": ApiToken(role=ROLE_GUEST),
            "librarian": ApiToken(role=ROLE_LIBRARIAN),
            "admin": ApiToken(role=ROLE_ADMIN),
            "for the catalogue": ApiToken(role=ROLE_ADMIN, scopes=[catalog]),
            "for one method": ApiToken(role=ROLE_LIBRARIAN, scopes=[f"{catalog}/GetBook"]),
            "revoked": ApiToken(role=ROLE_ADMIN, revoke_time=past),
            "expired": ApiToken(role=ROLE_ADMIN, expire_time=past),
            "a patron's": ApiToken(role=ROLE_PATRON),
        }.items():
            entry.id, entry.display_name, entry.secret_hash = new_id(), name, hash_of_secret(PROGRAM_SECRET)
            entry.create_time.CopyFrom(past)
            self.programs[name] = entry

    def token(self, role: Role.ValueType) -> str:
        """Return an access token of the user with a role."""
        return self.token_of(self.users[role])

    def token_of(self, user_id: str) -> str:
        """Return an access token of a user."""
        return self.issuer.token(user_id, self.sessions[user_id])

    def program(self, name: str) -> str:
        """Return the API token of a program."""
        return api_token_text(self.programs[name].id, PROGRAM_SECRET)

    def name(self, user_id: str) -> str:
        """Return the first name of a user."""
        return f"Reader {user_id}"

    def card_number(self, user_id: str) -> str:
        """Return the card number of a user."""
        return f"CARD{user_id[-8:].upper()}"

    def bad_tokens(self) -> dict[str, str]:
        """Return tokens that neither service accepts, by what is wrong with them. The user of most is an admin."""
        admin = self.users[ROLE_ADMIN]
        return {
            **self.issuer.bad_tokens(admin),
            "retired key": self.retired.token(admin, self.sessions[admin]),
            "closed user": self.token_of(self.closed),
            "unknown user": self.issuer.token(new_id()),
            "revoked program": self.program("revoked"),
            "expired program": self.program("expired"),
            "program with a user's role": self.program("a patron's"),
            "unknown program": api_token_text(new_id(), PROGRAM_SECRET),
            "wrong secret": api_token_text(self.programs["admin"].id, "q" * 43),
        }

    def fill_admin(self) -> None:
        """Write everyone into the store of an admin."""
        admin_models.Frontend.insert(
            one=1, id=CREDENTIALS.frontend_id, secret_hash=hash_of_secret(CREDENTIALS.secret)
        ).execute()
        for pair, retire_time in ((self.issuer.key, 0), (self.retired.key, 1)):
            admin_models.SigningKey.insert(
                id=pair.id, public_key=encode_key(pair.public), create_time=1, retire_time=retire_time, revision=1
            ).execute()
        for user_id, columns in self._users().items():
            admin_models.User.insert(id=user_id, revision=1, **columns).execute()
        for role, user_id in self.users.items():
            if role != ROLE_PATRON:
                admin_models.StaffRole.insert(
                    user_id=user_id,
                    role=role,
                    override_reasons=f'["{REASON}"]' if role == ROLE_LIBRARIAN else "[]",
                    create_time=1,
                    update_time=1,
                    revision=take_revisions(),
                ).execute()
        for entry in self.programs.values():
            admin_models.ApiToken.insert(
                id=entry.id,
                display_name=entry.display_name,
                name_key=entry.display_name,
                role=entry.role,
                scopes="[]" if not entry.scopes else f'["{entry.scopes[0]}"]',
                secret_hash=entry.secret_hash,
                create_time=1,
                expire_time=entry.expire_time.ToMicroseconds(),
                revoke_time=entry.revoke_time.ToMicroseconds(),
                last_use_time=0,
                revision=take_revisions(),
            ).execute()

    def fill_frontend(self) -> None:
        """Write everyone into the store of a frontend, as after a pull."""
        frontend_models.SyncState.update(frontend_id=CREDENTIALS.frontend_id, secret=CREDENTIALS.secret).execute()
        outbox = {"pushed_revision": 1, "revision": 1}
        for pair, retire_time in ((self.issuer.key, 0), (self.retired.key, 1)):
            frontend_models.SigningKey.insert(
                id=pair.id,
                public_key=encode_key(pair.public),
                private_key=encode_key(new_key_pair(pair.id).private),
                create_time=1,
                retire_time=retire_time,
                **outbox,
            ).execute()
        for user_id, columns in self._users().items():
            # A loan keeps the user from being closed by CloseUser.
            frontend_models.User.insert(id=user_id, active_loan_count=1, **outbox, **columns).execute()
        for user_id, session_id in {**self.sessions, "": self.ended_session}.items():
            frontend_models.Session.insert(
                id=session_id,
                user_id=user_id or self.users[ROLE_ADMIN],
                refresh_hash="",
                previous_hash="",
                refresh_salt="",
                refresh_time=1,
                create_time=1,
                expire_time=system_clock() + DAY,
                end_time=0 if user_id else 1,
            ).execute()
        for role, user_id in self.users.items():
            reasons = [REASON] if role == ROLE_LIBRARIAN else []
            message = StaffRole(user_id=user_id, role=role, override_reasons=reasons).SerializeToString()
            frontend_models.StaffRole.insert(id=user_id, message=message, revision=1, generation=1).execute()
        for entry in self.programs.values():
            frontend_models.ApiToken.insert(
                id=entry.id, message=entry.SerializeToString(), revision=1, generation=1
            ).execute()
        patron = self.users[ROLE_PATRON]
        frontend_models.Item.insert(
            id=self.items[patron],
            message=Item(id=self.items[patron], book_id=self.books[patron], note=NOTE).SerializeToString(),
            book_id=self.books[patron],
            barcode=f"BARCODE{patron[-4:]}",
            item_type="",
            item_type_key="",
            branch="",
            state=ITEM_STATE_IN_SERVICE,
            place=ITEM_PLACE_ON_LOAN,
            revision=1,
            generation=1,
        ).execute()
        now = system_clock()
        for user_id, loan_id in self.loans.items():
            frontend_models.Loan.insert(
                id=loan_id,
                book_id=self.books[user_id],
                item_id=self.items[user_id],
                barcode=f"BARCODE{user_id[-4:]}",
                user_id=user_id,
                book_title="Emma",
                days=14,
                borrow_time=now - DAY,
                due_time=now + DAY,
                **outbox,
            ).execute()

    def _users(self) -> dict[str, dict[str, object]]:
        ids = [*self.users.values(), self.other, self.closed]
        return {
            user_id: {
                "email": "",
                "first_name": self.name(user_id),
                "last_name": "",
                "state": 2 if user_id == self.closed else 1,
                "create_time": 1,
                "update_time": 1,
                "email_key": "",
                "words": "",
                "card_number": self.card_number(user_id),
            }
            for user_id in ids
        }


@dataclass(frozen=True)
class TokenServers:
    """Both servers, and who may call them."""

    people: People
    admin: ServerProcess
    frontend: ServerProcess


def start_token_servers(
    databases: FreshDatabases,
    servers: Servers,
    engine: Engine = "sqlite",
    site: Site | None = None,
    *,
    syncs: bool = False,
    **settings: str,
) -> TokenServers:
    """Start both servers in the mode `token`, which sync or do not, with TLS if there is a site.

    `settings` are further settings of both.
    """
    people = People()
    admin_url, frontend_url = databases.migrated("admin", engine), databases.migrated("frontend", engine)
    with bound_store("admin", admin_url) as store, store.writing():
        people.fill_admin()
    with bound_store("frontend", frontend_url) as store:
        frontend_models.ensure_frontend_id(store)
        with store.writing():
            people.fill_frontend()
    tls = {name: site.settings(name) if site else {} for name in ("admin", "frontend")}
    admin = servers.start("admin", admin_url, ACCESS="token", **tls["admin"], **settings)
    target = admin.address if syncs else NO_ADMIN
    frontend = servers.start(
        "frontend", frontend_url, ACCESS="token", ADMIN_TARGET=target, **tls["frontend"], **settings
    )
    return TokenServers(people, admin, frontend)
