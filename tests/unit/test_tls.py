"""TLS of a server: the certificates that new connections get, files that cannot be used, plain text that is refused."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import grpc
import httpx2
import pytest
from cryptography.hazmat.primitives import serialization as pem

from library_cli.channel import connected_with, health_of
from library_cli.grpc_errors import CallFailed
from library_cli.transport import ClientFiles, choose
from rest_server import app
from rest_server.contracts.targets import Target
from rest_server.gateway import Gateway
from rest_server.settings import About, Learning, Limits, ServingFiles, Settings, TargetFiles
from rest_server.tls import ServingTls, TargetTls
from rest_server.tls import TlsSettingsError as RestTlsError
from service_kit.tls import ChannelTls, ServerTls, TlsSettingsError
from tests.support.certificates import Site, served_serial
from tests.support.openapi import method, served

Serving = Callable[[Path, Path, Path | None], AbstractContextManager[str]]


@contextmanager
def serving_grpc(certificate: Path, key: Path, client_ca: Path | None = None) -> Iterator[str]:
    """Serve TLS as the gRPC servers do."""
    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads, options=[("grpc.so_reuseport", 0)])
        port = server.add_secure_port("127.0.0.1:0", ServerTls(certificate, key, client_ca).credentials())
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(0).wait()


@contextmanager
def serving_http(certificate: Path, key: Path, client_ca: Path | None = None) -> Iterator[str]:
    """Make handshakes as library-rest does, and serve nothing."""
    context = ServingTls(ServingFiles(certificate, key, client_ca)).context
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_shake_hands, args=[listening, context])
        thread.start()
        address = "127.0.0.1:{1}".format(*listening.getsockname())
        try:
            yield address
        finally:
            listening.shutdown(socket.SHUT_RDWR)  # ends the accept
            thread.join()


def _shake_hands(listening: socket.socket, context: ssl.SSLContext) -> None:
    with suppress(OSError):  # also ssl.SSLError
        while True:
            connection, _ = listening.accept()
            with suppress(OSError), context.wrap_socket(connection, server_side=True) as accepted:
                accepted.send(b".")
                accepted.recv(1)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


@pytest.fixture(params=[serving_grpc, serving_http])
def serving(request: pytest.FixtureRequest) -> Serving:
    served: Serving = request.param
    return served


def test_a_changed_certificate_is_shown_when_it_and_its_key_match(serving: Serving, site: Site, tmp_path: Path) -> None:
    certificate, key = site.files.certificate_file("admin"), site.files.key_file("admin")
    with serving(certificate, key, None) as address:
        first = served_serial(address)
        assert first == site.serial("admin")
        kept = shutil.copy(key, tmp_path / "key.pem")
        site.renew()
        renewed = key.rename(tmp_path / "renewed.pem")
        assert served_serial(address) == first, "there is no key at all"
        shutil.copy(kept, key)
        assert served_serial(address) == first, "the key is that of the earlier certificate"
        renewed.replace(key)
        assert served_serial(address) == site.serial("admin") != first


def connects(address: str, site: Site, *, proves_itself: bool = False) -> bool:
    """Return whether a client gets through the handshake, with the first byte after it."""
    context = ssl.create_default_context(cafile=str(site.ca))
    if proves_itself:
        context.load_cert_chain(site.files.certificate_file("client"), site.files.key_file("client"))
    host, port = address.split(":")
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection((host, int(port)), timeout=60) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="localhost") as connection:
                return bool(connection.recv(1))  # with TLS 1.3, the server refuses a client after its handshake
        except ssl.SSLError:
            return False


def test_only_clients_with_a_certificate_of_the_named_authority_connect(
    serving: Serving, site: Site, tmp_path: Path
) -> None:
    other = Site(tmp_path / "other")
    files = site.files
    client_ca = Path(shutil.copy(other.ca, tmp_path / "clients.pem"))
    with serving(files.certificate_file("rest"), files.key_file("rest"), client_ca) as address:
        assert not connects(address, site)
        assert not connects(address, site, proves_itself=True)
        shutil.copy(site.ca, client_ca)
        assert connects(address, site, proves_itself=True), "the file of the authority is read again, too"
    with serving(files.certificate_file("rest"), files.key_file("rest"), None) as address:
        assert connects(address, site)


def test_files_that_cannot_be_used_are_refused_at_the_start(site: Site, tmp_path: Path) -> None:
    files = site.files
    certificate, key = files.certificate_file("admin"), files.key_file("admin")
    text = tmp_path / "text.pem"
    text.write_text("text")
    wrong = [
        (certificate, files.key_file("rest"), None),
        (certificate, tmp_path / "missing.pem", None),
        (tmp_path, key, None),
        (text, key, None),
        (certificate, text, None),
        (certificate, key, text),
        (certificate, key, tmp_path / "missing.pem"),
    ]
    for each in wrong:
        with pytest.raises(TlsSettingsError):
            ServerTls(*each).credentials()
        with pytest.raises(RestTlsError):
            ServingTls(ServingFiles(*each))
        ca = str(each[2] or site.ca)
        with pytest.raises(TlsSettingsError):
            ChannelTls(ca, *each[:2]).credentials()
        with pytest.raises(RestTlsError):
            TargetTls(TargetFiles(ca, *each[:2])).credentials()


def test_a_key_with_a_password_is_refused_and_not_asked_for(site: Site, tmp_path: Path) -> None:
    plain = pem.load_pem_private_key(site.files.key_file("admin").read_bytes(), None)
    locked = tmp_path / "locked.pem"
    encryption = pem.BestAvailableEncryption(b"secret")
    locked.write_bytes(plain.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, encryption))
    with pytest.raises(TlsSettingsError, match="without a password"):
        ServerTls(site.files.certificate_file("admin"), locked).credentials()
    with pytest.raises(RestTlsError, match="without a password"):
        ServingTls(ServingFiles(site.files.certificate_file("admin"), locked))


@contextmanager
def serving_plain_text() -> Iterator[str]:
    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads, options=[("grpc.so_reuseport", 0)])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(0).wait()


def problem_of_call(address: str, ca: Path | None) -> str:
    """Return how the command explains that it cannot connect to a service."""
    choose(ClientFiles(str(ca or "")))
    try:
        with pytest.raises(CallFailed) as failed, connected_with(None, address) as channel:
            health_of(channel, timeout=60)
    finally:
        choose(ClientFiles())
    return str(failed.value)


def test_the_command_explains_why_a_connection_fails(site: Site, tmp_path: Path) -> None:
    other, elsewhere = Site(tmp_path / "other"), Site(tmp_path / "elsewhere", ["library.example"])
    files, names = site.files, elsewhere.files
    certificate, key = files.certificate_file("admin"), files.key_file("admin")
    with serving_grpc(certificate, key) as address:
        assert "If it serves TLS, name the authority" in problem_of_call(address, None)
        assert "not from an authority that --ca" in problem_of_call(address, other.ca)
    with serving_grpc(certificate, key, site.ca) as address:
        assert "requires a certificate of yours" in problem_of_call(address, site.ca)
    with serving_grpc(names.certificate_file("admin"), names.key_file("admin")) as address:
        assert "is for other names" in problem_of_call(address, elsewhere.ca)
    with serving_plain_text() as address:
        assert "does not serve TLS" in problem_of_call(address, site.ca)


def test_settings_that_contradict_each_other_are_refused() -> None:
    file = Path("file.pem")
    for parts in ((file, None, None), (None, file, None), (None, None, file)):
        with pytest.raises(TlsSettingsError, match="--tls-cert and --tls-key"):
            ServerTls.of_settings(*parts)
    assert ServerTls.of_settings(None, None, None) is None
    for tls in (ChannelTls("", file, file), ChannelTls("ca.pem", file), ChannelTls("ca.pem", None, file)):
        with pytest.raises(TlsSettingsError, match="--admin-c"):
            tls.check("admin")


LIMITS = Limits(seconds=5, body_bytes=1000, stream_bytes=1000, concurrent_calls=10)


def rest_settings(serving: ServingFiles | None, *, allows_plain_text: bool = False) -> Settings:
    return Settings(
        "0.0.0.0:0", [], LIMITS, [], [], Learning(), About("Test"), 1, serving, allows_plain_text=allows_plain_text
    )


def test_rest_refuses_secrets_where_other_machines_send_them_in_plain_text() -> None:
    files = ServingFiles(Path("c"), Path("k"))

    def refuses(settings: Settings, address: str = "0.0.0.0") -> bool:
        layers = app.application(settings, address).user_middleware
        (gateway,) = (part for layer in layers for part in layer.args if isinstance(part, Gateway))
        return gateway.refuses_secrets_of_others

    assert refuses(rest_settings(None))
    assert not refuses(rest_settings(None), "127.0.0.1")
    assert not refuses(rest_settings(files))
    assert not refuses(rest_settings(None, allows_plain_text=True))


SESSION = ("POST", "/v1/sessions")
BOOKS = ("GET", "/v1/books")
SIGN_IN = "message SignIn { string name = 1; string password = 2 [debug_redact = true]; }"


async def reasons(requests: Sequence[tuple[tuple[str, str], dict[str, str], str]]) -> list[str]:
    """Return the reasons of refusals. No request is answered: nothing is behind this gateway."""
    target = Target("127.0.0.1:1", Learning())
    methods = [
        method('post: "/v1/sessions" body: "*"', "SignIn", name="Enter"),
        method('get: "/v1/books"', "T.Message", name="List"),
    ]
    target.contract = served(*methods, more=SIGN_IN)
    gateway = Gateway([target], LIMITS)
    gateway.learn()
    gateway.refuses_secrets_of_others = True
    found: list[str] = []
    for line, headers, peer in requests:
        transport = httpx2.ASGITransport(app=gateway, client=(peer, 1))
        async with httpx2.AsyncClient(transport=transport, base_url="http://api.test") as client:
            answer = await client.request(*line, headers=headers, json={} if line == SESSION else None)
        found.append(answer.json()["error"]["details"][0]["reason"])
    await target.channel.close()
    return found


def test_a_token_or_a_password_of_another_machine_is_refused_in_plain_text() -> None:
    requests = {
        (BOOKS, ("authorization",), "192.0.2.7"): True,
        (BOOKS, (), "192.0.2.7"): False,
        (BOOKS, ("authorization",), "127.0.0.1"): False,
        (SESSION, (), "2001:db8::7"): True,
        (SESSION, (), "::1"): False,
    }
    sent = [(line, dict.fromkeys(names, "Bearer x"), peer) for line, names, peer in requests]
    refused = [reason == "PLAIN_TEXT_REFUSED" for reason in asyncio.run(reasons(sent))]
    assert refused == list(requests.values())
