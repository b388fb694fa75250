"""Rules for signing keys in the state machine of the sync: rotated and retired at any time, pushed like other rows."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

import admin_server.store.models as admin_models
import frontend_server.store.models as frontend_models
from frontend_server.access import keys
from library_domain.access.signing_keys import signing_key_message
from service_kit.outbox import IS_DUE
from tests.sync.libraries import Library


class KeyRules:
    """Rules for signing keys, for a `RuleBasedStateMachine`."""

    library: Library

    @rule()
    def sign_in(self) -> None:
        with self.library.frontend.at_work() as store:
            keys.ensure_key(store, self.library.clock)
            keys.retire_replaced_keys(store, self.library.clock)

    @rule(retire_now=st.booleans())
    def rotate_keys(self, retire_now: bool) -> None:
        with self.library.frontend.at_work() as store:
            keys.rotate_keys(store, self.library.clock, retire_now=retire_now)

    def agree_on_keys_in_the_end(self) -> None:
        """Compare the keys of both sides. The admin may have more: of a frontend that was restored from a backup."""
        self.library.sync()
        with self.library.frontend.at_work():
            own = {row.id: signing_key_message(row) for row in frontend_models.SigningKey.select()}
            assert not frontend_models.SigningKey.select().where(IS_DUE).exists()
        with self.library.admin.at_work():
            recorded = {row.id: signing_key_message(row) for row in admin_models.SigningKey.select()}
        assert {key_id: recorded[key_id] for key_id in own} == own
