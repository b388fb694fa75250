"""Roles and API tokens on the admin: who gets them, who may not, and what the last admin cannot lose."""

from __future__ import annotations

import re
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from admin_server.access import accounts, api_tokens, roles
from admin_server.store.models import ApiToken, StaffRole, User
from library.access.v1.access_pb2 import (
    ROLE_ADMIN,
    ROLE_GUEST,
    ROLE_LIBRARIAN,
    ROLE_MANAGER,
    ROLE_PATRON,
    Role,
)
from library.admin.v1.staff_service_pb2 import (
    CreateApiTokenRequest,
    CreateApiTokenResponse,
    GrantRoleRequest,
    ListApiTokensRequest,
    ListStaffRolesRequest,
    RevokeApiTokenRequest,
)
from library.v1 import staff_pb2
from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED
from library_domain.access.bearer import api_token_of
from library_domain.access.callers import ANYBODY, Caller
from library_domain.access.errors import ApiTokenExists, ApiTokenNotFound, LastAdmin, RoleRequired, ScopeRequired
from library_domain.errors import UserClosed, UserNotFound
from service_kit.clock import DAY, timestamp
from service_kit.errors import FieldInvalid
from service_kit.ids import new_id
from service_kit.random_secrets import hash_of_secret
from service_kit.revisions import head_revision
from service_kit.store import Store
from tests.support.clocks import SettableClock
from tests.support.waiting import second_beside


class Office:
    """The use cases of admins, on a store with some users."""

    def __init__(self, store: Store, clock: SettableClock) -> None:
        self.store, self.clock = store, clock
        self.ada, self.bob, self.cyd = (self.user() for _ in range(3))

    def user(self, state: int = USER_STATE_ACTIVE) -> str:
        """Record a user, as if the frontend had pushed one."""
        columns = {"email": "", "email_key": "", "words": "", "create_time": 1, "update_time": 1, "revision": 1}
        user_id = new_id()
        User.insert(id=user_id, first_name="Ada", last_name="", state=state, **columns).execute()
        return user_id

    def grant(self, user_id: str, role: Role.ValueType, *reasons: str, caller: Caller = ANYBODY, **fields: str) -> Any:
        request = GrantRoleRequest(user_id=user_id, role=role, override_reasons=reasons, **fields)
        return roles.grant_role(self.store, request, self.clock, caller)

    def staff(self, page_size: int = 0) -> list[tuple[str, Role.ValueType]]:
        """List all roles, page by page."""
        found, request = [], ListStaffRolesRequest(page_size=page_size)
        while True:
            page, request.page_token = roles.list_staff_roles(self.store, request)
            found += [(role.user_id, role.role) for role in page]
            if not request.page_token:
                return found

    def token(
        self, name: str = "import", role: Role.ValueType = ROLE_LIBRARIAN, **fields: Any
    ) -> CreateApiTokenResponse:
        caller = fields.pop("caller", ANYBODY)
        request = CreateApiTokenRequest(display_name=name, role=role, **fields)
        return api_tokens.create_api_token(self.store, request, self.clock, caller)

    def revoke(self, token_id: str, caller: Caller = ANYBODY, **fields: str) -> staff_pb2.ApiToken:
        request = RevokeApiTokenRequest(id=token_id, **fields)
        return api_tokens.revoke_api_token(self.store, request, self.clock, caller)

    def tokens(self) -> list[staff_pb2.ApiToken]:
        return api_tokens.list_api_tokens(self.store, ListApiTokensRequest())[0]

    def head(self) -> int:
        with self.store.reading():
            return head_revision()


@pytest.fixture
def office(admin_store: Store, clock: SettableClock) -> Office:
    return Office(admin_store, clock)


def admin(user_id: str) -> Caller:
    """A caller whom the guard took for an admin."""
    return Caller(ROLE_ADMIN, user_id=user_id, credential_id=new_id())


def test_a_role_is_granted_changed_and_revoked(office: Office) -> None:
    granted = office.grant(office.ada.upper(), ROLE_LIBRARIAN, "USER_BLOCKED", "LOAN_LIMIT_REACHED")
    assert granted == staff_pb2.StaffRole(
        user_id=office.ada,
        role=ROLE_LIBRARIAN,
        override_reasons=["LOAN_LIMIT_REACHED", "USER_BLOCKED"],
        update_time=timestamp(office.clock.now),
    )
    head = office.head()
    office.clock.advance(days=1)
    assert office.grant(office.ada, ROLE_LIBRARIAN, "LOAN_LIMIT_REACHED", "USER_BLOCKED") == granted
    assert office.head() == head, "the same again changes nothing"
    office.grant(office.bob, ROLE_MANAGER)
    changed = office.grant(office.ada, ROLE_MANAGER)
    assert (changed.override_reasons, changed.update_time) == ([], timestamp(office.clock.now))
    assert StaffRole.get(user_id=office.ada).revision == office.head() == head + 2
    assert office.staff() == [(office.ada, ROLE_MANAGER), (office.bob, ROLE_MANAGER)]
    assert office.staff(page_size=1) == office.staff()
    assert office.grant(office.ada, ROLE_PATRON).role == ROLE_PATRON
    assert office.staff() == [(office.bob, ROLE_MANAGER)]
    assert office.head() == head + 3, "a revoked role goes down, too"


def test_a_role_is_refused_for_unknown_and_closed_users_and_for_reasons_that_no_one_overrides(office: Office) -> None:
    with pytest.raises(UserNotFound):
        office.grant(new_id(), ROLE_LIBRARIAN)
    with pytest.raises(UserNotFound):
        office.grant(new_id(), ROLE_PATRON)
    with pytest.raises(UserClosed):
        office.grant(office.user(USER_STATE_CLOSED), ROLE_LIBRARIAN)
    with pytest.raises(FieldInvalid) as refusal:
        office.grant(office.ada, ROLE_MANAGER, "LOAN_LIMIT_REACHED", "USER_CLOSED", "nonsense")
    assert refusal.value.metadata["fields"] == "override_reasons[1], override_reasons[2], override_reasons"
    assert office.grant(office.ada, ROLE_PATRON) == staff_pb2.StaffRole(user_id=office.ada, role=ROLE_PATRON)
    assert StaffRole.select().count() == 0


def test_the_only_admin_keeps_the_role(office: Office) -> None:
    office.grant(office.ada, ROLE_ADMIN)
    for role in (ROLE_PATRON, ROLE_MANAGER):
        with pytest.raises(LastAdmin):
            office.grant(office.ada, role)
    office.grant(office.ada, ROLE_ADMIN)
    office.grant(office.bob, ROLE_ADMIN)
    User.update(state=USER_STATE_CLOSED).where(User.id == office.bob).execute()
    with pytest.raises(LastAdmin):
        office.grant(office.ada, ROLE_PATRON)
    assert office.staff() == [(office.ada, ROLE_ADMIN)], "the role of a closed account has no effect"
    office.grant(office.bob, ROLE_PATRON)
    office.grant(office.cyd, ROLE_ADMIN)
    assert office.grant(office.ada, ROLE_PATRON).role == ROLE_PATRON


def test_of_two_admins_who_revoke_each_other_one_is_refused(office: Office) -> None:
    """The guard knows both as admins for some seconds more."""
    for user_id in (office.ada, office.bob):
        office.grant(user_id, ROLE_ADMIN)

    def revoke(user_id: str, caller: str) -> Any:
        try:
            return office.grant(user_id, ROLE_PATRON, caller=admin(caller))
        except RoleRequired as refusal:
            return refusal.metadata

    second = second_beside(office.store, lambda: revoke(office.bob, office.ada), lambda: revoke(office.ada, office.bob))

    assert second == {"required_role": "admin", "role": "patron"}
    assert office.staff() == [(office.ada, ROLE_ADMIN)]


def test_of_two_admins_who_resign_at_once_one_stays(office: Office) -> None:
    for user_id in (office.ada, office.bob):
        office.grant(user_id, ROLE_ADMIN)

    def resign(user_id: str) -> Any:
        try:
            return office.grant(user_id, ROLE_PATRON, caller=admin(user_id))
        except LastAdmin as refusal:
            return refusal

    second = second_beside(office.store, lambda: resign(office.ada), lambda: resign(office.bob))

    assert isinstance(second, LastAdmin)
    assert office.staff() == [(office.bob, ROLE_ADMIN)]


def test_a_role_of_a_damaged_row_can_be_granted_again(office: Office) -> None:
    office.grant(office.ada, ROLE_LIBRARIAN)
    StaffRole.update(override_reasons="{").execute()
    assert office.staff() == []
    assert office.grant(office.ada, ROLE_LIBRARIAN).role == ROLE_LIBRARIAN
    assert office.staff() == [(office.ada, ROLE_LIBRARIAN)]


def test_on_the_machine_a_role_is_granted_before_the_user_has_arrived(office: Office) -> None:
    def grant(user_id: str, role: Role.ValueType) -> staff_pb2.StaffRole:
        request = GrantRoleRequest(user_id=user_id, role=role)
        return roles.grant_role_on_machine(office.store, request, office.clock)

    unknown = new_id()
    assert grant(unknown, ROLE_ADMIN).role == ROLE_ADMIN
    with pytest.raises(LastAdmin):
        grant(unknown, ROLE_PATRON)
    with pytest.raises(UserClosed):
        grant(office.user(USER_STATE_CLOSED), ROLE_ADMIN)
    assert office.staff() == [(unknown, ROLE_ADMIN)]


def test_an_api_token_is_made_listed_and_revoked(office: Office) -> None:
    made = office.token("  nightly import ", ROLE_MANAGER, scopes=["library.admin.v1.CatalogService"])
    text = api_token_of(made.token)
    assert text is not None
    assert re.fullmatch("lib_[0-9a-f]{32}_[A-Za-z0-9_-]{43}", made.token)
    assert made.api_token == staff_pb2.ApiToken(
        id=text.id,
        display_name="nightly import",
        role=ROLE_MANAGER,
        scopes=["library.admin.v1.CatalogService"],
        create_time=timestamp(office.clock.now),
    )
    row = ApiToken.get()
    assert row.secret_hash == hash_of_secret(text.secret)
    assert not any(text.secret in str(value) for value in row.__data__.values())
    assert office.tokens() == [made.api_token]
    with pytest.raises(ApiTokenExists):
        office.token("Nightly import")
    accounts.StoredAccounts(office.store, office.clock).note_use(text.id)
    office.clock.advance(days=1)
    revoked = office.revoke(text.id.upper())
    assert revoked.revoke_time == timestamp(office.clock.now)
    assert revoked.last_use_time == timestamp(office.clock.now - DAY)
    office.clock.advance(days=1)
    assert office.revoke(text.id) == revoked, "the first time stays"
    again = office.token("Nightly import")
    assert office.tokens() == [revoked, again.api_token]
    with pytest.raises(ApiTokenNotFound):
        office.revoke(new_id())


def test_an_api_token_with_a_wrong_name_scope_or_time_is_refused(office: Office) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"name": " \t"}, "display_name"),
        ({"scopes": ["library.v1.Nothing"]}, "scopes[0]"),
        ({"scopes": ["library.admin.v1.CatalogService/AddBook", "library.sync.v1.SyncService"]}, "scopes[1]"),
        ({"expire_time": Timestamp(seconds=2**40)}, "expire_time"),
        ({"expire_time": timestamp(office.clock.now)}, "expire_time"),
    ]
    for fields, wrong in cases:
        with pytest.raises(FieldInvalid) as refusal:
            office.token(**fields)
        assert refusal.value.metadata["fields"] == wrong
    assert office.token("a", ROLE_GUEST, expire_time=timestamp(office.clock.now + 1)).api_token.HasField("expire_time")


def test_a_program_makes_no_token_that_may_do_more_than_its_own(office: Office) -> None:
    staff, catalog = "library.admin.v1.StaffService", "library.admin.v1.CatalogService"
    scopes = [f"{staff}/CreateApiToken", catalog]
    program = Caller(ROLE_ADMIN, credential_id=office.token("a", ROLE_ADMIN).api_token.id, scopes=tuple(scopes))
    for more in ([], [staff], [f"{staff}/GrantRole"], [catalog, f"{staff}.GrantRole"]):
        with pytest.raises(ScopeRequired):
            office.token("b", scopes=more, caller=program)
    for number, some in enumerate(([catalog], [f"{catalog}/GetBook", f"{catalog}.ListBooks"], scopes)):
        assert office.token(f"c{number}", scopes=some, caller=program).api_token.scopes == some


def test_who_is_not_an_admin_any_more_changes_nothing(office: Office) -> None:
    """The guard knows a role, and a token, for some seconds more."""
    office.grant(office.ada, ROLE_ADMIN)
    made = office.token("admin's", ROLE_ADMIN, expire_time=timestamp(office.clock.now + DAY)).api_token
    other = office.token("other", ROLE_ADMIN).api_token
    token = Caller(ROLE_ADMIN, credential_id=made.id)
    office.grant(office.bob, ROLE_ADMIN, caller=token)
    office.grant(office.ada, ROLE_PATRON, caller=admin(office.bob))
    office.revoke(other.id, caller=token)
    before = office.head()
    office.clock.advance(days=1)
    for caller in (admin(office.ada), admin(office.cyd), token, Caller(ROLE_ADMIN, credential_id=other.id)):
        for change in (
            lambda caller: office.grant(office.ada, ROLE_ADMIN, caller=caller),
            lambda caller: office.token("more", caller=caller),
            lambda caller: office.revoke(made.id, caller=caller),
        ):
            with pytest.raises(RoleRequired):
                change(caller)
    assert office.head() == before
