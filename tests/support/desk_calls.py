"""The writing calls of the desk with values that overlap: few items, users and loans."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from frontend_server.circulation import checkin, checkout, due_dates, renewal, slips
from frontend_server.circulation.fines import DailyFine
from frontend_server.circulation.rules import LendingRules
from frontend_server.store.models import Item, Loan, User
from library.frontend.v1.circulation_service_pb2 import (
    CancelCheckInRequest,
    CancelCheckOutRequest,
    CheckInRequest,
    CheckOutRequest,
    MoveDueDatesRequest,
    Override,
    RenewRequest,
)
from library_domain.local_dates import date_message
from service_kit.clock import Clock
from service_kit.ids import new_id
from service_kit.store import Store
from tests.support.lending_terms import branch_in

RULES = LendingRules(loan_limit=2, daily_fine=DailyFine("EUR", 0))
RENEWAL_LIMITS = ("LOAN_OVERDUE", "RENEWAL_LIMIT_REACHED", "RENEWAL_TOO_EARLY")
OVERRIDES = [Override(refusal=each, reason="It is wanted") for each in ("ITEM_ON_LOAN", "LOAN_LIMIT_REACHED")]


class DeskCalls:
    """The writing calls of CirculationService on a frontend whose store is bound and has items."""

    def __init__(self, store: Store, clock: Clock, request_id: Callable[[random.Random], str]) -> None:
        self.store, self.clock, self.request_id = store, clock, request_id
        service = "library.frontend.v1.CirculationService"
        self.by_name: Mapping[str, Callable[[random.Random], object]] = {
            f"{service}/CheckOut": self.check_out,
            f"{service}/CheckIn": self.check_in,
            f"{service}/Renew": self.renew,
            f"{service}/CancelCheckOut": self.cancel_check_out,
            f"{service}/CancelCheckIn": self.cancel_check_in,
            f"{service}/MoveDueDates": self.move_due_dates,
        }

    def check_out(self, chance: random.Random) -> object:
        request = CheckOutRequest(
            barcode=self._some(Item.barcode, chance),
            user_id=self._some(User.id, chance),
            overrides=chance.choice([[], OVERRIDES]),
            validate_only=chance.random() < 0.25,
            request_id=self.request_id(chance),
        )
        return checkout.check_out(self.store, request, RULES, self.clock)

    def check_in(self, chance: random.Random) -> object:
        request = CheckInRequest(barcode=self._some(Item.barcode, chance), request_id=self.request_id(chance))
        return checkin.check_in(self.store, request, RULES, self.clock)

    def renew(self, chance: random.Random) -> object:
        barcode = self._some(Loan.barcode, chance, Loan.return_time.is_null(), Loan.barcode != "")
        overrides = [Override(refusal=each, reason="It is wanted") for each in RENEWAL_LIMITS]
        request = RenewRequest(barcode=barcode, overrides=overrides, request_id=self.request_id(chance))
        return renewal.renew_item(self.store, request, RULES, self.clock)

    def cancel_check_out(self, chance: random.Random) -> object:
        request = CancelCheckOutRequest(loan_id=self._some(Loan.id, chance), request_id=self.request_id(chance))
        return slips.cancel_check_out(self.store, request, RULES, self.clock)

    def cancel_check_in(self, chance: random.Random) -> object:
        request = CancelCheckInRequest(loan_id=self._some(Loan.id, chance), request_id=self.request_id(chance))
        return slips.cancel_check_in(self.store, request, RULES, self.clock)

    def move_due_dates(self, chance: random.Random) -> object:
        today = branch_in("UTC").date_of(self.clock())
        request = MoveDueDatesRequest(
            first_date=date_message(today),
            last_date=date_message(today + timedelta(days=20)),
            new_date=date_message(today + timedelta(days=chance.randrange(21, 99))),
            validate_only=chance.random() < 0.25,
            request_id=self.request_id(chance),
        )
        return due_dates.move_due_dates(self.store, request, RULES, self.clock)

    def _some(self, column: Any, chance: random.Random, *conditions: Any) -> str:
        """Return a value of one of the newest rows, so that several calls are about the same one."""
        model = column.model
        query = model.select(column).where(*conditions) if conditions else model.select(column)
        with self.store.reading():
            rows = list(query.order_by(model.key.desc()).limit(6).tuples())
        return str(chance.choice(rows)[0]) if rows else new_id()
