from __future__ import annotations

import re
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from frontend_server.members import members
from frontend_server.store.models import User
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1 import user_pb2
from library.v1.user_pb2 import USER_STATE_ACTIVE
from library_domain.errors import EmailTaken, UserNotFound
from service_kit.clock import timestamp
from service_kit.errors import RequestIdReused
from service_kit.ids import new_id
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, at_once


def enroll(frontend: LocalFrontend, email: str = "ada@example.org", **fields: Any) -> user_pb2.User:
    request = EnrollUserRequest(**{"email": email, "first_name": "Ada", "last_name": "Lovelace", **fields})
    return members.enroll_user(frontend.store, request, frontend.clock)


def test_an_enrolled_user_is_there(frontend: LocalFrontend, clock: SettableClock) -> None:
    user = enroll(frontend, "ada@example.org", first_name="Ada", last_name="King, Countess of Lovelace")

    assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", user.id)
    assert user == user_pb2.User(
        id=user.id,
        email="ada@example.org",
        first_name="Ada",
        last_name="King, Countess of Lovelace",
        state=USER_STATE_ACTIVE,
        active_loan_count=0,
        create_time=timestamp(clock.now),
        update_time=timestamp(clock.now),
        etag=user.etag,
        card_number="20001000000012",
    )
    assert user.etag
    assert members.get_user(frontend.store, user.id) == user
    row = User.get()
    assert row.revision != row.pushed_revision, "the user is to be pushed to the admin"


def test_the_count_of_loans_follows_them_and_the_times_do_not(frontend: LocalFrontend, clock: SettableClock) -> None:
    user = enroll(frontend)
    loans = [frontend.borrow(frontend.book().id, user.id) for _ in range(3)]
    clock.advance(days=1)
    frontend.bring_back(loans[0].id)

    counted = members.get_user(frontend.store, user.id)

    assert counted.active_loan_count == 2
    assert (counted.create_time, counted.update_time) == (user.create_time, user.update_time)


def test_an_unknown_user_id_is_not_found(frontend: LocalFrontend) -> None:
    enroll(frontend)
    with pytest.raises(UserNotFound):
        members.get_user(frontend.store, new_id())


def test_an_address_enrols_once_in_any_case(frontend: LocalFrontend) -> None:
    for first, second in [
        ("ada@example.org", "ada@example.org"),
        ("bob@example.org", "BOB@Example.ORG"),
        ("Ada.Lovelace@example.org", "ada.lovelace@EXAMPLE.org"),
        ("stra\u00dfe@example.org", "STRA\u1e9eE@example.org"),  # the capital sharp s
        ("όσος@example.org", "ΌΣΟΣ@example.org"),
        ("дмитрий@example.org", "ДМИТРИЙ@example.org"),
        ("jose\u0301@example.org", "JOSÉ@example.org"),
        ("ａｄａ@example.org", "ＡＤＡ@example.org"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("eve@BÜCHER.example", "eve@XN--BCHER-KVA.example"),
        ("kay@ｅｘａｍｐｌｅ.org", "kay@example.org"),
        ("ada@faß.example", "ADA@xn--fa-hia.example"),
        ("ada@例え.example", "ada@xn--r8jz45g.example"),
    ]:
        enroll(frontend, first)
        before = frontend.contents()
        with pytest.raises(EmailTaken):
            enroll(frontend, second, first_name="Somebody", last_name="Else")
        after = frontend.contents()
        assert after == before


def test_addresses_that_get_different_mail_are_different_people(frontend: LocalFrontend) -> None:
    emails = ["ada@example.org", "ada@example.com", "a.da@example.org", "ada+books@example.org", "àda@example.org"]
    emails += ["ada@desk.local", "ａｄａ@example.org"]
    emails += ["groß@example.org", "gross@example.org", "STRASSE@example.org", "straße@example.org"]
    emails += ["ada@faß.example", "ada@fass.example", "ada@fas.example"]
    emails += ["ﬁ@example.org", "fi@example.org", "ŉ@example.org", "\u02bcn@example.org"]
    emails += ["İ@example.org", "i@example.org", "ı@example.org"]
    emails += ["όσος@example.org", "όσοσ@example.org"]
    emails += ["ada@ελλάς.example", "ada@ελλάσ.example"]
    assert len({enroll(frontend, email).id for email in emails}) == len(emails)


def test_an_address_is_kept_as_it_is_written(frontend: LocalFrontend) -> None:
    assert enroll(frontend, "Groß.Ada+1@BÜCHER.example").email == "Groß.Ada+1@bücher.example"


def test_names_are_kept_as_people_write_them_without_the_space_around(frontend: LocalFrontend) -> None:
    user = enroll(frontend, first_name="  María José ", last_name=" O'Brien-Müller 三郎 ")
    assert (user.first_name, user.last_name) == ("María José", "O'Brien-Müller 三郎")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Jose\u0301", "José"),
        ("\u00a0\u2003\u3000Ada\u1680\t"[:-1], "Ada"),
        ("\u200bAda\u2060\u00ad ", "Ada"),
        ("نرگس\u200cخانم", "نرگس\u200cخانم"),  # a zero-width non-joiner is part of how it is written
        ("\u0dc1\u0dca\u200d\u0dbb\u0dd3", "\u0dc1\u0dca\u200d\u0dbb\u0dd3"),
        ("👩\u200d👩\u200d👧 ❤\ufe0f", "👩\u200d👩\u200d👧 ❤\ufe0f"),
        ("\u212bngström", "Ångström"),
    ],
)
def test_a_name_is_trimmed_and_in_one_form(frontend: LocalFrontend, written: str, kept: str) -> None:
    user = enroll(frontend, first_name=written, last_name="")
    assert (user.first_name, user.last_name) == (kept, "")


@pytest.mark.parametrize(("first", "last"), [("Suharto", ""), ("", "Suharto"), ("Suharto", " \u3000"), ("\u2003", "S")])
def test_one_name_is_enough(frontend: LocalFrontend, first: str, last: str) -> None:
    user = enroll(frontend, first_name=first, last_name=last)
    assert (user.first_name, user.last_name) == (first.strip(), last.strip())
    assert members.get_user(frontend.store, user.id) == user


def test_a_request_sent_again_returns_the_user_enrolled_first(frontend: LocalFrontend, clock: SettableClock) -> None:
    request_id = str(uuid4())
    first = enroll(frontend, request_id=request_id)
    frontend.borrow(frontend.book().id, first.id)
    before = frontend.contents()
    clock.advance(days=3)

    again = enroll(frontend, request_id=request_id)

    assert again == first, "the first answer, though the user has a loan since"
    assert frontend.contents() == before


def test_a_request_id_serves_one_request(frontend: LocalFrontend) -> None:
    request_id = str(uuid4())
    enroll(frontend, "ada@example.org", request_id=request_id)
    before = frontend.contents()
    for other in (
        {"email": "bob@example.org"},
        {"email": "Ada@example.org"},
        {"first_name": "Adah"},
        {"last_name": "Byron"},
    ):
        with pytest.raises(RequestIdReused) as refused:
            enroll(frontend, request_id=request_id, **other)
        assert refused.value.metadata == {"request_id": request_id}
    assert frontend.contents() == before


def test_a_refused_request_leaves_its_id_free(frontend: LocalFrontend) -> None:
    enroll(frontend)
    request_id = str(uuid4())
    with pytest.raises(EmailTaken):
        enroll(frontend, request_id=request_id)
    assert enroll(frontend, "bob@example.org", request_id=request_id).email == "bob@example.org"


def test_of_8_who_race_for_an_address_one_enrols(frontend: LocalFrontend) -> None:
    for number in range(20):
        # Each writes it in a case of its own.
        emails = [f"{'racer'[:i].upper()}{'racer'[i:]}{number}@example.org" for i in range(6)]
        emails += [f"racer{number}@EXAMPLE.org", f"racer{number}@Example.org"]

        outcomes = at_once(frontend.store, [partial(enroll, frontend, email) for email in emails])

        refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert [type(error) for error in refused] == [EmailTaken] * 7
    assert User.select().count() == 20
    frontend.check()


def test_8_copies_of_one_request_at_once_enrol_one_user_and_all_get_it(frontend: LocalFrontend) -> None:
    for number in range(20):
        email, request_id = f"ada{number}@example.org", str(uuid4())

        outcomes = at_once(frontend.store, [partial(enroll, frontend, email, request_id=request_id)] * 8)

        assert all(isinstance(outcome, user_pb2.User) for outcome in outcomes), outcomes
        assert all(outcome == outcomes[0] for outcome in outcomes)
    assert User.select().count() == 20
    frontend.check()


def test_of_8_requests_that_race_under_one_id_one_is_done(frontend: LocalFrontend) -> None:
    request_id = str(uuid4())
    emails = [f"racer{number}@example.org" for number in range(8)]

    calls = [partial(enroll, frontend, email, request_id=request_id) for email in emails]
    outcomes = at_once(frontend.store, calls)

    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert [type(error) for error in refused] == [RequestIdReused] * 7
    assert User.select().count() == 1
