"""The check for secrets at the end of a run finds each kind of them, where they must not be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from frontend_server.access.audit import AuditTable
from frontend_server.store.models import SyncState, ensure_frontend_id
from library.access.v1.access_service_pb2 import CreateSessionRequest, Session
from library.admin.v1.staff_service_pb2 import CreateApiTokenResponse
from library.v1.audit_pb2 import AuditEntry
from service_kit.ids import new_id
from service_kit.statements import tuples
from tests.support import made_secrets
from tests.support.stores import FreshDatabases, bound_store


@pytest.fixture(autouse=True)
def nothing_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep what these tests note from the check of the run."""
    monkeypatch.setattr(made_secrets, "_noted", {})
    monkeypatch.setattr(made_secrets, "_errors", [])
    monkeypatch.setattr(made_secrets, "_stores", {tmp_path / "servers0" / "library.db", tmp_path / "frontend.db"})


def found(folder: Path) -> list[str]:
    return [Path(leak.split(" has ")[0]).name for leak in made_secrets.leaks(folder)]


@pytest.mark.parametrize("name", ["admin-1.log", "manifest.json", "library.db", "library.db-wal"])
# Other tests must not have these secrets: at its end, the run would find them in the files of this one.
@pytest.mark.parametrize("secret", ["eyJh.bGci.OiJFZERTQSJ9", "a heron of glass"])
def test_a_secret_in_a_file_is_found(tmp_path: Path, name: str, secret: str) -> None:
    made_secrets.note_message(CreateSessionRequest(name="ada@example.org", secret=secret))
    folder = tmp_path / "servers0"
    folder.mkdir()
    (folder / "other.log").write_text("ada@example.org signed in")
    (folder / name).write_bytes(b"\x00 wrong secret=%s'\n" % secret.encode())
    assert found(tmp_path) == [name]


def test_secrets_of_answers_headers_and_bodies_are_noted(tmp_path: Path) -> None:
    made_secrets.note_message(Session(access_token="access-token", refresh_token="refresh-token"))
    made_secrets.note_message(CreateApiTokenResponse(token="program-token"))
    made_secrets.note_http("/access/v1/sessions", {"Authorization": "Bearer bearer-token"}, '{"secret": "http-secret"}')
    (tmp_path / "a.log").write_text("access-token refresh-token program-token bearer-token http-secret")
    assert found(tmp_path) == ["a.log"] * 5


def test_an_error_with_a_secret_is_found(tmp_path: Path) -> None:
    made_secrets.note_secret("hunter-hunter")
    made_secrets.note_error("hunter-hunter is not the secret of ada")
    assert found(tmp_path) == ["of-clients.errors"]


def test_the_secrets_that_a_frontend_keeps_are_looked_for(tmp_path: Path) -> None:
    made_secrets.note_secret("another-secret")
    with closing(sqlite3.connect(tmp_path / "frontend.db")) as store:
        store.execute("CREATE TABLE sync_state (secret TEXT)")
        store.execute("CREATE TABLE signing_key (private_key TEXT)")
        store.execute("INSERT INTO sync_state VALUES ('pairing-secret')")
        store.execute("INSERT INTO signing_key VALUES ('private-key')")
        store.commit()
    (tmp_path / "frontend.log").write_text("private-key pairing-secret")
    assert found(tmp_path) == ["frontend.log"] * 2


def test_rows_of_a_store_on_postgresql_are_read(tmp_path: Path, databases: FreshDatabases) -> None:
    url = databases.migrated("frontend", "postgresql")
    with bound_store("frontend", url) as store:
        ensure_frontend_id(store)
        with store.writing():
            AuditTable(store).add([AuditEntry(id=new_id(), call_id="leaked-secret")])
        [(pairing_secret,)] = tuples(SyncState.select(SyncState.secret))
        made_secrets.note_rows(url, tmp_path / "frontend.rows")
    made_secrets.note_secret("leaked-secret")
    (tmp_path / "a.log").write_text(pairing_secret)
    assert found(tmp_path) == ["a.log", "frontend.rows"]


def test_a_secret_that_a_store_keeps_may_be_in_stores_alone(tmp_path: Path) -> None:
    made_secrets.note_secret("pairing-secret", is_stored=True)
    for name in ("frontend.db", "frontend.log"):
        (tmp_path / name).write_text("pairing-secret")
    assert found(tmp_path) == ["frontend.log"]
