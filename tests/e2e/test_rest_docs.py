"""`/docs` and the start page in a real browser: nothing comes from elsewhere, and a book is borrowed from the page."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.api.annotations_pb2 import http
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_LIBRARIAN, ROLE_PATRON
from library.frontend.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest
from library.frontend.v1.lending_service_pb2 import ListLoansRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.frontend.v1.sync_service_pb2 import GetSyncStatusRequest
from library.v1.book_pb2 import Book
from library.v1.user_pb2 import User
from library_domain.contract import contract_descriptors
from tests.support.access_servers import start_token_servers
from tests.support.browser import DESKTOP, PHONE, Opened, execute, opened, operation
from tests.support.clients import FrontendClient
from tests.support.library_command import catalogue, library
from tests.support.processes import Servers
from tests.support.rest import RestProcess, RestServers
from tests.support.stores import FreshDatabases
from tests.support.third_party import require

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""What it is called, by those who package it."""


@dataclass
class OpenLibrary:
    """Both services with the sample catalogue, and library-rest before them."""

    rest: RestProcess
    frontend: FrontendClient

    def patron(self, name: str) -> User:
        request = EnrollUserRequest(email=f"{name}@example.org", first_name=name.title(), last_name="L.")
        return self.frontend.members.EnrollUser(request, timeout=100)

    def book_with_one_copy(self) -> Book:
        books = self.frontend.catalog.ListBooks(ListBooksRequest(page_size=100), timeout=100).books
        return next(book for book in books if book.available_copies == book.total_copies == 1)


@pytest.fixture(scope="module")
def chromium() -> str:
    """The browser's program."""
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        require("chromium")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - slow to import; each worker imports this module

    arguments = [
        "--disable-background-networking",
        "--disable-component-update",
        # Only the server can be reached, which keeps the browser's own requests on this machine, too.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # its sandbox is not for root
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def opened_library(
    chromium: str, module_servers: Servers, module_rest_servers: RestServers, databases: FreshDatabases
) -> OpenLibrary:
    admin = module_servers.start("admin", databases.migrated("admin", "sqlite"))
    url = databases.migrated("frontend", "sqlite")
    frontend = module_servers.start("frontend", url, ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1")
    assert library("import", "--sample", admin=admin.address).returncode == 0
    client, books = frontend.frontend(), len(catalogue(admin.address))
    deadline = time.monotonic() + 100
    while client.sync.GetSyncStatus(GetSyncStatusRequest(), timeout=100).book_count < books:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return OpenLibrary(module_rest_servers.start([frontend.address, admin.address]), client)


def wait_for_book(frontend: FrontendClient, book_id: str) -> None:
    """Wait until a book that was added has come to the frontend."""
    deadline = time.monotonic() + 100
    while True:
        try:
            frontend.catalog.GetBook(GetBookRequest(id=book_id), timeout=100)
        except grpc.RpcError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def operations_of_the_contract() -> set[tuple[str, str]]:
    """Verb and path of each HTTP rule, variables without their names; a method without a rule has none."""
    files = FileDescriptorSet.FromString(contract_descriptors()).file
    services = [service for file in files if file.package != "library.sync.v1" for service in file.service]
    methods = [method for service in services for method in service.method]
    # Its stub does not declare which message the extension extends.
    rules: list[HttpRule] = [method.options.Extensions[http] for method in methods]  # type: ignore[index]
    rules += [further for rule in rules for further in rule.additional_bindings]
    verbs = [(verb, rule) for rule in rules if (verb := rule.WhichOneof("pattern"))]
    return {(verb.upper(), without_names(getattr(rule, verb))) for verb, rule in verbs}


def without_names(path: str) -> str:
    """Replace each variable by what it covers: `{book.id}` by `{}`, and `{name=operations/**}` by `operations/{}`."""
    return re.sub(r"{[^}=]*(?:=([^}]*))?}", lambda variable: re.sub(r"\*+", "{}", variable[1] or "*"), path)


def test_docs_show_all_methods_and_load_nothing_from_elsewhere(browser: Browser, opened_library: OpenLibrary) -> None:
    with opened(browser, opened_library.rest, "/docs") as here:
        operations = here.page.locator(".opblock")
        operations.first.wait_for()
        shown = {
            (each.locator(".opblock-summary-method").inner_text(), path or "")
            for each in operations.all()
            for path in [each.locator(".opblock-summary-path").get_attribute("data-path")]
        }
        assert {(verb, without_names(path)) for verb, path in shown} >= operations_of_the_contract()
        here.page.wait_for_load_state("networkidle")
    assert f"{here.base}/openapi.json" in here.requests
    assert f"{here.base}/docs/swagger-ui-bundle.js" in here.requests


def test_a_book_is_borrowed_from_the_page(browser: Browser, opened_library: OpenLibrary, tmp_path: Path) -> None:
    book, user = opened_library.book_with_one_copy(), opened_library.patron("ada")
    with opened(browser, opened_library.rest, "/docs") as here:
        borrow = operation(here.page, "POST", "/v1/books/{bookId}:borrow")
        borrow.locator(".opblock-summary-control").click()
        borrow.locator("tr[data-param-name='bookId'] input").fill(book.id)
        borrow.locator("textarea.body-param__text").fill(json.dumps({"userId": user.id, "days": 21}))
        status, loan = execute(borrow)
        assert (status, loan["bookId"], loan["userId"], loan["days"]) == (200, book.id, user.id, 21)
        assert loan["bookTitle"] == book.title

        borrow.locator(".live-responses-table").scroll_into_view_if_needed()
        screenshot = tmp_path / "borrowed.png"
        here.page.screenshot(path=screenshot)
        assert screenshot.stat().st_size > 10_000
    loans = opened_library.frontend.lending.ListLoans(ListLoansRequest(user_id=user.id), timeout=100).loans
    assert [(lent.id, lent.book_id, lent.days) for lent in loans] == [(loan["id"], book.id, 21)]


ENROL, ADD, BORROW = ("/v1/users", "/admin/v1/books", "/v1/books/{bookId}:borrow")


@pytest.mark.slow
def test_visitors_enrol_add_and_borrow_with_the_samples_unchanged(
    browser: Browser, opened_library: OpenLibrary
) -> None:
    """Each visitor only clicks, one after the other against the same library.

    The first one opens all operations at first, and does all of it twice; the second one opens each when it is needed;
    the third one opens the page again in between.
    """
    seen: set[str] = set()
    for visitor in ("opens all", "opens each", "opens the page again"):
        with opened(browser, opened_library.rest, "/docs") as here:

            def send(path: str, here: Opened = here) -> Any:
                control = operation(here.page, "POST", path)
                if not control.get_by_role("button", name="Execute").is_visible():
                    control.locator(".opblock-summary-control").click()
                status, answer = execute(control)
                assert status == 200, (path, answer)
                return answer

            if visitor == "opens all":
                for path in (ENROL, ADD, BORROW):
                    operation(here.page, "POST", path).locator(".opblock-summary-control").click()
            for _ in range(2 if visitor == "opens all" else 1):
                user, book = send(ENROL), send(ADD)
                assert (user["firstName"], book["title"]) == ("Ada", "Neuromancer")
                wait_for_book(opened_library.frontend, book["id"])
                if visitor == "opens the page again":
                    here.open("/docs")
                loan = send(BORROW)
                assert (loan["bookId"], loan["userId"], loan["days"]) == (book["id"], user["id"], 14)
                seen |= {user["id"], user["email"], book["id"], loan["id"]}
    assert len(seen) == 4 * 4


@pytest.mark.slow
def test_the_page_waits_for_a_book_that_is_not_synced_yet(
    browser: Browser, module_servers: Servers, module_rest_servers: RestServers, databases: FreshDatabases
) -> None:
    admin = module_servers.start("admin", databases.migrated("admin", "sqlite"))
    url = databases.migrated("frontend", "sqlite")
    frontend = module_servers.start("frontend", url, ADMIN_TARGET=admin.address, SYNC_INTERVAL="8")
    rest = module_rest_servers.start([frontend.address, admin.address])
    with opened(browser, rest, "/docs") as here:
        assert execute(operation_opened(here.page, ENROL))[0] == 200
        client, deadline = frontend.frontend(), time.monotonic() + 100
        while client.sync.GetSyncStatus(GetSyncStatusRequest(), timeout=100).waiting_user_count:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        add, borrow = (operation_opened(here.page, path) for path in (ADD, BORROW))
        book, loan = execute(add), execute(borrow)
        assert (book[0], loan[0]) == (200, 200), loan
        assert loan[1]["bookId"] == book[1]["id"]
        # The browser itself logs each request that was answered with 404.
        here.complaints[:] = [words for words in here.complaints if "404" not in words]


@pytest.mark.slow
def test_what_a_visitor_typed_is_not_overwritten(browser: Browser, opened_library: OpenLibrary) -> None:
    with opened(browser, opened_library.rest, "/docs") as here:
        borrow, enrol = (operation(here.page, "POST", path) for path in (BORROW, ENROL))
        for control in (borrow, enrol):
            control.locator(".opblock-summary-control").click()
        mine = json.dumps({"userId": "mine", "days": 5})
        borrow.locator("textarea.body-param__text").fill(mine)
        borrow.locator("tr[data-param-name='bookId'] input").fill("my book")
        assert execute(enrol)[0] == 200
        assert execute(operation_opened(here.page, ADD))[0] == 200
        assert borrow.locator("textarea.body-param__text").input_value() == mine
        assert borrow.locator("tr[data-param-name='bookId'] input").input_value() == "my book"


def operation_opened(page: Page, path: str) -> Locator:
    opened_one = operation(page, "POST", path)
    opened_one.locator(".opblock-summary-control").click()
    return opened_one


def test_the_padlock_sends_the_token(browser: Browser, opened_library: OpenLibrary) -> None:
    with opened(browser, opened_library.rest, "/docs") as here:
        here.page.locator("button.authorize").first.click()
        dialog = here.page.locator(".dialog-ux")
        dialog.locator("input").fill("a.b-c_d")
        dialog.get_by_role("button", name="Apply credentials").click()
        dialog.get_by_role("button", name="Close").click()

        enrol = operation_opened(here.page, ENROL)
        with here.page.expect_request(lambda request: request.method == "POST") as sent:
            execute(enrol)
        assert sent.value.headers["authorization"] == "Bearer a.b-c_d"
        assert here.page.evaluate("JSON.stringify([localStorage, sessionStorage])").count("a.b-c_d") == 0


@pytest.mark.slow
def test_after_signing_in_on_the_page_its_calls_have_the_token(
    browser: Browser, module_servers: Servers, module_rest_servers: RestServers, databases: FreshDatabases
) -> None:
    servers = start_token_servers(databases, module_servers)
    rest = module_rest_servers.start([servers.frontend.address, servers.admin.address])
    librarian, patron = servers.people.users[ROLE_LIBRARIAN], servers.people.users[ROLE_PATRON]
    name, secret = servers.people.card_number(librarian), "a sentence that nobody guesses"
    by_admin = {"Authorization": f"Bearer {servers.people.token(ROLE_ADMIN)}"}
    code = rest.request("POST", f"/access/v1/users/{librarian}/resetCodes", {}, by_admin).json()["code"]
    set_password = {"name": name, "proof": code, "newSecret": secret}
    assert rest.request("POST", "/access/v1/password:set", set_password).status == 200

    with opened(browser, rest, "/docs") as here:
        make_code = operation_opened(here.page, "/access/v1/users/{userId}/resetCodes")
        make_code.locator("tr[data-param-name='userId'] input").fill(patron)
        assert execute(make_code)[0] == 401
        sign_in = operation_opened(here.page, "/access/v1/sessions")
        sign_in.locator("textarea.body-param__text").fill(json.dumps({"name": name, "secret": secret}))
        assert execute(sign_in)[0] == 200
        make_code.locator("tr[data-param-name='userId'] input").fill(patron)
        status, made = execute(make_code)
        assert (status, made["userId"]) == (200, patron)
        # The browser itself logs every answer of 400 and above.
        here.complaints[:] = [words for words in here.complaints if "401" not in words]


@pytest.mark.slow
def test_a_refusal_is_shown_on_the_page(browser: Browser, opened_library: OpenLibrary) -> None:
    book, user = opened_library.book_with_one_copy(), opened_library.patron("bob")
    with opened(browser, opened_library.rest, "/docs") as here:
        borrow = operation(here.page, "POST", "/v1/books/{bookId}:borrow")
        borrow.locator(".opblock-summary-control").click()
        borrow.locator("tr[data-param-name='bookId'] input").fill(book.id)
        borrow.locator("textarea.body-param__text").fill(json.dumps({"userId": user.id, "days": 366}))
        status, answer = execute(borrow)
        assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
        # The browser itself logs every answer of 400 and above.
        assert [words for words in here.complaints if "400" not in words] == []
        here.complaints.clear()
    assert not opened_library.frontend.lending.ListLoans(ListLoansRequest(user_id=user.id), timeout=100).loans


def test_the_browser_applies_the_policy_to_the_page(browser: Browser, opened_library: OpenLibrary) -> None:
    """So that what a later Swagger UI may ask for is stopped where people use it, and not only noted here."""
    with opened(browser, opened_library.rest, "/docs") as here:
        here.page.locator(".opblock").first.wait_for()
        stopped = here.page.evaluate(
            """() => new Promise(resolve => {
                document.addEventListener("securitypolicyviolation", event => resolve(event.blockedURI));
                fetch("http://elsewhere.example/").catch(() => setTimeout(resolve, 5000, "not by the policy"));
            })"""
        )
        assert stopped == "http://elsewhere.example/"
        assert here.complaints
        here.complaints.clear()


@pytest.mark.slow
@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")], ids=["phone-dark", "desktop-light"])
@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_fit_the_screen(
    browser: Browser,
    opened_library: OpenLibrary,
    path: str,
    size: tuple[int, int],
    scheme: str,
    tmp_path: Path,
) -> None:
    with opened(browser, opened_library.rest, path, size, color_scheme=scheme) as here:
        here.page.get_by_text("library.frontend.v1.LendingService").first.wait_for()
        if path == "/docs":
            borrow = operation(here.page, "POST", "/v1/books/{bookId}:borrow")
            borrow.locator(".opblock-summary-control").click()
            borrow.get_by_role("button", name="Execute").wait_for()
        assert here.page.evaluate("document.documentElement.scrollWidth") <= size[0]
        ground = here.page.evaluate(
            "e => getComputedStyle(document.querySelector(e)).backgroundColor", "body" if path == "/" else "html"
        )
        brightest = max(map(int, re.findall(r"\d+", ground)[:3]))  # of red, green and blue, 0 to 255
        assert (brightest < 64) == (scheme == "dark")
        here.page.screenshot(path=tmp_path / "page.png", full_page=True)


def test_the_start_page_matches_the_contract(browser: Browser, opened_library: OpenLibrary) -> None:
    rest = opened_library.rest
    with opened(browser, rest, "/") as here:
        rows = here.page.locator("tbody tr").all()
        shown = {tuple(row.locator("td:nth-child(-n+2)").all_inner_texts()) for row in rows}
        assert {(verb, without_names(path)) for verb, path in shown} >= operations_of_the_contract()
        curl, refusal = (block.inner_text() for block in here.page.locator("pre").all())
        addresses = [link.get_attribute("href") or "" for link in here.page.locator("a").all()]
        linked = {here.page.evaluate("a => new URL(a, location).pathname", address) for address in addresses}
    assert {"/docs", "/v1/books", "/admin/v1/books"} < linked
    for path in linked:
        assert rest.request("GET", path).status == 200, path

    command, url = shlex.split(curl)
    assert command == "curl"
    assert url.startswith((f"{rest.url}/v1/", f"{rest.url}/access/v1/"))
    assert rest.request("GET", url.removeprefix(rest.url)).status == 200
    asked = rest.request("GET", "/no-such-path")
    assert asked.status == 404
    assert without_request_id(json.loads(refusal)) == without_request_id(asked.json())


def without_request_id(answer: Any) -> Any:
    details = answer["error"]["details"]
    assert all(len(detail.pop("requestId", "0" * 32)) == 32 for detail in details)
    return answer
