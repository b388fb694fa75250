"""A patron who names anything of another patron's, in each field of each request that can, sees and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from library.access.v1.access_pb2 import ROLE_LIBRARIAN, ROLE_PATRON
from library.frontend.v1.circulation_service_pb2 import ListItemsRequest
from library.frontend.v1.member_service_pb2 import ExportUserRequest
from tests.support.access import bearer
from tests.support.access_servers import NOTE, People, TokenServers, start_token_servers
from tests.support.access_table import METHODS, ContractMethod
from tests.support.clients import FrontendClient, Refusal
from tests.support.processes import Servers
from tests.support.stores import FreshDatabases

FOR_PATRONS = [method for method in METHODS if method.access.role == ROLE_PATRON]
NAMES_NOTHING = ("request_id", "page_token", "etag", "email", "first_name", "last_name")
"""Texts that say nothing about whose data it is. Requests that are sent again, and pages, have tests of their own."""


@pytest.fixture(scope="module")
def token_servers(databases: FreshDatabases, module_servers: Servers) -> TokenServers:
    return start_token_servers(databases, module_servers)


@pytest.fixture(scope="module")
def people(token_servers: TokenServers) -> People:
    return token_servers.people


@pytest.fixture(scope="module")
def channel(token_servers: TokenServers) -> grpc.Channel:
    return token_servers.frontend.channel()


@pytest.fixture(scope="module")
def frontend(channel: grpc.Channel) -> FrontendClient:
    return FrontendClient(channel)


@pytest.fixture(autouse=True)
def unchanged(frontend: FrontendClient, people: People) -> Iterator[None]:
    """Nothing of the other patron's changes during a test."""
    before = seen_by_librarian(frontend, people)
    yield
    assert seen_by_librarian(frontend, people) == before


def seen_by_librarian(frontend: FrontendClient, people: People) -> str:
    metadata = bearer(people.token(ROLE_LIBRARIAN))
    exported = frontend.members.ExportUser(ExportUserRequest(user_id=people.other), metadata=metadata)
    assert people.loans[people.other] in str(exported)
    return str(exported)


def fields_with_ids(message: Descriptor, prefix: str = "") -> Iterator[str]:
    """Return the paths of a request's texts, as any of them may name something, but for those that cannot."""
    for field in message.fields:
        if field.is_repeated or field.name in NAMES_NOTHING:
            continue
        if field.type == FieldDescriptor.TYPE_STRING:
            yield prefix + field.name
        elif field.message_type is not None and field.message_type.full_name.startswith("library."):
            yield from fields_with_ids(field.message_type, f"{prefix}{field.name}__")


CASES = [(method, path) for method in FOR_PATRONS for path in fields_with_ids(method.descriptor.input_type)]


def test_the_fields_that_identify_something_are_found() -> None:
    found = {f"{method.descriptor.name}.{path}" for method, path in CASES}
    expected = {"GetLoan.id", "ListLoans.user_id", "ListLoans.id_prefix", "ListHistory.loan_id", "ListHistory.item_id"}
    assert found >= expected | {"UpdateUser.user__id", "UpdateUser.user__card_number", "EndUserSessions.user_id"}
    assert all(method.access.own for method in FOR_PATRONS), "a method for patrons that is not about their own"


@pytest.mark.parametrize(("method", "path"), CASES, ids=lambda case: getattr(case, "name", case))
def test_any_name_of_another_patron_in_any_field(
    channel: grpc.Channel, people: People, method: ContractMethod, path: str
) -> None:
    patron, other = people.users[ROLE_PATRON], people.other
    names = [other, other.upper(), people.loans[other], people.books[other], people.items[other], other[:8]]
    own = method.request_of(patron, people.loans[patron])
    for request in (own, method.request()):
        for name in [*names, people.card_number(other)]:
            tried = type(request)()
            tried.CopyFrom(request)
            tried.MergeFrom(method.request(**{path: name}))
            answer = method.answer(channel, tried, people.token(ROLE_PATRON))
            assert not shows(answer, people, other), (tried, answer)


def test_the_note_of_an_item_is_for_the_staff(frontend: FrontendClient, people: People) -> None:
    request = ListItemsRequest(book_id=people.books[people.users[ROLE_PATRON]])
    for token in ("", people.token(ROLE_PATRON), people.program("guest")):
        [item] = frontend.circulation.ListItems(request, metadata=bearer(token) if token else ()).items
        assert (item.id, item.note) == (people.items[people.users[ROLE_PATRON]], "")
    for token in (people.token(ROLE_LIBRARIAN), people.program("librarian")):
        [item] = frontend.circulation.ListItems(request, metadata=bearer(token)).items
        assert item.note == NOTE


def shows(answer: Any, people: People, user_id: str) -> bool:
    """Whether an answer has anything of a user's. A refusal may repeat what the request names."""
    text = answer.message if isinstance(answer, Refusal) else text_format.MessageToString(answer)
    names = [people.name(user_id), people.card_number(user_id)]
    if not isinstance(answer, Refusal):
        names += [user_id, people.loans[user_id], people.books[user_id], people.items[user_id]]
    return any(f'"{name}"' in text for name in names)
