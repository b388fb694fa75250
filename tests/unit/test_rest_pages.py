"""The pages that people see: right for what is served, harmless for any contract, sealed by their headers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from html import unescape
from html.parser import HTMLParser

import grpc
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from rest_server.pages.html import FILES, ContractSummary, PathSummary, ServiceSummary, page_routes
from tests.support.rest import refusal_in

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
TARGET = "127.0.0.1:50051"
TITLE = "Library <of Example>"
NOTES = ServiceSummary(
    "notes.v1.NoteService",
    "Keeps notes.",
    [
        PathSummary("GET", "/v1/notes/{id}", "Gets a note."),
        PathSummary("POST", "/v1/notes", "Writes a note."),
        PathSummary("GET", "/v1/notes:find", "Finds notes.", needs_query=True),
        PathSummary("GET", "/v1/notes:recent", "Lists the newest notes."),
        PathSummary("GET", "/v1/notes", "Lists all notes."),
    ],
    "Notes on everything",
)


class Served:
    """A server of the pages, whose contracts a test sets."""

    def __init__(self) -> None:
        self.contracts: Sequence[ContractSummary] = [ContractSummary(TARGET, [NOTES])]
        self.client = TestClient(
            Starlette(routes=page_routes(lambda: self.contracts, TITLE)), base_url="http://api.test:8080"
        )

    def html(self) -> str:
        return self.client.get("/", headers=BROWSER).text

    def text(self) -> str:
        return self.client.get("/").text


class Links(HTMLParser):
    """What a page loads and links to, and its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    @property
    def addresses(self) -> list[str]:
        return [value or "" for name, value in self.attributes if name in ("href", "src")]


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    with served.client:
        yield served


def test_the_start_page_shows_all_paths_with_what_they_do(served: Served) -> None:
    for page in (served.html(), served.text()):
        for shown in (TARGET, NOTES.name, NOTES.title, NOTES.summary, *(path.summary for path in NOTES.paths)):
            assert shown in page
        for path in NOTES.paths:
            assert path.verb in page
            assert path.path in page
        for own in ("/docs", "/openapi.json", "/healthz"):
            assert own in page


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (BROWSER["Accept"], "text/html"),
        ("TEXT/HTML", "text/html"),
        ("text/plain;q=0.1, text/html ; q=0.5", "text/html"),
        ("*/*", "text/plain"),
        ("", "text/plain"),
        ("application/json", "text/plain"),
        ("text/html;q=0", "text/plain"),
        ("text/html; q=0.0, */*", "text/plain"),
    ],
)
def test_html_is_for_those_who_ask_for_it(served: Served, accept: str, media_type: str) -> None:
    answer = served.client.get("/", headers={"Accept": accept})
    assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert answer.headers["vary"] == "Accept"
    assert ("<h1>" in answer.text) == (media_type == "text/html")


def test_the_line_to_try_is_a_get_with_nothing_to_fill_in(served: Served) -> None:
    line = "curl http://api.test:8080/v1/notes:recent\n"
    assert line in served.text()
    assert f"<code>{line.strip()}</code>" in served.html()


def test_the_line_to_try_is_one_even_when_no_path_will_do(served: Served) -> None:
    only = [PathSummary("GET", "/v1/notes/*", ""), PathSummary("POST", "/v1/notes", "")]
    served.contracts = [ContractSummary(TARGET, [ServiceSummary("notes.v1.NoteService", "", only)])]
    assert "curl http://api.test:8080/healthz\n" in served.text()


def test_the_line_to_try_is_quoted_for_the_shell(served: Served) -> None:
    served.contracts = [
        ContractSummary(TARGET, [ServiceSummary("n.S", "", [PathSummary("GET", "/v1/$(reboot)'&", "")])])
    ]
    assert """curl 'http://api.test:8080/v1/$(reboot)'"'"'&'\n""" in served.text()


def test_a_target_that_is_not_read_yet_is_shown_so(served: Served) -> None:
    served.contracts = [ContractSummary("127.0.0.1:50052", None)]
    for page in (served.html(), served.text()):
        assert "127.0.0.1:50052" in page
        assert "Not known yet" in page
        assert "No service" not in page
    served.contracts = [ContractSummary("127.0.0.1:50052", [])]
    for page in (served.html(), served.text()):
        assert "Not known yet" not in page
        assert "No service has a method here." in page
    served.contracts = []
    for page in (served.html(), served.text()):
        assert "No target is set." in page


def test_foreign_text_stays_text(served: Served) -> None:
    evil = """<script>alert("1")</script>&amp;"'><img src=x onerror=alert(1)>{{ 7 * 7 }}"""
    before = Links(served.html())
    served.contracts = [
        ContractSummary(
            f"a{evil}", [ServiceSummary(f"b{evil}", f"c{evil}", [PathSummary(f"d{evil}", "/e", f"f{evil}")])]
        ),
        ContractSummary(TARGET, [ServiceSummary("g", "", [PathSummary("GET", f"/h{evil}", "")] * 4)]),
    ]
    page = served.html()
    after = Links(page)
    assert set(after.elements) == set(before.elements)
    assert {name for name, _ in after.attributes} == {name for name, _ in before.attributes}
    for letter in "abcdfh":
        assert f"{letter}&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;&amp;amp;" in page


@pytest.mark.parametrize("path", ["/javascript:alert(1)", "//evil.example", "/books:list", "/v1/books"])
def test_links_to_paths_stay_on_this_server(served: Served, path: str) -> None:
    served.contracts = [ContractSummary(TARGET, [ServiceSummary("g", "", [PathSummary("GET", path, "")])])]
    # A dot in front: what looks like a scheme or a host is a path then.
    assert f"./{path[1:]}" in Links(served.html()).addresses


def test_no_control_character_of_a_contract_reaches_a_terminal(served: Served) -> None:
    served.contracts = [
        ContractSummary(TARGET, [ServiceSummary("g", "a\x1b[2Jb\nc\u202ed", [PathSummary("GET", "/e\r\x07", "f\x9b")])])
    ]
    for page in (served.html(), served.text()):
        assert "a\ufffd[2Jb c\ufffdd" in page
        assert all(sign.isprintable() or sign == "\n" for sign in page)


def test_a_refusal_is_shown_as_it_is_answered(served: Served) -> None:
    (line,) = [line for line in served.text().splitlines() if line.startswith('  {"error"')]
    shown = re.findall(r"<pre><code>({.*?})</code></pre>", served.html(), re.DOTALL)
    for refusal in (json.loads(line), *(json.loads(unescape(block)) for block in shown)):
        error = refusal_in(refusal)
        assert (error.code, error.reason, error.domain) == (grpc.StatusCode.NOT_FOUND, "PATH_UNKNOWN", "library-rest")
        assert error.request_id
    assert len(shown) == 1


@pytest.mark.parametrize(
    ("comment", "shown"),
    [
        ("Lists them; with `all` more.", "Lists them; with <code>all</code> more."),
        ("`a` and `<b>`", "<code>a</code> and <code>&lt;b&gt;</code>"),
        ("One ` alone", "One ` alone"),
        ("`a` and ` alone", "<code>a</code> and ` alone"),
    ],
)
def test_code_in_comments_looks_like_it(served: Served, comment: str, shown: str) -> None:
    service = ServiceSummary("g", comment, [PathSummary("GET", "/e", comment)])
    served.contracts = [ContractSummary(TARGET, [service])]
    page = served.html()
    assert f"<p>{shown}</p>" in page
    assert f"<td>{shown}</td>" in page
    assert page.startswith("<!DOCTYPE html>")
    assert comment in served.text()


def test_the_pages_have_the_librarys_name(served: Served) -> None:
    shown = "Library &lt;of Example&gt;"
    assert served.text().startswith(f"{TITLE}: gRPC services over HTTP and JSON.\n")
    assert f"<h1>{shown}</h1>" in served.html()
    for path in ("/", "/docs"):
        page = served.client.get(path, headers=BROWSER).text
        assert f"<title>{shown} over HTTP and JSON</title>" in page


def test_a_contract_that_changes_is_shown_as_it_is_now(served: Served) -> None:
    assert "Keeps notes." in served.text()
    served.contracts = [ContractSummary(TARGET, None)]
    assert "Keeps notes." not in served.text()


@pytest.mark.parametrize("path", ["/", "/docs", *(f"/docs/{name}" for name in FILES)])
def test_pages_and_files_are_sealed(served: Served, path: str) -> None:
    answer = served.client.get(path, headers=BROWSER)
    assert answer.status_code == 200
    policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    allowed = {source for sources in policy.values() for source in sources.split()}
    assert allowed == {"'self'", "'none'", "data:", "blob:"}
    assert "blob:" not in policy.get("script-src", policy["default-src"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_load_and_link_only_what_is_here_and_run_no_inline_script(served: Served, path: str) -> None:
    page = served.client.get(path, headers=BROWSER).text
    links = Links(page)
    served_here = {"/docs", "/openapi.json", "/healthz", "/"} | {f"/docs/{name}" for name in FILES}
    served_here |= {f"/{path.path[1:]}" for path in NOTES.paths}
    assert links.addresses
    for address in links.addresses:
        assert served.client.base_url.join(path).join(address).path in served_here
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bon\w+=|\bstyle=", page)


def test_below_a_prefix_all_addresses_are_below_it(served: Served) -> None:
    """As behind a proxy that takes the prefix off: the server knows of it, or at least its links do not lose it."""
    with TestClient(served.client.app, base_url="http://api.test", root_path="/rest") as client:
        assert "curl http://api.test/rest/v1/notes:recent\n" in client.get("/rest/").text
        assert client.get("/rest/docs/docs.js").status_code == 200
        assert client.get("/rest/docs/", follow_redirects=False).headers["location"] == "../docs"
        for path in ("/rest/", "/rest/docs"):
            page = client.get(path, headers=BROWSER).text
            for address in Links(page).addresses:
                assert client.base_url.join(path).join(address).path.startswith("/rest/")


def test_swagger_ui_asks_no_other_server(served: Served) -> None:
    script = served.client.get("/docs/docs.js").text
    assert 'url: "openapi.json"' in script
    assert "validatorUrl: null" in script
    assert "://" not in script


def test_no_file_but_those_of_the_pages_is_served(served: Served) -> None:
    for name in (
        "swagger-ui.js",
        "oauth2-redirect.html",
        "docs.html",
        "../pages.py",
        "..%2fpages.py",
        "%2e%2e/pages.py",
        "",
    ):
        answer = served.client.get(f"/docs/{name}", follow_redirects=False)
        assert answer.status_code in (307, 404), name
    assert served.client.post("/docs/docs.js").status_code == 405


def test_a_file_that_has_not_changed_is_not_sent_again(served: Served) -> None:
    first = served.client.get("/docs/swagger-ui-bundle.js")
    assert first.headers["cache-control"] == "no-cache"
    assert len(first.content) > 1_000_000
    again = served.client.get("/docs/swagger-ui-bundle.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


def test_one_slash_too_many_leads_to_the_page(served: Served) -> None:
    answer = served.client.get("/docs/", headers=BROWSER)
    assert (answer.status_code, answer.url.path) == (200, "/docs")
    assert "swagger-ui" in answer.text
