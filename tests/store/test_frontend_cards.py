"""Cards, categories and groups of users, users without an e-mail address, and blocks by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from frontend_server.members import blocks, members
from frontend_server.repair import find_damage, repair
from frontend_server.store.models import User
from library.frontend.v1.member_service_pb2 import BlockUserRequest, EnrollUserRequest, UnblockUserRequest
from library.v1 import user_pb2
from library_domain.barcodes import card_number
from library_domain.errors import BlockNotFound, CardNumberTaken, EmailTaken, UserClosed, UserNotFound
from library_domain.users import FOREVER
from service_kit.clock import DAY, timestamp
from service_kit.errors import FieldInvalid, ServiceError
from service_kit.ids import new_id
from service_kit.revisions import Counter
from service_kit.series import SERIES_ID, series_problems
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, at_once


def person(frontend: LocalFrontend, first_name: str = "Ada", **fields: object) -> user_pb2.User:
    return frontend.enroll(EnrollUserRequest(first_name=first_name, **fields))  # type: ignore[arg-type]


def block(frontend: LocalFrontend, user_id: str, end: int = 0, request_id: str = "") -> user_pb2.User:
    request = BlockUserRequest(user_id=user_id, reason=" Damaged book ", request_id=request_id)
    if end:
        request.end_time.CopyFrom(timestamp(end))
    return blocks.block_user(frontend.store, request, frontend.clock)


def unblock(frontend: LocalFrontend, user_id: str, block_id: str) -> user_pb2.User:
    return blocks.unblock_user(frontend.store, UnblockUserRequest(user_id=user_id, block_id=block_id), frontend.clock)


def reasons(call: Callable[[], object]) -> list[str]:
    """All reasons for which a call is refused."""
    with pytest.raises(ServiceError) as refused:
        call()
    return [refused.value.reason, *(each.reason for each in refused.value.further)]


def test_users_without_an_address_enrol_and_a_second_one_does_too(frontend: LocalFrontend) -> None:
    first, second = person(frontend), person(frontend, "Ben")
    assert (first.email, second.email) == ("", "")
    assert first.card_number != second.card_number
    assert frontend.change(first.id, "email", email="ada@example.org").email == "ada@example.org"
    assert frontend.change(first.id, "email").email == ""
    assert person(frontend, "Cleo", email="ADA@example.org").email == "ADA@example.org"


def test_a_card_number_is_kept_in_its_normal_form_and_is_unique_among_all_users(frontend: LocalFrontend) -> None:
    user = person(frontend, card_number=" abc-1 ")
    assert user.card_number == "ABC-1"
    frontend.close(user.id)
    with pytest.raises(CardNumberTaken):
        person(frontend, card_number="Abc-1")
    other = person(frontend)
    with pytest.raises(CardNumberTaken):
        frontend.change(other.id, "card_number", card_number="abc-1")
    assert frontend.change(other.id, "card_number", card_number="abc-2").card_number == "ABC-2"
    assert person(frontend, card_number=other.card_number).card_number == other.card_number


def test_a_taken_card_and_a_taken_address_are_both_reported(frontend: LocalFrontend) -> None:
    person(frontend, card_number="1", email="ada@example.org")
    other = person(frontend, "Ben")
    both = {"card_number": "1", "email": "ada@example.org"}
    assert reasons(lambda: person(frontend, "Cleo", **both)) == ["CARD_NUMBER_TAKEN", "EMAIL_TAKEN"]
    assert reasons(lambda: frontend.change(other.id, *both, **both)) == ["CARD_NUMBER_TAKEN", "EMAIL_TAKEN"]


def test_numbers_of_the_series_that_users_have_are_skipped(frontend: LocalFrontend) -> None:
    for number in (1, 2, 4):
        person(frontend, card_number=card_number(number))
    assert [person(frontend).card_number for _ in range(2)] == [card_number(3), card_number(5)]


def test_a_lost_series_is_found_and_repaired(frontend: LocalFrontend) -> None:
    """Without it, nobody could enrol."""
    for _ in range(3):
        person(frontend)
    with frontend.store.writing():
        Counter.delete().where(Counter.id == SERIES_ID).execute()
    with frontend.store.reading():
        assert "the series" in "; ".join(find_damage(frontend.store))
    with frontend.store.writing():
        repair(frontend.store)
        assert not series_problems()
        assert Counter.get_by_id(SERIES_ID).revision == 3, "after as many numbers as are in use"
    assert person(frontend).card_number == card_number(4)


def test_of_enrolments_with_one_card_at_once_one_wins(frontend: LocalFrontend) -> None:
    request = EnrollUserRequest(first_name="Ada", card_number="777")
    enrol = partial(members.enroll_user, frontend.store, request, frontend.clock)
    outcomes = at_once(frontend.store, [enrol] * 6)
    assert sorted(type(each).__name__ for each in outcomes) == ["CardNumberTaken"] * 5 + ["User"]
    assert User.select().count() == 1


def test_users_who_exchange_cards_and_addresses_at_once_wait_for_nobody(frontend: LocalFrontend) -> None:
    one = person(frontend, card_number="1", email="one@example.org")
    two = person(frontend, card_number="2", email="two@example.org")
    fields = ("card_number", "email")
    for _ in range(5):
        outcomes = at_once(
            frontend.store,
            [
                partial(frontend.change, one.id, *fields, card_number="2", email="two@example.org"),
                partial(frontend.change, two.id, *fields, card_number="1", email="one@example.org"),
            ],
        )
        assert {type(each) for each in outcomes} == {CardNumberTaken}


def test_generated_numbers_at_once_differ_also_from_one_that_is_given(frontend: LocalFrontend) -> None:
    given = [EnrollUserRequest(first_name="Ada", card_number=card_number(number)) for number in (2, 5)]
    made = [EnrollUserRequest(first_name="Ben")] * 6
    calls = [partial(members.enroll_user, frontend.store, each, frontend.clock) for each in (*made, *given)]
    outcomes = at_once(frontend.store, calls)
    assert all(isinstance(each, user_pb2.User) for each in outcomes[:6]), outcomes
    users = [each for each in outcomes if isinstance(each, user_pb2.User)]
    assert len({each.card_number for each in users}) == len(users) >= 6


def test_own_fields_are_stored_changed_and_cleared(frontend: LocalFrontend, clock: SettableClock) -> None:
    fields = {"user_category": "Student", "group": "4b", "branch": "main", "note": "Reads large print"}
    user = person(frontend, expire_time=timestamp(clock.now + DAY), **fields)
    assert user == members.get_user(frontend.store, user.id)
    assert [getattr(user, name) for name in fields] == list(fields.values())
    assert user.expire_time == timestamp(clock.now + DAY)

    changed = frontend.change(user.id, "*", first_name="Ada", user_category="Staff")
    assert (changed.user_category, changed.group, changed.note) == ("Staff", "", "")
    assert not changed.HasField("expire_time")
    assert changed.card_number == user.card_number
    assert changed.etag != user.etag
    assert members.get_user(frontend.store, user.id) == changed


def test_users_are_found_by_card_category_and_group(frontend: LocalFrontend) -> None:
    ada = person(frontend, card_number="20001000000012", user_category="Student", group="4b")
    ben = person(frontend, "Ben 20001000000012", card_number="B-7", user_category="STUDENT", group="4a")
    found = {
        "card": frontend.users("20001000000012"),
        "beginning of the card": frontend.users("20001"),
        "other case": frontend.users("b-7"),
        "card filter": frontend.users(card_number=" b-7"),
        "category": frontend.users(user_category="student"),
        "group": frontend.users(group="4B"),
        "both": frontend.users("ada", group="4a"),
    }
    assert found == {
        "card": [ada],
        "beginning of the card": [ada, ben],
        "other case": [ben],
        "card filter": [ben],
        "category": [ada, ben],
        "group": [ada],
        "both": [],
    }


def test_a_block_is_in_force_until_its_end_or_until_it_is_lifted(frontend: LocalFrontend, clock: SettableClock) -> None:
    user = person(frontend)
    first = block(frontend, user.id, end=clock.now + DAY)
    assert [(each.reason, each.end_time) for each in first.blocks] == [("Damaged book", timestamp(clock.now + DAY))]
    assert User.get().blocked_until == clock.now + DAY
    second = block(frontend, user.id)
    assert User.get().blocked_until == FOREVER
    assert members.get_user(frontend.store, user.id) == second
    assert User.get().revision != User.get().pushed_revision

    lifted = unblock(frontend, user.id, second.blocks[1].id)
    assert list(lifted.blocks) == list(first.blocks)
    assert User.get().blocked_until == clock.now + DAY
    with pytest.raises(BlockNotFound):
        unblock(frontend, user.id, second.blocks[1].id)
    clock.advance(days=2)
    assert len(block(frontend, user.id).blocks) == 1, "the one that has ended is removed"
    [last] = members.get_user(frontend.store, user.id).blocks
    assert not unblock(frontend, user.id, last.id).blocks
    assert (User.get().blocks, User.get().blocked_until) == (None, 0)


def test_a_block_is_made_once_by_its_request_id(frontend: LocalFrontend) -> None:
    user, request_id = person(frontend), new_id()
    assert block(frontend, user.id, request_id=request_id) == block(frontend, user.id, request_id=request_id)
    assert len(members.get_user(frontend.store, user.id).blocks) == 1


def test_who_cannot_be_blocked(frontend: LocalFrontend, clock: SettableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    user = person(frontend)
    with pytest.raises(FieldInvalid, match="end_time: must be a time to come"):
        block(frontend, user.id, end=clock.now)
    with pytest.raises(UserNotFound):
        block(frontend, new_id())
    monkeypatch.setattr(blocks, "MOST_BLOCKS", 1)
    block(frontend, user.id, end=clock.now + DAY)
    with pytest.raises(FieldInvalid, match="user_id: has 1 blocks in force"):
        block(frontend, user.id)
    clock.advance(days=2)
    block(frontend, user.id)
    frontend.close(user.id)
    with pytest.raises(UserClosed):
        block(frontend, user.id)


def test_a_whole_update_of_an_older_client_keeps_the_address_of_nobody_else(frontend: LocalFrontend) -> None:
    user = person(frontend, email="ada@example.org")
    with pytest.raises(EmailTaken):
        person(frontend, "Ben", email="Ada@example.org")
    frontend.close(user.id)
    assert person(frontend, "Ben", email="Ada@example.org").email == "Ada@example.org"
