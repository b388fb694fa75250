"""Messages about a client's mistakes use the client's own spelling, and name what to do instead."""

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
        ("PATCH", f"/v1/users/{ID}?requestId=x", {"firstName": "A"}, {"requestId"}),
        ("POST", f"/v1/books/{ID}:borrow", {"user_id": ID, "userId": ID, "days": 14}, {"userId"}),
        ("POST", f"/v1/books/{ID}:borrow", {"userId": ID, "user_id": ID, "days": 14}, {"user_id"}),
        ("POST", f"/v1/books/{ID}:borrow", {"userId": "x", "days": -1}, {"userId", "days"}),
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


def test_masks_keys_and_tokens_are_named_as_the_client_knows_them(rest: RestProcess) -> None:
    path = f"/v1/users/{ID}"
    for mask, unknown, read_only in (
        ("update_mask=foo_bar,active_loan_count", "foo_bar", "active_loan_count"),
        ("updateMask=fooBar,activeLoanCount", "fooBar", "activeLoanCount"),
    ):
        refusal = rest.request("PATCH", f"{path}?{mask}", {"firstName": "A"}).refusal
        name = mask.partition("=")[0]
        assert refusal.message == f"{name}: a user has no field {unknown}; {name}: {read_only} is read-only"
        assert refusal.metadata["fields"] == name
    refusal = rest.request("PATCH", path, {"firstName": "A"}, {"Idempotency-Key": "x"}).refusal
    assert refusal.message == "idempotency-key: must be a valid UUID"
    assert set(refusal.fields) == {refusal.metadata["fields"]} == {"idempotency-key"}
    assert " nextPageToken " in rest.request("GET", "/v1/books?pageToken=x").refusal.message
    refusal = rest.request("POST", f"/v1/books/{ID}:borrow", {"user_id": ID, "userId": ID}).refusal
    assert "userId: cannot be sent together with user_id" in refusal.message
    refusal = rest.request("POST", f"/v1/books/{ID}:borrow").refusal
    assert refusal.message.startswith(f"POST /v1/books/{ID}:borrow needs a JSON body")
    page = rest.request("GET", "/").body.decode()
    paths = rest.request("GET", "/openapi.json").json()["paths"]
    assert "/v1/users/{userId}/loans" in paths
    for path, operations in paths.items():
        assert path in page
        for operation in operations.values():
            assert operation["summary"] in page, "also the fields in sentences have the names of the document"


@pytest.mark.parametrize(
    ("verb", "path", "meant"),
    [
        ("POST", f"/v1/books/{ID}%3Aborrow", f"/v1/books/{ID}:borrow"),
        ("POST", f"/v1/books/{ID}%3aborrow", f"/v1/books/{ID}:borrow"),
        ("POST", f"/v1/loans/{ID}%3Areturn", f"/v1/loans/{ID}:return"),
        ("POST", f"/v1/loans/{ID}%3Arenew", f"/v1/loans/{ID}:renew"),
        ("POST", f"/v1/users/{ID}%3Aclose", f"/v1/users/{ID}:close"),
        ("POST", "/v1/sync%3Anow", "/v1/sync:now"),
        ("POST", "/admin/v1/books%3Aimport", "/admin/v1/books:import"),
        ("GET", "/admin/v1/books%3Aunavailable", "/admin/v1/books:unavailable"),
    ],
)
def test_an_encoded_colon_is_refused_with_the_intended_path(
    rest: RestProcess, verb: str, path: str, meant: str
) -> None:
    answer = rest.request(verb, path, {"userId": ID, "days": 14} if verb == "POST" else None)
    assert (answer.status, answer.refusal.reason) == (404, "PATH_UNKNOWN")
    assert f"{verb} {meant} was meant" in answer.refusal.message
    if verb == "POST":
        options = rest.request("OPTIONS", path)
        assert (options.status, options.refusal.message) == (404, answer.refusal.message)


@pytest.mark.parametrize(
    ("verb", "path", "sample"),
    [
        ("PATCH", f"/v1/users/{ID}", "firstName"),
        ("POST", "/v1/users", "firstName"),
        ("POST", f"/v1/books/{ID}:borrow", "userId"),
        ("POST", f"/v1/books/{ID}:return", "userId"),
        ("POST", "/v1/desk:checkOut", "barcode"),
        ("POST", "/admin/v1/books", "title"),
        ("PATCH", f"/admin/v1/books/{ID}", "totalCopies"),
        ("POST", "/admin/v1/books:import", "book"),
    ],
)
@pytest.mark.parametrize("body", [None, b"", b" \n", b"\xef\xbb\xbf"], ids=["none", "empty", "blank", "a mark"])
def test_a_missing_body_is_refused_as_such(
    rest: RestProcess, verb: str, path: str, sample: str, body: bytes | None
) -> None:
    answer = rest.request(verb, path, body)
    assert (answer.status, answer.refusal.reason) == (400, "BODY_MISSING"), answer.body
    assert f" {verb} " in f" {answer.refusal.message}"
    assert f'"{sample}": ' in answer.refusal.message


@pytest.mark.parametrize(
    "path", [f"/v1/loans/{ID}:return", f"/v1/loans/{ID}:renew", f"/v1/users/{ID}:close", "/v1/sync:now"]
)
def test_a_body_that_is_not_needed_can_be_left_out(rest: RestProcess, path: str) -> None:
    answer = rest.request("POST", path)
    assert answer.status in (200, 404)
    assert answer.status == 200 or answer.refusal.domain == "lending-library"


def test_json_may_have_a_byte_order_mark(rest: RestProcess) -> None:
    mark = b"\xef\xbb\xbf"
    answer = rest.request("POST", "/v1/users", mark + b'{"email": "mark@example.org", "firstName": "Mark"}')
    assert (answer.status, answer.json()["firstName"]) == (200, "Mark")
    lines = mark + b'{"line": 1, "book": {"title": "Marked"}}\n{"line": 2, "book": {"title": "Next"}}\n'
    answer = rest.request("POST", "/admin/v1/books:import", lines, {"Content-Type": "application/x-ndjson"})
    assert [outcome["result"] for outcome in answer.json()["outcomes"]] == ["IMPORT_RESULT_ADDED"] * 2
    answer = rest.request("POST", "/v1/users", '{"email": "mark@example.org"}'.encode("utf-16"))
    assert (answer.status, answer.refusal.reason) == (400, "BODY_INVALID")
    assert "UTF-16" in answer.refusal.message


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/users", "GET, HEAD, OPTIONS, POST"),
        (f"/v1/users/{ID}", "GET, HEAD, OPTIONS, PATCH"),
        (f"/admin/v1/books/{ID}", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/v1/sync:now", "OPTIONS, POST"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
    ],
)
def test_options_returns_the_verbs_of_a_path(rest: RestProcess, path: str, allowed: str) -> None:
    answer = rest.request("OPTIONS", path)
    assert (answer.status, answer.headers["Allow"]) == (204, allowed)
    for verb in ("POST", "PATCH"):
        assert answer.headers.get(f"Accept-{verb}") == ("application/json" if verb in allowed else None)
    refused = rest.request("PUT", path, {})
    assert (refused.status, refused.headers["Allow"]) == (405, allowed)
    unknown, posted = (rest.request(verb, f"{path}/no/such/path", {}) for verb in ("OPTIONS", "POST"))
    assert (unknown.status, unknown.refusal.message) == (posted.status, posted.refusal.message)
    assert unknown.status == 404
