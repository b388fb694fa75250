"""Signing keys: made once, pushed without their private part, rotated without a token that fails, retired."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from google.protobuf.message import Message

import admin_server.store.models as admin_models
from admin_server.sync.records import record_states
from frontend_server.access import keys
from frontend_server.access.keys import Signer
from frontend_server.store.models import IS_DUE, SigningKey
from library.sync.v1.sync_service_pb2 import RECORD_RESULT_REFUSED, RecordStatesRequest, State
from library_domain.access.tokens import Claims, TokenRefused, decode_key, encode_key, read
from service_kit.ids import new_id
from tests.support.stores import Engine, FreshDatabases
from tests.sync.libraries import Library

USER, SESSION = new_id(), new_id()


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine)
    yield library
    library.close()


def sign(library: Library) -> str:
    """Sign a token as a process does that has just read the keys."""
    with library.frontend.at_work() as store:
        return Signer(store, library.clock).sign(USER, SESSION)[0]


def claims_at_admin(library: Library, token: str) -> Claims:
    """Read a token with the keys that the admin has."""
    with library.admin.at_work():
        issuer = admin_models.Frontend.get().id
        found = {row.id: row for row in admin_models.SigningKey.select()}
    now = library.clock()

    def public_key(key_id: str) -> bytes | None:
        row = found.get(key_id)
        is_valid = row is not None and (row.retire_time == 0 or row.retire_time > now)
        return decode_key(row.public_key) if row is not None and is_valid else None

    return read(token, issuer=issuer, public_key=public_key, now=now)


def is_valid_at_admin(library: Library, token: str) -> bool:
    return claims_at_admin(library, token).session_id == SESSION


def own_keys(library: Library) -> list[SigningKey]:
    with library.frontend.at_work():
        return list(SigningKey.select().order_by(SigningKey.key))


def rotate(library: Library, *, retire_now: bool = False) -> str:
    with library.frontend.at_work() as store:
        return keys.rotate_keys(store, library.clock, retire_now=retire_now)


def look_after_keys(library: Library) -> None:
    with library.frontend.at_work() as store:
        keys.retire_replaced_keys(store, library.clock)


def shown(library: Library) -> list[str]:
    with library.frontend.at_work() as store:
        return [key.kid for key in keys.list_signing_keys(store, library.clock)]


def test_the_admin_reads_tokens_with_the_key_that_was_pushed_and_never_gets_the_private_part(library: Library) -> None:
    for _ in range(2):
        with library.frontend.at_work() as store:
            keys.ensure_key(store, library.clock)
    token = sign(library)
    library.sync()
    assert claims_at_admin(library, token).user_id == USER
    [own] = own_keys(library)
    assert shown(library) == [own.id]
    assert own.private_key
    sent: list[Message] = library.wire.sent
    assert own.public_key in str(sent)
    assert own.private_key not in str(sent)
    assert not any(own.private_key in str(row) for rows in library.admin.contents().values() for row in rows)


def test_a_rotation_fails_no_token_although_the_admin_is_away(library: Library) -> None:
    before = sign(library)
    library.sync()
    library.wire.is_cut = True
    new = rotate(library)
    look_after_keys(library)
    meanwhile = sign(library)
    assert is_valid_at_admin(library, meanwhile), "the admin has not got the new key, so it signs nothing yet"
    library.wire.is_cut = False
    library.sync()
    after = sign(library)
    look_after_keys(library)
    library.sync()
    assert shown(library) == [new, own_keys(library)[0].id]
    for token in (before, meanwhile, after):
        assert is_valid_at_admin(library, token)
    assert [bool(key.private_key) for key in own_keys(library)] == [False, True], "the old key cannot sign any more"
    assert before.split(".")[0] == meanwhile.split(".")[0] != after.split(".")[0]

    library.clock.advance(days=1 / 96)  # a quarter of an hour: the last token of the old key expires
    look_after_keys(library)
    with pytest.raises(TokenRefused, match="expired"):
        claims_at_admin(library, meanwhile)
    library.clock.advance(days=1 / 96)
    with pytest.raises(TokenRefused, match="retired"):
        claims_at_admin(library, meanwhile)
    assert shown(library) == [new]


def test_all_tokens_end_when_their_key_is_retired_at_once(library: Library) -> None:
    stolen = sign(library)
    library.sync()
    rotate(library)
    new = rotate(library, retire_now=True)
    assert shown(library) == [new]
    token = sign(library)
    library.sync()
    assert is_valid_at_admin(library, token)
    with pytest.raises(TokenRefused, match="retired"):
        claims_at_admin(library, stolen)
    assert [bool(key.private_key) for key in own_keys(library)] == [False, False, True]
    assert {key.park_reason for key in own_keys(library)} == {""}


def test_a_process_signs_with_the_new_key_within_seconds(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    with library.frontend.at_work() as store:
        signer = Signer(store, library.clock)
        first = signer.sign(USER, SESSION)[0]
        rotate(library, retire_now=True)
        assert signer.sign(USER, SESSION)[0].split(".")[0] == first.split(".")[0]
        monkeypatch.setattr(keys, "READ_SECONDS", -1)
        assert signer.sign(USER, SESSION)[0].split(".")[0] != first.split(".")[0]


@pytest.mark.filterwarnings("ignore:.*:pytest.PytestUnraisableExceptionWarning")  # of texts that cannot be decoded
def test_a_damaged_key_is_replaced_and_stops_nothing(library: Library) -> None:
    sign(library)
    damages = ["''", "'garbage'", f"'{'A' * 43}'"]
    damages += [] if library.frontend.store.is_postgresql else ["CAST(x'ff41fe' AS TEXT)"]
    for column, damage in itertools.product(("public_key", "private_key"), damages):
        with library.frontend.at_work() as store, store.writing():
            store.database.execute_sql(f"UPDATE signing_key SET {column} = {damage}")
        token = sign(library)
        library.push()
        library.push()
        assert is_valid_at_admin(library, token)
    with library.frontend.at_work():
        assert SigningKey.select().where(SigningKey.park_reason.contains("damaged")).exists()
        assert not SigningKey.select().where(IS_DUE).exists()


def test_the_keys_of_a_restored_admin_come_again(library: Library) -> None:
    empty = library.admin.contents()
    token = sign(library)
    rotate(library)
    library.sync()
    library.admin.put_back(empty)
    library.start_admin()
    meanwhile = sign(library)
    library.sync()
    assert is_valid_at_admin(library, token)
    assert is_valid_at_admin(library, meanwhile)


def test_the_admin_refuses_what_cannot_be_a_key(library: Library) -> None:
    with library.frontend.at_work() as store:
        keys.ensure_key(store, library.clock)
    [row] = own_keys(library)
    library.sync()
    state = State(revision=7)
    state.signing_key.id = row.id
    state.signing_key.create_time.FromMicroseconds(row.create_time)
    with library.admin.at_work() as store:
        frontend_id = admin_models.Frontend.get().id
        for text, reason in {
            "": "public_key is not set",
            "x": "public_key is not a key in base64url",
            encode_key(bytes(33)): "public_key is not a key in base64url",
        }.items():
            state.signing_key.public_key = text
            [outcome] = record_states(store, RecordStatesRequest(frontend_id=frontend_id, states=[state])).outcomes
            assert outcome.result == RECORD_RESULT_REFUSED
            assert reason in outcome.reason
