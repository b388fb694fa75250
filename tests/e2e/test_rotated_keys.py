"""`library-frontend rotate-keys` while both services run: no token fails, or all of them at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import grpc
import pytest

from library.access.v1.access_service_pb2 import (
    CreateResetCodeRequest,
    CreateSessionRequest,
    ListSigningKeysRequest,
    RefreshSessionRequest,
    SetPasswordRequest,
    WhoAmIRequest,
)
from library.admin.v1.catalog_service_pb2 import ListBooksRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from tests.support.access import bearer
from tests.support.clients import refusal_of
from tests.support.processes import ROOT, ServerProcess, Servers
from tests.support.stores import Engine, FreshDatabases
from tests.sync.agreement import eventually

pytestmark = pytest.mark.slow

NAME, PASSWORD = "ada@example.org", "a quiet harbour"


def refused(call: Callable[[], object]) -> str:
    try:
        call()
    except grpc.RpcError as error:
        return refusal_of(error).reason
    return ""


def rotate(frontend: ServerProcess, *options: str) -> str:
    command = [sys.executable, "-m", "frontend_server", "rotate-keys", "--database-url", frontend.database_url]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=True)
    first, _, key_id = done.stdout.strip().partition(": ")
    assert first == "The new key"
    return key_id


def test_keys_are_rotated_while_both_services_run(servers: Servers, databases: FreshDatabases, engine: Engine) -> None:
    admin = servers.start("admin", databases.migrated("admin", engine), ACCESS="token")
    frontend = servers.start(
        "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.05"
    )
    client = frontend.frontend()
    user = client.members.EnrollUser(EnrollUserRequest(email=NAME, first_name="Ada"), timeout=60)
    code = client.access.CreateResetCode(CreateResetCodeRequest(user_id=user.id), timeout=60).code
    client.access.SetPassword(SetPasswordRequest(name=NAME, proof=code, new_secret=PASSWORD), timeout=60)
    frontend.stop()
    frontend.settings["ACCESS"] = "token"
    frontend.start()
    client, librarian = frontend.frontend(), admin.admin()

    def keys() -> list[str]:
        return [key.kid for key in client.access.ListSigningKeys(ListSigningKeysRequest(), timeout=60).keys]

    def at_frontend(token: str) -> str:
        return refused(lambda: client.access.WhoAmI(WhoAmIRequest(), metadata=bearer(token), timeout=60))

    def at_admin(token: str) -> str:
        return refused(lambda: librarian.catalog.ListBooks(ListBooksRequest(), metadata=bearer(token), timeout=60))

    [first] = keys()
    session = client.access.CreateSession(CreateSessionRequest(name=NAME, secret=PASSWORD), timeout=60)
    old = session.access_token
    assert at_frontend(old) == ""
    eventually(lambda: at_admin(old) == "ROLE_REQUIRED", "the admin has the key and the user")

    second = rotate(frontend)
    assert keys() == [second, first]
    tokens = [old]

    def signed_with_another_key() -> bool:
        request = CreateSessionRequest(name=NAME, secret=PASSWORD)
        tokens.append(client.access.CreateSession(request, timeout=60).access_token)
        assert [at_frontend(token) for token in tokens] == [""] * len(tokens)
        assert [at_admin(token) for token in tokens] == ["ROLE_REQUIRED"] * len(tokens)
        return tokens[-1].split(".")[0] != old.split(".")[0]

    eventually(signed_with_another_key, "the new key signs")

    third = rotate(frontend, "--retire-now")
    assert keys() == [third]
    ended = {tokens[0], tokens[-1]}
    eventually(lambda: {at_frontend(token) for token in ended} == {"TOKEN_INVALID"}, "the frontend refuses them")
    eventually(lambda: {at_admin(token) for token in ended} == {"TOKEN_INVALID"}, "the admin refuses them")
    refreshed = client.access.RefreshSession(RefreshSessionRequest(refresh_token=session.refresh_token), timeout=60)
    assert at_frontend(refreshed.access_token) == ""
    eventually(lambda: at_admin(refreshed.access_token) == "ROLE_REQUIRED", "the admin has the third key")

    logs = frontend.log.read_text() + admin.log.read_text()
    for secret in (*tokens, session.refresh_token, refreshed.access_token, refreshed.refresh_token, code, PASSWORD):
        assert secret not in logs
