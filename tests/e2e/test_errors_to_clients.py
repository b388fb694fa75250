"""Errors show the client a request id and no more than it may know. The log has the rest. Neither has a password."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import grpc
import psycopg
import pytest
from playhouse.cysqlite_ext import CySqliteDatabase

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest, GetUserRequest
from tests.support.clients import Refusal, refusal_of
from tests.support.postgresql import PostgresqlServer
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import Engine, FreshDatabases, ServerName

NOBODY = str(uuid.UUID(int=0))
PASSWORD = "open-sesame-7"


def started(servers: Servers, databases: FreshDatabases, name: ServerName, engine: Engine) -> ServerProcess:
    """A server of its own store; its URL has a password, and the PostgreSQL of the tests accepts any."""
    url = databases.migrated(name, engine)
    if engine == "postgresql":
        scheme, _, rest = url.partition("://")
        user, _, place = rest.rpartition("@")
        url = f"{scheme}://{user.partition(':')[0]}:{PASSWORD}@{place}"
    return servers.start(name, url, LOG_LEVEL="debug")


@pytest.fixture(scope="module")
def frontend(module_servers: Servers, databases: FreshDatabases) -> ServerProcess:
    return started(module_servers, databases, "frontend", "sqlite")


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_frontend(request: pytest.FixtureRequest, servers: Servers, databases: FreshDatabases) -> ServerProcess:
    return started(servers, databases, "frontend", request.param)


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_admin(request: pytest.FixtureRequest, servers: Servers, databases: FreshDatabases) -> ServerProcess:
    return started(servers, databases, "admin", request.param)


def refused(call: Callable[..., Any], request: Any, *metadata: tuple[str, str]) -> tuple[Refusal, dict[str, Any]]:
    """Make a call that must be refused; return the refusal and the trailing metadata."""
    with pytest.raises(grpc.RpcError) as error:
        call(request, timeout=100, metadata=metadata)
    call_ended: Any = error.value
    return refusal_of(error.value), dict(call_ended.trailing_metadata())


def logged(server: ServerProcess, request_id: str) -> list[dict[str, Any]]:
    return [event for event in server.log_events() if event.get("request_id") == request_id]


def run_sql(server: ServerProcess, statement: str) -> None:
    """Execute a statement in a store while its server runs, without the server."""
    if server.database_url.startswith("sqlite"):
        sqlite = CySqliteDatabase(server.database_url.removeprefix("sqlite:///"))
        sqlite.execute_sql(statement)
        sqlite.close()
    else:
        with psycopg.connect(server.database_url, autocommit=True) as postgresql:
            postgresql.execute(statement.encode())


@pytest.mark.parametrize("sent", ["a1-B2_c3.d4", "x" * 64])
def test_a_clients_own_request_id_is_in_the_error_and_in_the_log(frontend: ServerProcess, sent: str) -> None:
    call = frontend.frontend().members.GetUser
    refusal, trailing = refused(call, GetUserRequest(id=NOBODY), ("x-request-id", sent))
    assert refusal.request_id == trailing["x-request-id"] == sent
    (event,) = logged(frontend, sent)
    assert event["event"] == "refused"
    assert event["method"] == "library.frontend.v1.MemberService/GetUser"
    assert (event["status"], event["reason"]) == ("NOT_FOUND", "USER_NOT_FOUND")


@pytest.mark.parametrize("sent", [[], [""], ["x" * 65], ["two words"], ['"}']])
def test_a_request_id_is_generated_if_none_that_can_be_logged_is_sent(frontend: ServerProcess, sent: list[str]) -> None:
    call = frontend.frontend().members.GetUser
    refusal, trailing = refused(call, GetUserRequest(id="no id"), *(("x-request-id", value) for value in sent))
    assert refusal.request_id == trailing["x-request-id"] == uuid.UUID(refusal.request_id).hex
    assert [event["reason"] for event in logged(frontend, refusal.request_id)] == ["FIELD_INVALID"]


def test_an_answered_call_is_in_the_log_by_its_request_id(frontend: ServerProcess) -> None:
    person = EnrollUserRequest(email="grace@example.org", first_name="Grace", last_name="Hopper")
    frontend.frontend().members.EnrollUser(person, timeout=100, metadata=(("x-request-id", "enrolling-grace"),))
    assert [event["event"] for event in logged(frontend, "enrolling-grace")] == ["answered"]
    assert "grace@" not in frontend.log_tail(1_000_000)


def test_an_internal_error_shows_the_client_only_the_request_id(fresh_frontend: ServerProcess) -> None:
    server, client = fresh_frontend, fresh_frontend.frontend()
    run_sql(server, "ALTER TABLE user_account RENAME COLUMN last_name TO moved_away")

    person = EnrollUserRequest(email="ada@example.org", first_name="Ada", last_name="Lovelace")
    refusal, trailing = refused(client.members.EnrollUser, person)

    assert (refusal.code, refusal.reason, refusal.domain) == (grpc.StatusCode.INTERNAL, "INTERNAL", "lending-library")
    assert refusal.message == "Something went wrong on the server; report the request id to the operator of the server."
    assert (refusal.metadata, refusal.fields, refusal.resource) == ({}, {}, None)
    assert set(trailing) == {"grpc-status-details-bin", "x-request-id"}
    failure, end = logged(server, refusal.request_id)
    assert (failure["event"], end["event"]) == ("internal error", "refused")
    assert "user_account" in failure["exception"][0]["exc_value"]
    # The log is read by people who need not know who enrolled, or the way into the store.
    for secret in ("ada@example.org", "Lovelace", PASSWORD):
        assert secret not in server.log_tail(1_000_000)

    run_sql(server, "ALTER TABLE user_account RENAME COLUMN moved_away TO last_name")
    assert client.members.EnrollUser(person, timeout=100).email == "ada@example.org"


def test_the_admin_shows_no_more_than_the_frontend(fresh_admin: ServerProcess) -> None:
    client = fresh_admin.admin()
    run_sql(fresh_admin, "ALTER TABLE book RENAME COLUMN language TO moved_away")
    refusal, _ = refused(client.catalog.AddBook, AddBookRequest(title="A secret garden"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert [event["event"] for event in logged(fresh_admin, refusal.request_id)] == ["internal error", "refused"]
    for secret in ("secret garden", PASSWORD):
        assert secret not in fresh_admin.log_tail(1_000_000)


def until_open(server: ServerProcess) -> None:
    """Wait for a server whose log is text, where `wait_until_serving` finds nothing."""
    deadline = time.monotonic() + 100
    while "] serving " not in server.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_a_traceback_as_text_has_no_values_either(servers: Servers, databases: FreshDatabases) -> None:
    server = servers.start("frontend", databases.migrated("frontend", "sqlite"))
    # What `make run` and a terminal show; the first start logs in JSON, from which the test reads the address.
    server.stop()
    server.settings["LOG_FORMAT"] = "text"
    server.launch()
    client = server.frontend()
    until_open(server)
    run_sql(server, "ALTER TABLE user_account RENAME COLUMN last_name TO moved_away")
    person = EnrollUserRequest(email="ada@example.org", first_name="Ada", last_name="Lovelace")
    with pytest.raises(grpc.RpcError) as error:
        client.members.EnrollUser(person, timeout=100, wait_for_ready=True)
    assert error.value.code() is grpc.StatusCode.INTERNAL
    log = server.log_tail(1_000_000)
    assert "Traceback (most recent call last)" in log
    assert refusal_of(error.value).request_id in log
    assert "ada@example.org" not in log
    assert "\x1b[" not in log


def test_calls_are_refused_as_unavailable_while_the_store_is_gone(
    servers: Servers, databases: FreshDatabases, postgresql: PostgresqlServer
) -> None:
    server = started(servers, databases, "frontend", "postgresql")
    client = server.frontend()
    borrowing = BorrowBookRequest(book_id=NOBODY, user_id=NOBODY, days=1)
    assert refused(client.lending.BorrowBook, borrowing)[0].code is grpc.StatusCode.NOT_FOUND
    database = postgresql.name_of(server.database_url)
    admin_url = postgresql.url("postgres")
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false".encode())
    postgresql.end_connections(database)

    # The first calls may find connections of the pool that were cut; that, too, is a store that is away.
    for _ in range(30):
        refusal, _ = refused(client.lending.BorrowBook, borrowing)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        assert database not in refusal.message
        assert [event["event"] for event in logged(server, refusal.request_id)] == ["store unavailable", "refused"]
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true".encode())
    refusal, _ = refused(client.lending.BorrowBook, borrowing)
    assert refusal.code is grpc.StatusCode.NOT_FOUND
    assert PASSWORD not in server.log_tail(1_000_000)
    listening = next(event for event in server.log_events() if event["event"] == "listening")
    assert json.dumps(listening["store"]).count("@") == 1
