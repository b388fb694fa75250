"""Fetching from other servers: what leads inside is refused, and nothing takes longer or more than allowed."""

from __future__ import annotations

import ssl
import threading
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from admin_server.sources.addresses import is_public, resolved
from admin_server.sources.catalogues import SourceSettings, check_settings
from admin_server.sources.fetching import Fetched, Fetcher, FetchFailed, NotThere, RequestRefused, seconds_from_now
from service_kit.clock import DAY, SECOND
from tests.support import source_server
from tests.support.certificates import Site
from tests.support.source_server import SourceServer, answer, json_answer, redirect, running_source_server

NOW = 1_800_000_000 * SECOND
KEY = "AIzaSyNeverToBeSeen"


@pytest.fixture
def server() -> Iterator[SourceServer]:
    with running_source_server() as running:
        yield running


@pytest.fixture
def other() -> Iterator[SourceServer]:
    with running_source_server() as running:
        yield running


def fetcher_for(*servers: SourceServer) -> Fetcher:
    configured = [server.host_and_port for server in servers]
    return Fetcher("library-tests", configured, allow_private=True, clock=lambda: NOW)


def fetch(fetcher: Fetcher, url: str, *, most_bytes: int = 10_000, seconds: float = 60) -> Fetched:
    return fetcher.get(
        url,
        most_bytes=most_bytes,
        content_types=["application/json"],
        deadline=seconds_from_now(seconds),
        headers={"X-Goog-Api-Key": KEY},
    )


def failure(fetcher: Fetcher, url: str, *, most_bytes: int = 10_000, seconds: float = 60) -> FetchFailed:
    with pytest.raises(FetchFailed) as caught:
        fetch(fetcher, url, most_bytes=most_bytes, seconds=seconds)
    error = caught.value
    assert KEY not in str(error) + repr(error)
    assert "secret" not in str(error)
    assert error.__cause__ is None
    return error


def test_answer_is_fetched_with_headers_of_the_library(server: SourceServer) -> None:
    server.on("/books/a b.json", json_answer({"title": "Dune"}))
    fetched = fetch(fetcher_for(server), f"{server.address}/books/a b.json?q=ü")
    assert fetched == Fetched(b'{"title": "Dune"}', "application/json")
    (request,) = server.asked()
    assert request.query == {"q": "ü"}
    assert request.headers["user-agent"] == "library-tests"
    assert request.headers["x-goog-api-key"] == KEY
    assert request.headers["host"] == server.address.removeprefix("http://")


def test_compressed_answer_is_read(server: SourceServer) -> None:
    server.on("/a", source_server.zipped_json({"title": "Dune"}))
    assert fetch(fetcher_for(server), f"{server.address}/a").body == b'{"title": "Dune"}'


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.9.9.9", "169.254.169.254", "172.16.0.1",
        "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
        "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1",
        "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::8.8.8.8",
        "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1",
        "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_inner_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "207.241.234.135", "2606:4700::1", "2a00:1450:4001::200a", "64:ff9b::8.8.8.8"]
)
def test_outer_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433", "127.1", "[::ffff:127.0.0.1]", "0"]
)
def test_no_spelling_of_a_private_address_is_asked(server: SourceServer, host: str) -> None:
    port = server.host_and_port[1]
    spelled = Fetcher("t", [(host.strip("[]"), port)], allow_private=False)
    error = failure(spelled, f"http://{host}:{port}/")
    assert "not public" in error.problem or "not known" in error.problem
    assert server.requests == []


def test_one_private_address_among_public_ones_refuses_the_host(server: SourceServer) -> None:
    port = server.host_and_port[1]
    fetcher = Fetcher("t", [("books.example", port)], resolve=lambda *_: ["127.0.0.1", "8.8.8.8"])
    error = failure(fetcher, f"http://books.example:{port}/")
    assert error.problem.endswith("is at an address that is not public, and --allow-private-sources is not set")
    assert error.is_lasting
    assert server.requests == []


def test_private_addresses_are_for_configured_hosts_and_ports_only(server: SourceServer, other: SourceServer) -> None:
    server.on("/", redirect(f"{other.address}/secret"))
    error = failure(fetcher_for(server), f"{server.address}/")
    assert f"port {other.host_and_port[1]} of 127.0.0.1" in error.problem
    server.on("/", redirect("http://127.0.0.1/secret"))
    assert "not public" in failure(fetcher_for(server), f"{server.address}/").problem
    assert other.requests == []


def test_connection_goes_to_the_address_that_was_checked(server: SourceServer) -> None:
    """A name server that returns another address the second time cannot lead the request there."""
    host, port = "books.example", server.host_and_port[1]
    asked: list[str] = []

    def resolve(name: str, port: int, deadline: float) -> list[str]:
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    server.on("/", json_answer({}))
    fetcher = Fetcher("t", [(host, port)], allow_private=True, resolve=resolve)
    assert fetch(fetcher, f"http://{host}:{port}/").body == b"{}"
    assert asked == [host]


def test_next_address_is_tried(server: SourceServer) -> None:
    host, port = "books.example", server.host_and_port[1]
    server.on("/", json_answer({}))
    fetcher = Fetcher("t", [(host, port)], allow_private=True, resolve=lambda *_: ["127.0.0.2", "127.0.0.1"])
    assert fetch(fetcher, f"http://{host}:{port}/").body == b"{}"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://127.0.0.1/secret", "not one of http or https"),
        ("file:///etc/passwd?secret", "not one of http or https"),
        ("http:///secret", "not one of http or https"),
        ("secret", "not one of http or https"),
        ("http://user:secret@127.0.0.1/", "user name"),
        ("http://127.0.0.1:secret/", "not valid"),
        ("http://" + "a" * 300 + "/secret", "no valid host"),
        ("http://[secret/", "no valid host"),
        ("http://127.0.0.1%2e/secret", "no valid host"),
        ("http://127.0.0.1:25/secret", "port 25"),
        ("http://127.0.0.1:0/secret", "port 0"),
        ("http://127.0.0.1/" + "secret" * 1000, "too long"),
        ("http://127.0.0.1/\x00secret", "not valid"),
    ],
)
def test_addresses_that_are_not_asked(server: SourceServer, url: str, problem: str) -> None:
    error = failure(fetcher_for(server), url)
    assert problem in error.problem
    assert error.is_lasting


def test_redirects_are_followed_three_times(server: SourceServer) -> None:
    for place in range(4):
        server.on(f"/{place}", redirect(f"/{place + 1}"))
    server.on("/4", json_answer({}))
    assert fetch(fetcher_for(server), f"{server.address}/1").body == b"{}"
    assert "redirects too often" in failure(fetcher_for(server), f"{server.address}/0").problem
    server.on("/loop", redirect("/loop", 308))
    assert "redirects too often" in failure(fetcher_for(server), f"{server.address}/loop").problem
    assert len(server.asked("/loop")) == 4


def test_key_is_not_sent_to_another_host(server: SourceServer, other: SourceServer) -> None:
    server.on("/", redirect("/b"))
    server.on("/b", redirect(f"{other.address}/a"))
    other.on("/a", redirect(f"{server.address}/c"))
    server.on("/c", json_answer({}))
    fetch(fetcher_for(server, other), f"{server.address}/")
    assert [request.headers.get("x-goog-api-key") for request in server.asked()] == [KEY, KEY, None]
    assert "x-goog-api-key" not in other.asked()[0].headers


@pytest.mark.parametrize(
    "location", ["", "file:///secret", "http://u:secret@127.0.0.1/", "//user@x/", "http://[secret/"]
)
def test_redirects_that_are_not_followed(server: SourceServer, location: str) -> None:
    server.on("/", redirect(location))
    assert failure(fetcher_for(server), f"{server.address}/").is_lasting


@pytest.mark.parametrize(
    ("fault", "problem", "is_lasting"),
    [
        (answer(500, b"secret"), "status 500", False),
        (answer(503), "status 503", False),
        (answer(429), "status 429", False),
        (answer(400, b"secret"), "status 400", True),
        (answer(204), "status 204", True),
        (answer(200, b"<html>secret", {"Content-Type": "text/html"}), "another type", True),
        (answer(200, b"{}"), "another type", True),
        (answer(200, b"{}", {**source_server.JSON, "Content-Encoding": "br"}), "compressed in an unknown way", True),
        (answer(200, b"{}", {**source_server.JSON, "Content-Encoding": "gzip"}), "not compressed as it says", True),
        (answer(200, b"", {**source_server.JSON, "Content-Encoding": "gzip"}), "cut off", False),
        (answer(200, b" " * 10_001, source_server.JSON), "larger than 10000 bytes", True),
        (source_server.bomb(), "larger than 10000 bytes", True),
        (source_server.huge, "larger than 10000 bytes", True),
        (source_server.tiny_chunks, "too large", True),
        (source_server.huge_headers, "not HTTP", False),
        (source_server.cut, "cut off", False),
        (source_server.no_http, "not HTTP", False),
        (lambda write, request, stopped: None, "cut off", False),
    ],
)
def test_faults_are_failures(server: SourceServer, fault: source_server.Answer, problem: str, is_lasting: bool) -> None:
    server.on("/", fault)
    error = failure(fetcher_for(server), f"{server.address}/")
    assert problem in error.problem
    assert error.is_lasting is is_lasting


def test_missing_and_refused_are_failures_of_their_own(server: SourceServer) -> None:
    assert isinstance(failure(fetcher_for(server), f"{server.address}/none"), NotThere)
    server.on("/", answer(403))
    assert isinstance(failure(fetcher_for(server), f"{server.address}/"), RequestRefused)


def test_bomb_takes_no_memory(server: SourceServer) -> None:
    server.on("/", source_server.bomb(100))
    fetcher = fetcher_for(server)
    tracemalloc.start()
    failure(fetcher, f"{server.address}/", most_bytes=1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize("fault", [source_server.drip, source_server.drip_headers, source_server.silence])
def test_deadline_is_for_the_whole_answer(server: SourceServer, fault: source_server.Answer) -> None:
    server.on("/", fault)
    begin = time.monotonic()
    error = failure(fetcher_for(server), f"{server.address}/", seconds=0.5)
    assert 0.4 < time.monotonic() - begin < 20
    assert "did not answer in time" in error.problem
    assert not error.is_lasting


def test_deadline_is_for_all_redirects(server: SourceServer) -> None:
    def late(write: source_server.Write, request: source_server.Request, stopped: threading.Event) -> None:
        stopped.wait(0.3)
        redirect("/")(write, request, stopped)

    server.on("/", late)
    assert "in time" in failure(fetcher_for(server), f"{server.address}/", seconds=0.5).problem
    assert len(server.asked()) == 2


def test_deadline_is_for_the_name_server() -> None:
    released = threading.Event()

    def resolve(host: str, port: int, deadline: float) -> list[str]:
        released.wait(deadline - time.monotonic())
        raise TimeoutError

    error = failure(Fetcher("t", resolve=resolve), "http://books.example/", seconds=0.2)
    assert error.problem == "the address of books.example was not found in time"


def test_unknown_host_is_a_failure() -> None:
    error = failure(Fetcher("t", resolve=lambda *_: []), "http://books.example/")
    assert error.problem == "the host books.example is not known, or no name server answers"
    with pytest.raises(OSError, match="not a name"):
        resolved("a" * 70 + ".example", 80, seconds_from_now(60))


def test_server_that_is_not_there_is_a_failure() -> None:
    with running_source_server() as server:
        pass
    error = failure(fetcher_for(server), f"{server.address}/")
    assert error.problem == f"{server.address.removeprefix('http://')} does not accept connections"
    assert not error.is_lasting


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        (format_datetime(datetime.fromtimestamp(NOW / SECOND + 90, UTC), usegmt=True), 90),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("99999999999999999999999", DAY / SECOND),
        (format_datetime(datetime.fromtimestamp(NOW / SECOND + 9_999_999, UTC), usegmt=True), DAY / SECOND),
        ("-1", None),
        ("", None),
        ("soon", None),
        ("٣", None),
        ("Wed, 99 Oct 99999 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_understood_and_bounded(server: SourceServer, retry_after: str, seconds: float | None) -> None:
    def late(write: source_server.Write, request: source_server.Request, stopped: threading.Event) -> None:
        write(b"HTTP/1.1 429 X\r\nContent-Length: 0\r\nRetry-After: " + retry_after.encode() + b"\r\n\r\n")

    server.on("/", late)
    error = failure(fetcher_for(server), f"{server.address}/")
    assert error.retry_time == (None if seconds is None else NOW + int(seconds * SECOND))


def test_certificates_are_verified(tmp_path: Path) -> None:
    """By the authority and by the name of the host, although the connection goes to its address."""
    site = Site(tmp_path / "certs", ["books.example"])
    files = site.settings("rest")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files["TLS_CERT"], files["TLS_KEY"])
    trusting = ssl.create_default_context(cafile=site.ca)
    with running_source_server(tls) as server:
        port = server.host_and_port[1]
        hosts = [("books.example", port), ("other.example", port)]
        server.on("/", json_answer({}))
        server.on("/down", redirect(f"http://books.example:{port}/"))
        fetcher = Fetcher("t", hosts, allow_private=True, resolve=lambda *_: ["127.0.0.1"], ssl_context=trusting)
        assert fetch(fetcher, f"https://books.example:{port}/").body == b"{}"
        assert "certificate of other.example" in failure(fetcher, f"https://other.example:{port}/").problem
        assert "from https to http" in failure(fetcher, f"https://books.example:{port}/down").problem
        suspicious = Fetcher("t", hosts, allow_private=True, resolve=lambda *_: ["127.0.0.1"])
        assert "certificate of books.example" in failure(suspicious, f"https://books.example:{port}/").problem


@pytest.mark.parametrize(
    "address",
    [
        "ftp://openlibrary.org",
        "openlibrary.org",
        "https://",
        "https://openlibrary.org:99999",
        "https://openlibrary.org:0",
        "https://openlibrary.org:port",
        "https://[::1",
        "https://openlibrary.org/?key=1",
        "https://openlibrary.org/#top",
        "https://somebody@openlibrary.org",
    ],
)
def test_wrong_addresses_in_the_settings_are_named(address: str) -> None:
    assert check_settings(SourceSettings()) == ""
    assert check_settings(SourceSettings(google_books_address=address)).startswith("--google-books-address: must be")
