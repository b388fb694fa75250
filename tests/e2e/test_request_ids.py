"""Request ids, through real servers: each method that changes something is done once, and its first answer comes back.

Each has a case in `tests.support.request_id_cases`; a method without a case fails.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
from google.api.annotations_pb2 import http
from google.api.http_pb2 import HttpRule
from google.protobuf import json_format
from google.protobuf.message import Message

from library.admin.v1 import catalog_service_pb2 as admin_catalog
from library.frontend.v1 import lending_service_pb2
from tests.support.changing_methods import CHANGING_METHODS, WITHOUT_REQUEST_ID
from tests.support.processes import Servers
from tests.support.request_id_cases import CASES, Desk
from tests.support.rest import Answer, RestServers
from tests.support.source_server import running_source_server
from tests.support.stores import Engine, FreshDatabases
from tests.sync.retrying_clients import answer_to

THREADS = 12

every_method = pytest.mark.parametrize("method", CASES)


@pytest.fixture(scope="module")
def desk(
    module_servers: Servers, module_rest_servers: RestServers, databases: FreshDatabases, engine: Engine
) -> Iterator[Desk]:
    with running_source_server() as source:
        yield Desk(module_servers, module_rest_servers, databases, engine, source)


def test_every_changing_method_has_a_case() -> None:
    assert CASES.keys() == CHANGING_METHODS.keys() - WITHOUT_REQUEST_ID


def with_id(request: Any, request_id: str) -> Any:
    changed = type(request)()
    changed.CopyFrom(request)
    changed.request_id = request_id
    return changed


@every_method
def test_a_call_sent_again_gets_the_first_answer_byte_for_byte(desk: Desk, method: str) -> None:
    case, request_id = CASES[method](desk), str(uuid.uuid4())
    request = with_id(case.request, request_id)
    first = desk.call(method, request)
    assert desk.call(method, request) == first
    assert case.count(first) == 1
    assert desk.call(method, with_id(case.request, request_id.upper())) == first
    assert case.count(first) == 1
    case.change(first)
    assert desk.call(method, request) == first, "not the answer of today"
    assert desk.call(method, with_id(case.request, request_id.upper())) == first


def others_of_its_server(method: str) -> list[str]:
    """The other methods of its server, the next one first."""
    same_server = [name for name in CASES if name.startswith(method.partition("Service/")[0].rpartition(".")[0])]
    place = same_server.index(method)
    return [*same_server[place + 1 :], *same_server[:place]]


@every_method
def test_an_id_serves_one_request_of_one_method(desk: Desk, method: str) -> None:
    case, request_id = CASES[method](desk), str(uuid.uuid4())
    first = desk.call(method, with_id(case.request, request_id))
    assert desk.reason(method, with_id(case.other, request_id)) == "REQUEST_ID_REUSED"
    other_method = others_of_its_server(method)[0]
    other = CASES[other_method](desk)
    assert desk.reason(other_method, with_id(other.request, request_id)) == "REQUEST_ID_REUSED"
    assert desk.call(other_method, with_id(other.request, str(uuid.uuid4())))
    assert desk.call(method, with_id(case.request, request_id)) == first


@pytest.fixture(scope="module")
def any_requests(desk: Desk) -> dict[str, Any]:
    """A request of each method, made once: where its id is refused, it changes nothing."""
    return {method: make(desk).request for method, make in CASES.items()}


@pytest.mark.slow
@every_method
def test_an_id_serves_none_of_all_other_methods(desk: Desk, any_requests: dict[str, Any], method: str) -> None:
    case, request_id = CASES[method](desk), str(uuid.uuid4())
    first = desk.call(method, with_id(case.request, request_id))
    reasons = {
        other: desk.reason(other, with_id(any_requests[other], request_id)) for other in others_of_its_server(method)
    }
    assert reasons == dict.fromkeys(reasons, "REQUEST_ID_REUSED")
    assert desk.call(method, with_id(case.request, request_id)) == first


@every_method
@pytest.mark.parametrize("rounds", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_calls_sent_at_once_under_one_id_are_done_once_and_answered_alike(desk: Desk, method: str, rounds: int) -> None:
    for _ in range(rounds):
        case = CASES[method](desk)
        request, start = with_id(case.request, str(uuid.uuid4())), threading.Barrier(THREADS)

        def send(request: Any = request, start: threading.Barrier = start) -> bytes:
            start.wait()
            answer: bytes = answer_to(lambda: desk.call(method, request))[0]  # a busy store refuses after 5 s
            return answer

        with ThreadPoolExecutor(THREADS) as threads:
            sent = [threads.submit(send) for _ in range(THREADS)]
        answers = {each.result() for each in sent}
        assert len(answers) == 1
        assert case.count(answers.pop()) == 1


@every_method
def test_a_refused_id_stays_free_and_an_id_that_is_not_a_uuid_is_refused(desk: Desk, method: str) -> None:
    case, request_id = CASES[method](desk), str(uuid.uuid4())
    for wrong in ("7", f"{request_id} ", f"{{{request_id}}}", request_id.replace("-", "")):
        assert desk.reason(method, with_id(case.request, wrong)) == "FIELD_INVALID"
    refused = with_id(type(case.request)(), request_id)
    assert desk.reason(method, refused) == "FIELD_INVALID"
    assert desk.call(method, with_id(case.request, request_id))


def test_a_renewal_whose_answer_was_lost_renews_once(desk: Desk) -> None:
    """The issue's own case: 14 days became 21, and 28 when it was sent again."""
    loan = desk.loan()
    renew = lending_service_pb2.RenewLoanRequest(loan_id=loan.id, days=7, request_id=str(uuid.uuid4()))
    for _ in range(3):
        assert desk.frontend.lending.RenewLoan(renew).days == 21
    assert desk.loan_now(loan.id).days == 21


def test_a_refused_renewal_is_tried_again(desk: Desk) -> None:
    loan = desk.loan()
    renew = lending_service_pb2.RenewLoanRequest(loan_id=loan.id, days=365, request_id=str(uuid.uuid4()))
    for _ in range(2):
        assert desk.reason("library.frontend.v1.LendingService/RenewLoan", renew) == "RENEWAL_LIMIT_REACHED"
    give_back = lending_service_pb2.ReturnBookRequest(loan_id=loan.id, request_id=renew.request_id)
    assert desk.frontend.lending.ReturnBook(give_back).HasField("return_time"), "the id was not used up"


# --- over HTTP ---


def http_request(method: str, request: Message) -> tuple[str, str, Any]:
    """Verb, path and body of a call, by the method's first HTTP rule."""
    rule: HttpRule = CHANGING_METHODS[method].GetOptions().Extensions[http]  # type: ignore[index]
    verb = rule.WhichOneof("pattern") or ""
    tree = json_format.MessageToDict(request, preserving_proto_field_name=True)
    path = getattr(rule, verb)
    for name in re.findall(r"{([a-z_.]+)}", path):
        *outer, last = name.split(".")
        inner = tree
        for each in outer:
            inner = inner[each]
        path = path.replace(f"{{{name}}}", inner.pop(last))
    body = tree if rule.body == "*" else tree.pop(rule.body) if rule.body else None
    query = {} if rule.body == "*" else {name: json.dumps(value).strip('"') for name, value in tree.items()}
    return verb.upper(), f"{path}?{urlencode(query)}" if query else path, body


def send(desk: Desk, method: str, request: Message, key: str) -> Answer:
    verb, path, body = http_request(method, request)
    return desk.rest.request(verb, path, body, {"Idempotency-Key": key} if key else {})


@every_method
def test_an_idempotency_key_is_honoured(desk: Desk, method: str) -> None:
    case, key = CASES[method](desk), str(uuid.uuid4())
    first = send(desk, method, case.request, key)
    assert first.status == 200, first.body
    assert send(desk, method, case.request, f'"{key.upper()}"').body == first.body
    assert send(desk, method, with_id(case.request, key), "").body == first.body
    assert send(desk, method, with_id(case.request, key), key.upper()).body == first.body
    other = send(desk, method, case.other, key)
    assert (other.status, other.refusal.reason) == (409, "REQUEST_ID_REUSED")
    differing = send(desk, method, with_id(case.request, str(uuid.uuid4())), key)
    assert (differing.status, set(differing.refusal.fields)) == (400, {"request_id"})


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("GET", "/v1/books", None),
        ("HEAD", "/v1/books", None),
        ("GET", "/admin/v1/users", None),
        ("GET", f"/v1/loans/{uuid.UUID(int=1)}", None),
        ("POST", "/v1/sync:now", {}),
        ("POST", "/admin/v1/books:import", '{"line": 1, "book": {"title": "Not to be added"}}'),
        ("POST", "/admin/v1/books:import", ""),
    ],
)
@pytest.mark.parametrize("key", ["2f1c3f4e-6a0b-4d7e-9c55-0d6f5a1be001", "7", ""])
def test_an_idempotency_key_that_would_be_ignored_is_refused(
    desk: Desk, verb: str, path: str, body: Any, key: str
) -> None:
    answer = desk.rest.request(verb, path, body, {"Idempotency-Key": key})
    assert answer.status == 400
    if verb != "HEAD":
        assert (answer.refusal.reason, answer.refusal.domain) == ("IDEMPOTENCY_KEY_UNUSABLE", "library-rest")
    books = desk.admin.catalog.ListBooks(admin_catalog.ListBooksRequest(query="Not to be added")).books
    assert not books


def test_the_document_offers_the_header_where_it_works(desk: Desk) -> None:
    document = desk.rest.request("GET", "/openapi.json").json()
    offered = {
        operation["x-grpc-method"]
        for item in document["paths"].values()
        for verb, operation in item.items()
        for parameter in operation.get("parameters", [])
        if parameter.get("name") == "Idempotency-Key"
    }
    assert offered == set(CASES)


def test_a_row_of_an_import_with_a_request_id_is_refused(desk: Desk) -> None:
    rows = [
        admin_catalog.ImportBooksRequest(
            line=line, validate_only=line > 2, book=admin_catalog.AddBookRequest(title="Row", request_id=request_id)
        )
        for line, request_id in enumerate((str(uuid.uuid4()), "", "7"), start=1)
    ]
    outcomes = desk.admin.catalog.ImportBooks(iter(rows)).outcomes
    assert [outcome.result for outcome in outcomes] == [
        admin_catalog.IMPORT_RESULT_REFUSED,
        admin_catalog.IMPORT_RESULT_ADDED,
        admin_catalog.IMPORT_RESULT_REFUSED,
    ]
    assert [problem.field for problem in outcomes[0].problems] == ["request_id"]
    assert "must be empty" in outcomes[0].problems[0].description
    assert outcomes[2].problems[0].field == "request_id"
