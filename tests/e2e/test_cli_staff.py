"""`library staff`, `api-token` and `grant-role`, run in the test's process against real servers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from library.admin.v1.user_service_pb2 import ListUsersRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library_cli.__main__ import main
from library_domain.access.bearer import api_token_of
from tests.support.clients import AdminClient
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import FreshDatabases
from tests.support.waiting import wait_until

Run = Callable[..., Result]


@pytest.fixture
def library(servers: Servers, databases: FreshDatabases) -> tuple[AdminClient, Run]:
    """Start both servers, with one user whom the admin knows."""
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    frontend = servers.start(
        "frontend", databases.migrated("frontend", "sqlite"), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.05"
    )
    ada = EnrollUserRequest(email="ada@example.org", first_name="Ada", last_name="Lovelace")
    frontend.frontend().members.EnrollUser(ada, timeout=60)
    wait_until(lambda: bool(admin.admin().users.ListUsers(ListUsersRequest(), timeout=60).users))
    return admin.admin(), runner(admin, frontend)


def runner(admin: ServerProcess, frontend: ServerProcess) -> Run:
    def run(line: str, *more: str, status: int = 0) -> Result:
        environment = {
            "LIBRARY_ADMIN_TARGET": admin.address,
            "LIBRARY_FRONTEND_TARGET": frontend.address,
            "LIBRARY_ADMIN_DATABASE_URL": admin.database_url,
            "LIBRARY_FRONTEND_DATABASE_URL": frontend.database_url,
            "TZ": "UTC",
            "TTY_COMPATIBLE": "0",
        }
        done = CliRunner().invoke(main, [*line.split(), *more], env=environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert done.exit_code == status, done.output
        return done

    return run


def rows(done: Result) -> list[list[str]]:
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_an_admin_keeps_the_roles_of_the_staff(library: tuple[AdminClient, Run]) -> None:
    _, run = library
    assert rows(run("staff")) == []
    granted = run("staff grant ada@example.org librarian --may-override LOAN_LIMIT_REACHED --may-override USER_BLOCKED")
    assert granted.stdout == "Ada Lovelace <ada@example.org> has the role librarian.\n"
    [[*shown, user_id]] = rows(run("staff"))
    assert shown == ["librarian", "Ada Lovelace", "ada@example.org", "LOAN_LIMIT_REACHED, USER_BLOCKED"]
    [as_json] = json.loads(run("staff --json").stdout)
    assert (as_json["user_id"], as_json["role"], as_json["user_name"]) == (user_id, "ROLE_LIBRARIAN", "Ada Lovelace")
    refused = run("staff grant ada@example.org librarian --may-override USER_CLOSED", status=1)
    assert "USER_CLOSED is not a refusal that can be overridden" in refused.stderr
    run("staff grant nobody@example.org librarian", status=1)
    run("staff grant ada@example.org admin")
    assert "is the only admin" in run("staff revoke ada@example.org", status=1).stderr
    assert [row[0] for row in rows(run("staff"))] == ["admin"]


def test_an_admin_makes_lists_and_revokes_api_tokens(library: tuple[AdminClient, Run]) -> None:
    _, run = library
    made = run(
        "api-token create --role librarian --scope library.admin.v1.CatalogService --expires 2030-01-31",
        "nightly import",
    )
    token = api_token_of(made.stdout.strip())
    assert token, "the output is the token alone, for a pipe"
    assert token.id in made.stderr
    [[*shown, token_id]] = rows(run("api-token list"))
    scope, last = "library.admin.v1.CatalogService", "2030-02-01 00:00"
    assert shown == ["nightly import", "valid", "librarian", scope, last, ""]
    assert token_id == token.id
    assert token.secret not in run("api-token list --json").output
    assert "API token with the name" in run("api-token create --role admin", "Nightly Import", status=1).stderr
    assert run("api-token revoke", "Nightly Import").stdout == "The token nightly import is revoked.\n"
    assert rows(run("api-token list"))[0][1] == "revoked"
    assert "No valid token has the name" in run("api-token revoke", "nightly import", status=1).stderr
    run(f"api-token revoke {token.id}")
    as_json = json.loads(run("api-token create other --role guest --json").stdout)
    assert api_token_of(as_json["token"])


@pytest.mark.parametrize("services_run", [True, False])
def test_the_first_admin_is_made_on_the_machine(
    servers: Servers, databases: FreshDatabases, services_run: bool
) -> None:
    """The admin has not received the user: the frontend does not find it."""
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    frontend = servers.start("frontend", databases.migrated("frontend", "sqlite"), ADMIN_TARGET="127.0.0.1:1")
    if not services_run:
        admin.stop()
        frontend.stop()
    run = runner(admin, frontend)
    assert "eve@example.org" in run("grant-role eve@example.org admin", status=1).stderr
    done = run("grant-role eve@example.org admin --first-name Eve --last-name Noether")
    found = re.fullmatch(
        r"Eve Noether, ([0-9a-f-]{36}), has the role admin\.\n"
        r"The reset code, which is valid once, until \S+: (\S+)\n"
        r"To set a password with it, run: library set-password eve@example\.org\n",
        done.stdout,
    )
    assert found
    again = run("grant-role eve@example.org admin --no-code")
    assert again.stdout == f"Eve Noether, {found[1]}, has the role admin.\n"
    assert "is the only admin" in run("grant-role eve@example.org patron --no-code", status=1).stderr
    if services_run:
        [[*shown, user_id]] = rows(run("staff"))
        assert (shown[0], user_id) == ("admin", found[1])
