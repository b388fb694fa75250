"""`library users` against a real frontend: for scripts, for machines, for a terminal, and when it cannot be done."""

from __future__ import annotations

import json

import pytest

from library.frontend.v1.member_service_pb2 import CloseUserRequest, EnrollUserRequest
from library.v1.user_pb2 import User
from tests.support.library_command import NOBODY, library
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import FreshDatabases


@pytest.fixture(scope="module")
def frontend(module_servers: Servers, databases: FreshDatabases) -> ServerProcess:
    return module_servers.start("frontend", databases.migrated("frontend", "sqlite"))


@pytest.fixture(scope="module")
def people(frontend: ServerProcess) -> list[User]:
    members = frontend.frontend().members
    requests = [
        EnrollUserRequest(email="ada@example.org", first_name="Ada", last_name="Lovelace"),
        EnrollUserRequest(email="jose@example.org", last_name="José"),
        EnrollUserRequest(email="gone@example.org", first_name="Gone", last_name="Away"),
    ]
    users = [members.EnrollUser(request, timeout=30) for request in requests]
    members.CloseUser(CloseUserRequest(id=users[2].id), timeout=30)
    return users


def test_scripts_get_a_line_for_each_user(frontend: ServerProcess, people: list[User]) -> None:
    ada, jose, gone = people
    lines = {
        "ada": f"{ada.id}\tada@example.org\tAda Lovelace\tactive\t0\n",
        "jose": f"{jose.id}\tjose@example.org\tJosé\tactive\t0\n",
        "gone": f"{gone.id}\tgone@example.org\tGone Away\tclosed\t0\n",
    }
    for arguments, names in [
        ([], ["ada", "jose"]),
        (["lace"], ["ada"]),
        (["ADA", "love"], ["ada"]),
        (["ada love"], ["ada"]),
        (["JOSE@example.org"], ["jose"]),
        (["--include-closed"], ["ada", "jose", "gone"]),
        (["--include-closed", "gone"], ["gone"]),
        (["nobody"], []),
    ]:
        done = library("users", *arguments, frontend=frontend.address)
        assert (done.returncode, done.stdout, done.stderr) == (0, "".join(lines[name] for name in names), "")


def test_machines_get_json(frontend: ServerProcess, people: list[User]) -> None:
    [user] = json.loads(library("users", "jose", "--json", frontend=frontend.address).stdout)
    assert (user["id"], user["first_name"], user["last_name"]) == (people[1].id, "", "José")
    assert user["state"] == "USER_STATE_ACTIVE"
    assert json.loads(library("users", "nobody", "--json", frontend=frontend.address).stdout) == []


def test_what_cannot_be_done_is_said(frontend: ServerProcess) -> None:
    for arguments, address, said in [(["?!"], frontend.address, "query"), (["ada"], NOBODY, "Nothing answers")]:
        done = library("users", *arguments, frontend=address)
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr
