"""What a client of the library is told of its mistakes: in its own words, and with what to do instead."""

from __future__ import annotations

import pytest

from tests.support.processes import Servers
from tests.support.rest import RestProcess, RestServers
from tests.support.stores import FreshDatabases

ID = "0193c1d4-8e00-7b2f-a5d6-7c8b9a0f1e2d"


@pytest.fixture(scope="module")
def rest(module_servers: Servers, module_rest_servers: RestServers, databases: FreshDatabases) -> RestProcess:
    admin = module_servers.start("admin", databases.migrated("admin", "sqlite"))
    frontend = module_servers.start("frontend", databases.migrated("frontend", "sqlite"), ADMIN_TARGET=admin.address)
    return module_rest_servers.start([frontend.address, admin.address])


@pytest.mark.parametrize(
    ("verb", "path", "body", "fields"),
    [
        ("POST", "/v1/users", {"email": "a@example.org", "firstName": "x" * 101}, {"firstName"}),
        ("POST", "/v1/users", {"email": "a@example.org", "first_name": "x" * 101}, {"first_name"}),
        ("POST", "/v1/users", {"email": "a@example.org"}, {"firstName", "lastName"}),
        ("POST", "/v1/users", {"email": "a@example.org", "first_name": " "}, {"first_name", "last_name"}),
        ("PATCH", f"/v1/users/{ID}", {"firstName": "x" * 101}, {"firstName"}),
        ("PATCH", f"/v1/users/{ID}", {"first_name": "x" * 101}, {"first_name"}),
        ("PATCH", f"/v1/users/{ID}?updateMask=nothing", {"firstName": "A"}, {"updateMask"}),
        ("PATCH", f"/v1/users/{ID}?update_mask=nothing", {"first_name": "A"}, {"update_mask"}),
        ("PATCH", f"/v1/users/{ID}", {"firstName": 5}, {"firstName"}),
        ("POST", f"/v1/books/{ID}:borrow", {"userId": "x", "days": 0}, {"userId", "days"}),
        ("POST", f"/v1/books/{ID}:borrow", {"user_id": "x", "days": 14}, {"user_id"}),
        ("POST", "/v1/books/x:borrow", {"userId": ID, "days": 14}, {"bookId"}),
        ("GET", "/v1/books?pageSize=-1", None, {"pageSize"}),
        ("GET", "/v1/books?page_size=-1", None, {"page_size"}),
        ("GET", "/v1/books?pageToken=x", None, {"pageToken"}),
        ("GET", "/v1/books?page_token=x", None, {"page_token"}),
        ("GET", "/v1/loans?userId=x", None, {"userId"}),
        ("POST", "/admin/v1/books", {"title": "T", "publishedYear": 5000}, {"publishedYear"}),
        ("POST", "/admin/v1/books", {"title": "T", "published_year": 5000}, {"published_year"}),
        ("POST", "/admin/v1/books", {"title": "T", "coverUri": "no uri"}, {"coverUri"}),
    ],
)
def test_errors_name_fields_as_the_client_wrote_them(
    rest: RestProcess, verb: str, path: str, body: object, fields: set[str]
) -> None:
    answer = rest.request(verb, path, body)  # type: ignore[arg-type]
    assert (answer.status, answer.refusal.reason) == (400, "FIELD_INVALID"), answer.body
    assert set(answer.refusal.fields) == fields
    assert set(answer.refusal.metadata["fields"].split(", ")) == fields
    for field in fields:
        assert f"{field}: " in answer.refusal.message
    text = answer.body.decode()
    for one, other in (("firstName", "first_name"), ("lastName", "last_name")):
        assert one not in fields or other not in text
        assert other not in fields or one not in text
