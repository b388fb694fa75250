"""Every method of the contract with every kind of token, good and bad: by HTTP, through library-rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from google.api.annotations_pb2 import http
from google.api.http_pb2 import HttpRule
from google.protobuf.json_format import MessageToDict

from library.access.v1.access_pb2 import ROLE_PATRON, ROLE_SERVICE
from service_kit.ids import new_id
from tests.support.access import USER_ROLES
from tests.support.access_servers import People, TokenServers, start_token_servers
from tests.support.access_table import (
    GUARDS_REASONS,
    LET_IN,
    METHODS,
    ContractMethod,
    with_bad_token,
    with_role,
    with_scopes,
    without_token,
)
from tests.support.processes import Servers
from tests.support.rest import RestProcess, RestServers
from tests.support.stores import FreshDatabases

pytestmark = pytest.mark.slow

BY_HTTP = [method for method in METHODS if method.access.role != ROLE_SERVICE]
LASTING = [method for method in BY_HTTP if method.descriptor.name != "EndUserSessions"]

Call = Callable[[ContractMethod, str], str]


@pytest.fixture(scope="module")
def token_servers(databases: FreshDatabases, module_servers: Servers) -> TokenServers:
    return start_token_servers(databases, module_servers)


@pytest.fixture(scope="module")
def people(token_servers: TokenServers) -> People:
    return token_servers.people


@pytest.fixture(scope="module")
def rest(token_servers: TokenServers, module_rest_servers: RestServers) -> RestProcess:
    return module_rest_servers.start([token_servers.frontend.address, token_servers.admin.address])


@pytest.fixture(scope="module")
def call(rest: RestProcess, people: People) -> Call:
    """Calls a method with a token. Its request names the patron and the patron's loan, where it names a user or a loan.

    It returns the reason of the guard's refusal, or `LET_IN`.
    """
    patron = people.users[ROLE_PATRON]

    def made(method: ContractMethod, token: str) -> str:
        verb, path, body = written(method, method.request_of(patron, people.loans[patron]))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if method.descriptor.client_streaming:
            headers["Content-Type"] = "application/x-ndjson"
        answer = rest.request(verb, path, body, headers)
        assert answer.status != 404 or answer.refusal.reason.endswith("_NOT_FOUND"), (path, answer)
        if answer.status not in (401, 403):
            return LET_IN
        reason = answer.refusal.reason
        assert reason in GUARDS_REASONS
        assert (answer.status == 401) == (reason in {"SIGN_IN_REQUIRED", "TOKEN_INVALID"})
        assert (answer.status == 401) == str(answer.headers.get("WWW-Authenticate", "")).startswith("Bearer")
        return reason

    return made


def written(method: ContractMethod, request: Any) -> tuple[str, str, Any]:
    """Return the verb, the path and the body by which a request is sent. Other ids in the path are of nothing."""
    rule: HttpRule = method.descriptor.GetOptions().Extensions[http]  # type: ignore[index]
    verb = rule.WhichOneof("pattern") or ""
    values = MessageToDict(request, preserving_proto_field_name=True)

    def value(match: re.Match[str]) -> str:
        found: Any = values
        for name in match[1].split("."):
            found = found.get(name, {})
        return found or new_id()

    path = re.sub(r"\{([\w.]+)\}", value, getattr(rule, verb))
    query = f"?user_id={values['user_id']}" if verb == "get" and "user_id" in values and "{user_id}" not in path else ""
    return verb.upper(), path + query, _body(method, rule, values)


def _body(method: ContractMethod, rule: HttpRule, values: dict[str, Any]) -> Any:
    if method.descriptor.client_streaming:
        return b"{}\n"
    if rule.body == "*":
        in_path = re.findall(r"\{([\w]+)\}", getattr(rule, rule.WhichOneof("pattern") or ""))
        return {name: value for name, value in values.items() if name not in in_path}
    return {} if rule.body else None


def differences(
    call: Call, expected: Callable[[ContractMethod], str], token: str, methods: list[ContractMethod]
) -> dict[str, str]:
    """Call methods with a token; return the answers that were not as expected."""
    answers = {method: call(method, token) for method in methods}
    return {method.name: answer for method, answer in answers.items() if answer != expected(method)}


def test_without_a_token(call: Call) -> None:
    assert differences(call, without_token, "", BY_HTTP) == {}


def test_with_a_token_that_is_not_valid(call: Call, people: People) -> None:
    for kind, token in people.bad_tokens().items():
        assert differences(call, with_bad_token, token, BY_HTTP) == {}, kind


@pytest.mark.parametrize("role", USER_ROLES)
def test_with_a_role(call: Call, people: People, role: Any) -> None:
    assert differences(call, lambda method: with_role(method, role), people.token(role), LASTING) == {}


def test_with_the_token_of_another_patron(call: Call, people: People) -> None:
    def expected(method: ContractMethod) -> str:
        return "NOT_YOUR_OWN" if method.access.own else with_role(method, ROLE_PATRON)

    assert differences(call, expected, people.token_of(people.other), BY_HTTP) == {}


@pytest.mark.parametrize("name", ["guest", "librarian", "admin", "for the catalogue", "for one method"])
def test_with_the_token_of_a_program(call: Call, people: People, name: str) -> None:
    program = people.programs[name]
    scopes = tuple(program.scopes)
    expected = {method: with_scopes(method, program.role, scopes) for method in METHODS}
    assert differences(call, expected.__getitem__, people.program(name), LASTING) == {}


def test_the_methods_of_the_sync_have_no_paths(rest: RestProcess) -> None:
    answer = rest.request("POST", "/library.sync.v1.SyncService/RecordStates", {})
    assert answer.status == 404
