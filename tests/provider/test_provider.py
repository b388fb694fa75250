"""Users sign in with a real OpenID provider: at its pages, and with its ID token at the frontend."""

from __future__ import annotations

import functools
import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from library.access.v1.access_pb2 import ROLE_PATRON
from library.access.v1.access_service_pb2 import (
    CreateProviderSessionRequest,
    GetSignInOptionsRequest,
    ListSigningKeysRequest,
    RefreshSessionRequest,
    WhoAmIRequest,
)
from library.admin.v1.catalog_service_pb2 import ListBooksRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1.user_pb2 import User
from tests.support.access import bearer
from tests.support.clients import FrontendClient, refusal_of
from tests.support.library_command import environment
from tests.support.openid import claims_in, id_token, provider, sign_in
from tests.support.processes import ROOT, ServerProcess, Servers
from tests.support.stores import Engine, FreshDatabases
from tests.sync.agreement import eventually

pytestmark = pytest.mark.slow

ADDRESS = "ada@example.org"
ALGORITHMS = ["RS256", "ES256", "Ed25519"]
NONCE = secrets.token_urlsafe(16)


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with provider() as issuer:
        yield issuer


class Library:
    """Both services in the mode `token`, and a user."""

    def __init__(self, servers: Servers, databases: FreshDatabases, engine: Engine) -> None:
        self.admin = servers.start("admin", databases.migrated("admin", engine), ACCESS="token")
        self.frontend: ServerProcess = servers.start(
            "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=self.admin.address, SYNC_INTERVAL="0.05"
        )
        self.user: User = self.frontend.frontend().members.EnrollUser(
            EnrollUserRequest(email=ADDRESS, first_name="Ada"), timeout=60
        )

    def restart(self, **settings: str) -> FrontendClient:
        """Start the frontend again, in the mode `token`, with more settings."""
        self.frontend.stop()
        self.frontend.settings |= {"ACCESS": "token", **settings}
        self.frontend.start()
        return self.frontend.frontend()


@pytest.fixture
def library(servers: Servers, databases: FreshDatabases, engine: Engine) -> Library:
    return Library(servers, databases, engine)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(grpc.RpcError) as error:
        call()
    return refusal_of(error.value).reason


def test_a_user_signs_in_with_a_real_provider(library: Library, issuer: str) -> None:
    client = library.restart(OIDC_ISSUER=issuer, OIDC_CLIENT_ID="library-RS256")
    shown = client.access.GetSignInOptions(GetSignInOptionsRequest(), timeout=60)
    assert shown.token_mode
    assert (shown.provider.issuer, shown.provider.client_id) == (issuer, "library-RS256")
    scopes = " ".join(shown.provider.scopes)

    def enter(token: str, nonce: str = NONCE) -> object:
        return client.access.CreateProviderSession(
            CreateProviderSessionRequest(id_token=token, nonce=nonce), timeout=60
        )

    token = id_token(issuer, "library-RS256", scopes, ADDRESS.upper(), NONCE)
    session = client.access.CreateProviderSession(CreateProviderSessionRequest(id_token=token, nonce=NONCE), timeout=60)
    metadata = bearer(session.access_token)
    me = client.access.WhoAmI(WhoAmIRequest(), metadata=metadata, timeout=60)
    assert (me.user_id, me.role, me.session_id) == (library.user.id, ROLE_PATRON, session.id)

    def list_books() -> object:
        return library.admin.admin().catalog.ListBooks(ListBooksRequest(), metadata=metadata, timeout=60)

    # With the key and the user, that is: otherwise it answers TOKEN_INVALID.
    eventually(lambda: refused(list_books) == "ROLE_REQUIRED", "the admin reads the token of the frontend")
    [key] = client.access.ListSigningKeys(ListSigningKeysRequest(), timeout=60).keys
    assert (key.kty, key.crv, key.alg) == ("OKP", "Ed25519", "Ed25519")
    refreshed = client.access.RefreshSession(RefreshSessionRequest(refresh_token=session.refresh_token), timeout=60)
    assert refreshed.user_id == library.user.id

    assert claims_in(token)["email"] == ADDRESS.upper()
    others = {
        "nobody is enrolled": id_token(issuer, "library-RS256", scopes, "eve@example.org", NONCE),
        "not verified": id_token(issuer, "library-RS256", scopes, f"unverified-{ADDRESS}", NONCE),
        "another client": id_token(issuer, "library-ES256", scopes, ADDRESS, NONCE),
        "no address": id_token(issuer, "library-RS256", "openid", ADDRESS, NONCE),
        "another nonce": id_token(issuer, "library-RS256", scopes, ADDRESS, f"{NONCE}x"),
        "tampered": token[:-9] + ("A" if token[-9] != "A" else "B") + token[-8:],
        "used before": token,
        "no token": "no token",
        "an access token of the library": session.access_token,
    }
    for what, other in others.items():
        assert refused(functools.partial(enter, other)) == "SIGN_IN_FAILED", what
    for text in (token, session.access_token, session.refresh_token, *others.values()):
        assert text == "no token" or text not in library.frontend.log.read_text()


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_claim_with_the_card_number_and_keys_of_other_kinds(library: Library, issuer: str) -> None:
    for algorithm in ALGORITHMS:
        client = library.restart(
            OIDC_ISSUER=issuer, OIDC_CLIENT_ID=f"library-{algorithm}", OIDC_CLAIM="card", OIDC_SCOPES="openid library"
        )
        scopes = " ".join(client.access.GetSignInOptions(GetSignInOptionsRequest(), timeout=60).provider.scopes)
        name = f"{library.user.card_number}@elsewhere.example"
        token = id_token(issuer, f"library-{algorithm}", scopes, name, NONCE)
        request = CreateProviderSessionRequest(id_token=token, nonce=NONCE)
        assert client.access.CreateProviderSession(request, timeout=60).user_id == library.user.id, algorithm


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_provider_that_is_away_or_not_set_up(library: Library) -> None:
    request = CreateProviderSessionRequest(id_token="x.y.z", nonce=NONCE)
    client = library.restart()
    assert refused(lambda: client.access.CreateProviderSession(request, timeout=60)) == "PROVIDER_NOT_SET_UP"
    assert not client.access.GetSignInOptions(GetSignInOptionsRequest(), timeout=60).HasField("provider")
    client = library.restart(OIDC_ISSUER="http://127.0.0.1:1", OIDC_CLIENT_ID="library")
    assert refused(lambda: client.access.CreateProviderSession(request, timeout=60)) == "SIGN_IN_FAILED"
    header = "eyJhbGciOiJSUzI1NiJ9"  # {"alg":"RS256"}
    request.id_token = f"{header}.e30.AAAA"
    assert refused(lambda: client.access.CreateProviderSession(request, timeout=60)) == "PROVIDER_UNAVAILABLE"


@pytest.mark.parametrize("engine", ["sqlite"])
def test_the_command_signs_in_with_a_browser(library: Library, issuer: str, tmp_path: Path) -> None:
    client = library.restart(OIDC_ISSUER=issuer, OIDC_CLIENT_ID="library-RS256")
    variables = environment(library.admin.address, library.frontend.address, LIBRARY_CONFIG_DIR=str(tmp_path))

    def login(name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "library_cli", "login", "--provider", "--no-browser"]
        process = subprocess.Popen(
            command, env=variables, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        assert lines[1].startswith(issuer), lines
        sign_in(lines[1].strip(), name)
        output, errors = process.communicate(timeout=100)
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    done = login("eve@example.org")
    assert (done.returncode, "No user has this name" in done.stderr) == (1, True), done
    done = login(ADDRESS)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.startswith("Signed in as Ada, with the role"), done
    [context] = json.loads((tmp_path / "contexts.json").read_text())["contexts"].values()
    metadata = bearer(context["session"]["access_token"])
    assert client.access.WhoAmI(WhoAmIRequest(), metadata=metadata, timeout=60).user_id == library.user.id
