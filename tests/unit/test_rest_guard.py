"""Which requests library-rest lets in: the hosts that are asked for, and the origins that they come from."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message

from rest_server.guards.origins import Guard, hosts_to_answer

ALLOWED_ORIGIN = "https://desk.example"


def outcome(hosts: Collection[str], *headers: str, verb: str = "POST", version: str = "1.1") -> str:
    """What becomes of a request: the reason why it is refused, or `let in`."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    named = (header.partition(": ") for header in headers)
    scope = {
        "type": "http",
        "method": verb,
        "http_version": version,
        "raw_path": b"/",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, _, value in named],
    }
    asyncio.run(Guard(PlainTextResponse("let in"), hosts, [ALLOWED_ORIGIN])(scope, receive, send))
    body = sent[1]["body"]
    return "let in" if body == b"let in" else str(json.loads(body)["error"]["details"][0]["reason"])


def test_a_loopback_address_is_known_by_its_number_and_has_its_own_names_only() -> None:
    for listen, address in [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.2"),
        ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
        ("library.test", "127.0.1.1"),
    ]:
        hosts = hosts_to_answer(listen, address, ())
        assert outcome(hosts, "Host: evil.example:8080", "Origin: http://evil.example:8080") == "HOST_REFUSED"
        for host in (listen, f"[{address}]" if ":" in address else address, "localhost", "127.0.0.1", "[::1]"):
            assert outcome(hosts, f"Host: {host}:8080") == "let in", (listen, host)


def test_elsewhere_any_name_will_do_unless_some_are_allowed() -> None:
    for listen, address in [("0.0.0.0", "0.0.0.0"), ("[::]", "::"), ("library.example", "192.168.1.7")]:
        assert outcome(hosts_to_answer(listen, address, ()), "Host: other.example") == "let in"
        hosts = hosts_to_answer(listen, address, ["desk.example"])
        assert outcome(hosts, "Host: other.example") == "HOST_REFUSED"
        for host in ("desk.example:443", "localhost", listen):
            assert outcome(hosts, f"Host: {host}") == "let in"


@pytest.mark.parametrize(
    "host",
    [
        "LOCALHOST:1",
        "localhost.",
        "localhost.:8080",
        "localhost:",
        "[::1]",
        "[0::1]:8080",
        "[::1%25lo]:8080",
        "[::1%lo]",
    ],
)
def test_each_spelling_of_a_host_is_that_host(host: str) -> None:
    assert outcome(hosts_to_answer("127.0.0.1", "127.0.0.1", ()), f"Host: {host}") == "let in"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Host: "],
        ["Host: localhost", "Host: localhost"],
        ["Host: evil.example", "Host: localhost"],
        ["Host: localhost, evil.example"],
        ["Host: [::1"],
        ["Host: ::1"],
        ["Host: localhost:99999"],
        ["Host: localhost:80:80"],
        ["Host: http://localhost"],
        ["Host: user@localhost"],
        ["Host: localhost/"],
        ["Host: l\xf6calhost"],
    ],
)
def test_a_request_names_one_valid_host(headers: list[str]) -> None:
    for hosts in (hosts_to_answer("127.0.0.1", "127.0.0.1", ()), ()):
        for verb in ("GET", "POST"):
            assert outcome(hosts, *headers, verb=verb) == "HOST_INVALID"


def test_of_old_http_no_host_is_wanted_and_so_it_is_not_ours_by_name() -> None:
    assert outcome((), version="1.0") == "let in"
    assert outcome({"localhost"}, version="1.0") == "HOST_REFUSED"
    assert outcome((), "Host: a", "Host: b", version="1.0") == "HOST_INVALID"


@pytest.mark.parametrize(
    ("origins", "expected"),
    [
        ([], "let in"),
        (["http://localhost:8080"], "let in"),
        (["https://localhost:8080"], "let in"),
        ([ALLOWED_ORIGIN], "let in"),
        ([ALLOWED_ORIGIN, "http://localhost:8080"], "let in"),
        ([ALLOWED_ORIGIN, "https://evil.example"], "ORIGIN_REFUSED"),
        (["https://evil.example", ALLOWED_ORIGIN], "ORIGIN_REFUSED"),
        (["null"], "ORIGIN_REFUSED"),
        ([""], "ORIGIN_REFUSED"),
        (["http://localhost:80"], "ORIGIN_REFUSED"),
        ([f"{ALLOWED_ORIGIN}/"], "ORIGIN_REFUSED"),
        ([f"{ALLOWED_ORIGIN}.evil.example"], "ORIGIN_REFUSED"),
    ],
)
def test_each_origin_of_a_request_has_to_be_ours_or_allowed(origins: list[str], expected: str) -> None:
    headers = ["Host: LocalHost:8080", *(f"Origin: {origin}" for origin in origins)]
    for verb in ("POST", "PATCH", "DELETE", "PUT", "TRACE", "MADE-UP"):
        assert outcome({"localhost"}, *headers, verb=verb) == expected
    for verb in ("GET", "HEAD", "OPTIONS"):
        assert outcome({"localhost"}, *headers, verb=verb) == "let in"
