"""Users are found, changed and closed, on both engines: by one caller, and by many at the same moment."""

from __future__ import annotations

from functools import partial

import pytest

from frontend_server.members import members
from frontend_server.store.models import User
from library.frontend.v1.member_service_pb2 import EnrollUserRequest, ListUsersRequest
from library.v1 import loan_pb2, user_pb2
from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED
from library_domain.errors import (
    EmailTaken,
    UserClosed,
    UserEtagMismatch,
    UserHasLoans,
    UserNotActive,
    UserNotFound,
)
from service_kit.clock import timestamp
from service_kit.errors import FieldInvalid
from service_kit.ids import new_id
from service_kit.revisions import Counter
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, at_once

NEWER_STATE = 77
"""Of a version that is not written yet."""


def enroll(frontend: LocalFrontend, email: str, first_name: str = "Ada", last_name: str = "Lovelace") -> user_pb2.User:
    request = EnrollUserRequest(email=email, first_name=first_name, last_name=last_name)
    return members.enroll_user(frontend.store, request, frontend.clock)


# --- finding ---

PEOPLE = {
    "ada": ("ada.byron@example.org", "Ada", "Lovelace"),
    "grace": ("grace@navy.example", "Grace Brewster", "Hopper"),
    "jose": ("pepe@example.org", "José", "Núñez Íñiguez"),
    "groß": ("groß@example.org", "Käthe", "Groß"),
    "suharto": ("s@example.org", "", "Suharto"),
    "saburo": ("saburo@example.org", "三郎", "徳川"),
    "vladimir": ("vova@example.org", "Владимир", "Набоков"),
    "long": ("long@example.org", "Wolfeschlegelsteinhausenbergerdorff", "W"),
    "other ada": ("ada.byron@example.org.uk", "Augusta", "Leigh"),
}
FINDS: list[tuple[str, set[str]]] = [
    ("Lovelace", {"ada"}),
    ("lace", {"ada"}),
    ("LOVE", {"ada"}),
    ("vela", {"ada"}),
    ("ada love", {"ada"}),
    ("love, ADA!", {"ada"}),
    ("ada hopper", set()),
    ("ace", {"ada", "grace"}),
    ("opp", {"grace"}),
    ("navy", {"grace"}),
    ("grace@navy", {"grace"}),
    ("avy.exam", {"grace"}),
    ("brewster hop", {"grace"}),
    ("jose", {"jose"}),
    ("NUNEZ", {"jose"}),
    ("ñe", {"jose"}),
    ("iguez", {"jose"}),
    ("pepe", {"jose"}),
    ("suharto", {"suharto"}),
    ("三郎", {"saburo"}),
    ("川", {"saburo"}),
    ("郎", {"saburo"}),
    ("набоков", {"vladimir"}),
    ("ДИМИР", {"vladimir"}),
    ("bergerdorff", {"long"}),
    ("Wolfeschlegelsteinhausenbergerdorff", {"long"}),
    ("ada.byron@example.org", {"ada"}),
    ("  ADA.Byron@EXAMPLE.org ", {"ada"}),
    ("ada.byron@example.or", {"ada", "other ada"}),
    ("ada.byron@example.org.uk", {"other ada"}),
    ("byron@example.org", {"ada", "other ada"}),
    ("gross@example.org", {"groß"}),  # nobody has this address, so its parts are looked for, without accents
    ("GROẞ@example.org", {"groß"}),
    ("nobody@example.org", set()),
    ("zzz", set()),
]


def test_users_are_found_by_parts_of_their_names_and_addresses(frontend: LocalFrontend) -> None:
    ids = {enroll(frontend, *person).id: name for name, person in PEOPLE.items()}
    for query, found in FINDS:
        assert {ids[user.id] for user in frontend.users(query)} == found, query
        assert {ids[user.id] for user in frontend.users(query, page_size=1)} == found, query
    assert [ids[user.id] for user in frontend.users()] == list(PEOPLE), "in the order of their enrolment"


@pytest.mark.parametrize("query", ["'", "?!", " ", '"', "* OR *", "a' | 'b", "a:*", "(", "a AND NOT b", "\\"])
def test_no_query_is_taken_for_the_engines_own_language(frontend: LocalFrontend, query: str) -> None:
    user = enroll(frontend, "ada@example.org", "Or", "B")
    if any(char.isalnum() for char in query):
        assert frontend.users(query) in ([], [user])
    else:
        with pytest.raises(FieldInvalid) as refused:
            frontend.users(query)
        assert [field for field, _ in refused.value.problems] == ["query"]


def test_pages_list_each_user_once_and_a_token_is_for_its_own_arguments(frontend: LocalFrontend) -> None:
    users = [frontend.user() for _ in range(7)]
    assert frontend.users(page_size=3) == users
    assert frontend.users("lovelace", page_size=2) == users
    request = ListUsersRequest(query="lovelace", page_size=2)
    _, token = members.list_users(frontend.store, request)
    for other in ({"query": "ada"}, {"query": "lovelace", "include_closed": True}, {}):
        with pytest.raises(FieldInvalid):
            members.list_users(frontend.store, ListUsersRequest(page_token=token, **other))


def test_closed_users_are_listed_only_when_asked_for(frontend: LocalFrontend) -> None:
    stays, leaves = enroll(frontend, "stays@example.org"), enroll(frontend, "leaves@example.org")
    closed = frontend.close(leaves.id)
    for query in ("", "lovelace", "leaves@example.org", "leaves"):
        assert leaves.id not in {user.id for user in frontend.users(query)}
        assert closed in frontend.users(query, include_closed=True)
    again = enroll(frontend, "leaves@example.org", "Somebody", "Else")
    assert frontend.users("leaves@example.org") == [again]
    assert frontend.users("leaves@example.org", include_closed=True, page_size=1) == [closed, again]
    assert frontend.users() == [stays, again]


# --- changing ---


def test_an_update_changes_what_its_mask_names_and_is_to_be_pushed(
    frontend: LocalFrontend, clock: SettableClock
) -> None:
    user = enroll(frontend, "ada@example.org", "Ada", "Byron")
    frontend.mark_all_pushed()
    clock.advance(days=1)

    changed = frontend.change(user.id, "last_name", first_name="X", last_name=" King\u2003", email="x@example.org")

    assert (changed.first_name, changed.last_name, changed.email) == ("Ada", "King", "ada@example.org")
    assert (changed.create_time, changed.update_time) == (user.create_time, timestamp(clock.now))
    assert changed.etag != user.etag
    assert members.get_user(frontend.store, user.id) == changed
    row = User.get()
    assert row.revision > row.pushed_revision
    assert frontend.users("king") == [changed]
    assert frontend.users("byron") == []


def test_without_a_mask_what_is_set_is_changed_and_a_star_changes_all(frontend: LocalFrontend) -> None:
    user = enroll(frontend, "ada@example.org", "Ada", "Byron")
    changed = frontend.change(user.id, first_name="Augusta")
    assert (changed.first_name, changed.last_name, changed.email) == ("Augusta", "Byron", "ada@example.org")
    changed = frontend.change(user.id, "*", last_name="King", email="A.King@example.org")
    assert (changed.first_name, changed.last_name, changed.email) == ("", "King", "A.King@example.org")
    assert frontend.users("a.king@example.org") == [changed]


def test_an_update_that_changes_nothing_leaves_the_user_as_it_is(frontend: LocalFrontend) -> None:
    user = frontend.user()
    frontend.mark_all_pushed()
    before = frontend.contents()
    assert frontend.change(user.id, "first_name", first_name=" Ada ", etag=user.etag) == user
    assert frontend.change(user.id) == user
    assert frontend.contents() == before


def test_a_parked_user_that_changes_is_pushed_again(frontend: LocalFrontend) -> None:
    user = frontend.user()
    with frontend.store.writing():
        User.update(park_reason="no").execute()
    frontend.change(user.id, first_name="Augusta")
    assert User.get().park_reason == ""


def test_one_of_two_names_may_become_empty(frontend: LocalFrontend) -> None:
    user = frontend.user()
    assert frontend.change(user.id, "first_name", first_name=" ").first_name == ""
    before = frontend.contents()
    for paths in (["last_name"], ["first_name", "last_name"], ["*"]):
        with pytest.raises(FieldInvalid) as refused:
            frontend.change(user.id, *paths, email="a@example.org")
        assert [field for field, _ in refused.value.problems] == ["user.first_name", "user.last_name"]
    assert frontend.contents() == before
    assert frontend.change(user.id, "first_name", "last_name", first_name="Ada").last_name == ""


def test_a_taken_address_stays_with_the_one_who_has_it(frontend: LocalFrontend) -> None:
    ada, bob = enroll(frontend, "ada@example.org"), enroll(frontend, "bob@example.org")
    before = frontend.contents()
    with pytest.raises(EmailTaken) as refused:
        frontend.change(bob.id, "email", email="ADA@example.org")
    assert refused.value.metadata == {}
    assert frontend.contents() == before
    assert frontend.change(ada.id, "email", email="ADA@Example.org").email == "ADA@example.org", "it is her own"
    frontend.change(ada.id, "email", email="countess@example.org")
    assert frontend.change(bob.id, "email", email="ada@example.org").email == "ada@example.org", "it is free by now"


def test_an_etag_lets_only_its_own_version_be_changed(frontend: LocalFrontend, clock: SettableClock) -> None:
    user = frontend.user()
    frontend.borrow(frontend.book().id, user.id)
    changed = frontend.change(user.id, first_name="Augusta", etag=user.etag)  # a loan is not a change of the user
    clock.advance(days=1)
    before = frontend.contents()
    for call in (partial(frontend.change, user.id, first_name="B"), partial(frontend.close, user.id)):
        with pytest.raises(UserEtagMismatch) as refused:
            call(etag=user.etag)
        assert refused.value.metadata == {"user_id": user.id}
    assert frontend.contents() == before
    assert frontend.change(user.id, first_name="B", etag=changed.etag).first_name == "B"


def test_an_etag_of_a_lost_past_is_not_valid_for_the_same_revision(
    frontend: LocalFrontend, clock: SettableClock
) -> None:
    """A store that was restored from a backup takes the same revisions a second time."""
    user = frontend.user()
    with frontend.store.reading():
        before = Counter.get().revision
    lost = frontend.change(user.id, first_name="Augusta", etag=user.etag)
    with frontend.store.writing():
        Counter.update(revision=before).execute()
    clock.advance(seconds=1)
    frontend.change(user.id, first_name="Ada Augusta", etag=lost.etag)
    with pytest.raises(UserEtagMismatch):
        frontend.change(user.id, first_name="B", etag=lost.etag)


def test_nobody_is_changed_or_closed_who_is_not_there(frontend: LocalFrontend) -> None:
    nobody = new_id()
    for call in (partial(frontend.change, nobody, first_name="A"), partial(frontend.close, nobody)):
        with pytest.raises(UserNotFound):
            call()


def test_of_8_updates_of_one_version_one_is_made(frontend: LocalFrontend) -> None:
    user = frontend.user()
    for _ in range(10):
        calls = [partial(frontend.change, user.id, last_name=f"Of {new_id()}", etag=user.etag) for _ in range(8)]
        outcomes = at_once(frontend.store, calls)
        [won] = [outcome for outcome in outcomes if isinstance(outcome, user_pb2.User)]
        assert [type(each) for each in outcomes if each is not won] == [UserEtagMismatch] * 7
        user = members.get_user(frontend.store, user.id)
        assert user == won
    frontend.check()


def test_of_8_who_want_one_address_one_gets_it(frontend: LocalFrontend) -> None:
    users = [frontend.user() for _ in range(8)]
    for number in range(10):
        email = f"wanted{number}@example.org"
        outcomes = at_once(frontend.store, [partial(frontend.change, each.id, email=email) for each in users])
        assert sorted(type(each).__name__ for each in outcomes) == ["EmailTaken"] * 7 + ["User"]
    frontend.check()


# --- closing ---


def test_a_closed_account_stays_as_it_was_and_its_address_is_free(
    frontend: LocalFrontend, clock: SettableClock
) -> None:
    user = enroll(frontend, "ada@example.org")
    loan = frontend.borrow(frontend.book().id, user.id)
    frontend.bring_back(loan.id)
    frontend.mark_all_pushed()
    clock.advance(days=1)

    closed = frontend.close(user.id, etag=user.etag)

    assert (closed.state, closed.email, closed.update_time) == (USER_STATE_CLOSED, user.email, timestamp(clock.now))
    row = User.get(User.id == user.id)
    assert row.revision > row.pushed_revision
    assert members.get_user(frontend.store, user.id) == closed
    before = frontend.contents()
    assert frontend.close(user.id) == frontend.close(user.id, etag="of long ago") == closed
    with pytest.raises(UserClosed):
        frontend.change(user.id, first_name="Augusta")
    assert frontend.contents() == before
    again = enroll(frontend, "ADA@example.org")
    assert again.id != user.id
    with pytest.raises(EmailTaken):
        enroll(frontend, "ada@example.org")
    frontend.close(again.id)
    assert enroll(frontend, "ada@example.org").state == USER_STATE_ACTIVE, "as often as one likes"


def test_an_account_with_loans_out_is_not_closed(frontend: LocalFrontend) -> None:
    user, book = frontend.user(), frontend.book(copies=2)
    loans = [frontend.borrow(book.id, user.id) for _ in range(2)]
    for count in (2, 1):
        before = frontend.contents()
        with pytest.raises(UserHasLoans) as refused:
            frontend.close(user.id)
        assert refused.value.metadata == {"user_id": user.id, "active_loan_count": str(count)}
        assert frontend.contents() == before
        frontend.bring_back(loans.pop().id)
    assert frontend.close(user.id).state == USER_STATE_CLOSED


@pytest.mark.parametrize(
    ("state", "error"), [(USER_STATE_CLOSED, UserClosed), (NEWER_STATE, UserNotActive), (0, UserNotActive)]
)
def test_who_is_not_active_neither_borrows_nor_renews_but_returns(
    frontend: LocalFrontend, clock: SettableClock, state: int, error: type[Exception]
) -> None:
    user, book = frontend.user(), frontend.book(copies=200)
    loan = frontend.borrow(book.id, user.id, 1)
    frontend.set_state(user.id, state)
    before = frontend.contents()
    with pytest.raises(error) as refused:
        frontend.borrow(book.id, user.id)
    assert refused.value.metadata["user_id"] == user.id  # type: ignore[attr-defined]
    with pytest.raises(error):
        frontend.renew(loan.id, 7)
    assert frontend.contents() == before
    clock.advance(days=3)
    assert frontend.bring_back(loan.id).fine.units == 0
    frontend.check()


def test_a_user_in_an_unknown_state_can_be_changed_and_closed(frontend: LocalFrontend) -> None:
    user = frontend.user()
    frontend.set_state(user.id, NEWER_STATE)
    assert frontend.change(user.id, first_name="Augusta").state == NEWER_STATE
    assert frontend.close(user.id).state == USER_STATE_CLOSED


def test_a_full_and_closed_user_is_closed_and_a_missing_book_comes_first(frontend: LocalFrontend) -> None:
    user, book = frontend.user(), frontend.book()
    frontend.rules = type(frontend.rules)(loan_limit=0, daily_fine=frontend.rules.daily_fine)
    frontend.set_state(user.id, USER_STATE_CLOSED)
    with pytest.raises(UserClosed):
        frontend.borrow(book.id, user.id)
    with pytest.raises(Exception, match="No book"):
        frontend.borrow(new_id(), user.id)


def test_who_borrows_while_the_account_is_closed_has_a_loan_or_a_closed_account(frontend: LocalFrontend) -> None:
    book = frontend.book(copies=500)
    for _ in range(30):
        user = frontend.user()
        borrows = [partial(frontend.borrow, book.id, user.id) for _ in range(4)]
        closes = [partial(frontend.close, user.id) for _ in range(4)]

        outcomes = at_once(frontend.store, [call for pair in zip(closes, borrows, strict=True) for call in pair])

        loans = [each for each in outcomes if isinstance(each, loan_pb2.Loan)]
        closed = [each for each in outcomes if isinstance(each, user_pb2.User)]
        refusals = {type(each) for each in outcomes if isinstance(each, Exception)}
        if loans:
            assert (len(loans), closed, refusals) == (4, [], {UserHasLoans})
            assert members.get_user(frontend.store, user.id).state == USER_STATE_ACTIVE
        else:
            assert (len(closed), refusals) == (4, {UserClosed})
    frontend.check()


def test_borrowing_at_the_limit_while_books_come_back_has_a_loan_or_a_reason(frontend: LocalFrontend) -> None:
    # On PostgreSQL a return can commit after the limit refused a borrow and before the reason is read.
    frontend.rules = type(frontend.rules)(loan_limit=1, daily_fine=frontend.rules.daily_fine)
    user, book = frontend.user(), frontend.book(copies=100)

    def come_and_go() -> set[str]:
        seen = set()
        for _ in range(25):
            try:
                loan = frontend.borrow(book.id, user.id)
            except Exception as error:  # noqa: BLE001 - the test is to see any error
                seen.add(type(error).__name__)
            else:
                seen.add("Loan")
                frontend.bring_back(loan.id)
        return seen

    outcomes = at_once(frontend.store, [come_and_go] * 6)

    assert all(isinstance(outcome, set) for outcome in outcomes), outcomes
    seen = {each for outcome in outcomes if isinstance(outcome, set) for each in outcome}
    assert "Loan" in seen
    assert seen <= {"Loan", "LoanLimitReached"}
    frontend.check()
