"""The guard: who a caller is, which methods a role may call, and how long an answer is remembered."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from library.access.v1.access_pb2 import (
    ROLE_ADMIN,
    ROLE_GUEST,
    ROLE_LIBRARIAN,
    ROLE_MANAGER,
    ROLE_PATRON,
    ROLE_SERVICE,
)
from library.admin.v1 import catalog_service_pb2
from library.admin.v1.catalog_service_pb2 import GetBookRequest
from library.sync.v1 import sync_service_pb2
from library_domain.access import known_callers
from library_domain.access.accounts import Account
from library_domain.access.bearer import api_token_of, bearer_token
from library_domain.access.callers import Caller, caller_of
from library_domain.access.errors import TokenInvalid
from library_domain.access.guard import AccessGuard
from library_domain.access.known_callers import FRESH_SECONDS, MOST_KNOWN, NOTE_SECONDS, KnownCallers
from library_domain.errors import BookNotFound
from service_kit.calls.steps.admission import admit_callers
from service_kit.calls.steps.step import Method, MethodCall, StepsAround
from service_kit.clock import SECOND, system_clock, timestamp
from service_kit.errors import ServiceError
from tests.support.access import AccountsInMemory, Callers, bearer

CATALOG = catalog_service_pb2.DESCRIPTOR.services_by_name["CatalogService"]
SYNC = sync_service_pb2.DESCRIPTOR.services_by_name["SyncService"]


class Seconds:
    """A clock that a test sets."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def callers() -> Callers:
    return Callers.made()


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def known(callers: Callers, seconds: Seconds) -> KnownCallers:
    return KnownCallers(callers.accounts, system_clock, seconds)


@pytest.mark.parametrize(
    "values",
    [["Basic abc"], ["Bearer"], ["Bearer "], ["Bearer   "], ["abc"], [""], ["Bearer a", "Bearer a"], [b"Bearer a"]],
)
def test_a_token_in_another_form_is_not_taken_for_a_guest(values: list[Any]) -> None:
    with pytest.raises(TokenInvalid):
        bearer_token([("authorization", value) for value in values])


def test_a_call_without_the_header_has_no_token() -> None:
    assert bearer_token(None) == bearer_token([("x-request-id", "1")]) == ""
    assert bearer_token([("authorization", "bearer  abc ")]) == "abc"


def test_each_role_is_found_and_remembered(callers: Callers, known: KnownCallers) -> None:
    for role, user_id in callers.users.items():
        token = callers.token(role)
        caller = known.of(token)
        assert (caller.role, caller.user_id) == (role, user_id)
        asked = callers.accounts.questions
        assert known.of(token) is caller
        assert callers.accounts.questions == asked


def test_bad_tokens_are_refused_and_not_remembered(callers: Callers, known: KnownCallers) -> None:
    for token in callers.issuer.bad_tokens(callers.users[ROLE_ADMIN]).values():
        with pytest.raises(TokenInvalid) as refused:
            known.of(token)
        assert refused.value.__cause__ is None
    assert not known._known


def test_what_ends_is_noticed_within_five_seconds(callers: Callers, known: KnownCallers, seconds: Seconds) -> None:
    librarian = callers.users[ROLE_LIBRARIAN]
    accounts = callers.accounts
    session = "01920000-0000-7000-8000-00000000000a"
    token = callers.issuer.token(librarian, session)
    assert known.of(token).role == ROLE_LIBRARIAN

    accounts.users[librarian] = Account("Ada", ROLE_PATRON)
    seconds.now += FRESH_SECONDS - 0.1
    assert known.of(token).role == ROLE_LIBRARIAN
    seconds.now += 0.1
    assert known.of(token).role == ROLE_PATRON

    accounts.ended.add(session)
    seconds.now += FRESH_SECONDS
    with pytest.raises(TokenInvalid):
        known.of(token)
    accounts.ended.clear()
    assert known.of(token).role == ROLE_PATRON
    for change in (accounts.keys.clear, accounts.users.clear):
        seconds.now += FRESH_SECONDS
        change()
        with pytest.raises(TokenInvalid):
            known.of(token)
        accounts.keys[callers.issuer.key.id] = callers.issuer.key.public


def test_a_process_that_ends_a_session_notices_at_once(callers: Callers, known: KnownCallers) -> None:
    patron = callers.users[ROLE_PATRON]
    tokens = [callers.issuer.token(patron, f"01920000-0000-7000-8000-0000000000{number}") for number in (10, 11)]
    for token in tokens:
        known.of(token)
    other = known.of(callers.token(ROLE_MANAGER))
    del callers.accounts.users[patron]
    known.forget_user(patron)
    for token in tokens:
        with pytest.raises(TokenInvalid):
            known.of(token)
    assert [each.caller for each in known._known.values()] == [other]


def test_what_was_read_before_a_session_ended_is_not_remembered(callers: Callers, seconds: Seconds) -> None:
    """The answer of the store may be older than the end of the session, when both happen at once."""
    patron = callers.users[ROLE_PATRON]

    class Slow(AccountsInMemory):
        def is_live(self, session_id: str) -> bool:
            is_live = super().is_live(session_id)
            remembering.forget_user(patron)
            return is_live

    remembering = KnownCallers(Slow(**vars(callers.accounts)), system_clock, seconds)
    assert remembering.of(callers.token(ROLE_PATRON)).user_id == patron
    assert not remembering._known


def test_a_token_is_not_remembered_beyond_its_expiry(callers: Callers, seconds: Seconds) -> None:
    now = system_clock()
    known = KnownCallers(callers.accounts, lambda: now, seconds)
    token = callers.issuer.token(callers.users[ROLE_PATRON], issued=now - 898 * SECOND)
    program = callers.api_token(ROLE_LIBRARIAN, expire_time=timestamp(now + SECOND))
    assert known.of(token).role == ROLE_PATRON
    assert known.of(program).role == ROLE_LIBRARIAN
    now += 2 * SECOND
    seconds.now += 2
    for text in (token, program):
        with pytest.raises(TokenInvalid):
            known.of(text)


def test_the_remembered_callers_are_bounded(
    callers: Callers, known: KnownCallers, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_KNOWN == 4_096
    monkeypatch.setattr(known_callers, "MOST_KNOWN", 4)
    tokens = [callers.api_token(ROLE_LIBRARIAN) for _ in range(9)]
    threads = [threading.Thread(target=lambda: [known.of(each) for each in tokens]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(known._known) <= 4
    assert len(known._noted) <= 4


def test_an_api_token_is_a_program_without_a_user(callers: Callers, known: KnownCallers, seconds: Seconds) -> None:
    text = callers.api_token(ROLE_MANAGER, ("library.admin.v1.CatalogService",))
    caller = known.of(text)
    assert (caller.role, caller.user_id, caller.scopes) == (ROLE_MANAGER, "", ("library.admin.v1.CatalogService",))
    seconds.now += FRESH_SECONDS
    known.of(text)
    assert callers.accounts.used == [caller.credential_id]
    seconds.now += NOTE_SECONDS
    known.of(text)
    assert callers.accounts.used == [caller.credential_id] * 2


@pytest.mark.parametrize("role", [ROLE_PATRON, ROLE_SERVICE, 0, 7])
def test_a_program_cannot_have_any_role(callers: Callers, known: KnownCallers, role: Any) -> None:
    with pytest.raises(TokenInvalid):
        known.of(callers.api_token(role))


def test_bad_api_tokens_are_refused(callers: Callers, known: KnownCallers) -> None:
    past = timestamp(system_clock() - SECOND)
    good = callers.api_token(ROLE_GUEST)
    assert known.of(good).role == ROLE_GUEST
    bad = [
        callers.api_token(ROLE_ADMIN, expire_time=past),
        callers.api_token(ROLE_ADMIN, revoke_time=past),
        good[:-1] + "t",
        good[:-1],
        good.upper(),
        good + "s",
        "lib_" + "0" * 32 + good[-44:],
    ]
    for text in bad:
        with pytest.raises(TokenInvalid):
            known.of(text)
    callers.accounts.tokens[str(api_token_of(good).id)].secret_hash = ""  # type: ignore[union-attr]
    with pytest.raises(TokenInvalid):
        KnownCallers(callers.accounts, system_clock, Seconds()).of(good)


def test_secrets_are_not_in_the_text_of_objects(callers: Callers) -> None:
    text = callers.api_token()
    assert "sss" not in repr(api_token_of(text))


class Noted:
    """An audit that keeps what it is shown: what happened, and the role of the caller."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []

    def admitted(self, method: Method, call: MethodCall, caller: Caller) -> None:
        self.events.append(("admitted", caller.role))

    def done(self, method: Method, call: MethodCall, caller: Caller) -> None:
        self.events.append(("done", caller.role))

    def refused(self, method: Method, call: MethodCall, caller: Caller, error: Exception) -> None:
        self.events.append((getattr(error, "reason", ""), caller.role))


class Context:
    """The part of a call's context that the guard uses."""

    def __init__(self, *metadata: tuple[str, str]) -> None:
        self._metadata = metadata

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata


class Servicer:
    guard: AccessGuard


def test_the_audit_sees_calls_that_were_let_in_and_refused(callers: Callers) -> None:
    noted, servicer = Noted(), Servicer()
    servicer.guard = AccessGuard([CATALOG, SYNC], callers.accounts, system_clock, noted)

    def call(method: str, token: str, *, fails: bool = False, is_read: bool = False) -> list[tuple[str, int]]:
        noted.events.clear()
        context: Any = Context(*bearer(token))
        steps = StepsAround(Method(method, is_read=is_read), [admit_callers])
        made = MethodCall(servicer, GetBookRequest(), context)
        try:
            steps.begin(made)
            if fails:
                raise BookNotFound(book_id="1")
        except ServiceError as error:
            with pytest.raises(ServiceError):
                steps.fail(made, error)
        else:
            steps.finish(made)
        roles = {role for _, role in noted.events}
        assert roles <= {caller_of(context).role}, "without a caller, it would be anybody's call"
        return list(noted.events)

    get_book = "library.admin.v1.CatalogService/GetBook"
    librarian, patron = callers.token(ROLE_LIBRARIAN), callers.token(ROLE_PATRON)
    assert call(get_book, librarian) == [("admitted", ROLE_LIBRARIAN), ("done", ROLE_LIBRARIAN)]
    assert call(get_book, librarian, fails=True) == [("admitted", ROLE_LIBRARIAN), ("BOOK_NOT_FOUND", ROLE_LIBRARIAN)]
    assert call(get_book, librarian, is_read=True) == []
    assert call(get_book, patron, is_read=True) == [("ROLE_REQUIRED", ROLE_PATRON)]
    assert call(get_book, patron) == [("ROLE_REQUIRED", ROLE_PATRON)]
    assert call(get_book, "") == [("SIGN_IN_REQUIRED", ROLE_GUEST)]
    assert call(get_book, "nonsense") == [("TOKEN_INVALID", ROLE_GUEST)]
    assert call("library.sync.v1.SyncService/RecordStates", librarian) == [("done", ROLE_SERVICE)]
