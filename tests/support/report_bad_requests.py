"""Requests to ReportService with every problem that they can have: `REPORT_CASES`."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from library.admin.v1 import report_service_pb2 as reports

REPORTS = "library.admin.v1.ReportService"

NOBODY = "0193c1d4-8e00-7b2f-a5d6-7c8b9a0f1e2d"
BAD_TOKEN: dict[str, Any] = {"page_size": -1, "page_token": "x"}
BAD_PERIOD: dict[str, Any] = {
    "start_time": Timestamp(nanos=-1),
    "end_time": Timestamp(seconds=2**62),
    "branch": "b" * 41,
}
BAD_OPEN: dict[str, Any] = {
    "due_before": Timestamp(seconds=253_402_300_800),
    "due_from": Timestamp(seconds=-62_135_596_801),
    "branch": "\x00",
    "user_group": "g" * 101,
    "user_category": "\u200b",
}

REPORT_CASES: list[tuple[str, Message, set[str]]] = [
    (
        f"{REPORTS}/ListOpenLoans",
        reports.ListOpenLoansRequest(**BAD_OPEN, **BAD_TOKEN),
        {*BAD_OPEN, *BAD_TOKEN},
    ),
    (
        f"{REPORTS}/ListMostLentBooks",
        reports.ListMostLentBooksRequest(**BAD_PERIOD, **BAD_TOKEN),
        {*BAD_PERIOD, *BAD_TOKEN},
    ),
    (f"{REPORTS}/ListNeverLentBooks", reports.ListNeverLentBooksRequest(**BAD_TOKEN), set(BAD_TOKEN)),
    (
        f"{REPORTS}/ListLoanCounts",
        reports.ListLoanCountsRequest(**BAD_PERIOD, **BAD_TOKEN),
        {"group_by", *BAD_PERIOD, *BAD_TOKEN},
    ),
    (
        f"{REPORTS}/ListLoanCounts",
        reports.ListLoanCountsRequest(group_by=7),  # type: ignore[arg-type]
        {"group_by"},
    ),
    (
        f"{REPORTS}/ListHistory",
        reports.ListHistoryRequest(user_id="a", loan_id="b", item_id="c", **BAD_TOKEN),
        {"user_id", "loan_id", "item_id", *BAD_TOKEN},
    ),
    # One problem only: the methods find each by themselves.
    (f"{REPORTS}/ListHistory", reports.ListHistoryRequest(), {"user_id", "loan_id", "item_id"}),
    (
        f"{REPORTS}/ListHistory",
        reports.ListHistoryRequest(user_id=NOBODY, item_id=NOBODY),
        {"user_id", "item_id"},
    ),
    (f"{REPORTS}/ListOpenLoans", reports.ListOpenLoansRequest(due_from=BAD_OPEN["due_from"]), {"due_from"}),
    (f"{REPORTS}/ListMostLentBooks", reports.ListMostLentBooksRequest(end_time=BAD_PERIOD["end_time"]), {"end_time"}),
    (
        f"{REPORTS}/ListLoanCounts",
        reports.ListLoanCountsRequest(group_by=reports.LOAN_GROUPING_MONTH, start_time=BAD_PERIOD["start_time"]),
        {"start_time"},
    ),
    (f"{REPORTS}/ListMostLentBooks", reports.ListMostLentBooksRequest(page_token="x"), {"page_token"}),
]
