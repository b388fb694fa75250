"""Every HTTP rule of the contract with tokens of each kind, good and bad, through library-rest.

The gRPC half is `test_access_table.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_GUEST, ROLE_PATRON
from tests.support.access import USER_ROLES
from tests.support.access_servers import People, TokenServers, start_token_servers
from tests.support.access_table import (
    GUARDS_REASONS,
    LET_IN,
    ContractMethod,
    with_bad_token,
    with_role,
    with_scopes,
    without_token,
)
from tests.support.http_calls import HttpCall, http_calls
from tests.support.processes import Servers
from tests.support.rest import RestServers
from tests.support.stores import FreshDatabases

pytestmark = pytest.mark.slow

CALLS = list(http_calls())
ENDING = "EndUserSessions"
"""The method that would end the sessions of the other tests."""

Differences = Callable[[Callable[[ContractMethod], str], str], dict[str, str]]


@pytest.fixture(scope="module")
def token_servers(databases: FreshDatabases, module_servers: Servers) -> TokenServers:
    return start_token_servers(databases, module_servers)


@pytest.fixture(scope="module")
def people(token_servers: TokenServers) -> People:
    return token_servers.people


@pytest.fixture(scope="module")
def differences(token_servers: TokenServers, module_rest_servers: RestServers) -> Differences:
    """Makes every call with a token, and returns the answers that were not as expected."""
    rest = module_rest_servers.start([token_servers.frontend.address, token_servers.admin.address])
    patron = token_servers.people.users[ROLE_PATRON]
    loan = token_servers.people.loans[patron]

    def reason(call: HttpCall, token: str) -> str:
        answer = call.answer(rest, call.method.request_of(patron, loan), token)
        if answer.status not in (401, 403):
            assert answer.status not in (404, 405, 501) or answer.refusal.reason.endswith("_NOT_FOUND"), call.name
            return LET_IN
        assert (answer.headers["WWW-Authenticate"] == "Bearer") == (answer.status == 401), call.name
        found = answer.refusal.reason
        # Signing in with wrong secrets is refused with the same status, by the method itself.
        return found if found in GUARDS_REASONS else LET_IN

    def made(expected: Callable[[ContractMethod], str], token: str) -> dict[str, str]:
        lasting = [call for call in CALLS if call.method.descriptor.name != ENDING or expected(call.method) != LET_IN]
        answers = [(call, reason(call, token)) for call in lasting]
        return {call.name: answer for call, answer in answers if answer != expected(call.method)}

    return made


def test_there_is_a_rule_for_every_method_of_clients() -> None:
    assert len(CALLS) > 80
    assert {call.method.access.role for call in CALLS} >= {ROLE_GUEST, *USER_ROLES}


def test_without_a_token(differences: Differences) -> None:
    assert differences(without_token, "") == {}


def test_with_a_token_that_is_not_valid(differences: Differences, people: People) -> None:
    for kind, token in people.bad_tokens().items():
        assert differences(with_bad_token, token) == {}, kind


@pytest.mark.parametrize("role", USER_ROLES)
def test_with_a_role(differences: Differences, people: People, role: int) -> None:
    assert differences(lambda method: with_role(method, role), people.token(role)) == {}  # type: ignore[arg-type]


def test_with_the_token_of_another_patron(differences: Differences, people: People) -> None:
    def expected(method: ContractMethod) -> str:
        return "NOT_YOUR_OWN" if method.access.own else with_role(method, ROLE_PATRON)

    assert differences(expected, people.token_of(people.other)) == {}


def test_with_the_token_of_a_program_for_one_service(differences: Differences, people: People) -> None:
    scopes = tuple(people.programs["for the catalogue"].scopes)
    program = people.program("for the catalogue")
    assert differences(lambda method: with_scopes(method, ROLE_ADMIN, scopes), program) == {}
