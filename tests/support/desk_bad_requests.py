"""Requests to CirculationService with every problem that they can have: `DESK_CASES`."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from library.frontend.v1 import circulation_service_pb2 as pb

DESK = "CirculationService"
BAD_TOKEN: dict[str, Any] = {"page_size": -1, "page_token": "x"}
NO_DATE, NO_TIME = Date(year=2027, month=2, day=30), Timestamp(nanos=-1)
BAD_CODES: dict[str, Any] = {"barcode": "a b", "card_number": "b" * 41}
STAFF: dict[str, Any] = {"staff": "s" * 101, "request_id": "7"}
LENDING: dict[str, Any] = {"user_id": "7", "days": 366, "branch": "b" * 41}
OVERRIDES = [pb.Override(refusal="no", reason=""), pb.Override(refusal="A", reason="r" * 501)]
OF_OVERRIDES = ("overrides[0].refusal", "overrides[0].reason", "overrides[1].reason")

DESK_CASES: list[tuple[str, Message, set[str]]] = [
    (f"{DESK}/CheckOut", pb.CheckOutRequest(), {"barcode", "card_number"}),
    (
        f"{DESK}/CheckOut",
        pb.CheckOutRequest(due_time=NO_TIME, overrides=OVERRIDES, **BAD_CODES, **LENDING, **STAFF),
        {"due_time", *OF_OVERRIDES, *BAD_CODES, *LENDING, *STAFF},
    ),
    (
        f"{DESK}/CheckIn",
        pb.CheckInRequest(barcode="a b", return_time=NO_TIME, branch="b" * 41, **STAFF),
        {"barcode", "return_time", "branch", *STAFF},
    ),
    (
        f"{DESK}/Renew",
        pb.RenewRequest(barcode="a b", days=-1, due_time=NO_TIME, overrides=OVERRIDES, **STAFF),
        {"barcode", "days", "due_time", *OF_OVERRIDES, *STAFF},
    ),
    (
        f"{DESK}/ExplainRule",
        pb.ExplainRuleRequest(time=NO_TIME, **BAD_CODES, **LENDING),
        {"time", *BAD_CODES, *LENDING},
    ),
    (f"{DESK}/CancelCheckOut", pb.CancelCheckOutRequest(loan_id="x", **STAFF), {"loan_id", *STAFF}),
    (f"{DESK}/CancelCheckIn", pb.CancelCheckInRequest(loan_id="x", **STAFF), {"loan_id", *STAFF}),
    (f"{DESK}/MoveDueDates", pb.MoveDueDatesRequest(), {"first_date", "last_date"}),
    (
        f"{DESK}/MoveDueDates",
        pb.MoveDueDatesRequest(first_date=NO_DATE, last_date=NO_DATE, new_date=NO_DATE, branch="b" * 41, **STAFF),
        {"first_date", "last_date", "new_date", "branch", *STAFF},
    ),
    (f"{DESK}/LookupItem", pb.LookupItemRequest(barcode="a b"), {"barcode"}),
    (f"{DESK}/ListItems", pb.ListItemsRequest(book_id="x", **BAD_TOKEN), {"book_id", *BAD_TOKEN}),
    (f"{DESK}/ListHistory", pb.ListHistoryRequest(user_id="x", **BAD_TOKEN), {"user_id", *BAD_TOKEN}),
]
