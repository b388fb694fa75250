"""A real HTTP server on loopback, whose answers and faults a test sets for each path."""

from __future__ import annotations

import gzip
import json
import socket
import socketserver
import ssl
import threading
import urllib.parse
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Request:
    """A request that the server got."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By names in lower case."""


Write = Callable[[bytes], object]
Answer = Callable[[Write, Request, threading.Event], object]
"""Writes an answer to the connection. The event is set when the server stops."""


def answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
    """A complete answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return lambda write, request, stopped: write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)


def json_answer(value: Any, status: int = 200) -> Answer:
    return answer(status, json.dumps(value, ensure_ascii=False).encode(), JSON)


def zipped_json(value: Any) -> Answer:
    return answer(200, gzip.compress(json.dumps(value).encode()), {**JSON, "Content-Encoding": "gzip"})


def not_found() -> Answer:
    return json_answer({"error": "notfound"}, 404)


def too_many(retry_after: str) -> Answer:
    return answer(429, b"slow down", {"Retry-After": retry_after})


def redirect(location: str, status: int = 302) -> Answer:
    return answer(status, headers={"Location": location})


def bomb(megabytes: int = 200) -> Answer:
    """A small body that becomes a huge one."""
    packer = zlib.compressobj(9, wbits=31)
    zeros = b" " * 1_000_000
    body = b"".join(packer.compress(zeros) for _ in range(megabytes)) + packer.flush()
    return answer(200, body, {**JSON, "Content-Encoding": "gzip"})


def huge(write: Write, request: Request, stopped: threading.Event) -> None:
    """A body without an end."""
    write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while not stopped.is_set():
        write(b" " * 100_000)


def tiny_chunks(write: Write, request: Request, stopped: threading.Event) -> None:
    """A body without an end, each byte of which costs a hundred."""
    write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not stopped.is_set():
        write((b"1;" + b"x" * 100 + b"\r\n \r\n") * 100)


def drip(write: Write, request: Request, stopped: threading.Event) -> None:
    """A body of which a byte comes from time to time, without an end."""
    write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    while not stopped.wait(0.05):
        write(b" ")


def drip_headers(write: Write, request: Request, stopped: threading.Event) -> None:
    """Headers of which a byte comes from time to time, without an end."""
    write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not stopped.wait(0.05):
        write(b"x")


def huge_headers(write: Write, request: Request, stopped: threading.Event) -> None:
    """Headers without an end."""
    write(b"HTTP/1.1 200 OK\r\n")
    while not stopped.is_set():
        write(b"X-More: " + b"x" * 1_000 + b"\r\n")


def silence(write: Write, request: Request, stopped: threading.Event) -> None:
    """Nothing at all, until the server stops."""
    stopped.wait()


def cut(write: Write, request: Request, stopped: threading.Event) -> None:
    """Less than was announced."""
    write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"title": "Du')


def no_http(write: Write, request: Request, stopped: threading.Event) -> None:
    """Bytes that are not HTTP."""
    write(b"220 mail.example ESMTP\r\n")


@dataclass
class SourceServer:
    """Answers by path. Without an answer for a path it answers 404."""

    address: str
    """Where it listens: `http://127.0.0.1:41234`."""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def host_and_port(self) -> tuple[str, int]:
        host, _, port = self.address.removeprefix("http://").partition(":")
        return host, int(port)

    def on(self, path: str, *answers: Answer) -> None:
        """Answer a path, each time by the next of these, at the end by the last again and again."""
        self.answers[path] = list(answers)

    def asked(self, path: str = "") -> list[Request]:
        """Return the requests for a path, or all of them."""
        return [request for request in list(self.requests) if not path or request.path == path]

    def next_answer(self, request: Request) -> Answer:
        self.requests.append(request)
        answers = self.answers.get(request.path)
        if not answers:
            return not_found()
        return answers.pop(0) if len(answers) > 1 else answers[0]


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 100
    source: SourceServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients break off when they have seen enough."""


class _Handler(socketserver.StreamRequestHandler):
    server: _Server
    timeout = 100

    def handle(self) -> None:
        method, target, _ = self.rfile.readline(10_000).decode("latin-1").split(" ", 2)
        headers = {}
        while line := self.rfile.readline(10_000).decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        path, _, query = target.partition("?")
        assert method == "GET"
        request = Request(urllib.parse.unquote(path), dict(urllib.parse.parse_qsl(query)), headers)
        source = self.server.source
        with suppress(OSError):
            source.next_answer(request)(self.request.sendall, request, source.stopped)
            self.request.shutdown(socket.SHUT_WR)


@contextmanager
def running_source_server(tls: ssl.SSLContext | None = None) -> Iterator[SourceServer]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        source = SourceServer(f"http://127.0.0.1:{server.server_address[1]}")
        server.source = source
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield source
        finally:
            source.stopped.set()
            server.shutdown()
            thread.join()
