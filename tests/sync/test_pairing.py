"""The admin and the frontend know each other by a secret: what forgers get, and what restores come to."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from click.testing import CliRunner
from google.protobuf.message import Message

import admin_server.__main__
from admin_server.books.catalog import add_book
from admin_server.store.models import Frontend
from admin_server.store.models import User as RecordedUser
from frontend_server.members.members import enroll_user
from frontend_server.store.models import SyncState
from frontend_server.store.models import User as OwnUser
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.sync.v1.sync_service_pb2 import ListCatalogChangesRequest, RecordStatesRequest, State
from library.sync.v1.sync_service_pb2_grpc import SyncServiceStub
from library.v1.user_pb2 import USER_STATE_ACTIVE, User
from library_domain.pairing import Credentials
from service_kit.clock import timestamp
from service_kit.ids import new_id
from service_kit.random_secrets import new_secret
from service_kit.store import open_store
from tests.support.clients import FrontendClient, open_channel, refusal_of
from tests.support.processes import Servers
from tests.support.stores import Engine, FreshDatabases
from tests.sync.agreement import eventually, recorded_users, replica, status
from tests.sync.libraries import Library, WireError


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine)
    yield library
    library.close()


def request(name: str) -> EnrollUserRequest:
    return EnrollUserRequest(email=f"{name}@example.org", first_name=name.title(), last_name="Reader")


def test_only_the_frontend_can_record_or_read_a_row(
    servers: Servers, databases: FreshDatabases, engine: Engine
) -> None:
    admin = servers.start("admin", databases.migrated("admin", engine))
    admin.admin().catalog.AddBook(AddBookRequest(title="A book"), timeout=100)
    frontend = servers.start(
        "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1"
    )
    patron = frontend.frontend()
    rita = patron.members.EnrollUser(request("rita"), timeout=100)
    eventually(lambda: recorded_users(admin.admin()).keys() == {rita.id}, "the user is recorded")
    store = open_store(frontend.database_url)
    with store.reading():
        [(frontend_id, secret)] = store.database.execute_sql("SELECT frontend_id, secret FROM sync_state").fetchall()
    store.close()

    forged = User(id=new_id(), email="f@example.org", first_name="F", state=USER_STATE_ACTIVE, create_time=timestamp(1))
    record = RecordStatesRequest(
        frontend_id=frontend_id, states=[State(revision=9_223_372_036_854_775_806, user=forged)]
    )
    almost = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    with open_channel(admin.address) as channel:
        sync = SyncServiceStub(channel)
        for metadata in (
            None,
            Credentials(frontend_id, new_secret()).metadata(),
            Credentials(frontend_id, almost).metadata(),
            (("authorization", f"Bearer {secret}"),),
        ):
            calls: list[tuple[Any, Message]] = [
                (sync.RecordStates, record),
                (sync.ListCatalogChanges, ListCatalogChangesRequest()),
            ]
            for method, message in calls:
                with pytest.raises(grpc.RpcError) as refused:
                    method(message, timeout=100, metadata=metadata)
                refusal = refusal_of(refused.value)
                assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "SYNC_SECRET_WRONG")
                assert secret not in repr(refusal)
    luke = patron.members.EnrollUser(request("luke"), timeout=100)
    eventually(lambda: recorded_users(admin.admin()).keys() == {rita.id, luke.id}, "the frontend is served")
    for server in (admin, frontend):
        log = server.log.read_text()
        assert secret not in log
        assert almost not in log


def test_a_frontend_that_lost_its_secret_reports_it_and_is_paired_again(
    servers: Servers, databases: FreshDatabases, engine: Engine
) -> None:
    admin = servers.start("admin", databases.migrated("admin", engine))
    frontend = servers.prepare(
        "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1"
    )
    frontend.start()
    rita = frontend.frontend().members.EnrollUser(request("rita"), timeout=100)
    eventually(lambda: recorded_users(admin.admin()).keys() == {rita.id}, "the user is recorded")
    eventually(lambda: status(frontend.frontend()).waiting_user_count == 0, "the frontend knows that she is")
    frontend.stop()
    store = open_store(frontend.database_url)
    with store.writing():
        store.database.execute_sql("UPDATE sync_state SET secret = ''")  # as in a backup of before the pairing
    store.close()
    frontend.start()
    patron = frontend.frontend()
    luke = patron.members.EnrollUser(request("luke"), timeout=100)
    eventually(lambda: "" not in errors(patron), "both directions report why they fail")
    seen = status(patron)
    for error in errors(patron):
        assert error.startswith("UNAUTHENTICATED: ")
        assert f"library-admin accept-frontend {seen.frontend_id}" in error
    assert (seen.waiting_user_count, seen.parked_row_count) == (1, 0)

    accepted = CliRunner().invoke(
        admin_server.__main__.commands, ["accept-frontend", seen.frontend_id, "--database-url", admin.database_url]
    )
    assert (accepted.exit_code, accepted.exception) == (0, None), accepted.output
    eventually(lambda: recorded_users(admin.admin()).keys() == {rita.id, luke.id}, "it is served again")
    eventually(lambda: errors(patron) == {""}, "both directions report no error")
    admin.admin().catalog.AddBook(AddBookRequest(title="A book"), timeout=100)
    eventually(lambda: len(replica(patron)) == 1, "it reads the catalogue again")


def test_a_frontend_restored_from_a_backup_is_still_paired(library: Library) -> None:
    library.sync()
    backup = library.frontend.backup()
    library.frontend.restore(backup)
    library.start_frontend()
    enrol(library, "luke")
    library.sync()
    assert_in_step(library)


def test_an_admin_restored_from_before_the_pairing_pairs_again(library: Library) -> None:
    before_all = library.admin.backup()
    library.admin.restore(before_all)
    library.start_admin()
    enrol(library, "rita")
    library.sync()
    library.admin.restore(before_all)
    library.start_admin()
    enrol(library, "luke")
    library.sync()
    assert_in_step(library)
    with library.admin.at_work() as store, store.writing():
        Frontend.update(secret_hash="").execute()  # as a store of before there were secrets
    enrol(library, "anna")
    library.sync()
    assert_in_step(library)
    with library.frontend.at_work() as store, store.writing():
        SyncState.update(secret=secrets.token_urlsafe(32)).execute()
    with pytest.raises(WireError) as refused:
        library.pull()
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_both_restored_to_one_moment_are_still_paired(library: Library) -> None:
    with library.admin.at_work() as store:
        add_book(store, AddBookRequest(title="A book"), library.clock)
    library.sync()
    backups = library.admin.backup(), library.frontend.backup()
    library.admin.restore(backups[0])
    library.frontend.restore(backups[1])
    library.start_admin()
    library.start_frontend()
    enrol(library, "luke")
    library.sync()
    assert_in_step(library)


def errors(patron: FrontendClient) -> set[str]:
    seen = status(patron)
    return {seen.last_pull_error, seen.last_push_error}


def enrol(library: Library, name: str) -> None:
    with library.frontend.at_work() as store:
        enroll_user(store, request(name), library.clock)


def assert_in_step(library: Library) -> None:
    assert library.replica() == library.catalogue()
    users = []
    for side, model in (library.admin, RecordedUser), (library.frontend, OwnUser):
        place = model._meta.sorted_field_names.index("id")
        users.append({row[place] for row in side.contents()["user_account"]})
    assert users[0] == users[1]
