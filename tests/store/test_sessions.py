"""Sessions: refreshing and ending them, on both engines, with a test's clock."""

from __future__ import annotations

from functools import partial

import pytest

from frontend_server.access import reset_codes
from frontend_server.access.cleanup import Cleanup
from frontend_server.access.sessions import GRACE, LIFE, MOST_SESSIONS, read_token
from frontend_server.store.models import Session, SignInTally
from library.access.v1 import access_service_pb2 as pb
from library.access.v1.access_pb2 import ROLE_LIBRARIAN, ROLE_PATRON
from library_domain.access.callers import Caller
from library_domain.access.errors import SessionEnded, SignInFailed
from service_kit import cleanups
from service_kit.clock import SECOND, micros
from service_kit.ids import new_id
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, at_once
from tests.support.sign_ins import SignIns

WRONG = "not the password"


@pytest.fixture
def desk(frontend: LocalFrontend) -> SignIns:
    return SignIns(frontend)


def test_a_refresh_replaces_the_token_and_an_old_one_ends_the_session(desk: SignIns, clock: SettableClock) -> None:
    user = desk.member()
    first, other = desk.enter(user.email), desk.enter(user.email)
    clock.advance(days=1)
    second = desk.refresh(first)
    assert second.id == first.id
    assert second.refresh_token != first.refresh_token
    assert micros(second.refresh_expire_time) == clock.now + LIFE
    clock.advance(seconds=GRACE / SECOND)
    assert desk.refresh(first).refresh_token == second.refresh_token, "the answer may have been lost"
    third = desk.refresh(second)
    for stolen in (first, second):  # the older one, and then also the newest of the session
        clock.advance(seconds=GRACE / SECOND + 1)
        with pytest.raises(SessionEnded):
            desk.refresh(stolen)
    with pytest.raises(SessionEnded):
        desk.refresh(third)
    assert not desk.is_live(third)
    assert desk.is_live(other)


def test_a_token_replaced_a_while_ago_ends_the_session(desk: SignIns, clock: SettableClock) -> None:
    first = desk.enter(desk.member().email)
    second = desk.refresh(first)
    clock.advance(seconds=GRACE / SECOND + 1)
    with pytest.raises(SessionEnded):
        desk.refresh(first)
    with pytest.raises(SessionEnded):
        desk.refresh(second)


def test_refreshes_at_once_all_get_the_same_token(desk: SignIns) -> None:
    session = desk.enter(desk.member().email)
    for _ in range(3):
        refreshed = at_once(desk.store, [partial(desk.refresh, session) for _ in range(6)])
        assert [each for each in refreshed if isinstance(each, Exception)] == []
        assert len({each.refresh_token for each in refreshed if isinstance(each, pb.Session)}) == 1
        last = refreshed[0]
        assert isinstance(last, pb.Session)
        session = last


def test_tokens_that_somebody_makes_up_do_not_wait_for_the_writer(
    desk: SignIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a guest could keep all calls waiting that change something, without signing in."""
    session = desk.enter(desk.member().email)
    desk.sessions.end(session.refresh_token)
    made_up = f"{new_id().replace('-', '')}.{'x' * 43}"

    def fail(_store: object) -> None:
        raise AssertionError("a transaction that may write")

    monkeypatch.setattr(type(desk.store), "writing", fail)
    for token in (made_up, session.refresh_token, "no token"):
        with pytest.raises(SessionEnded):
            desk.sessions.refresh(token)
        assert desk.sessions.end(token) == ""


def test_a_session_ends_by_its_newest_tokens_by_time_and_with_its_user(desk: SignIns, clock: SettableClock) -> None:
    user = desk.member()
    session = desk.enter(user.email)
    token = read_token(session.refresh_token)
    assert token is not None
    assert token.secret not in repr(token)
    for unknown in ("", "garbage", f"{'0' * 32}.{token.secret}", f"{str(token)[:32]}.{'A' * 43}"):
        assert desk.sessions.end(unknown) == ""
    assert desk.is_live(session)
    assert desk.sessions.end(session.refresh_token) == user.id
    assert desk.sessions.end(session.refresh_token) == ""
    with pytest.raises(SessionEnded):
        desk.refresh(session)

    expired = desk.enter(user.email)
    clock.advance(days=30)
    with pytest.raises(SessionEnded):
        desk.refresh(expired)

    ended = desk.enter(user.email)
    reset_codes.end_user_sessions(desk.store, user.id, Caller(ROLE_PATRON, user_id=user.id), desk.clock)
    closed = desk.enter(user.email)
    desk.frontend.close(user.id)
    for each in (ended, closed):
        assert not desk.is_live(each)
        with pytest.raises(SessionEnded):
            desk.refresh(each)


def test_a_user_has_few_sessions_and_cleanups_delete_the_rest(desk: SignIns, clock: SettableClock) -> None:
    user = desk.member()
    first = desk.enter(user.email)
    desk.refresh(first)
    clock.advance(seconds=1)
    second = desk.enter(user.email)
    clock.advance(seconds=1)
    with desk.store.writing():
        for _ in range(MOST_SESSIONS - 2):
            desk.sessions.begin(user.id)
    assert desk.is_live(first)
    clock.advance(seconds=1)
    assert desk.is_live(desk.enter(user.email))
    assert [desk.is_live(each) for each in (first, second)] == [False, True]
    with pytest.raises(SignInFailed):
        desk.enter("nobody@example.org", WRONG)
    tallies = SignInTally.select().count()
    clock.advance(seconds=1)
    assert Cleanup(desk.store, desk.clock).run() == 1  # the session that ended
    clock.advance(days=31)
    assert Cleanup(desk.store, desk.clock).run() == MOST_SESSIONS + tallies - 1
    assert [row.is_known for row in SignInTally.select()] == [1]
    clock.advance(days=150)
    assert Cleanup(desk.store, desk.clock).run() == 1
    assert Session.select().count() == 0


def test_a_backlog_of_failures_is_deleted_soon(
    desk: SignIns, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of sign-ins for ever new names makes more rows in a minute than one cleanup deletes."""
    monkeypatch.setattr(cleanups, "BACKLOG_SECONDS", 0.0)
    old = [{"subject": f"{number}", "failures": 1.0, "time": clock.now, "is_known": 0} for number in range(501)]
    with desk.store.writing():
        SignInTally.insert_many(old).execute()
    clock.advance(days=2)
    deleting = Cleanup(desk.store, desk.clock)
    deleting.run_if_due()
    assert SignInTally.select().count() == 1
    deleting.run_if_due()
    assert SignInTally.select().count() == 0


def test_a_session_of_an_account_that_is_not_active_is_not_refreshed(desk: SignIns) -> None:
    user = desk.member()
    session = desk.enter(user.email)
    desk.frontend.set_state(user.id, 99)  # of a newer version
    with pytest.raises(SessionEnded):
        desk.refresh(session)


def test_a_session_that_a_pin_opened_does_not_get_a_role(desk: SignIns) -> None:
    with_pin, with_password = desk.member("774913"), desk.member()
    opened, kept = desk.enter(with_pin.email, "774913"), desk.enter(with_password.email)
    for user in (with_pin, with_password):
        desk.grant(user.id, ROLE_LIBRARIAN)
    assert not desk.is_live(opened)
    with pytest.raises(SessionEnded):
        desk.refresh(opened)
    assert desk.refresh(kept).role == ROLE_LIBRARIAN
    desk.grant(with_pin.id, ROLE_PATRON)
    with pytest.raises(SignInFailed):
        desk.enter(with_pin.email, "774913")
