"""Pages of library-rest in a real browser, and what they ask for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.rest import RestProcess

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Route

WAIT_MS = 100_000
"""For what a page is to show. Long enough on the busiest machine."""

PHONE, DESKTOP = (390, 844), (1280, 1024)


@dataclass
class Opened:
    """A page of library-rest in the browser, and what it did there."""

    page: Page
    base: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """Of the console, and of scripts that failed."""

    def listen(self) -> None:
        self.page.on("request", self._note_request)
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> None:
        self.page.goto(f"{self.base}{path}")

    def check(self) -> None:
        """Hold the page to what each must be: at home, and without a complaint."""
        assert self.requests
        assert [url for url in self.requests if not url.startswith(f"{self.base}/")] == []
        assert self.complaints == []

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith("data:"):  # in the page itself: nobody is asked
            self.requests.append(request.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@contextmanager
def opened(
    browser: Browser, rest: RestProcess, path: str, size: tuple[int, int] = DESKTOP, **how: Any
) -> Iterator[Opened]:
    """Open a page, and hold it to `Opened.check` at the end."""
    with browser.new_context(viewport={"width": size[0], "height": size[1]}, **how) as context:
        context.set_default_timeout(WAIT_MS)

        def keep_home(route: Route) -> None:
            # What is stopped here has been noted, and fails the test.
            if route.request.url.startswith(f"{rest.url}/"):
                route.continue_()
            else:
                route.abort()

        context.route("**/*", keep_home)
        here = Opened(context.new_page(), rest.url)
        here.listen()
        here.open(path)
        yield here
        here.check()


def operation(page: Page, verb: str, path: str) -> Locator:
    """A method on the page of Swagger UI."""
    return page.locator(f".opblock-{verb.lower()}", has=page.locator(f"[data-path='{path}']"))


def execute(operation: Locator) -> tuple[int, Any]:
    """Click on Execute, and read the status and the JSON of the answer."""
    from playwright.sync_api import expect  # noqa: PLC0415 - slow to import; each worker imports this module

    page = operation.page
    with page.expect_response(lambda response: response.request.method == "POST"):
        operation.get_by_role("button", name="Execute").click()
    # The result of an earlier click is shown until then.
    expect(operation.locator(".loading-container")).to_have_count(0)
    live = operation.locator(".live-responses-table tbody tr.response").first
    status = int(live.locator(".response-col_status").inner_text().split()[0])
    return status, json.loads(live.locator(".highlight-code code").inner_text())
