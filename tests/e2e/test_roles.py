"""A library that begins with nobody: the first admin is made on the machine, and roles and API tokens go down and end.

A role that is granted or revoked takes effect at the admin within 5 seconds, and at the frontend within 5 seconds of
its next pull, with the access token that the caller has already.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from library.access.v1.access_pb2 import ROLE_LIBRARIAN, ROLE_PATRON, Role
from library.access.v1.access_service_pb2 import CreateResetCodeRequest, CreateSessionRequest, SetPasswordRequest
from library.admin.v1.catalog_service_pb2 import ListBooksRequest
from library.admin.v1.staff_service_pb2 import (
    CreateApiTokenRequest,
    GrantRoleRequest,
    ListApiTokensRequest,
    ListStaffRolesRequest,
    RevokeApiTokenRequest,
)
from library.frontend.v1.member_service_pb2 import CloseUserRequest, EnrollUserRequest, ListUsersRequest
from tests.support.access import bearer
from tests.support.clients import AdminClient, FrontendClient, refusal_of
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import Engine, FreshDatabases
from tests.sync.agreement import eventually

PASSWORD = "tangerine ferry to the north"

Reason = str | None
"""Why a call was refused; None if it was answered."""


class Library:
    """Both servers in the mode `token`."""

    def __init__(self, servers: Servers, databases: FreshDatabases, engine: Engine) -> None:
        self.admin_server = servers.start("admin", databases.migrated("admin", engine), ACCESS="token")
        self.frontend_server = servers.start(
            "frontend",
            databases.migrated("frontend", engine),
            ACCESS="token",
            ADMIN_TARGET=self.admin_server.address,
            SYNC_INTERVAL="0.1",
        )
        self.admin: AdminClient = self.admin_server.admin()
        self.frontend: FrontendClient = self.frontend_server.frontend()

    def sign_in(self, email: str, code: str) -> Any:
        """Set a password with a reset code; return the metadata of a session."""
        secret = {"proof": code, "new_secret": PASSWORD}
        self.frontend.access.SetPassword(SetPasswordRequest(name=email, **secret), timeout=60)
        request = CreateSessionRequest(name=email, secret=PASSWORD)
        return bearer(self.frontend.access.CreateSession(request, timeout=60).access_token)

    def at_frontend(self, caller: Any) -> Reason:
        """Call a method of the frontend that is for librarians."""
        return reason(lambda: self.frontend.members.ListUsers(ListUsersRequest(), metadata=caller, timeout=60))

    def at_admin(self, caller: Any) -> Reason:
        """Call a method of the admin that is for librarians."""
        return reason(lambda: self.admin.catalog.ListBooks(ListBooksRequest(), metadata=caller, timeout=60))

    def both(self, caller: Any) -> tuple[Reason, Reason]:
        return self.at_admin(caller), self.at_frontend(caller)


def reason(call: Callable[[], object]) -> Reason:
    try:
        call()
    except grpc.RpcError as error:
        return refusal_of(error).reason
    return None


def grant_on_machine(library: Library, *arguments: str) -> str:
    """Run `library grant-role`; return the reset code."""
    servers: list[ServerProcess] = [library.admin_server, library.frontend_server]
    urls = {f"LIBRARY_{server.name.upper()}_DATABASE_URL": server.database_url for server in servers}
    command = [sys.executable, "-m", "library_cli", "grant-role", *arguments]
    done = subprocess.run(command, env={**os.environ, **urls}, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[1].rpartition(": ")[2]


def seconds_until(is_so: Callable[[], bool], what: str) -> str:
    begin = time.monotonic()
    eventually(is_so, what)
    return f"{what}: {time.monotonic() - begin:.1f} s"


@pytest.mark.slow
def test_roles_and_tokens_begin_and_end_with_tokens_in_use(
    servers: Servers, databases: FreshDatabases, engine: Engine
) -> None:
    library = Library(servers, databases, engine)
    ada = library.sign_in(
        "ada@example.org", grant_on_machine(library, "ada@example.org", "admin", "--first-name=Ada", "--last-name=King")
    )
    eventually(lambda: library.both(ada) == (None, None), "the first admin works at both services")
    new = EnrollUserRequest(email="bob@example.org", first_name="Bob")
    bob_id = library.frontend.members.EnrollUser(new, metadata=ada, timeout=60).id
    code = library.frontend.access.CreateResetCode(CreateResetCodeRequest(user_id=bob_id), metadata=ada, timeout=60)
    bob = library.sign_in("bob@example.org", code.code)
    eventually(lambda: library.both(bob) == ("ROLE_REQUIRED",) * 2, "Bob is a patron at both services")

    def grant(role: Role.ValueType) -> None:
        request = GrantRoleRequest(user_id=bob_id, role=role)
        library.admin.staff.GrantRole(request, metadata=ada, timeout=60)

    grant(ROLE_LIBRARIAN)
    made = library.admin.staff.CreateApiToken(
        CreateApiTokenRequest(display_name="import", role=ROLE_LIBRARIAN), metadata=ada, timeout=60
    )
    program = bearer(made.token)
    times = [
        seconds_until(lambda: library.both(bob) == (None, None), "granted"),
        seconds_until(lambda: library.both(program) == (None, None), "made"),
    ]
    refused = reason(lambda: library.admin.staff.ListStaffRoles(ListStaffRolesRequest(), metadata=bob, timeout=60))
    assert refused == "ROLE_REQUIRED", "a librarian is not an admin"
    tokens = library.admin.staff.ListApiTokens(ListApiTokensRequest(), metadata=ada, timeout=60).api_tokens
    assert [token.HasField("last_use_time") for token in tokens] == [True]

    grant(ROLE_PATRON)
    library.admin.staff.RevokeApiToken(RevokeApiTokenRequest(id=made.api_token.id), metadata=ada, timeout=60)
    times += [
        seconds_until(lambda: library.both(bob) == ("ROLE_REQUIRED",) * 2, "revoked"),
        seconds_until(lambda: library.both(program) == ("TOKEN_INVALID",) * 2, "token revoked"),
    ]
    grant(ROLE_LIBRARIAN)
    eventually(lambda: library.both(bob) == (None, None), "Bob is a librarian again")
    library.frontend.members.CloseUser(CloseUserRequest(id=bob_id), metadata=ada, timeout=60)
    times.append(seconds_until(lambda: library.both(bob) == ("TOKEN_INVALID",) * 2, "account closed"))
    assert not library.admin.staff.ListStaffRoles(ListStaffRolesRequest(), metadata=ada, timeout=60).next_page_token
    roles = library.admin.staff.ListStaffRoles(ListStaffRolesRequest(), metadata=ada, timeout=60).staff_roles
    assert bob_id not in {role.user_id for role in roles}
    print(times)
