"""The desk of a frontend for tests: its calls by barcode, and rules, calendars and settings as the admin sends them."""

from __future__ import annotations

from datetime import date
from typing import Any

from google.type.money_pb2 import Money

from frontend_server.browse import items
from frontend_server.circulation import checkin, checkout, due_dates, explanation, renewal, slips
from frontend_server.circulation.loans import loan_shower
from library.frontend.v1 import circulation_service_pb2 as pb
from library.v1 import circulation_rule_pb2, loan_pb2, user_pb2
from library.v1.library_settings_pb2 import LibrarySettings
from library_domain.local_dates import date_message
from service_kit.clock import Clock, micros, timestamp
from service_kit.errors import ServiceError
from service_kit.store import Store
from tests.support.frontend import RULES, LocalFrontend

TWENTY_CENTS = Money(currency_code="EUR", nanos=200_000_000)


def rule(**fields: Any) -> circulation_rule_pb2.CirculationRule:
    """The rule for everything, with these fields."""
    values = {"id": "0193cf10-0000-7000-8000-000000000002", "renewal_limit": 3, "fine_rate": TWENTY_CENTS, **fields}
    return circulation_rule_pb2.CirculationRule(**values)


def overrides(*reasons: str) -> list[pb.Override]:
    return [pb.Override(refusal=reason, reason=f"for {reason}") for reason in reasons]


class LocalDesk(LocalFrontend):
    """A frontend in this process with the calls of its desk."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store, clock, RULES)

    def lent(self, barcode: str, user: user_pb2.User, **fields: Any) -> loan_pb2.Loan:
        """Lend an item and return the loan."""
        return self.check_out(barcode, user, **fields).loan

    def check_out(self, barcode: str, user: user_pb2.User, **fields: Any) -> pb.CheckOutResponse:
        request = pb.CheckOutRequest(barcode=barcode, card_number=user.card_number, **fields)
        return checkout.check_out(self.store, request, self.rules, self.clock)

    def check_in(self, barcode: str, return_time: int | None = None, **fields: Any) -> pb.CheckInResponse:
        request = pb.CheckInRequest(barcode=barcode, **fields)
        if return_time is not None:
            request.return_time.CopyFrom(timestamp(return_time))
        return checkin.check_in(self.store, request, self.rules, self.clock)

    def renew_item(self, barcode: str, **fields: Any) -> pb.RenewResponse:
        return renewal.renew_item(self.store, pb.RenewRequest(barcode=barcode, **fields), self.rules, self.clock)

    def explain(self, barcode: str, user: user_pb2.User, **fields: Any) -> pb.ExplainRuleResponse:
        request = pb.ExplainRuleRequest(barcode=barcode, user_id=user.id, **fields)
        return explanation.explain_rule(self.store, request, self.rules, self.clock)

    def cancel_check_out(self, loan_id: str) -> loan_pb2.Loan:
        request = pb.CancelCheckOutRequest(loan_id=loan_id)
        return slips.cancel_check_out(self.store, request, self.rules, self.clock)

    def cancel_check_in(self, loan_id: str) -> loan_pb2.Loan:
        request = pb.CancelCheckInRequest(loan_id=loan_id)
        return slips.cancel_check_in(self.store, request, self.rules, self.clock)

    def move_due_dates(
        self, first: date, last: date, new: date | None = None, **fields: Any
    ) -> pb.MoveDueDatesResponse:
        request = pb.MoveDueDatesRequest(first_date=date_message(first), last_date=date_message(last), **fields)
        if new is not None:
            request.new_date.CopyFrom(date_message(new))
        return due_dates.move_due_dates(self.store, request, self.rules, self.clock)

    def lookup(self, barcode: str) -> pb.LookupItemResponse:
        show = loan_shower(self.rules, self.clock)
        return items.lookup_item(self.store, pb.LookupItemRequest(barcode=barcode), show)

    def set_loan_limit(self, loan_limit: int) -> None:
        self.receive(LibrarySettings(loan_limit=loan_limit))

    def reasons(self, call: Any, *args: Any, **fields: Any) -> list[str]:
        """Make a call; return all reasons for which it is refused, and show that a refused one changes nothing."""
        before = self.contents()
        try:
            call(*args, **fields)
        except ServiceError as error:
            assert self.contents() == before
            return [error.reason, *(refusal.reason for refusal in error.further)]
        return []


def due(loan: loan_pb2.Loan) -> int:
    return micros(loan.due_time)
