"""After an upgrade the admin records rows again that it knew without their newer fields: `0017_rows_again`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from admin_server.store.models import User
from library.sync.v1.sync_service_pb2 import State
from library_domain.errors import CursorExpired
from service_kit.migrations import migrate
from service_kit.store import open_store
from tests.support.admin import Admin
from tests.support.clocks import SettableClock
from tests.support.record_results import RECORDED, UNCHANGED, results
from tests.support.stores import Engine, FreshDatabases, bound_store, migrations_of


def test_a_row_that_an_older_admin_recorded_is_recorded_with_all_its_fields(
    databases: FreshDatabases, engine: Engine, tmp_path: Path
) -> None:
    url = databases.empty(engine)
    for file in migrations_of("admin").glob("*.py"):
        if file.stem < "0017":
            shutil.copy(file, tmp_path)
    store = open_store(url)
    migrate(store, tmp_path)
    store.close()
    with bound_store("admin", url) as store:
        admin = Admin(store, SettableClock())
        row = admin.user_record(5, card_number="20001000000012")
        response = admin.record(row)
        assert (results(response), results(admin.record(row))) == ([RECORDED], [UNCHANGED])
        with store.writing():
            User.update(card_number=None).execute()  # as an older admin recorded it
        receipt = response.receipt

    store = open_store(url)
    migrate(store, migrations_of("admin"))
    store.close()

    with bound_store("admin", url) as store:
        admin = Admin(store, SettableClock())
        with pytest.raises(CursorExpired):
            admin.changes(cursor=receipt)
        again = State(revision=5, user=row.user)
        assert results(admin.record(again)) == [RECORDED]
        assert [user.card_number for user in admin.users()] == ["20001000000012"]
