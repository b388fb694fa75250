"""library.frontend.v1.CirculationService."""

from __future__ import annotations

import grpc

from frontend_server.browse import items
from frontend_server.circulation import checkin, checkout, due_dates, explanation, renewal, slips, wishes
from frontend_server.circulation.current_policy import library_settings
from frontend_server.circulation.loans import loan_shower
from frontend_server.circulation.rules import LendingRules
from frontend_server.history import entries
from frontend_server.sync.sync import Sync
from frontend_server.watched_clock import WatchedClock
from library.frontend.v1 import circulation_service_pb2 as pb
from library.frontend.v1 import circulation_service_pb2_grpc
from library.v1 import library_settings_pb2, loan_pb2
from library_domain.access.callers import caller_of
from library_domain.history import subject_of
from service_kit.paging import position, row_position
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

CIRCULATION_SERVICE = pb.DESCRIPTOR.services_by_name["CirculationService"]


@instrument_servicer(
    CIRCULATION_SERVICE,
    rules={
        "CheckOut": [wishes.check_user, wishes.check_codes, wishes.check_times],
        "CheckIn": [wishes.check_codes, wishes.check_times],
        "Renew": [wishes.check_codes, wishes.check_times],
        "ExplainRule": [wishes.check_user, wishes.check_codes, wishes.check_times],
        "MoveDueDates": [due_dates.move_of],
        "LookupItem": [wishes.check_codes],
        "ListItems": [position],
        "ListHistory": [subject_of, row_position],
    },
)
class CirculationServicer(circulation_service_pb2_grpc.CirculationServiceServicer):
    """library.frontend.v1.CirculationService."""

    def __init__(self, store: Store, rules: LendingRules, clock: WatchedClock, sync: Sync) -> None:
        self._store, self._rules, self._clock, self._sync = store, rules, clock, sync

    def CheckOut(self, request: pb.CheckOutRequest, context: grpc.ServicerContext) -> pb.CheckOutResponse:
        answer = checkout.check_out(self._store, request, self._rules, self._clock.lending_time)
        self._changed(validate_only=request.validate_only)
        return answer

    def CheckIn(self, request: pb.CheckInRequest, context: grpc.ServicerContext) -> pb.CheckInResponse:
        answer = checkin.check_in(self._store, request, self._rules, self._clock.lending_time)
        self._changed()
        return answer

    def Renew(self, request: pb.RenewRequest, context: grpc.ServicerContext) -> pb.RenewResponse:
        answer = renewal.renew_item(self._store, request, self._rules, self._clock.lending_time)
        self._changed(validate_only=request.validate_only)
        return answer

    def ExplainRule(self, request: pb.ExplainRuleRequest, context: grpc.ServicerContext) -> pb.ExplainRuleResponse:
        return explanation.explain_rule(self._store, request, self._rules, self._clock.now)

    def CancelCheckOut(self, request: pb.CancelCheckOutRequest, context: grpc.ServicerContext) -> loan_pb2.Loan:
        loan = slips.cancel_check_out(self._store, request, self._rules, self._clock.lending_time)
        self._changed()
        return loan

    def CancelCheckIn(self, request: pb.CancelCheckInRequest, context: grpc.ServicerContext) -> loan_pb2.Loan:
        loan = slips.cancel_check_in(self._store, request, self._rules, self._clock.lending_time)
        self._changed()
        return loan

    def MoveDueDates(self, request: pb.MoveDueDatesRequest, context: grpc.ServicerContext) -> pb.MoveDueDatesResponse:
        answer = due_dates.move_due_dates(self._store, request, self._rules, self._clock.lending_time)
        self._changed(validate_only=request.validate_only)
        return answer

    def LookupItem(self, request: pb.LookupItemRequest, context: grpc.ServicerContext) -> pb.LookupItemResponse:
        return items.lookup_item(self._store, request, loan_shower(self._rules, self._clock.now))

    def ListItems(self, request: pb.ListItemsRequest, context: grpc.ServicerContext) -> pb.ListItemsResponse:
        page, token = items.list_items(self._store, request, caller_of(context))
        return pb.ListItemsResponse(items=page, next_page_token=token)

    def GetLibrarySettings(
        self, request: pb.GetLibrarySettingsRequest, context: grpc.ServicerContext
    ) -> library_settings_pb2.LibrarySettings:
        return library_settings(self._store, self._rules)

    def ListHistory(self, request: pb.ListHistoryRequest, context: grpc.ServicerContext) -> pb.ListHistoryResponse:
        page, token = entries.list_history(self._store, request)
        return pb.ListHistoryResponse(entries=page, next_page_token=token)

    def _changed(self, *, validate_only: bool = False) -> None:
        """Have what was changed pushed, and remember the time at which it was."""
        if not validate_only:
            self._sync.request_push()
            self._clock.note_time(self._clock.now())
