"""Roles and API tokens reach the frontend, and what cannot be applied there ends what was granted before."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from admin_server.access import accounts as admin_accounts
from admin_server.access.api_tokens import create_api_token, revoke_api_token
from admin_server.access.roles import grant_role
from admin_server.store import models as admin_models
from admin_server.sync import repair as admin_repair
from frontend_server.access.accounts import StoredAccounts
from frontend_server.store import models
from frontend_server.sync.retry_set_aside import retry_set_aside
from library.access.v1.access_pb2 import (
    ROLE_ADMIN,
    ROLE_LIBRARIAN,
    ROLE_MANAGER,
    ROLE_PATRON,
    ROLE_SERVICE,
    Role,
)
from library.admin.v1.staff_service_pb2 import CreateApiTokenRequest, GrantRoleRequest, RevokeApiTokenRequest
from library.sync.v1.sync_service_pb2 import CatalogChange, ListCatalogChangesRequest
from library.v1.staff_pb2 import ApiToken, StaffRole
from library_domain.access.accounts import Account
from library_domain.access.bearer import api_token_of
from library_domain.access.callers import ANYBODY
from library_domain.access.override_reasons import OVERRIDABLE
from service_kit.random_secrets import hash_of_secret
from service_kit.salvage import NO_TIME
from tests.support.stores import Engine, FreshDatabases
from tests.sync.libraries import Library
from tests.sync.refusing_stores import aside, pull_altered


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine, page_size=2)
    yield library
    library.close()


@pytest.fixture
def ada(library: Library) -> str:
    user_id = library.enroll("ada").id
    library.sync()
    return user_id


def grant(library: Library, user_id: str, role: Role.ValueType, *reasons: str) -> None:
    request = GrantRoleRequest(user_id=user_id, role=role, override_reasons=reasons)
    with library.admin.at_work() as store:
        grant_role(store, request, library.clock, ANYBODY)


def account(library: Library, user_id: str) -> Account | None:
    with library.frontend.at_work() as store:
        return StoredAccounts(store).account(user_id)


def role(library: Library, user_id: str) -> Role.ValueType | None:
    found = account(library, user_id)
    return found.role if found else None


def test_a_role_comes_down_changes_and_is_revoked(library: Library, ada: str) -> None:
    assert role(library, ada) == ROLE_PATRON
    grant(library, ada, ROLE_LIBRARIAN, "USER_BLOCKED")
    library.sync()
    assert account(library, ada) == Account("ada Reader", ROLE_LIBRARIAN, frozenset({"USER_BLOCKED"}))
    grant(library, ada, ROLE_MANAGER)
    library.sync()
    assert account(library, ada) == Account("ada Reader", ROLE_MANAGER)
    grant(library, ada, ROLE_PATRON)
    library.sync()
    assert role(library, ada) == ROLE_PATRON
    assert not aside(library)


def test_an_api_token_comes_down_with_the_hash_of_its_secret_and_is_revoked(library: Library) -> None:
    with library.admin.at_work() as store:
        request = CreateApiTokenRequest(display_name="import", role=ROLE_LIBRARIAN)
        made = create_api_token(store, request, library.clock, ANYBODY)
        admin_accounts.StoredAccounts(store, library.clock).note_use(made.api_token.id)
    library.sync()
    text = api_token_of(made.token)
    assert text is not None
    expected = ApiToken.FromString(made.api_token.SerializeToString())
    expected.secret_hash = hash_of_secret(text.secret)
    assert token(library, text.id) == expected, "without the last use, which is not a change"
    with library.admin.at_work() as store:
        revoked = revoke_api_token(store, RevokeApiTokenRequest(id=text.id), library.clock, ANYBODY)
    library.sync()
    received = token(library, text.id)
    assert received is not None
    assert received.revoke_time == revoked.revoke_time


def token(library: Library, token_id: str) -> ApiToken | None:
    with library.frontend.at_work() as store:
        return StoredAccounts(store).api_token(token_id)


ROLE_FAULTS: dict[str, Callable[[StaffRole], object]] = {
    "a role of a newer version": lambda role: setattr(role, "role", 9),
    "a role that users cannot have": lambda role: setattr(role, "role", ROLE_SERVICE),
    "no role": lambda role: role.ClearField("role"),
    "an impossible time": lambda role: role.update_time.CopyFrom(NO_TIME),
}


def test_a_role_whose_newest_version_cannot_be_applied_ends(library: Library, ada: str) -> None:
    """It may be the one that revokes the role."""
    for fault in ROLE_FAULTS.values():
        grant(library, ada, ROLE_MANAGER)
        library.sync()
        assert role(library, ada) == ROLE_MANAGER
        assert not aside(library)
        grant(library, ada, ROLE_LIBRARIAN)
        pull_altered(library, at_roles(fault))
        assert role(library, ada) == ROLE_PATRON
        assert [(row.kind, row.id) for row in aside(library)] == [("staff_role", ada)]


def at_roles(fault: Callable[[StaffRole], object]) -> Callable[[CatalogChange], object]:
    return lambda change: change.HasField("staff_role") and fault(change.staff_role)


TOKEN_FAULTS: dict[str, Callable[[ApiToken], object]] = {
    "a role that programs cannot have": lambda token: setattr(token, "role", ROLE_PATRON),
    "no hash": lambda token: token.ClearField("secret_hash"),
    "an impossible time": lambda token: token.revoke_time.CopyFrom(NO_TIME),
}


def test_an_api_token_whose_newest_version_cannot_be_applied_ends(library: Library) -> None:
    for name, fault in TOKEN_FAULTS.items():
        token_id = create(library, name)
        library.sync()
        assert token(library, token_id)
        with library.admin.at_work() as store:
            revoke_api_token(store, RevokeApiTokenRequest(id=token_id), library.clock, ANYBODY)
        pull_altered(library, at_tokens(fault))
        assert token(library, token_id) is None
        assert [(row.kind, row.id) for row in aside(library)][-1] == ("api_token", token_id)


def at_tokens(fault: Callable[[ApiToken], object]) -> Callable[[CatalogChange], object]:
    return lambda change: fault(change.api_token)


def create(library: Library, name: str) -> str:
    with library.admin.at_work() as store:
        request = CreateApiTokenRequest(display_name=name, role=ROLE_LIBRARIAN)
        return create_api_token(store, request, library.clock, ANYBODY).api_token.id


def test_a_row_with_an_impossible_id_is_set_aside(library: Library, ada: str) -> None:
    for number, wrong_id in enumerate(("", "x" * 1_000, "戦争\0"), 1):
        grant(library, ada, ROLE_LIBRARIAN, *list(OVERRIDABLE)[:number])
        pull_altered(library, at_roles(functools.partial(set_user_id, wrong_id)))
        assert [row.kind for row in aside(library)] == ["staff_role"] * number
    assert role(library, ada) == ROLE_PATRON


def set_user_id(user_id: str, role: StaffRole) -> None:
    role.user_id = user_id


def test_a_damaged_row_of_the_admin_ends_the_role_until_it_is_granted_again(library: Library, ada: str) -> None:
    grant(library, ada, ROLE_MANAGER)
    library.sync()
    with library.admin.at_work() as store, store.writing():
        table = admin_models.StaffRole
        table.update(override_reasons="{", revision=table.revision + 100).execute()
        store.database.execute_sql("UPDATE counter SET revision = revision + 100 WHERE id = 1")
    library.sync()
    assert role(library, ada) == ROLE_PATRON
    assert [row.kind for row in aside(library)] == ["staff_role"]
    grant(library, ada, ROLE_LIBRARIAN)
    library.sync()
    assert role(library, ada) == ROLE_LIBRARIAN
    assert not aside(library)


def test_a_frontend_restarts_with_what_it_set_aside(library: Library, ada: str) -> None:
    """As after an upgrade that knows the role."""
    grant(library, ada, ROLE_MANAGER)
    pull_altered(library, at_roles(lambda role: StaffRole.ClearField(role, "update_time")))
    assert role(library, ada) == ROLE_MANAGER, "the time is only shown"
    with library.frontend.at_work() as store, store.writing():
        row = models.StaffRole.get()
        change = CatalogChange(revision=row.revision, staff_role=StaffRole.FromString(bytes(row.message)))
        columns = {"reason": "not known", "change": change.SerializeToString(), "time": 1}
        place = {"kind": "field 8", "id": str(row.revision), "revision": row.revision, "generation": row.generation}
        models.SetAside.insert(**place, **columns).execute()
        row.delete_instance()
    assert role(library, ada) == ROLE_PATRON
    with library.frontend.at_work() as store:
        retry_set_aside(store)
    assert role(library, ada) == ROLE_MANAGER
    assert not aside(library)


def test_a_resync_forgets_the_roles_and_tokens_that_a_restored_admin_lacks(library: Library, ada: str) -> None:
    grant(library, ada, ROLE_LIBRARIAN)
    library.sync()
    backup = library.admin.backup()
    bob = library.enroll("bob").id
    library.sync()
    grant(library, bob, ROLE_ADMIN)
    grant(library, ada, ROLE_PATRON)
    token_id = create(library, "import")
    library.sync()
    assert (role(library, ada), role(library, bob)) == (ROLE_PATRON, ROLE_ADMIN)
    assert token(library, token_id)
    library.admin.restore(backup)
    library.start_admin()

    library.sync()

    assert (role(library, ada), role(library, bob)) == (ROLE_LIBRARIAN, ROLE_PATRON), "as the backup has them"
    assert token(library, token_id) is None


def test_damaged_revisions_are_found_repaired_and_sent_again(library: Library, ada: str) -> None:
    grant(library, ada, ROLE_LIBRARIAN)
    create(library, "import")
    library.sync()
    with library.admin.at_work() as store, store.writing():
        for table in (admin_models.StaffRole, admin_models.ApiToken):
            table.update(revision=-1).execute()
        found = "; ".join(admin_repair.find_damage(store))
        assert "staff_role.revision is damaged in 1 rows" in found
        assert "api_token.revision is damaged in 1 rows" in found
        admin_repair.repair(store, library.clock)
        assert admin_repair.find_damage(store) == []
    sent = {change.WhichOneof("change") for change in library.fetch(ListCatalogChangesRequest()).changes}
    assert {"staff_role", "api_token"} <= sent | kinds_of_all_pages(library)


def kinds_of_all_pages(library: Library) -> set[str]:
    found, request = set[str](), ListCatalogChangesRequest()
    while True:
        page: Any = library.fetch(request)
        found |= {change.WhichOneof("change") for change in page.changes}
        request.cursor = page.next_cursor
        if not page.has_more:
            return found
