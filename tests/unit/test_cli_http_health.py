"""The REST service's health is read from what answers at its address, and shown as it is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from library_cli.grpc_errors import CallFailed
from library_cli.http_health import Health, health_at, is_http_url


class Answering(HTTPServer):
    """A web server that answers everything alike, and remembers what it was asked for."""

    status = HTTPStatus.OK
    body = b""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Answering]:
    with Answering() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["", "/", "/healthz", "/healthz/"])
def test_it_is_asked_at_its_own_path(server: Answering, path: str) -> None:
    server.body = b'{"status": "SERVING", "targets": {"a:1": "SERVING"}}'
    assert health_at(server.url + path) == Health("SERVING", {"a:1": "SERVING"})
    assert server.asked == ["/healthz"]


def test_a_health_that_is_not_serving_is_an_answer(server: Answering) -> None:
    server.status = HTTPStatus.SERVICE_UNAVAILABLE
    server.body = b'{"status": "NOT_SERVING", "targets": {"a:1": "SERVING", "b:2": "NOT_SERVING"}}'
    assert health_at(server.url) == Health("NOT_SERVING", {"a:1": "SERVING", "b:2": "NOT_SERVING"})


def test_any_text_of_a_health_can_be_shown(server: Answering) -> None:
    server.body = b'{"status": "\\ud800\\u001b[2J", "targets": {"a\\n": "\\u0000"}}'
    assert health_at(server.url) == Health("  [2J", {"a ": " "})


def test_a_refusal_is_shown_in_its_own_words(server: Answering) -> None:
    server.status = HTTPStatus.FORBIDDEN
    server.body = b'{"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "The host is \\u001b[2J none."}}'
    with pytest.raises(CallFailed, match=r"answered: The host is  \[2J none\.$"):
        health_at(server.url)


@pytest.mark.parametrize("sent", [b"\x00\x00\x12\x04\xff\xfe\x1b[2J", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 \xff\xfe\r\nA"])
def test_nothing_is_shown_of_an_answer_that_is_not_http(sent: bytes) -> None:
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        address = f"127.0.0.1:{foreign.getsockname()[1]}"

        def answer() -> None:
            connection, _ = foreign.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(sent)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(CallFailed) as failed:
            health_at(f"http://{address}")
        thread.join()
    assert str(failed.value) == f"What answers at http://{address} is another program than the REST service."


OTHERS = [b"", b"<html>", b"[]", b"{}", b'{"status": "UP"}', b'{"error": "none"}', b"\xff\xfe", b"[" * 60_000]


@pytest.mark.parametrize("body", [*OTHERS, b'{"status": {}, "targets": {}}'])
def test_another_program_is_recognised(server: Answering, body: bytes) -> None:
    server.body = body
    with pytest.raises(CallFailed, match="is another program than the REST service"):
        health_at(server.url)


def test_silence_is_reported_with_its_cause() -> None:
    with pytest.raises(CallFailed, match=r"^Nothing answers at http://127\.0\.0\.1:1; .*there\? Start the"):
        health_at("http://127.0.0.1:1")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(CallFailed, match=r"Nothing answers .*timed out"):
            health_at(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.1)


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080/healthz", True),
        ("https://library.example", True),
        ("127.0.0.1:8080", False),
        ("localhost:8080", False),
        ("file:///etc/passwd", False),
        ("http://", False),
        ("http://:8080", False),
        ("http://[::1", False),
        ("http://host:port", False),
    ],
)
def test_a_url_is_distinguished_from_host_and_port(address: str, is_one: bool) -> None:
    assert is_http_url(address) is is_one
