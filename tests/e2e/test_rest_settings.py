"""What library-rest makes of where it listens and of settings that cannot be meant, and what its own paths take."""

from __future__ import annotations

import gzip
import http.client
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import click
import pytest

import admin_server.__main__
import frontend_server.__main__
import rest_server.__main__
from tests.support.rest import ANSWER_SECONDS, Answer, RestProcess, RestServers
from tests.support.transcoding.behaviours import RULES, Behaviours
from tests.support.transcoding.contracts import Contract, Rule
from tests.support.transcoding.server import TranscodedServer
from tests.sync.agreement import eventually

TO_DOCS = Rule('post: "/docs" body: "*"', method="SendToDocs")
RAW = Rule('post: "/v1/raw" body: "*"', takes="google.api.HttpBody", method="SendRaw")
GATHER = Rule('post: "/v1/gathered" body: "*"', takes="stream Everything", returns="Several", method="Gather")

COMMANDS = {
    "admin": admin_server.__main__.commands,
    "frontend": frontend_server.__main__.commands,
    "rest": rest_server.__main__.commands,
}


@pytest.fixture(scope="module")
def behaviours() -> Behaviours:
    return Behaviours(Contract([*RULES, TO_DOCS, RAW, GATHER]))


@pytest.fixture(scope="module")
def server(behaviours: Behaviours) -> Iterator[TranscodedServer]:
    started = TranscodedServer(behaviours.contract, behaviours=behaviours.by_method())
    yield started
    started.stop()


@pytest.fixture(scope="module")
def rest(module_rest_servers: RestServers, server: TranscodedServer) -> RestProcess:
    return module_rest_servers.start([server.address])


def asked(rest: RestProcess, *lines: str) -> Answer:
    """What lines are answered that are sent as they are."""
    host, _, port = rest.address.rpartition(":")
    with socket.create_connection((host, int(port)), ANSWER_SECONDS) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        with http.client.HTTPResponse(connection, method=lines[0].partition(" ")[0]) as response:
            response.begin()
            return Answer(response.status, response.headers, response.read())


# --- where it listens ---


@pytest.mark.parametrize("host", ["127.0.0.2", "127.1"])
def test_each_loopback_address_is_answered_under_its_own_names_only(
    rest_servers: RestServers, server: TranscodedServer, host: str
) -> None:
    rest = rest_servers.start([server.address], LISTEN=f"{host}:0")
    server.take_calls()
    post = ("POST /v1/messages HTTP/1.1", "Content-Length: 0")
    answer = asked(rest, *post, "Host: evil.example", "Origin: http://evil.example")
    assert (answer.status, answer.refusal.reason) == (403, "HOST_REFUSED")
    assert server.take_calls() == []
    for name in (host, rest.address, "localhost"):
        assert asked(rest, *post, f"Host: {name}", f"Origin: http://{name}").status == 200


@pytest.mark.parametrize("program", COMMANDS)
@pytest.mark.parametrize(
    "address", ["8080", ":8080", "127.0.0.1", "127.0.0.1:", "::1:80", "http://127.0.0.1:80", "a:65536"]
)
def test_an_address_that_lacks_a_host_or_a_port_is_not_listened_on(program: str, address: str) -> None:
    message = complaint(program, "--listen", address)
    assert f"{address!r} is not HOST:PORT, such as 127.0.0.1:50051" in message


# --- how it describes itself ---


def test_the_document_and_the_pages_have_the_librarys_name_and_address(
    rest: RestProcess, rest_servers: RestServers, server: TranscodedServer
) -> None:
    settings = {
        "TITLE": "Library of Example",
        "CONTACT": "desk@library.example",
        "PUBLIC_URL": "https://library.example/api/",
    }
    named = rest_servers.start([server.address], **settings)

    plain = rest.request("GET", "/openapi.json").json()
    assert plain["info"]["title"] == "Lending Library"
    assert plain["info"]["contact"] == {"name": "Lending Library"}
    assert plain["info"]["license"]["name"] == "Apache-2.0"
    assert plain["servers"] == [{"url": rest.url}]
    get = ("GET /openapi.json HTTP/1.1", "Host: localhost:1")
    by_name = asked(rest, *get)
    assert by_name.json()["servers"] == [{"url": "http://localhost:1"}]
    again = asked(rest, *get, f"If-None-Match: {by_name.headers['ETag']}")
    assert again.status == 304
    changed = named.request("GET", "/openapi.json").json()
    assert changed["info"]["title"] == "Library of Example"
    assert changed["info"]["contact"] == {"name": "Library of Example", "email": "desk@library.example"}
    assert changed["servers"] == [{"url": "https://library.example/api"}]
    for path in ("/", "/docs"):
        assert b"Library of Example" in named.request("GET", path).body
        assert b"Lending Library" in rest.request("GET", path).body


# --- settings that would have no effect, or another one ---


def complaint(program: str, *arguments: str) -> str:
    """The message of `serve` about invalid arguments. They are only parsed here; no server starts."""
    serve = COMMANDS[program].commands["serve"]
    with pytest.raises(click.BadParameter) as refused, serve.make_context("serve", list(arguments)):
        pass
    assert refused.value.exit_code == 2
    assert f"Invalid value for '{arguments[0]}'" in refused.value.format_message()
    return refused.value.format_message()


@pytest.mark.parametrize(
    ("flag", "value", "reason"),
    [
        ("--target", "http://127.0.0.1:50051", "is not HOST:PORT"),
        ("--target", "127.0.0.1", "is not HOST:PORT"),
        ("--target", "127.0.0.1:50051,127.0.0.1:50052", "is not HOST:PORT"),
        ("--cors-origin", "https://library.example/", "without a slash at the end"),
        ("--cors-origin", "https://library.example/desk", "without a path"),
        ("--cors-origin", "https://library.example:443", "without the port"),
        ("--cors-origin", "http://library.example:80", "without the port"),
        ("--cors-origin", "https://Library.example", "in lower case"),
        ("--cors-origin", "library.example", "https://library.example"),
        ("--cors-origin", "https://", "https://library.example"),
        ("--cors-origin", "null", "https://library.example"),
        ("--cors-origin", "*", "No value allows all origins"),
        ("--allowed-host", "library.example:8080", "without a port"),
        ("--allowed-host", "library.example:", "without a port"),
        ("--allowed-host", "https://library.example", "without a port"),
        ("--allowed-host", "*", "a name or an address"),
        ("--allowed-host", "fd00::7", "[fd00::7]"),
        ("--title", " ", "is not a name"),
        ("--title", "two\nlines", "is not a name"),
        ("--contact", "library.example", "is not an e-mail address or a URL"),
        ("--contact", "ftp://library.example", "is not a URL"),
        ("--public-url", "library.example", "is not a URL"),
        ("--public-url", "ftp://library.example", "is not a URL"),
        ("--public-url", "https://", "is not a URL"),
        ("--public-url", "https://[::1", "is not a URL"),
        ("--public-url", "https://library.example:x", "is not a URL"),
        ("--public-url", "https://library.example/?a=b", "is not a URL"),
    ],
)
def test_a_setting_that_would_have_no_effect_is_refused(flag: str, value: str, reason: str) -> None:
    message = complaint("rest", flag, value)
    assert repr(value) in message
    assert reason in message


def test_a_repeated_target_is_refused() -> None:
    assert "'a:1' is repeated" in complaint("rest", "--target", "a:1", "--target", "b:1", "--target", "a:1")


def test_settings_in_the_right_form_are_accepted_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBRARY_REST_TARGET", "admin:50052 [::1]:50051")
    origins = ["https://library.example", "http://localhost:3000", "http://[::1]:443", "chrome-extension://abcdef"]
    hosts = ["Library.example", "192.168.1.7", "[fd00::7]"]
    flags = [("--listen", "0.0.0.0:0")]
    flags += [("--cors-origin", origin) for origin in origins] + [("--allowed-host", host) for host in hosts]
    serve = COMMANDS["rest"].commands["serve"]
    with serve.make_context("serve", [part for flag in flags for part in flag]) as context:
        assert context.params["listen"] == "0.0.0.0:0"
        assert context.params["target"] == ("admin:50052", "[::1]:50051")
        assert context.params["cors_origin"] == tuple(origins)
        assert context.params["allowed_host"] == tuple(hosts)


def test_the_help_shows_the_form_of_addresses() -> None:
    for program, commands in COMMANDS.items():
        context = click.Context(commands.commands["serve"])
        shown = re.findall(r"--(\w+) HOST:PORT ", commands.commands["serve"].get_help(context))
        assert shown == ["listen", "target"] if program == "rest" else ["listen"]


def test_a_grace_of_zero_is_respected(
    rest_servers: RestServers, server: TranscodedServer, behaviours: Behaviours
) -> None:
    rest = rest_servers.start([server.address], GRACE="0")
    behaviours.seconds_given.clear()
    with ThreadPoolExecutor() as pool:
        running = pool.submit(rest.request, "GET", "/v1/sleep?seconds=20")
        eventually(lambda: behaviours.seconds_given != [], "the call runs")
        begin = time.monotonic()
        status = pool.submit(rest.stop)
        answer = running.result()
        assert time.monotonic() - begin < 1
        assert status.result() == 0
    assert (answer.status, answer.refusal.reason) == (503, "STOPPING")
    idle = rest_servers.start([server.address], GRACE="0")
    assert idle.stop() == 0
    assert [event for event in idle.log_events() if event["level"] not in ("info", "debug")] == []


# --- hosts and forms of requests ---


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["Host: localhost"], 200),
        (["Host: LOCALHOST.:8080"], 200),
        ([], 400),
        (["Host:"], 400),
        (["Host: localhost", "Host: localhost"], 400),
        (["Host: localhost", "Host: evil.example"], 400),
        (["Host: [::1"], 400),
    ],
)
def test_a_request_has_one_host(rest: RestProcess, headers: list[str], status: int) -> None:
    for path in ("/v1/echo/a", "/healthz", "/openapi.json"):
        answer = asked(rest, f"GET {path} HTTP/1.1", *headers)
        assert answer.status == status
        if status != 200:
            assert answer.refusal.reason == "HOST_INVALID"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_request_as_for_a_proxy_is_one_for_its_path(rest: RestProcess) -> None:
    answer = asked(rest, "GET http://localhost/v1/echo/a?int32_value=1 HTTP/1.1", "Host: localhost")
    assert (answer.status, answer.json()["text"], answer.json()["int32Value"]) == (200, "a", 1)
    # A client that is configured to use this as a proxy sends this (RFC 9112, 3.2.2: both name the same host).
    answer = asked(rest, "GET http://evil.example/v1/echo/a HTTP/1.1", "Host: evil.example")
    assert (answer.status, answer.refusal.reason) == (403, "HOST_REFUSED")


# --- its own paths ---


@pytest.mark.parametrize("path", ["/", "/healthz", "/openapi.json", "/docs/", "/docs/start.css"])
@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE"])
def test_its_own_paths_are_for_reading(rest: RestProcess, verb: str, path: str) -> None:
    answer = rest.request(verb, path)
    assert (answer.status, answer.refusal.reason) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    options = rest.request("OPTIONS", path)
    assert (options.status, options.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")


def test_a_path_may_be_its_own_and_a_targets(rest: RestProcess, server: TranscodedServer) -> None:
    server.take_calls()
    assert rest.request("POST", "/docs", {"text": "a"}).json()["text"] == "a"
    assert len(server.take_calls()) == 1
    answer = rest.request("PUT", "/docs", {})
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert rest.request("GET", "/docs").headers.get_content_type() == "text/html"


def test_options_of_the_server_returns_its_verbs(rest: RestProcess) -> None:
    answer = asked(rest, "OPTIONS * HTTP/1.1", "Host: localhost")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Allow"] == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    assert asked(rest, "GET * HTTP/1.1", "Host: localhost").refusal.reason == "PATH_UNKNOWN"


# --- bodies that are encoded ---


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/raw", "/v1/gathered"])
def test_a_compressed_body_is_refused(rest: RestProcess, server: TranscodedServer, path: str) -> None:
    server.take_calls()
    for encoding in ("gzip", "GZIP", "br", "identity, gzip"):
        answer = rest.request("POST", path, gzip.compress(b"{}"), {"Content-Encoding": encoding})
        assert (answer.status, answer.refusal.reason) == (415, "ENCODING_UNSUPPORTED")
        assert answer.refusal.metadata == {"encoding": encoding.lower()}
        assert answer.headers["Accept-Encoding"] == "identity"
    assert [call for call in server.take_calls() if call.requests] == []
    for encoding in ("identity", ""):
        assert rest.request("POST", path, b"{}", {"Content-Encoding": encoding}).status == 200


def test_the_encoding_of_an_empty_body_does_not_matter(rest: RestProcess) -> None:
    assert rest.request("GET", "/v1/echo/a", headers={"Content-Encoding": "gzip"}).status == 200
