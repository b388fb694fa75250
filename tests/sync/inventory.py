"""What the staff does with items, with the policy and with roles in the state machine of the sync."""

from __future__ import annotations

import contextlib
from typing import Any
from uuid import UUID

from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

import admin_server.store.models as admin_models
import frontend_server.store.models as frontend_models
from admin_server.access.roles import grant_role_on_machine
from admin_server.inventory.items import create_item, update_item, withdraw_item
from admin_server.policy.library_settings import update_settings
from admin_server.policy.rules import create_rule, delete_rule
from library.access.v1.access_pb2 import ROLE_LIBRARIAN, ROLE_MANAGER, ROLE_PATRON, Role
from library.admin.v1.inventory_service_pb2 import CreateItemRequest, UpdateItemRequest, WithdrawItemRequest
from library.admin.v1.policy_service_pb2 import (
    CreateCirculationRuleRequest,
    DeleteCirculationRuleRequest,
    UpdateLibrarySettingsRequest,
)
from library.admin.v1.staff_service_pb2 import GrantRoleRequest
from library.v1.circulation_rule_pb2 import CirculationRule
from library.v1.item_pb2 import (
    ITEM_PLACE_ON_LOAN,
    ITEM_STATE_IN_SERVICE,
    ITEM_STATE_MISSING,
    ITEM_STATE_SET_ASIDE,
    Item,
)
from library.v1.library_settings_pb2 import LibrarySettings
from library.v1.loan_pb2 import Loan
from library.v1.staff_pb2 import StaffRole
from library_domain.default_policy import SETTINGS_ID
from library_domain.errors import BookRemoved, ItemIsOut, ItemWithdrawn
from service_kit.statements import tuples
from service_kit.text.keys import text_key
from tests.sync.libraries import Library
from tests.sync.people import WHICH, Promised

STAFF = [str(UUID(int=number)) for number in (1, 2)]
"""Users who may have a role."""

STATES = st.sampled_from([ITEM_STATE_IN_SERVICE, ITEM_STATE_SET_ASIDE, ITEM_STATE_MISSING])
ITEM_FIELDS = ("item_id", "barcode", "item_type", "branch")
"""The fields that a loan gets when it is assigned an item."""


class InventoryRules:
    """Rules and invariants for items, the policy and roles, for a `RuleBasedStateMachine`."""

    library: Library
    promised: Promised

    @rule(which=WHICH)
    def create_item(self, which: int) -> None:
        with self.library.admin.at_work() as store:
            book_id = _pick(which, admin_models.Book)
            if book_id:
                with contextlib.suppress(BookRemoved):
                    create_item(store, CreateItemRequest(item=Item(book_id=book_id)), self.library.clock)

    @rule(which=WHICH, state=STATES)
    def change_item(self, which: int, state: Any) -> None:
        with self.library.admin.at_work() as store:
            item_id = _pick(which, admin_models.Item)
            if item_id:
                request = UpdateItemRequest(item=Item(id=item_id, state=state), update_mask=FieldMask(paths=["state"]))
                with contextlib.suppress(ItemWithdrawn):
                    update_item(store, request, self.library.clock)

    @rule(which=WHICH)
    def withdraw_item(self, which: int) -> None:
        with self.library.admin.at_work() as store:
            item_id = _pick(which, admin_models.Item)
            if item_id:
                with contextlib.suppress(ItemIsOut, ItemWithdrawn):
                    withdraw_item(store, WithdrawItemRequest(id=item_id), self.library.clock)

    @rule(item_type=st.sampled_from(["DVD", "Map"]), days=st.integers(1, 9))
    def create_or_delete_rule(self, item_type: str, days: int) -> None:
        with self.library.admin.at_work() as store:
            table = admin_models.CirculationRule
            found = table.get_or_none(table.item_type_key == text_key(item_type), table.deleted == 0)
            if found:
                delete_rule(store, DeleteCirculationRuleRequest(id=found.id), self.library.clock)
            else:
                new = CirculationRule(item_type=item_type, loan_days=days)
                create_rule(store, CreateCirculationRuleRequest(rule=new), self.library.clock)

    @rule(name=st.sampled_from("ab"))
    def rename_library(self, name: str) -> None:
        with self.library.admin.at_work() as store:
            request = UpdateLibrarySettingsRequest(settings=LibrarySettings(display_name=name))
            update_settings(store, request, self.library.clock)

    @rule(user_id=st.sampled_from(STAFF), role=st.sampled_from([ROLE_PATRON, ROLE_LIBRARIAN, ROLE_MANAGER]))
    def grant_role(self, user_id: str, role: Role.ValueType) -> None:
        with self.library.admin.at_work() as store:
            grant_role_on_machine(store, GrantRoleRequest(user_id=user_id, role=role), self.library.clock)

    @invariant()
    def free_items_are_counted(self) -> None:
        with self.library.frontend.at_work():
            book, item = frontend_models.Book, frontend_models.Item
            assert not book.select().where(book.free_copies != frontend_models.FREE_COPIES).count()
            loan = frontend_models.Loan
            with_item = loan.select(loan.item_id).where(loan.return_time.is_null(), loan.item_id != "")
            out = item.select(item.id).where(item.place == ITEM_PLACE_ON_LOAN)
            assert sorted(tuples(out)) == sorted(tuples(with_item))

    def note_assigned_items(self, loans: list[Loan]) -> None:
        """Let the promises of loans that were made before an item of their book arrived have the item of now."""
        for loan in loans:
            promise = self.promised.loans.get(loan.id)
            if promise is not None and loan.item_id and not promise.item_id:
                for name in ITEM_FIELDS:
                    setattr(promise, name, getattr(loan, name))

    def agree_on_items_in_the_end(self) -> None:
        """Compare the items, the policy and the roles of both sides after a sync."""
        with self.library.admin.at_work():
            sent = _items(admin_models.Item)
            table = admin_models.CirculationRule
            rules = {row.id for row in table.select().where(table.deleted == 0, table.revision > 0)}
            named = admin_models.LibrarySettings.get_or_none(admin_models.LibrarySettings.revision > 0)
            granted = admin_models.StaffRole
            roles = dict(tuples(granted.select(granted.user_id, granted.role)))
        with self.library.frontend.at_work():
            messages = [StaffRole.FromString(row.message) for row in frontend_models.StaffRole.select()]
            assert {message.user_id: message.role for message in messages} == roles
            received = _items(frontend_models.Item)
            assert {row.id for row in frontend_models.CirculationRule.select()} == rules
            assert [row.id for row in frontend_models.LibrarySettings.select()] == [SETTINGS_ID] * bool(named)
        assert {item_id: received[item_id] for item_id in sent} == sent
        # Items that only a lost admin's store knew are withdrawn.
        assert {received[item_id][-1] for item_id in received.keys() - sent.keys()} <= {5}


def _pick(which: int, model: Any) -> str:
    ids = sorted(row_id for (row_id,) in tuples(model.select(model.id)))
    return ids[which % len(ids)] if ids else ""


def _items(model: Any) -> dict[str, tuple[object, ...]]:
    rows = tuples(model.select(model.id, model.book_id, model.barcode, model.branch, model.state))
    return {item_id: tuple(rest) for item_id, *rest in rows}
