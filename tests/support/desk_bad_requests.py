"""Requests to CirculationService with every problem that they can have: `DESK_CASES`."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from library.frontend.v1 import circulation_service_pb2 as pb

DESK = "CirculationService"
NOBODY = "0193c1d4-8e00-7b2f-a5d6-7c8b9a0f1e2d"
BAD_TOKEN: dict[str, Any] = {"page_size": -1, "page_token": "x"}
NO_DATE, NO_TIME = Date(year=2027, month=2, day=30), Timestamp(nanos=-1)
A_DATE, A_TIME = Date(year=2027, month=2, day=3), Timestamp(seconds=1)
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
    # One problem only: the methods find each by themselves.
    (f"{DESK}/CheckOut", pb.CheckOutRequest(barcode="1"), {"card_number"}),
    (f"{DESK}/CheckOut", pb.CheckOutRequest(barcode="1", card_number="2", user_id=NOBODY), {"user_id"}),
    (f"{DESK}/CheckOut", pb.CheckOutRequest(barcode="a b", card_number="2"), {"barcode"}),
    (f"{DESK}/CheckOut", pb.CheckOutRequest(barcode="1", card_number="a b"), {"card_number"}),
    (f"{DESK}/CheckOut", pb.CheckOutRequest(barcode="1", card_number="2", due_time=NO_TIME), {"due_time"}),
    (f"{DESK}/CheckOut", pb.CheckOutRequest(barcode="1", card_number="2", due_time=A_TIME, days=1), {"due_time"}),
    (f"{DESK}/CheckIn", pb.CheckInRequest(barcode="a b"), {"barcode"}),
    (f"{DESK}/CheckIn", pb.CheckInRequest(barcode="1", return_time=NO_TIME), {"return_time"}),
    (f"{DESK}/Renew", pb.RenewRequest(barcode="a b"), {"barcode"}),
    (f"{DESK}/Renew", pb.RenewRequest(barcode="1", due_time=NO_TIME), {"due_time"}),
    (f"{DESK}/Renew", pb.RenewRequest(barcode="1", due_time=A_TIME, days=1), {"due_time"}),
    (f"{DESK}/ExplainRule", pb.ExplainRuleRequest(barcode="1"), {"card_number"}),
    (f"{DESK}/ExplainRule", pb.ExplainRuleRequest(barcode="a b", card_number="2"), {"barcode"}),
    (f"{DESK}/ExplainRule", pb.ExplainRuleRequest(barcode="1", card_number="2", time=NO_TIME), {"time"}),
    (f"{DESK}/MoveDueDates", pb.MoveDueDatesRequest(first_date=A_DATE), {"last_date"}),
    (f"{DESK}/ListHistory", pb.ListHistoryRequest(), {"user_id", "loan_id", "item_id"}),
    (f"{DESK}/ListHistory", pb.ListHistoryRequest(user_id="x", **BAD_TOKEN), {"user_id", *BAD_TOKEN}),
]
