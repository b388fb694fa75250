"""All three servers with TLS: who can call them, and a certificate that is renewed while they are called."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

import library_client
import library_client.aio
from library.access.v1.access_pb2 import ROLE_LIBRARIAN
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.admin.v1.status_service_pb2 import GetStatusRequest
from library.frontend.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from tests.support.access_servers import TokenServers, start_token_servers
from tests.support.certificates import Site, credentials_for, served_serial
from tests.support.clients import AdminClient, FrontendClient, open_channel
from tests.support.library_command import COMMAND, environment
from tests.support.processes import ServerProcess, Servers
from tests.support.rest import RestProcess, RestServers
from tests.support.stores import FreshDatabases
from tests.support.third_party import Answer, require, run
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow  # it starts all servers. tests/unit/test_tls.py has what needs none

BOOK = AddBookRequest(title="Dune", authors=["Frank Herbert"], isbn="9780441013593")


@dataclass
class Library:
    """The three servers. The admin serves only clients with a certificate of the site."""

    site: Site
    admin: ServerProcess
    frontend: ServerProcess
    rest: RestProcess

    def variables(self, *, has_certificate: bool) -> dict[str, str]:
        """Return the variables of the command `library`."""
        own = {
            "LIBRARY_CLIENT_CERT": str(self.site.files.certificate_file("client")),
            "LIBRARY_CLIENT_KEY": str(self.site.files.key_file("client")),
        }
        return environment(
            self.admin.address,
            self.frontend.address,
            LIBRARY_CA=str(self.site.ca),
            LIBRARY_REST_URL=self.rest.url,
            **(own if has_certificate else {}),
        )


@pytest.fixture(scope="module")
def library(
    tmp_path_factory: pytest.TempPathFactory,
    databases: FreshDatabases,
    module_servers: Servers,
    module_rest_servers: RestServers,
) -> Library:
    site = Site(tmp_path_factory.mktemp("site") / "certificates")
    url = databases.migrated("admin", "sqlite")
    admin = module_servers.start("admin", url, **site.settings("admin", requires_clients=True))
    url = databases.migrated("frontend", "sqlite")
    frontend = module_servers.start(
        "frontend",
        url,
        ADMIN_TARGET=admin.address,
        SYNC_INTERVAL="0.1",
        **site.settings("frontend"),
        **site.calls("admin", "frontend"),
    )
    targets = [frontend.address, admin.address]
    rest = module_rest_servers.start(
        targets, CONTRACT_INTERVAL="0.2", **site.settings("rest"), **site.calls("target", "rest")
    )
    return Library(site, admin, frontend, rest)


@pytest.fixture(scope="module")
def book_id(library: Library) -> str:
    """A book that has come from the admin to the frontend."""
    added = library.admin.admin().catalog.AddBook(BOOK, timeout=60)
    catalog = library.frontend.frontend().catalog

    def has_come() -> bool:
        try:
            catalog.GetBook(GetBookRequest(id=added.id), timeout=60)
        except grpc.RpcError:
            return False
        return True

    wait_until(has_come)
    return added.id


def status(library: Library, *, has_certificate: bool) -> subprocess.CompletedProcess[str]:
    variables = library.variables(has_certificate=has_certificate)
    return subprocess.run([*COMMAND, "status"], env=variables, capture_output=True, text=True, timeout=100, check=False)


def test_all_services_are_called_with_tls(library: Library, book_id: str) -> None:
    assert library.rest.request("GET", f"/v1/books/{book_id}").json()["title"] == "Dune"
    done = status(library, has_certificate=True)
    assert done.returncode == 0, done.stderr
    assert "serves at https://" in done.stdout


def test_the_admin_serves_no_client_without_a_certificate(library: Library) -> None:
    files = library.site.settings("admin")
    with open_channel(library.admin.address, credentials_for(files)) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            AdminClient(channel).status.GetStatus(GetStatusRequest(), timeout=60)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    done = status(library, has_certificate=False)
    assert (done.returncode, "use --client-cert" in done.stdout) == (1, True), done.stdout


@pytest.mark.parametrize("service", ["admin", "frontend"])
def test_plain_text_is_not_answered(library: Library, service: str) -> None:
    server: ServerProcess = getattr(library, service)
    with open_channel(server.address) as channel, pytest.raises(grpc.RpcError) as refused:
        FrontendClient(channel).catalog.GetBook(GetBookRequest(id="1"), timeout=60)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_clients_notice_another_authority(library: Library, tmp_path: Path) -> None:
    other = Site(tmp_path / "other").settings("frontend")
    with open_channel(library.frontend.address, credentials_for(other)) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            FrontendClient(channel).catalog.GetBook(GetBookRequest(id="1"), timeout=60)
        assert "CERTIFICATE_VERIFY_FAILED" in (refused.value.details() or "")
    rest = RestProcess([], tmp_path / "rest.log", other)
    rest.address = library.rest.address
    with pytest.raises(ssl.SSLCertVerificationError):
        rest.request("GET", "/healthz")


class Load:
    """Calls in threads, over and over again, until `end`."""

    def __init__(self, calls: list[Callable[[], Any]]) -> None:
        self._calls = calls
        self.counts = [0] * len(calls)
        self._is_over = threading.Event()
        self._pool = ThreadPoolExecutor(len(calls))
        self._threads = [self._pool.submit(self._repeat, place) for place in range(len(calls))]

    def end(self) -> None:
        """End the threads. Raises the first failure of a call."""
        self._is_over.set()
        self._pool.shutdown()
        for thread in self._threads:
            thread.result()

    def wait_for_more(self, number: int) -> None:
        """Wait until each of the calls has been answered this number of times from now on, or one has failed."""
        wanted = [count + number for count in self.counts]
        wait_until(lambda: any(thread.done() for thread in self._threads) or all(map(int.__ge__, self.counts, wanted)))

    def _repeat(self, place: int) -> None:
        while not self._is_over.is_set():
            self._calls[place]()
            self.counts[place] += 1


def loaded(library: Library, book_id: str) -> Load:
    """Load of all kinds: on one connection and on new ones, reads and writes, by gRPC and by HTTP."""
    frontend, admin = library.frontend.frontend(), library.admin.admin()
    enrolled = frontend.members.EnrollUser(
        EnrollUserRequest(email="ada@example.org", first_name="Ada", last_name="Lovelace"), timeout=60
    )

    def lend_and_return() -> None:
        lent = frontend.lending.BorrowBook(BorrowBookRequest(book_id=book_id, user_id=enrolled.id), timeout=60)
        frontend.lending.ReturnBook(ReturnBookRequest(loan_id=lent.id), timeout=60)

    def read_on_a_new_connection() -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        credentials = credentials_for(library.frontend.settings)
        assert credentials is not None
        with grpc.secure_channel(library.frontend.address, credentials, options=options) as channel:
            FrontendClient(channel).catalog.GetBook(GetBookRequest(id=book_id), timeout=60)

    def read_by_http() -> None:
        assert library.rest.request("GET", f"/v1/books/{book_id}").status == 200

    def read_the_admins_status() -> None:
        admin.status.GetStatus(GetStatusRequest(), timeout=60)

    return Load([lend_and_return, read_on_a_new_connection, read_by_http, read_the_admins_status])


def test_certificates_are_renewed_under_load_without_a_failed_call(library: Library, book_id: str) -> None:
    servers: dict[str, ServerProcess | RestProcess] = {"frontend": library.frontend, "rest": library.rest}
    load = loaded(library, book_id)
    try:
        for _ in range(5):
            before = {name: served_serial(server.address) for name, server in servers.items()}
            library.site.renew()
            load.wait_for_more(10)
            shown = {name: served_serial(server.address) for name, server in servers.items()}
            assert shown == {name: library.site.serial(name) for name in servers}
            assert shown != before
    finally:
        load.end()
    assert status(library, has_certificate=True).returncode == 0
    for server in (library.admin, library.frontend, library.rest):
        events = server.log_events()
        assert [event for event in events if event["event"] == "certificate read"]
        assert not [event for event in events if event["level"] == "error"]
    print("calls during the renewals:", load.counts)


def test_a_new_authority_takes_effect_without_a_restart(library: Library, book_id: str, tmp_path: Path) -> None:
    """The frontend and rest show their new certificates to an admin that trusts no others any more."""
    library.site.replace_authority(tmp_path / "new")
    library.admin.stop()  # with the connections, which were opened with the earlier certificates
    library.admin.start()
    added = library.admin.admin().catalog.AddBook(AddBookRequest(title="Emma", authors=["Jane Austen"]), timeout=60)

    def is_answered() -> bool:
        answer = library.rest.request("GET", f"/v1/books/{added.id}")
        return answer.status == 200 and library.rest.request("GET", "/admin/v1/status").status == 200

    wait_until(is_answered)


def test_a_connection_without_a_handshake_is_closed(library: Library, rest_servers: RestServers) -> None:
    rest = rest_servers.prepare([], TARGET="127.0.0.1:1", TIMEOUT="0.5", **library.site.settings("rest"))
    rest.launch()
    rest.wait_until_listening()
    host, _, port = rest.address.rpartition(":")
    # The bound of gRPC's own servers is 10 s, and asyncio's 60.
    with socket.create_connection((host, int(port)), timeout=30) as silent:
        assert silent.recv(1) == b""


@dataclass
class TokenLibrary:
    """Frontend and rest with TLS, whose callers have tokens."""

    site: Site
    servers: TokenServers
    rest: RestProcess

    @property
    def token(self) -> str:
        return self.servers.people.token(ROLE_LIBRARIAN)


@pytest.fixture(scope="module")
def token_library(
    tmp_path_factory: pytest.TempPathFactory,
    databases: FreshDatabases,
    module_servers: Servers,
    module_rest_servers: RestServers,
) -> TokenLibrary:
    site = Site(tmp_path_factory.mktemp("tokens") / "certificates")
    servers = start_token_servers(databases, module_servers, site=site)
    rest = module_rest_servers.start([servers.frontend.address], **site.settings("rest"), TARGET_CA=str(site.ca))
    return TokenLibrary(site, servers, rest)


METHOD = "library.frontend.v1.MemberService"
"""Its ListUsers is for librarians."""


def call_by_grpcurl(library: TokenLibrary, token: str) -> Answer:
    header = ["-H", f"authorization: Bearer {token}"] if token else []
    return run(
        "grpcurl", "-cacert", str(library.site.ca), *header, library.servers.frontend.address, f"{METHOD}/ListUsers"
    )


def call_by_evans(library: TokenLibrary, token: str) -> Answer:
    host, _, port = library.servers.frontend.address.rpartition(":")
    header = ["--header", f"authorization=Bearer {token}"] if token else []
    tls = ["--tls", "--cacert", str(library.site.ca), "--host", host, "--port", port]
    return run("evans", *tls, *header, "--reflection", "cli", "call", "--enrich", f"{METHOD}.ListUsers", stdin="{}")


def call_by_curl(library: TokenLibrary, token: str) -> Answer:
    header = ["--header", f"authorization: Bearer {token}"] if token else []
    options = ["--silent", "--fail-with-body", "--cacert", str(library.site.ca)]
    return run("curl", *options, *header, f"{library.rest.url}/v1/users")


@pytest.mark.parametrize("call", [call_by_grpcurl, call_by_evans, call_by_curl])
def test_programs_of_others_call_with_tls_and_a_token(
    token_library: TokenLibrary, call: Callable[[TokenLibrary, str], Answer]
) -> None:
    require(call.__name__.removeprefix("call_by_"))
    answer = call(token_library, token_library.token)
    assert answer.status == 0, answer
    assert token_library.servers.people.name(token_library.servers.people.other) in answer.output
    assert "SIGN_IN_REQUIRED" in call(token_library, "").refusal
    assert "TOKEN_INVALID" in call(token_library, "x" * 40).refusal


def test_the_client_for_python_calls_with_tls(token_library: TokenLibrary) -> None:
    credentials = credentials_for(token_library.servers.frontend.settings)
    with library_client.Frontend(token_library.servers.frontend.address, credentials=credentials) as frontend:
        assert list(frontend.catalog.ListBooks(ListBooksRequest()).books) == []

    async def call() -> None:
        async with library_client.aio.Frontend(
            token_library.servers.frontend.address, credentials=credentials
        ) as frontend:
            assert list((await frontend.catalog.ListBooks(ListBooksRequest())).books) == []

    asyncio.run(call())


def test_library_up_runs_all_services_with_the_settings_that_certs_prints(tmp_path: Path) -> None:
    certs = [*COMMAND, "certs", "init", "--folder", str(tmp_path / "certs")]
    printed = subprocess.run(certs, env=environment(), capture_output=True, text=True, timeout=100, check=True).stdout
    variables = dict(
        line.removeprefix("  export ").split("=", 1) for line in printed.splitlines() if " export " in line
    )
    variables |= {f"LIBRARY_{name}_LISTEN": "127.0.0.1:0" for name in ("ADMIN", "FRONTEND", "REST")}
    up = subprocess.Popen(
        [*COMMAND, "up", "--data-dir", str(tmp_path / "data")],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert up.stdout is not None
    output = ""
    while f"  curl --cacert {tmp_path}/certs/ca.pem" not in output:
        line = up.stdout.readline()
        assert line, output
        output += line
    (exported,) = (line for line in output.splitlines() if line.startswith("  export LIBRARY_ADMIN_TARGET"))
    found = dict(part.split("=", 1) for part in exported.split()[1:])
    status = [*COMMAND, "status"]
    done = subprocess.run(status, env=environment(**found), capture_output=True, text=True, timeout=100, check=False)
    up.terminate()
    up.communicate(timeout=100)
    assert (done.returncode, up.returncode) == (0, 0), done.stdout
    assert "serves at https://127.0.0.1" in done.stdout
