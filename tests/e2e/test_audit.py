"""The audit log of real servers: changes before a kill have one entry each. Who can read the contract."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_LIBRARIAN, ROLE_PATRON
from library.admin.v1.catalog_service_pb2 import AddBookRequest, ListBooksRequest, RemoveBookRequest
from library.admin.v1.staff_service_pb2 import ListAuditEntriesRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1.audit_pb2 import AUDIT_RESULT_DONE, AuditEntry
from service_kit.ids import new_id
from tests.support.access import bearer
from tests.support.access_servers import TokenServers, start_token_servers
from tests.support.clients import refusal_of
from tests.support.processes import Servers
from tests.support.rest import RestServers
from tests.support.stores import Engine, FreshDatabases
from tests.support.waiting import wait_until
from tests.sync.retrying_clients import answer_to

KILLS, CHANGES = 4, 15
"""How often each server is killed, and after how many further changes."""


class Changer(threading.Thread):
    """Makes changes until it is stopped. `done` has the id of each that was acknowledged."""

    def __init__(self, change: Callable[[str], Any]) -> None:
        super().__init__(daemon=True)
        self.done: list[str] = []
        self.retries = 0
        self.failure: BaseException | None = None
        self._change = change
        self._is_over = threading.Event()

    def run(self) -> None:
        try:
            while not self._is_over.is_set():
                request_id = new_id()
                answer, again = answer_to(lambda: self._change(request_id))  # noqa: B023 - it is called at once
                self.retries += again
                self.done.append(answer.id)
        except BaseException as failure:  # noqa: BLE001 - shown by who waits for this thread
            self.failure = failure

    def end(self) -> None:
        """Finish the change that has begun."""
        self._is_over.set()
        self.join()
        assert self.failure is None, self.failure


def entries_of(library: TokenServers, method: str) -> list[AuditEntry]:
    """Return the entries of changes by one method that the admin has."""
    staff, found = library.admin.admin().staff, []
    request = ListAuditEntriesRequest(result=AUDIT_RESULT_DONE, page_size=1_000)
    while True:
        page = staff.ListAuditEntries(request, metadata=bearer(library.people.token(ROLE_ADMIN)))
        found += [entry for entry in page.audit_entries if entry.method.endswith(f"/{method}")]
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


@pytest.mark.slow
def test_each_acknowledged_change_has_one_entry_after_kills(
    servers: Servers, databases: FreshDatabases, engine: Engine
) -> None:
    library = start_token_servers(databases, servers, engine, syncs=True)
    token = bearer(library.people.token(ROLE_LIBRARIAN))
    catalog, members = library.admin.admin().catalog, library.frontend.frontend().members

    def add_book(request_id: str) -> Any:
        return catalog.AddBook(AddBookRequest(title="Emma", request_id=request_id), metadata=token, timeout=20)

    def enroll(request_id: str) -> Any:
        request = EnrollUserRequest(first_name="Ada", last_name="King", request_id=request_id)
        return members.EnrollUser(request, metadata=token, timeout=20)

    librarians, desks = ([Changer(change) for _ in range(2)] for change in (add_book, enroll))
    for each in (*librarians, *desks):
        each.start()
    for _ in range(KILLS):
        for server, changers in ((library.admin, librarians), (library.frontend, desks)):
            seen = sum(len(each.done) for each in changers)
            wait_until(lambda: sum(len(each.done) for each in changers) >= seen + CHANGES)  # noqa: B023
            server.kill()
            server.start()
    for each in (*librarians, *desks):
        each.end()
    assert sum(each.retries for each in (*librarians, *desks)) >= KILLS, "the kills hit nobody"

    users, books = ({change for each in changers for change in each.done} for changers in (desks, librarians))
    wait_until(lambda: len(entries_of(library, "EnrollUser")) >= len(users))
    for method, made in (("AddBook", books), ("EnrollUser", users)):
        counts = Counter(entry.objects[0] for entry in entries_of(library, method))
        assert counts.keys() == made
        assert set(counts.values()) == {1}


def test_a_refusal_at_the_frontend_is_listed_at_the_admin(servers: Servers, databases: FreshDatabases) -> None:
    library = start_token_servers(databases, servers, syncs=True)
    patron = library.people.users[ROLE_PATRON]
    members = library.frontend.frontend().members
    with pytest.raises(grpc.RpcError) as refused:
        members.EnrollUser(EnrollUserRequest(first_name="Ada"), metadata=bearer(library.people.token(ROLE_PATRON)))
    assert refusal_of(refused.value).reason == "ROLE_REQUIRED"

    def listed() -> list[AuditEntry]:
        request = ListAuditEntriesRequest(caller_user_id=patron)
        metadata = bearer(library.people.token(ROLE_ADMIN))
        return list(library.admin.admin().staff.ListAuditEntries(request, metadata=metadata).audit_entries)

    wait_until(lambda: bool(listed()))
    [entry] = listed()
    assert (entry.method, entry.reason) == ("library.frontend.v1.MemberService/EnrollUser", "ROLE_REQUIRED")
    assert (entry.address, entry.role) == ("127.0.0.1", ROLE_PATRON)


def test_what_was_refused_is_written_when_the_server_stops(servers: Servers, databases: FreshDatabases) -> None:
    library = start_token_servers(databases, servers)
    with pytest.raises(grpc.RpcError):
        library.admin.admin().catalog.RemoveBook(RemoveBookRequest(id=new_id()))
    assert library.admin.stop() == 0
    library.admin.start()
    staff = library.admin.admin().staff
    [entry] = staff.ListAuditEntries(
        ListAuditEntriesRequest(), metadata=bearer(library.people.token(ROLE_ADMIN))
    ).audit_entries
    assert entry.reason == "SIGN_IN_REQUIRED"


# --- reflection ---


def services_by_reflection(channel: grpc.Channel, token: str = "") -> list[str]:
    """Ask a server for its services by reflection. Raises grpc.RpcError."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    requests = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    [answer] = stub.ServerReflectionInfo(requests, metadata=bearer(token), timeout=60)
    return [service.name for service in answer.list_services_response.service]


def test_only_callers_who_have_signed_in_can_read_the_contract(
    servers: Servers, databases: FreshDatabases, rest_servers: RestServers, tmp_path: Path
) -> None:
    library = start_token_servers(databases, servers, REFLECTION="signed-in")
    people = library.people
    for server in (library.admin, library.frontend):
        channel = server.channel()
        for token, reason in (("", "SIGN_IN_REQUIRED"), (people.program("revoked"), "TOKEN_INVALID")):
            with pytest.raises(grpc.RpcError) as refused:
                services_by_reflection(channel, token)
            assert refusal_of(refused.value).reason == reason
        for token in (people.token(ROLE_PATRON), people.program("guest")):
            assert len(services_by_reflection(channel, token)) > 5
    token_file = tmp_path / "token"
    token_file.write_text(f"{people.program('guest')}\n")
    rest = rest_servers.start([library.admin.address, library.frontend.address], REFLECTION_TOKEN_FILE=str(token_file))
    assert rest.request("GET", "/v1/books").status == 200
    # The token is for reflection alone: a client's call has the client's own.
    assert rest.request("GET", "/admin/v1/books").status == 401


def test_a_contract_can_be_kept_to_the_server(servers: Servers, databases: FreshDatabases) -> None:
    admin = servers.start("admin", databases.migrated("admin", "sqlite"), REFLECTION="closed")
    with pytest.raises(grpc.RpcError) as refused:
        services_by_reflection(admin.channel())
    assert refusal_of(refused.value).code is grpc.StatusCode.UNIMPLEMENTED
    admin.admin().catalog.ListBooks(ListBooksRequest())
