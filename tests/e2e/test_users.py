"""Users as people meet them: over gRPC at the frontend, over HTTP at both services, all three as real processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.member_service_pb2 import (
    CloseUserRequest,
    EnrollUserRequest,
    GetUserRequest,
    ListUsersRequest,
    UpdateUserRequest,
)
from library.frontend.v1.sync_service_pb2 import SyncNowRequest
from library.v1.user_pb2 import USER_STATE_CLOSED, User
from tests.support.clients import FrontendClient, refusal_of
from tests.support.processes import ServerProcess, Servers
from tests.support.rest import RestProcess, RestServers
from tests.support.stores import Engine, FreshDatabases

BOOK_FIELDS = [field.json_name for field in AddBookRequest.DESCRIPTOR.fields]

PATIENCE = 30.0
"""Seconds. How long to wait for what must come."""


@dataclass
class Town:
    admin: ServerProcess
    frontend: ServerProcess
    rest: RestProcess

    @property
    def desk(self) -> FrontendClient:
        return self.frontend.frontend()


@pytest.fixture(scope="module")
def town(module_servers: Servers, module_rest_servers: RestServers, databases: FreshDatabases, engine: Engine) -> Town:
    admin = module_servers.start("admin", databases.migrated("admin", engine))
    frontend = module_servers.start("frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address)
    return Town(admin, frontend, module_rest_servers.start([frontend.address, admin.address]))


def refused(call: Callable[..., Any], request: Any) -> Any:
    with pytest.raises(grpc.RpcError) as error:
        call(request, timeout=PATIENCE)
    return refusal_of(error.value)


def until(look: Callable[[], Any], wanted: Any) -> None:
    """Look until the admin, which hears of changes a moment later, shows what is wanted."""
    deadline = time.monotonic() + PATIENCE
    while (seen := look()) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    assert seen == wanted


def test_a_user_is_found_changed_and_closed_over_grpc(town: Town) -> None:
    members = town.desk.members
    user = members.EnrollUser(EnrollUserRequest(email="Rosalind@desk.local", last_name="Franklin"), timeout=PATIENCE)
    assert user.first_name == ""
    for query in ("rosalind@DESK.local", "anklin", "rosa FRANK"):
        assert list(members.ListUsers(ListUsersRequest(query=query), timeout=PATIENCE).users) == [user]

    change = UpdateUserRequest(
        user=User(id=user.id, first_name="Rosalind", etag=user.etag), update_mask=FieldMask(paths=["first_name"])
    )
    changed = members.UpdateUser(change, timeout=PATIENCE)
    assert (changed.first_name, changed.last_name) == ("Rosalind", "Franklin")
    assert refused(members.UpdateUser, change).reason == "ETAG_MISMATCH"
    taken = refused(members.EnrollUser, EnrollUserRequest(email="ROSALIND@desk.local", last_name="F"))
    assert (taken.reason, taken.metadata, taken.fields) == ("EMAIL_TAKEN", {}, {})
    assert "rosalind" not in taken.message.lower()

    closed = members.CloseUser(CloseUserRequest(id=user.id), timeout=PATIENCE)
    assert closed.state == USER_STATE_CLOSED
    assert members.GetUser(GetUserRequest(id=user.id), timeout=PATIENCE) == closed
    assert refused(members.UpdateUser, UpdateUserRequest(user=User(id=user.id, email="a@b.c"))).reason == "USER_CLOSED"
    assert not members.ListUsers(ListUsersRequest(query="anklin"), timeout=PATIENCE).users


def test_a_user_is_found_changed_and_closed_over_http_and_the_admin_follows(town: Town) -> None:
    rest = town.rest
    person = {"email": "ada@example.org", "firstName": "Ada", "lastName": "Lovelace"}
    user = rest.request("POST", "/v1/users", person).json()
    admin_book = town.admin.admin().catalog.AddBook(AddBookRequest(title="Notes"), timeout=PATIENCE)
    town.desk.sync.SyncNow(SyncNowRequest(), timeout=PATIENCE)

    def found(path: str, query: str) -> list[str]:
        answer = rest.request("GET", f"{path}?query={quote(query)}")
        assert answer.status == 200, answer
        return [f"{each['firstName']} {each['lastName']} {each['state']}" for each in answer.json()["users"]]

    ada = ["Ada Lovelace USER_STATE_ACTIVE"]
    for query in ("lace", "ADA@example.org"):
        assert found("/v1/users", query) == ada
        until(partial(found, "/admin/v1/users", query), ada)

    path = f"/v1/users/{user['id']}"
    changed = rest.request("PATCH", f"{path}?updateMask=lastName", {"lastName": "King", "etag": user["etag"]}).json()
    assert (changed["firstName"], changed["lastName"]) == ("Ada", "King")
    stale = rest.request("PATCH", path, {"lastName": "Byron", "etag": user["etag"]})
    assert (stale.status, stale.refusal.reason) == (409, "ETAG_MISMATCH")
    until(lambda: found("/admin/v1/users", "ada"), ["Ada King USER_STATE_ACTIVE"])

    loan = rest.request("POST", f"/v1/books/{admin_book.id}:borrow", {"userId": user["id"], "days": 7}).json()
    busy = rest.request("POST", f"{path}:close", {})
    assert (busy.status, busy.refusal.reason) == (400, "USER_HAS_LOANS")
    assert busy.refusal.metadata == {"user_id": user["id"], "active_loan_count": "1"}
    stale = rest.request("POST", f"{path}:close", {"etag": user["etag"]})
    assert (stale.status, stale.refusal.further_reasons) == (409, ["USER_HAS_LOANS"])
    assert rest.request("POST", f"/v1/loans/{loan['id']}:return").status == 200
    closed = rest.request("POST", f"{path}:close", {"etag": changed["etag"]}).json()
    assert closed["state"] == "USER_STATE_CLOSED"
    assert rest.request("GET", path).json() == closed

    assert found("/v1/users", "ada@example.org") == []
    until(lambda: found("/admin/v1/users", "ada"), [])
    with_closed = rest.request("GET", "/admin/v1/users?query=ada%40example.org&includeClosed=true").json()["users"]
    assert [each["state"] for each in with_closed] == ["USER_STATE_CLOSED"]
    refusal = rest.request("POST", f"/v1/books/{admin_book.id}:borrow", {"userId": user["id"], "days": 7}).refusal
    assert (refusal.reason, refusal.metadata) == ("USER_CLOSED", {"user_id": user["id"]})
    several = rest.request("POST", f"/v1/books/{user['id']}:borrow", {"userId": user["id"], "days": 7})
    assert (several.status, several.refusal.reason) == (404, "BOOK_NOT_FOUND")
    assert several.refusal.further_reasons == ["USER_CLOSED"]


def test_all_problems_are_reported_at_once_over_http(town: Town) -> None:
    for method, path, body, fields in (
        ("POST", "/v1/users", {"email": "bad", "firstName": ""}, {"email", "firstName", "lastName"}),
        (
            "POST",
            "/v1/users",
            {"email": "bad", "firstName": "\u3164", "lastName": "\x00"},
            {"email", "firstName", "lastName"},
        ),
        ("GET", "/v1/users?query=%3F&pageToken=x&pageSize=-1", None, {"query", "pageToken", "pageSize"}),
        ("GET", "/v1/books?query=%3F&pageToken=x", None, {"query", "pageToken"}),
        ("GET", "/admin/v1/users?query=%3F&pageToken=x", None, {"query", "pageToken"}),
        (
            "PATCH",
            "/v1/users/7?updateMask=email,shoeSize,state",
            {"email": "x"},
            {"id", "email", "updateMask"},
        ),
        ("POST", "/admin/v1/books", {"title": "\u200b", "isbn": "1", "copies": -1}, {"title", "isbn", "copies"}),
        # What library-rest cannot read comes before what the service refuses; all of that at once, too.
        ("POST", "/v1/users?bogus=1", {"email": 5, "nope": 1}, {"bogus", "email", "nope"}),
        (
            "GET",
            "/v1/books?pageSize=x&bogus=1&includeUnavailable=maybe",
            None,
            {"bogus", "pageSize", "includeUnavailable"},
        ),
        (
            "PATCH",
            "/v1/users/7?updateMask=lastName&bogus=1",
            {"lastName": 5, "shoe": 1, "id": "8"},
            {"bogus", "lastName", "shoe", "id"},
        ),
        ("POST", "/admin/v1/books", {name: {} for name in BOOK_FIELDS}, {*BOOK_FIELDS}),
        (
            "PATCH",
            "/admin/v1/books/7?updateMask=title,isbn,shelf",
            {"title": " ", "isbn": "1"},
            {"id", "title", "isbn", "updateMask"},
        ),
    ):
        answer = town.rest.request(method, path, body)
        assert answer.status == 400, answer
        assert set(answer.refusal.fields) == fields, answer.refusal
