"""What a patron may name in a request, and what the guard writes into it."""

from __future__ import annotations

from typing import Any

import pytest

from library.access.v1.access_pb2 import (
    ROLE_ADMIN,
    ROLE_GUEST,
    ROLE_LIBRARIAN,
    ROLE_MANAGER,
    ROLE_PATRON,
    Role,
)
from library.frontend.v1 import circulation_service_pb2, lending_service_pb2, member_service_pb2
from library.frontend.v1.circulation_service_pb2 import CheckInRequest, CheckOutRequest, Override
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, GetLoanRequest
from library.frontend.v1.member_service_pb2 import UpdateUserRequest
from library_domain.access.callers import EACH, Caller
from library_domain.access.desk import DeskFields
from library_domain.access.errors import NotYourOwn, OverrideNotPermitted
from library_domain.access.method_rules import rules_of
from library_domain.access.own import OwnFields

ME, OTHER = "01920000-0000-7000-8000-00000000000a", "01920000-0000-7000-8000-00000000000b"
MY_LOAN, OTHER_LOAN, NO_ONES_LOAN = (f"01920000-0000-7000-8000-0000000000{number}" for number in (10, 11, 12))
OWNERS = {MY_LOAN: ME, OTHER_LOAN: OTHER, NO_ONES_LOAN: ""}
SERVICES = [
    *circulation_service_pb2.DESCRIPTOR.services_by_name.values(),
    *lending_service_pb2.DESCRIPTOR.services_by_name.values(),
    *member_service_pb2.DESCRIPTOR.services_by_name.values(),
]
RULES = {name.rpartition("/")[2]: rule for name, rule in rules_of(SERVICES).items()}


def limit(method: str, request: Any, user_id: str = ME) -> Any:
    own = RULES[method].own
    assert isinstance(own, OwnFields)
    own.limit(request, user_id, OWNERS.get)
    return request


def test_a_user_who_is_not_named_is_the_caller() -> None:
    assert limit("BorrowBook", BorrowBookRequest()).user_id == ME
    assert limit("BorrowBook", BorrowBookRequest(user_id=ME.upper())).user_id == ME
    assert limit("UpdateUser", UpdateUserRequest()).user.id == ME


@pytest.mark.parametrize("name", [OTHER, OTHER.upper(), ME[:-1], ME.replace("-", ""), f" {ME}", "%", "\x00"])
def test_another_user_cannot_be_named(name: str) -> None:
    with pytest.raises(NotYourOwn, match="user_id"):
        limit("BorrowBook", BorrowBookRequest(user_id=name))


def test_a_loan_is_its_users_own() -> None:
    for name in (MY_LOAN, MY_LOAN.upper()):
        assert limit("GetLoan", GetLoanRequest(id=name)).id == name


@pytest.mark.parametrize("name", [OTHER_LOAN, NO_ONES_LOAN, "01920000-0000-7000-8000-000000000099", "", "\x00", "x"])
def test_the_loan_of_another_user_and_an_unknown_one_get_the_same_answer(name: str) -> None:
    with pytest.raises(NotYourOwn) as refused:
        limit("GetLoan", GetLoanRequest(id=name))
    assert refused.value.metadata == {"field": "id"}


def test_a_caller_without_a_user_has_nothing_of_its_own() -> None:
    for method, request in (("BorrowBook", BorrowBookRequest()), ("GetLoan", GetLoanRequest(id=NO_ONES_LOAN))):
        with pytest.raises(NotYourOwn):
            limit(method, request, user_id="")


def test_a_patron_changes_only_some_fields() -> None:
    request = UpdateUserRequest(user={"first_name": "Ada", "note": "a VIP"})  # type: ignore[arg-type]
    request.update_mask.paths[:] = ["first_name", "email"]
    limit("UpdateUser", request)
    assert list(request.update_mask.paths) == ["first_name", "email"]


@pytest.mark.parametrize(
    "path", ["note", "*", "user_category", "card_number", "id", "user.first_name", "", "first_name "]
)
def test_a_mask_cannot_name_other_fields(path: str) -> None:
    request = UpdateUserRequest()
    request.update_mask.paths[:] = ["first_name", path]
    with pytest.raises(NotYourOwn, match="update_mask"):
        limit("UpdateUser", request)


@pytest.mark.parametrize("own", [{}, {"first_name": "Ada", "email": "ada@example.org"}], ids=str)
def test_without_a_mask_other_fields_are_not_changed(own: dict[str, str]) -> None:
    fields = {"note": "a VIP", "card_number": "1", "user_category": "staff", "etag": "7-1", **own}
    request = UpdateUserRequest(user=fields)  # type: ignore[arg-type]
    request.user.expire_time.seconds = 7
    limit("UpdateUser", request)
    assert {field.name for field, _ in request.user.ListFields()} == {"id", "etag", *own}
    assert list(request.update_mask.paths) == sorted(own)


def caller(role: Role.ValueType, reasons: frozenset[str] = frozenset()) -> Caller:
    return Caller(role, ME, "Ada Lovelace", "session", reasons)


def applied(request: Any, by: Caller) -> Any:
    DeskFields(request.DESCRIPTOR).apply(request, by)
    return request


def test_the_staff_is_the_caller_whatever_the_request_says() -> None:
    assert applied(CheckInRequest(staff="the director"), caller(ROLE_LIBRARIAN)).staff == "Ada Lovelace"
    assert len(applied(CheckInRequest(), Caller(ROLE_LIBRARIAN, ME, "A" * 300)).staff) == 100


LIMIT, BLOCK = (
    Override(refusal="LOAN_LIMIT_REACHED", reason="a project"),
    Override(refusal="USER_BLOCKED", reason="paid"),
)


@pytest.mark.parametrize(
    ("by", "overrides", "forbidden"),
    [
        (caller(ROLE_LIBRARIAN), [], ""),
        (caller(ROLE_LIBRARIAN), [LIMIT], "LOAN_LIMIT_REACHED"),
        (caller(ROLE_LIBRARIAN, frozenset({"LOAN_LIMIT_REACHED"})), [LIMIT], ""),
        (caller(ROLE_LIBRARIAN, frozenset({"LOAN_LIMIT_REACHED"})), [LIMIT, BLOCK, BLOCK], "USER_BLOCKED"),
        (caller(ROLE_LIBRARIAN, frozenset({"ITEM_ON_LOAN"})), [LIMIT, BLOCK], "LOAN_LIMIT_REACHED, USER_BLOCKED"),
        (caller(ROLE_LIBRARIAN, EACH), [LIMIT, BLOCK], ""),
        (caller(ROLE_MANAGER), [LIMIT, BLOCK], ""),
        (caller(ROLE_ADMIN), [LIMIT, BLOCK], ""),
        (caller(ROLE_PATRON), [LIMIT], "LOAN_LIMIT_REACHED"),
        (caller(ROLE_GUEST), [LIMIT], "LOAN_LIMIT_REACHED"),
    ],
)
def test_a_librarian_overrides_what_is_permitted(by: Caller, overrides: list[Override], forbidden: str) -> None:
    request = CheckOutRequest(overrides=overrides)
    if forbidden:
        with pytest.raises(OverrideNotPermitted) as refused:
            applied(request, by)
        assert refused.value.metadata == {"refusals": forbidden}
    else:
        assert applied(request, by).staff == "Ada Lovelace"


def test_each_request_with_overrides_or_staff_is_checked() -> None:
    """Also one that is added later: the fields are found by their names, and by what they are made of."""
    for service in SERVICES:
        for method in service.methods:
            fields = method.input_type.fields_by_name
            has_overrides = any(
                field.message_type is not None and field.message_type.full_name == Override.DESCRIPTOR.full_name
                for field in fields.values()
            )
            assert has_overrides == ("overrides" in fields), method.full_name
            assert (RULES[method.name].desk is not None) == (has_overrides or "staff" in fields), method.full_name
