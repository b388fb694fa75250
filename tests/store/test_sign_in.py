"""Signing in, setting secrets, sessions: the use cases on both engines, with cheap hashes and a test's clock."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from frontend_server.access import reset_codes, throttle
from frontend_server.access.passwords import HashCost
from frontend_server.access.sessions import LIFE
from frontend_server.members import privacy
from frontend_server.store.models import Credential
from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_LIBRARIAN, ROLE_MANAGER, ROLE_PATRON
from library.frontend.v1.member_service_pb2 import EnrollUserRequest, EraseUserRequest, ExportUserRequest, StoredSignIn
from library_domain.access.callers import ANYBODY, Caller
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


# --- signing in ---


def test_a_user_signs_in_by_address_or_card_in_any_spelling(desk: SignIns, clock: SettableClock) -> None:
    user = desk.member()
    for name in (user.email, user.email.upper(), f" {user.card_number} "):
        session = desk.enter(name)
        assert (session.user_id, session.role) == (user.id, ROLE_PATRON)
        assert micros(session.access_expire_time) == clock.now + 15 * 60 * SECOND
        assert micros(session.refresh_expire_time) == clock.now + LIFE
        assert desk.is_live(session)
    session = desk.enter(user.email, "a quiet \uff48arbour")
    assert session.user_id == user.id, "the same text after NFKC"
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
    monkeypatch.setattr(desk.passwords, "_hasher", Noting(desk.passwords._hasher, verified))
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
    assert desk.enter(user.email).user_id


# --- secrets ---


def test_a_secret_is_set_with_the_present_one_and_ends_all_sessions(desk: SignIns) -> None:
    user = desk.member()
    session = desk.enter(user.email)
    with pytest.raises(SignInFailed):
        desk.set(user.email, WRONG, "another harbour")
    assert desk.is_live(session)
    desk.set(user.email, PASSWORD, "another harbour")
    assert not desk.is_live(session)
    with pytest.raises(SessionEnded):
        desk.refresh(session)
    with pytest.raises(SignInFailed):
        desk.enter(user.email)
    assert desk.enter(user.email, "another harbour").user_id


def test_a_reset_code_works_once_for_a_day_and_replaces_the_one_before(desk: SignIns, clock: SettableClock) -> None:
    user = desk.frontend.user()
    first, code = desk.code(user.id), desk.code(user.id)
    assert code not in str(desk.frontend.contents())
    with pytest.raises(SignInFailed):
        desk.set(user.email, first)
    with pytest.raises(SignInFailed):
        desk.enter(user.email, code)
    desk.set(user.email, code.lower().replace("-", " "))
    assert desk.enter(user.email).user_id
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
        assert desk.enter(user.email, won[0]).user_id


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


def test_a_code_is_not_for_a_user_who_has_risen_to_the_role_of_its_maker(desk: SignIns) -> None:
    """Otherwise a librarian could keep the code of a patron until the patron is an admin, and become that admin."""
    made_by = {role: Caller(role, user_id=new_id()) for role in (ROLE_LIBRARIAN, ROLE_MANAGER, ROLE_ADMIN)}
    for maker, risen in ((ROLE_LIBRARIAN, ROLE_LIBRARIAN), (ROLE_LIBRARIAN, ROLE_ADMIN), (ROLE_MANAGER, ROLE_ADMIN)):
        user = desk.frontend.user()
        code = desk.code(user.id, made_by[maker])
        desk.grant(user.id, risen)
        with pytest.raises(SignInFailed):
            desk.set(user.email, code)
        desk.grant(user.id, ROLE_PATRON)
        assert desk.set(user.email, code) == user.id
    for maker, risen in ((ROLE_MANAGER, ROLE_LIBRARIAN), (ROLE_ADMIN, ROLE_ADMIN)):
        user = desk.frontend.user()
        code = desk.code(user.id, made_by[maker])
        desk.grant(user.id, risen)
        assert desk.set(user.email, code) == user.id


@pytest.mark.parametrize(
    ("maker", "secret", "is_set"),
    [(ANYBODY, PASSWORD, True), (ANYBODY, "285714", False), (Caller(ROLE_LIBRARIAN, "librarian"), PASSWORD, False)],
    ids=["password", "PIN", "librarian's code"],
)
def test_a_role_that_is_granted_while_a_secret_is_set_counts(
    desk: SignIns, monkeypatch: pytest.MonkeyPatch, maker: Caller, secret: str, is_set: bool
) -> None:
    """The first admin sets a password while the role is on its way."""
    user = desk.frontend.user()
    code = desk.code(user.id, maker)
    make_hash = desk.passwords.hash

    def hash_and_grant(text: str) -> str:
        desk.grant(user.id, ROLE_ADMIN)
        return make_hash(text)

    monkeypatch.setattr(desk.passwords, "hash", hash_and_grant)
    if is_set:
        assert desk.set(user.email, code, secret) == user.id
    else:
        with pytest.raises(SignInFailed):
            desk.set(user.email, code, secret)


def test_a_sign_in_with_a_secret_that_was_replaced_meanwhile_fails(
    desk: SignIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its session would outlive the new secret, which ends all sessions."""
    user, verify = desk.member(), desk.passwords.verify

    def verify_and_replace(secret_hash: str, secret: str) -> bool:
        is_right = verify(secret_hash, secret)
        SignIns(desk.frontend).set_by_code(user, "another harbour")
        return is_right

    monkeypatch.setattr(desk.passwords, "verify", verify_and_replace)
    with pytest.raises(SignInFailed):
        desk.enter(user.email)


# --- failures ---


def test_failures_have_to_wait_and_a_known_address_is_counted_apart(desk: SignIns, clock: SettableClock) -> None:
    user = desk.member()
    desk.enter(user.email, address=HOME)
    for _ in range(11):  # the first one is counted with those from new addresses
        with pytest.raises(SignInFailed):
            desk.enter(user.email, WRONG, AWAY)
    before = desk.frontend.contents()
    for name in (user.email, user.card_number):
        with pytest.raises(SignInThrottled) as error:
            desk.enter(name, address=AWAY)
        assert error.value.metadata == {"seconds": "1"}
    assert desk.frontend.contents() == before, "a refused attempt writes nothing"
    assert desk.enter(user.email, address=HOME).user_id, "others cannot lock the owner out"
    assert desk.enter(user.email, address="203.0.113.8").user_id, "nor from a new address"
    clock.advance(seconds=1)
    assert desk.enter(user.email, address=AWAY).user_id
    desk.set_by_code(user, "another harbour", "203.0.113.9")
    assert desk.enter(user.email, "another harbour", "203.0.113.9").user_id, "known by the code"


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
    assert desk.enter(user.email, address="2001:db8:0:1::1").user_id, "another network"


def test_guesses_at_once_are_all_counted(desk: SignIns) -> None:
    user = desk.member()
    outcomes = at_once(desk.store, [partial(desk.enter, user.email, WRONG, AWAY) for _ in range(16)])
    kinds = [type(each) for each in outcomes]
    assert kinds.count(SignInFailed) == 11, kinds
    assert kinds.count(SignInThrottled) == 5, kinds


@pytest.mark.parametrize("unknown", ["2900-0000", "nobody@example.org"])
def test_spellings_of_a_name_wait_alike_whether_somebody_has_it_or_not(
    desk: SignIns, clock: SettableClock, unknown: str
) -> None:
    """Otherwise the spelling that need not wait would show which cards and addresses exist."""
    user = desk.member()

    def waits(name: str) -> list[bool]:
        for _ in range(11):
            with pytest.raises(SignInFailed):
                desk.enter(name, WRONG, AWAY)
        refusals = []
        for spelling in (name.lower(), name.upper(), f" {name} ", f"\u2800{name}", f"{name}\u200b"):
            with pytest.raises((SignInFailed, SignInThrottled)) as error:
                desk.enter(spelling, WRONG, AWAY)
            refusals.append(error.type is SignInThrottled)
        clock.advance(days=1)
        return refusals

    known = waits(user.email if "@" in unknown else user.card_number)
    assert waits(unknown) == known
    assert known[:2] == [True, True]


def test_a_clock_that_was_years_ahead_keeps_nobody_waiting(desk: SignIns, clock: SettableClock) -> None:
    user = desk.member()
    clock.advance(days=3_650)
    for _ in range(11):
        with pytest.raises(SignInFailed):
            desk.enter(user.email, WRONG, AWAY)
    clock.advance(days=-3_650)
    assert desk.enter(user.email, address=AWAY).user_id


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
    for text in (row.secret_hash, session.id, throttle.place_of(user.id, HOME), throttle.place_of(user.id, AWAY)[:32]):
        assert text not in contents
    assert Credential.select().count() == 1
    assert desk.enter(other.email).user_id


def test_an_export_names_sessions_to_those_who_may_end_them(desk: SignIns) -> None:
    """A refresh token with the id of a session and any secret ends it, so a librarian could end those of an admin."""
    user = desk.member(role=ROLE_MANAGER)
    session = desk.enter(user.email)

    def named_to(caller: Caller) -> str:
        request = ExportUserRequest(user_id=user.id)
        [exported] = privacy.export_user(desk.store, request, desk.clock, caller).sign_in.sessions
        return exported.id

    assert {named_to(Caller(role, new_id())) for role in (ROLE_LIBRARIAN, ROLE_MANAGER)} == {""}
    assert {named_to(each) for each in (ANYBODY, Caller(ROLE_MANAGER, user.id))} == {session.id}


def test_a_secret_set_while_the_user_is_erased_is_not_kept(desk: SignIns) -> None:
    for _ in range(3):
        user = desk.frontend.user()
        code = desk.code(user.id)
        calls: list[Callable[[], object]] = [
            partial(privacy.erase_user, desk.store, EraseUserRequest(user_id=user.id), desk.clock),
            partial(desk.set, user.email, code),
            partial(desk.code, user.id),
        ]
        at_once(desk.store, calls)
        assert Credential.select().count() == 0
