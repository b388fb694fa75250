"""Signing in, setting secrets, sessions: the use cases on both engines, with cheap hashes and a test's clock."""

from __future__ import annotations

from functools import partial

import pytest

from frontend_server.access import reset_codes, throttle
from frontend_server.access.accounts import StoredAccounts
from frontend_server.access.cleanup import Cleanup
from frontend_server.access.passwords import HashCost
from frontend_server.access.sessions import GRACE, LIFE, MOST_SESSIONS, read_token
from frontend_server.members import privacy
from frontend_server.store.models import Credential, Session, SignInTally
from library.access.v1 import access_service_pb2 as pb
from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_LIBRARIAN, ROLE_MANAGER, ROLE_PATRON
from library.frontend.v1.member_service_pb2 import EnrollUserRequest, EraseUserRequest, ExportUserRequest, StoredSignIn
from library_domain.access.callers import Caller
from library_domain.access.errors import RoleRequired, SessionEnded, SignInFailed, SignInThrottled
from library_domain.errors import UserClosed, UserNotFound
from service_kit.clock import SECOND, micros
from service_kit.errors import FieldInvalid
from service_kit.ids import new_id
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, at_once
from tests.support.sign_ins import AWAY, HOME, PASSWORD, SignIns

WRONG = "not the password"


@pytest.fixture
def desk(frontend: LocalFrontend) -> SignIns:
    return SignIns(frontend)


def is_live(desk: SignIns, session: pb.Session) -> bool:
    return StoredAccounts(desk.store).is_live(session.id)


# --- signing in ---


def test_a_user_signs_in_by_address_or_card_in_any_spelling(desk: SignIns, clock: SettableClock) -> None:
    user = desk.member()
    for name in (user.email, user.email.upper(), f" {user.card_number} "):
        session = desk.enter(name)
        assert (session.user_id, session.role) == (user.id, ROLE_PATRON)
        assert micros(session.access_expire_time) == clock.now + 15 * 60 * SECOND
        assert micros(session.refresh_expire_time) == clock.now + LIFE
        assert is_live(desk, session)
    assert desk.enter(user.email, "a quiet \uff48arbour").user_id == user.id, "the same text after NFKC"
    stored = str(desk.frontend.contents())
    for text in (session.refresh_token.partition(".")[2], session.access_token, PASSWORD, HOME):
        assert text not in stored


def test_a_wrong_secret_and_an_unknown_name_get_the_same_answer_after_one_hash(
    desk: SignIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dummy hash of a name that nobody has costs what a user's own hash costs."""
    user, closed, without = desk.member(), desk.member(), desk.frontend.user()
    desk.frontend.close(closed.id)
    verified: list[str] = []
    hasher = desk.passwords._hasher
    monkeypatch.setattr(desk.passwords, "_hasher", Noting(hasher, verified))
    errors = []
    for name in (user.email, "nobody@example.org", "no address", "\u2800", closed.card_number, without.email):
        with pytest.raises(SignInFailed) as error:
            desk.enter(name, WRONG)
        errors.append((str(error.value), dict(error.value.metadata), type(error.value.__cause__)))
    assert len(set(map(str, errors))) == 1
    assert len(verified) == 6
    costs = {hash_text.rsplit("$", 2)[0] for hash_text in verified}
    assert costs == {"$argon2id$v=19$m=8,t=1,p=1"}


class Noting:
    """A hasher that notes what it verifies."""

    def __init__(self, hasher: object, verified: list[str]) -> None:
        self._hasher, self._verified = hasher, verified

    def verify(self, hash_text: str, secret: str) -> object:
        self._verified.append(hash_text)
        return self._hasher.verify(hash_text, secret)  # type: ignore[attr-defined]


def test_a_pin_signs_in_patrons_only(desk: SignIns) -> None:
    user = desk.member("285714")
    assert desk.enter(user.card_number, "285714").role == ROLE_PATRON
    desk.grant(user.id, ROLE_LIBRARIAN)
    with pytest.raises(SignInFailed):
        desk.enter(user.card_number, "285714")
    with pytest.raises(FieldInvalid, match="PIN is for patrons"):
        desk.set_by_code(user, "285714")
    desk.set_by_code(user)
    assert desk.enter(user.card_number).role == ROLE_LIBRARIAN
    desk.grant(user.id, ROLE_PATRON)
    assert desk.enter(user.card_number).role == ROLE_PATRON


def test_a_hash_of_another_cost_is_replaced_at_the_next_sign_in(desk: SignIns) -> None:
    user = desk.member()
    dearer = SignIns(desk.frontend, HashCost(memory_kib=16, time_cost=1))
    outcomes = at_once(desk.store, [partial(dearer.enter, user.email) for _ in range(4)])
    assert [each for each in outcomes if isinstance(each, Exception)] == []
    assert "m=16," in Credential.get().secret_hash
    assert desk.enter(user.email)


# --- secrets ---


def test_a_secret_is_set_with_the_present_one_and_ends_all_sessions(desk: SignIns) -> None:
    user = desk.member()
    session = desk.enter(user.email)
    with pytest.raises(SignInFailed):
        desk.set(user.email, WRONG, "another harbour")
    assert is_live(desk, session)
    desk.set(user.email, PASSWORD, "another harbour")
    assert not is_live(desk, session)
    with pytest.raises(SessionEnded):
        desk.refresh(session)
    with pytest.raises(SignInFailed):
        desk.enter(user.email)
    assert desk.enter(user.email, "another harbour")


def test_a_reset_code_works_once_for_a_day_and_replaces_the_one_before(desk: SignIns, clock: SettableClock) -> None:
    user = desk.frontend.user()
    first, code = desk.code(user.id), desk.code(user.id)
    assert code not in str(desk.frontend.contents())
    with pytest.raises(SignInFailed):
        desk.set(user.email, first)
    with pytest.raises(SignInFailed):
        desk.enter(user.email, code)
    desk.set(user.email, code.lower().replace("-", " "))
    assert desk.enter(user.email)
    with pytest.raises(SignInFailed):
        desk.set(user.email, code)
    late = desk.code(user.id)
    clock.advance(days=1)
    with pytest.raises(SignInFailed):
        desk.set(user.email, late)


def test_a_code_used_twice_at_once_sets_one_secret(desk: SignIns) -> None:
    for _ in range(3):
        user = desk.frontend.user()
        code = desk.code(user.id)
        secrets = [f"a harbour with {number} boats" for number in range(4)]
        outcomes = at_once(desk.store, [partial(desk.set, user.email, code, secret) for secret in secrets])
        won = [secret for secret, outcome in zip(secrets, outcomes, strict=True) if outcome == user.id]
        assert len(won) == 1, outcomes
        assert desk.enter(user.email, won[0])


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("ninechars", "at least 10 characters"),
        ("12345", "at least 10 characters"),
        ("123456", "many people choose"),
        ("111111", "many people choose"),
        ("909090", "many people choose"),
        ("Password123", "many people choose"),
        ("aaaaaaaaaaaa", "many people choose"),
        ("Ada Lovelace", "must not be a name"),
        ("PATRON1@example.org", "must not be a name"),
    ],
)
def test_a_secret_that_many_people_choose_is_refused(desk: SignIns, secret: str, problem: str) -> None:
    user = desk.frontend.user()
    code = desk.code(user.id)
    with pytest.raises(FieldInvalid, match=problem) as error:
        desk.set(user.email, code, secret)
    assert secret not in str(error.value)
    desk.set(user.email, code)  # the code was not used up


def test_a_code_is_for_users_below_the_caller(desk: SignIns) -> None:
    librarian = Caller(ROLE_LIBRARIAN, user_id=new_id())
    ada, ben = desk.frontend.user(), desk.frontend.user()
    desk.grant(ben.id, ROLE_LIBRARIAN)
    assert desk.code(ada.id, librarian)
    for user_id, caller in ((ben.id, librarian), (ben.id, Caller(ROLE_LIBRARIAN, user_id=ben.id))):
        with pytest.raises(RoleRequired) as error:
            desk.code(user_id, caller)
        assert error.value.metadata == {"required_role": "manager", "role": "librarian"}
    with pytest.raises(RoleRequired):
        reset_codes.end_user_sessions(desk.store, ben.id, librarian, desk.clock)
    reset_codes.end_user_sessions(desk.store, ben.id, Caller(ROLE_LIBRARIAN, user_id=ben.id), desk.clock)
    assert desk.code(ben.id, Caller(ROLE_MANAGER))
    desk.grant(ben.id, ROLE_ADMIN)
    assert desk.code(ben.id, Caller(ROLE_ADMIN))
    with pytest.raises(UserNotFound):
        desk.code(new_id())
    desk.frontend.close(ada.id)
    with pytest.raises(UserClosed):
        desk.code(ada.id)


# --- sessions ---


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
    assert not is_live(desk, third)
    assert is_live(desk, other)


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


def test_a_session_ends_by_its_newest_tokens_by_time_and_with_its_user(desk: SignIns, clock: SettableClock) -> None:
    user = desk.member()
    session = desk.enter(user.email)
    token = read_token(session.refresh_token)
    assert token is not None
    assert token.secret not in repr(token)
    for unknown in ("", "garbage", f"{'0' * 32}.{token.secret}", f"{str(token)[:32]}.{'A' * 43}"):
        assert desk.sessions.end(unknown) == ""
    assert is_live(desk, session)
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
        assert not is_live(desk, each)
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
    assert is_live(desk, first)
    clock.advance(seconds=1)
    assert is_live(desk, desk.enter(user.email))
    assert [is_live(desk, each) for each in (first, second)] == [False, True]
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


# --- failures ---


def test_failures_have_to_wait_and_a_known_address_is_counted_apart(desk: SignIns, clock: SettableClock) -> None:
    user = desk.member()
    desk.enter(user.email, address=HOME)
    for _ in range(10):
        with pytest.raises(SignInFailed):
            desk.enter(user.email, WRONG, AWAY)
    before = desk.frontend.contents()
    for name in (user.email, user.card_number):
        with pytest.raises(SignInThrottled) as error:
            desk.enter(name, address=AWAY)
        assert error.value.metadata == {"seconds": "1"}
    assert desk.frontend.contents() == before, "a refused attempt writes nothing"
    assert desk.enter(user.email, address=HOME), "others cannot lock the owner out"
    clock.advance(seconds=1)
    assert desk.enter(user.email, address=AWAY)
    desk.set_by_code(user, "another harbour", "203.0.113.9")
    assert desk.enter(user.email, "another harbour", "203.0.113.9"), "known by the code"


def test_an_unknown_name_has_to_wait_like_a_user(desk: SignIns) -> None:
    waits = []
    for name in (desk.member().email, "nobody@example.org"):
        for number in range(10):
            with pytest.raises(SignInFailed):
                desk.enter(name, WRONG, f"198.51.100.{number}")
        with pytest.raises(SignInThrottled) as error:
            desk.enter(name, WRONG, "198.51.100.99")
        waits.append(str(error.value))
    assert len(set(waits)) == 1


def test_an_address_has_to_wait_whatever_names_it_tries(desk: SignIns, clock: SettableClock) -> None:
    user = desk.member()
    for number in range(30):
        with pytest.raises(SignInFailed):
            desk.enter(f"nobody{number}@example.org", WRONG, f"2001:db8::{number:x}")
    with pytest.raises(SignInThrottled):
        desk.enter(user.email, address="2001:db8::ffff:1")
    assert desk.enter(user.email, address="2001:db8:0:1::1"), "another network"


def test_guesses_at_once_are_all_counted(desk: SignIns) -> None:
    user = desk.member()
    outcomes = at_once(desk.store, [partial(desk.enter, user.email, WRONG, AWAY) for _ in range(16)])
    kinds = [type(each) for each in outcomes]
    assert kinds.count(SignInFailed) == 10, kinds
    assert kinds.count(SignInThrottled) == 6, kinds


def test_a_clock_that_was_years_ahead_keeps_nobody_waiting(desk: SignIns, clock: SettableClock) -> None:
    user = desk.member()
    clock.advance(days=3_650)
    for _ in range(10):
        with pytest.raises(SignInFailed):
            desk.enter(user.email, WRONG, AWAY)
    clock.advance(days=-3_650)
    assert desk.enter(user.email, address=AWAY)


# --- privacy ---


def test_an_export_says_that_there_is_a_secret_and_an_erasure_deletes_it(desk: SignIns, clock: SettableClock) -> None:
    user = desk.frontend.enroll(EnrollUserRequest(first_name="Ada", email="ada@example.org"))
    desk.set_by_code(user, "285714")
    session = desk.enter(user.email, "285714")
    with pytest.raises(SignInFailed):
        desk.enter(user.email, WRONG, AWAY)
    other = desk.member()

    def exported() -> StoredSignIn:
        return privacy.export_user(desk.store, ExportUserRequest(user_id=user.id), desk.clock).sign_in

    stored = exported()
    assert (stored.has_password, stored.has_pin, stored.has_reset_code) == (False, True, False)
    assert [each.id for each in stored.sessions] == [session.id]
    row = Credential.get(Credential.user_id == user.id)
    assert row.secret_hash not in str(stored)
    privacy.erase_user(desk.store, EraseUserRequest(user_id=user.id), desk.clock)
    assert not any(exported().ListFields())
    contents = str(desk.frontend.contents())
    for text in (row.secret_hash, session.id, throttle.account_of(user.id), throttle.place_of(user.id, HOME)):
        assert text not in contents
    assert Credential.select().count() == 1
    assert desk.enter(other.email)


def test_a_secret_set_while_the_user_is_erased_is_not_kept(desk: SignIns) -> None:
    for _ in range(3):
        user = desk.frontend.user()
        code = desk.code(user.id)
        erase = partial(privacy.erase_user, desk.store, EraseUserRequest(user_id=user.id), desk.clock)
        at_once(desk.store, [erase, partial(desk.set, user.email, code), partial(desk.code, user.id)])
        assert Credential.select().count() == 0
