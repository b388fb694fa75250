"""Every method of the contract with every kind of token, good and bad: by gRPC, at servers in the mode `token`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_GUEST, ROLE_PATRON, ROLE_SERVICE
from tests.support.access import USER_ROLES
from tests.support.access_servers import People, TokenServers, start_token_servers
from tests.support.access_table import (
    LET_IN,
    METHODS,
    ContractMethod,
    with_bad_token,
    with_role,
    with_scopes,
    without_token,
)
from tests.support.clients import CREDENTIALS
from tests.support.processes import Servers
from tests.support.stores import FreshDatabases

LASTING = [method for method in METHODS if method.descriptor.name != "EndUserSessions"]
"""Without the method that ends the sessions of the other tests."""

FOR_GUESTS = {
    "library.access.v1.AccessService": {
        *("CreateSession", "CreateProviderSession", "RefreshSession", "EndSession", "WhoAmI", "SetPassword"),
        *("ListSigningKeys", "GetSignInOptions"),
    },
    # What a catalogue on the web shows of a book.
    "library.admin.v1.CatalogService": {"GetCover"},
    "library.frontend.v1.CatalogService": {"ListBooks", "GetBook", "ListPublishers", "ListCategories"},
    "library.frontend.v1.CirculationService": {"ListItems", "GetLibrarySettings"},
}
"""What anyone on the network may call. To add a method here is a decision."""

Call = Callable[[ContractMethod, str], str]


@pytest.fixture(scope="module")
def token_servers(databases: FreshDatabases, module_servers: Servers) -> TokenServers:
    return start_token_servers(databases, module_servers)


@pytest.fixture(scope="module")
def people(token_servers: TokenServers) -> People:
    return token_servers.people


@pytest.fixture(scope="module")
def call(token_servers: TokenServers) -> Call:
    """Calls a method with a token. Its request names the patron and the patron's loan, where it names a user or a loan.

    It returns the reason of the guard's refusal, or `LET_IN`.
    """
    channels = {True: token_servers.frontend.channel(), False: token_servers.admin.channel()}
    patron = token_servers.people.users[ROLE_PATRON]
    requests = {method: method.request_of(patron, token_servers.people.loans[patron]) for method in METHODS}

    def made(method: ContractMethod, token: str) -> str:
        return method.guards_reason(channels[method.is_of_frontend], requests[method], token)

    return made


def differences(
    call: Call, expected: Callable[[ContractMethod], str], token: str, methods: Sequence[ContractMethod] = METHODS
) -> dict[str, str]:
    """Call every method with a token; return the answers that were not as expected."""
    answers = {method: call(method, token) for method in methods}
    return {method.name: answer for method, answer in answers.items() if answer != expected(method)}


def test_guests_may_call_what_is_listed_here_and_nothing_else() -> None:
    found: dict[str, set[str]] = {}
    for method in METHODS:
        assert method.access.role, f"{method.name} has no option (library.access.v1.access)"
        if method.access.role == ROLE_GUEST:
            found.setdefault(method.descriptor.containing_service.full_name, set()).add(method.descriptor.name)
    assert found == FOR_GUESTS


def test_only_the_sync_is_for_the_other_service() -> None:
    for method in METHODS:
        assert (method.access.role == ROLE_SERVICE) == method.name.startswith("library.sync.v1."), method.name


def test_without_a_token(call: Call) -> None:
    assert differences(call, without_token, "") == {}


WITH_ALL_METHODS = {
    *("expired", "another audience", "another issuer", "unknown key id", "alg none", "HS256 with the public key"),
    *("tampered", "retired key", "revoked program"),
}
"""The kinds of tokens that are tried with all methods here, and not only by HTTP."""


def test_with_a_token_that_is_not_valid(call: Call, people: People) -> None:
    tokens = people.bad_tokens()
    assert tokens.keys() > WITH_ALL_METHODS
    for kind, token in tokens.items():
        methods = METHODS if kind in WITH_ALL_METHODS else METHODS[::9]
        assert differences(call, with_bad_token, token, methods) == {}, kind


def test_with_the_secret_of_the_frontend(call: Call) -> None:
    def expected(method: ContractMethod) -> str:
        return LET_IN if method.access.role == ROLE_SERVICE else "TOKEN_INVALID"

    assert differences(call, expected, f"{CREDENTIALS.frontend_id}.{CREDENTIALS.secret}") == {}


def test_with_the_token_of_a_session_that_has_ended(call: Call, people: People) -> None:
    def expected(method: ContractMethod) -> str:
        # The admin has no sessions: there the token is valid until it expires.
        return with_bad_token(method) if method.is_of_frontend else with_role(method, ROLE_ADMIN)

    token = people.issuer.token(people.users[ROLE_ADMIN], people.ended_session)
    assert differences(call, expected, token, LASTING) == {}


@pytest.mark.parametrize("role", USER_ROLES)
def test_with_a_role(call: Call, people: People, role: Any) -> None:
    assert differences(call, lambda method: with_role(method, role), people.token(role), LASTING) == {}


def test_with_the_token_of_another_patron(call: Call, people: People) -> None:
    def expected(method: ContractMethod) -> str:
        return "NOT_YOUR_OWN" if method.access.own else with_role(method, ROLE_PATRON)

    assert differences(call, expected, people.token_of(people.other)) == {}


@pytest.mark.parametrize("name", ["guest", "librarian", "admin", "for the catalogue", "for one method"])
def test_with_the_token_of_a_program(call: Call, people: People, name: str) -> None:
    program = people.programs[name]
    scopes = tuple(program.scopes)
    expected = {method: with_scopes(method, program.role, scopes) for method in METHODS}
    assert differences(call, expected.__getitem__, people.program(name), LASTING) == {}


def test_a_patron_ends_all_own_sessions_at_once(call: Call, people: People) -> None:
    token, ends = people.token(ROLE_PATRON), next(method for method in METHODS if method not in LASTING)
    assert call(ends, token) == LET_IN
    assert {call(method, token) for method in METHODS if method.is_of_frontend} == {"TOKEN_INVALID"}
