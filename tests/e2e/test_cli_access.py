"""The command `library` at servers in the mode `token`: signing in, sessions, contexts, and refusals in plain words."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result

from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_LIBRARIAN, ROLE_PATRON
from library_cli.__main__ import main
from tests.support.access_servers import People, TokenServers, start_token_servers
from tests.support.library_command import environment
from tests.support.processes import Servers
from tests.support.scripted_servers import ScriptedServer, refuse, scripted_server
from tests.support.stores import FreshDatabases

PASSWORD = "a sentence that nobody guesses"


@pytest.fixture(scope="module")
def token_servers(databases: FreshDatabases, module_servers: Servers) -> TokenServers:
    return start_token_servers(databases, module_servers)


@pytest.fixture(scope="module")
def people(token_servers: TokenServers) -> People:
    return token_servers.people


class Person:
    """Somebody at a terminal, with a configuration folder of their own."""

    def __init__(self, servers: TokenServers, folder: Path) -> None:
        self.folder = folder / "config"
        self.file = self.folder / "contexts.json"
        self._variables = environment(servers.admin.address, servers.frontend.address)
        self._variables["LIBRARY_CONFIG_DIR"] = str(self.folder)

    def run(self, *arguments: str, typed: str = "", **variables: str) -> Result:
        """Run the command in this process."""
        done = CliRunner().invoke(main, arguments, input=typed, env={**self._variables, **variables})
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    def contexts(self) -> Any:
        return json.loads(self.file.read_text())

    def session(self) -> Any:
        return self.contexts()["contexts"]["default"].get("session")

    def pretend_session(self, servers: TokenServers) -> None:
        """Write a session as `library login` does, without the cost of a password."""
        session = {"user_id": "", "access_token": servers.people.token(ROLE_ADMIN), "refresh_token": "old"}
        times = dict.fromkeys(("access_expire_time", "refresh_expire_time"), time.time() + 800)
        targets = {"frontend_target": servers.frontend.address, "admin_target": servers.admin.address}
        self.folder.mkdir()
        contexts = {"default": {**targets, "session": {**session, **times}}}
        self.file.write_text(json.dumps({"current": "default", "contexts": contexts}))

    def change_session(self, **values: Any) -> None:
        contexts = self.contexts()
        contexts["contexts"]["default"]["session"].update(values)
        self.file.write_text(json.dumps(contexts))


@pytest.fixture
def person(token_servers: TokenServers, tmp_path: Path) -> Person:
    return Person(token_servers, tmp_path)


@pytest.fixture(scope="module")
def with_password(token_servers: TokenServers, people: People, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The card number of the librarian, who has set a password with a reset code."""
    person = Person(token_servers, tmp_path_factory.mktemp("librarian"))
    librarian = people.users[ROLE_LIBRARIAN]
    made = person.run("reset-code", librarian, "--json", LIBRARY_TOKEN=people.token(ROLE_ADMIN))
    assert made.exit_code == 0, made.output
    card = people.card_number(librarian)
    done = person.run(
        "set-password", card, "--password-stdin", typed=f"{json.loads(made.stdout)['code']}\n{PASSWORD}\n"
    )
    assert (done.exit_code, PASSWORD in done.output) == (0, False), done.output
    return card


@pytest.fixture
def signed_in(person: Person, with_password: str) -> Person:
    """The librarian, who has signed in."""
    done = person.run("login", with_password, "--password-stdin", typed=f"{PASSWORD}\n")
    assert done.exit_code == 0, done.output
    assert "with the role librarian" in done.stdout
    return person


def test_a_session_is_kept_privately_and_used(signed_in: Person, people: People) -> None:
    assert stat.S_IMODE(signed_in.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(signed_in.folder.stat().st_mode) == 0o700
    shown = json.loads(signed_in.run("whoami", "--json").stdout)
    assert (shown["user_id"], shown["role"]) == (people.users[ROLE_LIBRARIAN], "ROLE_LIBRARIAN")
    found = signed_in.run("users", people.card_number(people.users[ROLE_PATRON]))
    assert (found.exit_code, people.users[ROLE_PATRON] in found.stdout) == (0, True)


def test_a_guest_searches_and_is_asked_to_sign_in_for_more(person: Person) -> None:
    assert person.run("whoami").stdout.startswith("You are not signed in.")
    assert person.run("search").exit_code == 0
    refused = person.run("users")
    assert (refused.exit_code, refused.stderr) == (
        1,
        "Error: This needs somebody who has signed in. Run: library login\n",
    )


def test_a_role_that_is_too_small_is_named(person: Person, people: People) -> None:
    refused = person.run("users", LIBRARY_TOKEN=people.token(ROLE_PATRON))
    assert refused.exit_code == 1
    assert "needs the role librarian, and you have the role patron" in refused.stderr


def test_a_token_that_is_not_valid_is_explained_and_not_repeated(person: Person, people: People) -> None:
    token = people.bad_tokens()["expired"]
    for arguments in (
        ("search", "--token", token),
        ("users", "--token", token),
        ("report", "overdue", "--token", token),
    ):
        refused = person.run(*arguments)
        assert refused.exit_code != 0
        assert "Your token is not valid, or not any more." in refused.stderr
        assert token not in refused.output
    refused = person.run("search", LIBRARY_TOKEN="two words")
    assert (refused.exit_code, "words" in refused.output) == (2, False)


def test_a_wrong_password_is_refused_and_nothing_is_kept(person: Person, with_password: str) -> None:
    refused = person.run("login", with_password, "--password-stdin", typed="another sentence\n")
    assert (refused.exit_code, person.file.exists()) == (1, False)
    assert "No user has this name and this password" in refused.stderr


def test_an_old_session_is_refreshed_once(signed_in: Person) -> None:
    before = signed_in.session()
    signed_in.change_session(access_expire_time=1.0)
    assert signed_in.run("users").exit_code == 0
    after = signed_in.session()
    assert after["refresh_token"] != before["refresh_token"]
    assert after["access_expire_time"] > before["access_expire_time"] - 1
    assert signed_in.run("users").exit_code == 0
    assert signed_in.session() == after


def test_a_session_goes_on_after_its_token_was_refused_as_its_key_was_retired(
    signed_in: Person, people: People
) -> None:
    signed_in.change_session(access_token=(refused := people.bad_tokens()["expired"]))
    done = signed_in.run("users")
    assert (done.exit_code, done.stderr) == (0, "")
    assert signed_in.session()["access_token"] not in ("", refused)


def test_logging_out_ends_the_session_here_and_at_the_service(signed_in: Person) -> None:
    copied = signed_in.file.read_text()
    session = signed_in.session()
    assert signed_in.run("logout").stdout == "Signed out here.\n"
    assert not any(session[name] in signed_in.file.read_text() for name in ("access_token", "refresh_token"))
    assert signed_in.run("logout").stdout == "You are not signed in.\n"

    signed_in.file.write_text(copied)
    signed_in.change_session(access_expire_time=1.0)
    refused = signed_in.run("users")
    assert "Your session has ended. Sign in again with: library login" in refused.stderr
    assert (refused.exit_code, signed_in.session()) == (1, None)


@pytest.mark.slow
def test_a_second_login_ends_the_session_before(signed_in: Person, with_password: str) -> None:
    first = signed_in.session()
    signed_in.run("login", with_password, "--password-stdin", typed=f"{PASSWORD}\n")
    second = signed_in.session()
    signed_in.change_session(**{**first, "access_expire_time": 1.0})
    assert "Your session has ended" in signed_in.run("search").stderr
    assert second["refresh_token"] != first["refresh_token"]


@pytest.mark.slow
def test_logging_out_everywhere_ends_all_sessions(
    signed_in: Person, with_password: str, token_servers: TokenServers, tmp_path: Path
) -> None:
    elsewhere = Person(token_servers, tmp_path / "elsewhere")
    elsewhere.folder.parent.mkdir()
    elsewhere.run("login", with_password, "--password-stdin", typed=f"{PASSWORD}\n")
    assert signed_in.run("logout", "--everywhere").exit_code == 0
    elsewhere.change_session(access_expire_time=1.0)
    assert "Your session has ended" in elsewhere.run("search").stderr


# --- contexts ---


@pytest.fixture
def other_library() -> Iterator[ScriptedServer]:
    """A server of somebody else, which would like to see tokens."""
    with scripted_server() as server:
        yield server


def test_a_token_goes_to_the_services_of_its_context_only(
    person: Person, token_servers: TokenServers, other_library: ScriptedServer
) -> None:
    person.pretend_session(token_servers)
    assert (person.run("users").exit_code, person.run("items").exit_code) == (0, 0), "both services get it"
    other_library.script = [refuse(grpc.StatusCode.NOT_FOUND)] * 2
    person.run("users", LIBRARY_FRONTEND_TARGET=other_library.address)
    person.run("users", "--token", "chosen", LIBRARY_FRONTEND_TARGET=other_library.address)
    assert other_library.tokens == [None, "Bearer chosen"]


def test_contexts_name_libraries(person: Person, token_servers: TokenServers, people: People) -> None:
    assert person.run("context", "set", "town", "--frontend-target", token_servers.frontend.address).exit_code == 0
    assert person.run("context", "use", "nowhere").exit_code == 2
    token = people.program("librarian")
    saved = person.run("context", "set", "machine", "--token-stdin", typed=f"{token}\n")
    assert (saved.exit_code, "--frontend-target" in saved.stdout) == (0, True), "a token without addresses goes nowhere"
    person.run("context", "set", "machine", "--frontend-target", token_servers.frontend.address)
    assert person.run("context", "use", "machine").stdout == "In use: machine.\n"

    listed = person.run("context", "list", "--json")
    assert [(each["name"], each["in_use"], each["token"]) for each in json.loads(listed.stdout)] == [
        ("machine", True, "API token"),
        ("town", False, ""),
    ]
    assert token not in listed.output
    no_target = {"LIBRARY_FRONTEND_TARGET": None}
    assert "librarian, with the role librarian" in person.run("whoami", **no_target).stdout  # type: ignore[arg-type]
    assert "not signed in" in person.run("--context", "town", "whoami", **no_target).stdout  # type: ignore[arg-type]
    assert "There is no context 'moon'" in person.run("--context", "moon", "whoami").stderr
    assert person.run("context", "remove", "machine").exit_code == 0
    assert token not in person.file.read_text()


def test_another_frontend_service_gets_no_session(person: Person, token_servers: TokenServers) -> None:
    person.pretend_session(token_servers)
    assert person.run("context", "set", "default", "--admin-target", "127.0.0.1:2").exit_code == 0
    assert person.session()
    assert person.run("context", "set", "default", "--frontend-target", "127.0.0.1:1").exit_code == 0
    assert person.session() is None


@pytest.mark.parametrize("content", ["{", "[]", '{"current": "a", "contexts": {"a": {"b": 1}}}'])
def test_a_file_of_another_program_is_a_sentence(person: Person, content: str) -> None:
    person.folder.mkdir()
    person.file.write_text(content)
    refused = person.run("search")
    assert (refused.exit_code, "contexts.json cannot be used" in refused.stderr) == (1, True)


def test_a_password_goes_to_other_machines_only_with_tls(person: Person) -> None:
    refused = person.run("login", "ada", "--frontend-target", "library.example:50051", "--password-stdin", typed="a\n")
    assert (refused.exit_code, "as plain text" in refused.stderr) == (1, True)
