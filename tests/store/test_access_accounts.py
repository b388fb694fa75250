"""What each service answers the guard about callers, from its own store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from admin_server.access.accounts import StoredAccounts as AdminAccounts
from admin_server.store import models as admin_models
from frontend_server.access.accounts import StoredAccounts as FrontendAccounts
from frontend_server.access.standing import check_standing
from frontend_server.store import models as frontend_models
from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_LIBRARIAN, ROLE_MANAGER, ROLE_PATRON, Role
from library.v1.staff_pb2 import ApiToken, StaffRole
from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED
from library_domain.access.accounts import Account, Accounts
from library_domain.access.callers import Caller
from library_domain.access.errors import RoleRequired
from library_domain.access.tokens import encode_key, new_key_pair
from service_kit.clock import DAY, timestamp
from service_kit.ids import new_id
from service_kit.store import Store
from tests.support.clocks import SettableClock
from tests.support.stores import Engine, FreshDatabases, bound_store

ADA, BOB, CYD, DAN = (new_id() for _ in range(4))
TIMES = {"create_time": 1, "update_time": 1}
USER = {**TIMES, "email": "", "last_name": "Lovelace", "email_key": "", "words": "", "revision": 1}
SECRET_HASH = "ab" * 32
PATRON_ADA = Account("Ada Lovelace", ROLE_PATRON)
LIMITS = frozenset({"LOAN_LIMIT_REACHED"})


@pytest.fixture
def admin(admin_store: Store, clock: SettableClock) -> AdminAccounts:
    return AdminAccounts(admin_store, clock)


@pytest.fixture
def frontend(frontend_store: Store) -> FrontendAccounts:
    return FrontendAccounts(frontend_store)


def add_users(model: type[admin_models.User] | type[frontend_models.User], **columns: int) -> None:
    rows = [(ADA, "Ada", USER_STATE_ACTIVE), (BOB, "Bob", USER_STATE_CLOSED), (CYD, "Cyd", USER_STATE_ACTIVE)]
    for user_id, name, state in rows:
        model.insert(id=user_id, first_name=name, state=state, **USER, **columns).execute()


def grant_at_admin(user_id: str, role: int, revision: int, reasons: str = "[]") -> None:
    columns = {"role": role, "override_reasons": reasons, "revision": revision}
    admin_models.StaffRole.insert(user_id=user_id, **columns, **TIMES).execute()


def grant_at_frontend(user_id: str, message: bytes) -> None:
    frontend_models.StaffRole.insert(id=user_id, message=message, revision=1, generation=1).execute()


def test_the_admin_answers_with_the_name_and_the_role_of_an_active_user(admin: AdminAccounts) -> None:
    add_users(admin_models.User)
    assert admin.account(ADA) == PATRON_ADA
    grant_at_admin(ADA, ROLE_LIBRARIAN, 1, '["LOAN_LIMIT_REACHED"]')
    grant_at_admin(BOB, ROLE_ADMIN, 2)
    grant_at_admin(CYD, 99, 3)
    grant_at_admin(DAN, ROLE_ADMIN, 4)
    assert admin.account(ADA) == Account("Ada Lovelace", ROLE_LIBRARIAN, LIMITS)
    assert admin.account(BOB) is None
    assert admin.account(CYD) == Account("Cyd Lovelace", ROLE_PATRON)
    assert admin.account(DAN) == Account(DAN, ROLE_ADMIN), "granted on the machine, before the user has arrived"
    assert admin.account(new_id()) is None


def test_a_damaged_role_at_the_admin_is_a_patrons(admin: AdminAccounts) -> None:
    add_users(admin_models.User)
    grant_at_admin(ADA, ROLE_ADMIN, 1, "nothing")
    assert admin.account(ADA) == PATRON_ADA


def test_the_frontend_answers_with_the_name_and_the_role_of_an_active_user(frontend: FrontendAccounts) -> None:
    add_users(frontend_models.User, pushed_revision=0)
    assert frontend.account(ADA) == PATRON_ADA
    message = StaffRole(user_id=ADA, role=ROLE_LIBRARIAN, override_reasons=LIMITS)
    grant_at_frontend(ADA, message.SerializeToString())
    grant_at_frontend(BOB, StaffRole(user_id=BOB, role=ROLE_ADMIN).SerializeToString())
    grant_at_frontend(CYD, b"\xff")
    grant_at_frontend(DAN, StaffRole(user_id=DAN, role=ROLE_ADMIN).SerializeToString())
    assert frontend.account(ADA) == Account("Ada Lovelace", ROLE_LIBRARIAN, LIMITS)
    assert frontend.account(CYD) == Account("Cyd Lovelace", ROLE_PATRON)
    assert [frontend.account(user_id) for user_id in (BOB, DAN, new_id())] == [None] * 3


@pytest.fixture(params=["admin", "frontend"])
def both(
    request: pytest.FixtureRequest, databases: FreshDatabases, engine: Engine, clock: SettableClock
) -> Iterator[tuple[Accounts, str]]:
    url = databases.migrated(request.param, engine)
    with bound_store(request.param, url) as store:
        accounts = AdminAccounts if request.param == "admin" else FrontendAccounts
        yield accounts(store, clock), request.param
    databases.leave(request.param, url)


def test_keys_that_are_not_retired_are_known(both: tuple[Accounts, str], clock: SettableClock) -> None:
    accounts, server = both
    key, replaced, retired, damaged = (new_key_pair(new_id()) for _ in range(4))
    tomorrow = clock() + DAY
    for revision, (pair, retire_time) in enumerate([(key, 0), (replaced, tomorrow), (retired, 7), (damaged, 0)]):
        columns = {"id": pair.id, "public_key": encode_key(pair.public), "retire_time": retire_time}
        columns |= {"create_time": 1, "revision": revision}
        if server == "admin":
            admin_models.SigningKey.insert(**columns).execute()
        else:
            own = {"private_key": "", "pushed_revision": 0, "park_reason": ""}
            frontend_models.SigningKey.insert(**columns, **own).execute()
    model = admin_models.SigningKey if server == "admin" else frontend_models.SigningKey
    model.update(public_key="not a key").where(model.id == damaged.id).execute()
    assert accounts.public_key(key.id) == key.public
    assert accounts.public_key(replaced.id) == replaced.public
    assert [accounts.public_key(each) for each in (retired.id, damaged.id, new_id())] == [None] * 3


def test_the_issuer_is_the_frontend(both: tuple[Accounts, str]) -> None:
    accounts, server = both
    if server == "admin":
        assert accounts.issuer() == ""
        admin_models.Frontend.insert(one=1, id=ADA, newest_revision=0).execute()
        assert accounts.issuer() == ADA
    else:
        frontend_models.ensure_frontend_id(accounts._store)  # type: ignore[attr-defined]
        assert accounts.issuer() == frontend_models.sync_state().frontend_id


def test_a_loan_has_an_owner_until_it_is_anonymised(both: tuple[Accounts, str]) -> None:
    accounts, server = both
    loan, anonymous = new_id(), new_id()
    model = admin_models.Loan if server == "admin" else frontend_models.Loan
    for loan_id, user_id in [(loan, ADA), (anonymous, "")]:
        columns = {"book_id": new_id(), "book_title": "", "days": 1, "borrow_time": 1, "due_time": 1, "revision": 1}
        columns |= {} if server == "admin" else {"pushed_revision": 0}
        model.insert(id=loan_id, user_id=user_id, **columns).execute()
    assert accounts.owner_of_loan(loan) == ADA
    assert accounts.owner_of_loan(anonymous) is accounts.owner_of_loan(new_id()) is None


def test_sessions_are_live_until_they_end(frontend: FrontendAccounts) -> None:
    live, ended = new_id(), new_id()
    for session_id, end_time in [(live, 0), (ended, 5)]:
        hashes = {"refresh_hash": SECRET_HASH, "previous_hash": "", "refresh_salt": ""}
        times = {"refresh_time": 1, "create_time": 1, "expire_time": 9, "end_time": end_time}
        frontend_models.Session.insert(id=session_id, user_id=ADA, **hashes, **times).execute()
    assert [frontend.is_live(each) for each in (live, ended, new_id())] == [True, False, False]


def test_the_admin_knows_api_tokens_and_notes_their_use(admin: AdminAccounts, clock: SettableClock) -> None:
    token_id = new_id()
    times = {"create_time": 1, "expire_time": 0, "revoke_time": 0, "last_use_time": 0}
    columns = {"display_name": "import", "name_key": "import", "role": ROLE_MANAGER, "scopes": "[]", "revision": 1}
    admin_models.ApiToken.insert(id=token_id, secret_hash=SECRET_HASH, **columns, **times).execute()
    expected = ApiToken(id=token_id, display_name="import", role=ROLE_MANAGER, secret_hash=SECRET_HASH)
    expected.create_time.CopyFrom(timestamp(1))
    assert admin.api_token(token_id) == expected
    admin.note_use(token_id)
    expected.last_use_time.CopyFrom(timestamp(clock.now))
    assert admin.api_token(token_id) == expected
    assert admin_models.ApiToken.get().revision == 1, "a use does not go down"
    assert admin.api_token(new_id()) is None


def test_the_frontend_knows_api_tokens(frontend: FrontendAccounts) -> None:
    token = ApiToken(id=new_id(), display_name="import", role=ROLE_MANAGER, secret_hash=SECRET_HASH)
    damaged = new_id()
    for token_id, message in [(token.id, token.SerializeToString()), (damaged, b"\xff")]:
        frontend_models.ApiToken.insert(id=token_id, message=message, revision=1, generation=1).execute()
    frontend.note_use(token.id)
    assert frontend.api_token(token.id) == token
    assert frontend.api_token(damaged) is frontend.api_token(new_id()) is None


@pytest.mark.parametrize(
    ("role", "caller_role", "required"),
    [
        (ROLE_PATRON, ROLE_LIBRARIAN, None),
        (ROLE_LIBRARIAN, ROLE_LIBRARIAN, "manager"),
        (ROLE_ADMIN, ROLE_MANAGER, "admin"),
        (ROLE_ADMIN, ROLE_ADMIN, None),
    ],
)
def test_the_account_of_a_colleague_needs_a_higher_role(
    frontend: FrontendAccounts, role: Role.ValueType, caller_role: Role.ValueType, required: str | None
) -> None:
    grant_at_frontend(ADA, StaffRole(user_id=ADA, role=role).SerializeToString())
    check_standing(Caller(caller_role, user_id=ADA), ADA, may_be_own=True)
    if required is None:
        check_standing(Caller(caller_role, user_id=BOB), ADA)
        return
    for user_id in (ADA, BOB):
        with pytest.raises(RoleRequired) as refusal:
            check_standing(Caller(caller_role, user_id=user_id), ADA)
        assert refusal.value.metadata["required_role"] == required
