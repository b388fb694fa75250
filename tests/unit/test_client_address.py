"""Which address counts as that of a client, directly and through a proxy on the same machine."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from service_kit.calls.addresses import client_address


class Context:
    """What `client_address` reads of a call."""

    def __init__(self, peer: str, *forwarded: str) -> None:
        self._peer = peer
        self._metadata = [("x-request-id", "a"), *(("x-forwarded-for", value) for value in forwarded)]

    def peer(self) -> str:
        return self._peer

    def invocation_metadata(self) -> list[tuple[str, str]]:
        return self._metadata


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("ipv4:192.0.2.1:4711", [], "192.0.2.1"),
        ("ipv6:%5B2001:db8::1%5D:4711", [], "2001:db8::1"),
        ("ipv6:[::ffff:192.0.2.1]:4711", [], "192.0.2.1"),
        ("ipv4:127.0.0.1:4711", [], "127.0.0.1"),
        # From a proxy on this machine: the last value, which the proxy itself has written.
        ("ipv4:127.0.0.1:4711", ["192.0.2.7"], "192.0.2.7"),
        ("ipv6:%5B::1%5D:4711", ["10.0.0.1, 2001:DB8::7"], "2001:db8::7"),
        ("ipv4:127.0.0.1:4711", ["10.0.0.1", "192.0.2.7"], "192.0.2.7"),
        ("ipv4:127.0.0.1:4711", ["192.0.2.7, somebody"], "127.0.0.1"),
        ("ipv4:127.0.0.1:4711", [""], "127.0.0.1"),
        # Anyone on another machine could write what it likes.
        ("ipv4:192.0.2.1:4711", ["192.0.2.7"], "192.0.2.1"),
        ("unix:/run/library.sock", ["192.0.2.7"], "unix:/run/library.sock"),
        ("", [], ""),
    ],
)
def test_the_address_of_a_client(peer: str, forwarded: list[str], address: str) -> None:
    assert client_address(Context(peer, *forwarded)) == address  # type: ignore[arg-type]


@pytest.fixture(params=["127.0.0.1", "[::1]"])
def echo(request: pytest.FixtureRequest) -> Iterator[grpc.Channel]:
    """A channel to a server that answers with the address of its client."""

    class Handler(grpc.GenericRpcHandler):
        def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
            return grpc.unary_unary_rpc_method_handler(lambda _body, context: client_address(context).encode())

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Handler()])
    try:
        port = server.add_insecure_port(f"{request.param}:0")
    except RuntimeError:
        pytest.skip(f"this machine has no {request.param}")
    server.start()
    with grpc.insecure_channel(f"{request.param}:{port}") as channel:
        yield channel
    server.stop(None)


def test_the_peers_of_grpc_are_read(echo: grpc.Channel) -> None:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = echo.unary_unary("/a/B")
    assert call(b"", timeout=100) in (b"127.0.0.1", b"::1")
    assert call(b"", timeout=100, metadata=(("x-forwarded-for", "192.0.2.7"),)) == b"192.0.2.7"
