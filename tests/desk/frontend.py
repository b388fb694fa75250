"""The frontend as the walk uses it: calls by card and barcode, and what came of them, as the model has it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from frontend_server.circulation import checkin, checkout, explanation, renewal, slips
from frontend_server.members import blocks, members
from frontend_server.store.models import SetAside, SyncState
from frontend_server.sync.apply_page import apply_page
from library.frontend.v1.circulation_service_pb2 import (
    CancelCheckInRequest,
    CancelCheckOutRequest,
    CheckInRequest,
    CheckInResponse,
    CheckOutRequest,
    ExplainRuleRequest,
    ExplainRuleResponse,
    Override,
    RenewRequest,
)
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.member_service_pb2 import BlockUserRequest, UnblockUserRequest, UpdateUserRequest
from library.sync.v1.sync_service_pb2 import CatalogChange, ListCatalogChangesResponse
from library.v1 import loan_pb2, user_pb2
from service_kit.clock import timestamp
from service_kit.errors import ServiceError
from service_kit.ids import new_id
from tests.desk.model import Refused
from tests.support.frontend import LocalFrontend


class DeskFrontend(LocalFrontend):
    """A frontend in this process, without a server."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._changes = itertools.count(1)
        self._barcode_of: dict[str, str] = {}

    def receive_change(self, **row: Any) -> None:
        """Take one change from the admin."""
        change = CatalogChange(revision=next(self._changes), **row)
        page = ListCatalogChangesResponse(changes=[change], next_cursor=f"after {change.revision}")
        assert apply_page(self.store, SyncState.get(), page)
        assert [(row.kind, row.reason) for row in SetAside.select()] == []

    def barcode(self, item_id: str) -> str:
        """Return the barcode of an item, a new one if it has none."""
        return self._barcode_of.setdefault(item_id, f"B{len(self._barcode_of):05}")

    def enroll_person(self) -> str:
        """Enrol a user and return the id."""
        return self.user().id

    def check_out(
        self, user_id: str, barcode: str, days: int, overridden: Iterable[str] = ()
    ) -> loan_pb2.Loan | Refused:
        """Check an item out, and send the call again: that changes nothing."""
        overrides = [Override(refusal=refusal, reason="by hand") for refusal in overridden]
        ids: dict[str, Any] = {"user_id": user_id, "barcode": barcode, "request_id": new_id()}
        request = CheckOutRequest(days=days, overrides=overrides, **ids)
        try:
            done = checkout.check_out(self.store, request, self.rules, self.clock)
            assert checkout.check_out(self.store, request, self.rules, self.clock) == done
            return done.loan
        except ServiceError as error:
            return refused(error)

    def would_check_out(self, user_id: str, barcode: str, days: int) -> tuple[str, ...]:
        """Return why a check-out would be refused."""
        request = CheckOutRequest(user_id=user_id, barcode=barcode, days=days, validate_only=True)
        response = checkout.check_out(self.store, request, self.rules, self.clock)
        return tuple(refusal.reason for refusal in response.refusals)

    def borrow_any(self, user_id: str, book_id: str, days: int) -> loan_pb2.Loan | Refused:
        """Borrow any item of a book."""
        request = BorrowBookRequest(user_id=user_id, book_id=book_id, days=days)
        try:
            return checkout.borrow_book(self.store, request, self.rules, self.clock)
        except ServiceError as error:
            return refused(error)

    def check_in(self, barcode: str, returned: int) -> CheckInResponse:
        """Check an item in, now or at an earlier time."""
        request = CheckInRequest(barcode=barcode)
        if returned != self.clock():
            request.return_time.CopyFrom(timestamp(returned))
        return checkin.check_in(self.store, request, self.rules, self.clock)

    def cancel_check_out(self, loan_id: str) -> loan_pb2.Loan | Refused:
        """Cancel a check-out that was a slip."""
        try:
            request = CancelCheckOutRequest(loan_id=loan_id)
            return slips.cancel_check_out(self.store, request, self.rules, self.clock)
        except ServiceError as error:
            return refused(error)

    def cancel_check_in(self, loan_id: str) -> loan_pb2.Loan | Refused:
        """Cancel a check-in that was a slip."""
        try:
            request = CancelCheckInRequest(loan_id=loan_id)
            return slips.cancel_check_in(self.store, request, self.rules, self.clock)
        except ServiceError as error:
            return refused(error)

    def renew_item(self, barcode: str, days: int, overridden: Iterable[str] = ()) -> loan_pb2.Loan | Refused:
        """Renew the loan of an item."""
        try:
            overrides = [Override(refusal=refusal, reason="by hand") for refusal in overridden]
            request = RenewRequest(barcode=barcode, days=days, overrides=overrides)
            return renewal.renew_item(self.store, request, self.rules, self.clock).loan
        except ServiceError as error:
            return refused(error)

    def explain(self, user_id: str, barcode: str, days: int) -> ExplainRuleResponse:
        """Explain a check-out at this time."""
        request = ExplainRuleRequest(user_id=user_id, barcode=barcode, days=days)
        return explanation.explain_rule(self.store, request, self.rules, self.clock)

    def block(self, user_id: str, until: int | None) -> None:
        """Block a user by hand."""
        request = BlockUserRequest(user_id=user_id, reason="a block")
        if until is not None:
            request.end_time.CopyFrom(timestamp(until))
        blocks.block_user(self.store, request, self.clock)

    def unblock_all(self, user_id: str) -> None:
        """Lift all blocks of a user."""
        for block in members.get_user(self.store, user_id).blocks:
            blocks.unblock_user(self.store, UnblockUserRequest(user_id=user_id, block_id=block.id), self.clock)

    def update_user(self, user_id: str, **fields: Any) -> None:
        """Change fields of a user; None clears one."""
        given = {name: value for name, value in fields.items() if value is not None}
        request = UpdateUserRequest(user=user_pb2.User(id=user_id, **given), update_mask=FieldMask(paths=list(fields)))
        members.update_user(self.store, request, self.clock)


def refused(error: ServiceError) -> Refused:
    """Return all reasons of an error, in their order."""
    return Refused(tuple(each.reason for each in (error, *error.further)))
