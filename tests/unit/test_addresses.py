"""How addresses are written, and which of them are this machine's own."""

from __future__ import annotations

from types import ModuleType

import pytest

import rest_server.addresses
import service_kit.addresses
from rest_server.addresses import same_host

# `rest_server` imports no other package of ours, so it has its own; both read the same addresses.
both = pytest.mark.parametrize(
    "addresses", [service_kit.addresses, rest_server.addresses], ids=lambda own: own.__name__
)


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("localhost", "localhost", None),
        ("library.example.:80", "library.example.", 80),
        ("lending_admin-1:0", "lending_admin-1", 0),
        ("[::1]:65535", "[::1]", 65535),
        ("[fe80::1%eth0]:1", "[fe80::1%eth0]", 1),
        ("8080", "8080", None),
        ("a:", "a", None),  # RFC 3986 lets a port be empty
    ],
)
@both
def test_an_address_is_a_host_and_perhaps_a_port(
    addresses: ModuleType, address: str, host: str, port: int | None
) -> None:
    assert addresses.split_address(address) == (host, port)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "",
            ":8080",
            "::1",
            "::1:80",
            "[::1",
            "[::1]80",
            "[::g]:1",
            "[1]",
            "a:b",
            "a:-1",
            "a:1:2",
            "a:65536",
            "a:1,b:2",
        ),
        *("http://a:1", "a/b", "a b", "a:1 ", "a:1\n", "a\n", "user@a", "*", "*.a", "\u0430:1", "a:\u0661"),
    ],
)
@both
def test_an_invalid_address_is_refused(addresses: ModuleType, address: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        addresses.split_address(address)


@pytest.mark.parametrize(
    ("host", "same"),
    [
        ("LocalHost", "localhost"),
        ("localhost.", "localhost"),
        ("[::1]", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("[FE80::1%25eth0]", "fe80::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("localhost.evil.example", "localhost.evil.example"),
        ("", ""),
    ],
)
def test_all_spellings_of_a_host_are_the_same(host: str, same: str) -> None:
    assert same_host(host) == same


@both
def test_a_loopback_address_is_recognised_by_its_number(addresses: ModuleType) -> None:
    for address in ("127.0.0.1", "127.0.0.2", "127.255.255.254", "::1", "::ffff:127.0.0.1"):
        assert addresses.is_loopback(address)
    for address in ("0.0.0.0", "::", "128.0.0.1", "192.168.1.7", "fe80::1%eth0", "::ffff:192.168.1.7"):
        assert not addresses.is_loopback(address)
