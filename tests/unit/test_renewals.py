"""Section 6 of the agreement: renewals, as far as they depend on the loan and its rule.

R10 (a hold of another user) and R11 (a request id that is sent twice) need the store.
"""

from __future__ import annotations

from typing import Any

import pytest

from frontend_server.circulation.circulation_rule import CirculationRule, DueMode, RenewFrom
from frontend_server.circulation.fines import fine_so_far
from frontend_server.circulation.renewals import (
    OpenLoan,
    earliest_renewal_date,
    renewal_due_time,
    renewal_period_of,
    renewal_refusals,
)
from tests.support.lending_terms import at, branch_in, day, local

DUE, NOW = RenewFrom.DUE, RenewFrom.NOW


def loan(due: str = "2026-11-16 23:59:59", borrowed: str = "2026-11-02 10:00", renewals: int = 0) -> OpenLoan:
    return OpenLoan("l", at(borrowed), at(due), renewals)


def rule(days: int = 14, renew_from: RenewFrom = DUE, **terms: Any) -> CirculationRule:
    return CirculationRule(loan_days=days, renew_from=renew_from, **{"renewal_limit": 3, **terms})


def renewed(terms: CirculationRule, now: str, of: OpenLoan | None = None, **asked: Any) -> tuple[str, list[str]]:
    """Return the new due time as the clock shows it, and the reasons for which it is refused."""
    of = of or loan()
    found = renewal_due_time(terms, branch_in(), of, at(now), **asked)
    refusals = renewal_refusals(terms, branch_in(), of, at(now), found.time)
    return local(found.time)[:19], [refusal.reason for refusal in refusals]


LATE = "2026-11-20 09:00"
RENEWALS = [
    ("R1", rule(14, DUE), "2026-11-10 09:00", "2026-11-30"),
    ("R2", rule(14, NOW), "2026-11-10 09:00", "2026-11-24"),
    ("R4", rule(14, DUE, renew_overdue=True), LATE, "2026-12-04"),
    ("from now, overdue", rule(14, NOW, renew_overdue=True), LATE, "2026-12-04"),
    ("on the due date", rule(14, DUE), "2026-11-16 23:59:59", "2026-11-30"),
    ("a microsecond late", rule(14, DUE, renew_overdue=True), "2026-11-16 23:59:59.000001", "2026-11-30"),
    ("on the day after", rule(14, DUE, renew_overdue=True), "2026-11-17 00:00", "2026-12-01"),
    ("a period of its own", rule(14, DUE, renewal_days=7), "2026-11-10 09:00", "2026-11-23"),
    ("to the next open day", rule(13, DUE, due_mode=DueMode.NEXT_OPEN), "2026-11-10 09:00", "2026-11-30"),
    ("open days", rule(12, DUE, due_mode=DueMode.COUNT_OPEN), "2026-11-10 09:00", "2026-11-30"),
    ("to the ceiling", rule(14, DUE, term_ceiling_date=day("2026-11-22")), "2026-11-10 09:00", "2026-11-21"),
    ("clocks change between", rule(200, DUE), "2026-11-10 09:00", "2027-06-04"),
]


@pytest.mark.parametrize(("terms", "now", "due"), [row[1:] for row in RENEWALS], ids=[row[0] for row in RENEWALS])
def test_a_loan_is_renewed(terms: CirculationRule, now: str, due: str) -> None:
    assert renewed(terms, now) == (f"{due} 23:59:59", [])


def test_R3_a_due_time_that_is_not_later_is_refused() -> None:
    assert renewed(rule(3, NOW), "2026-11-10 09:00") == ("2026-11-13 23:59:59", ["DUE_TIME_UNCHANGED"])
    assert renewed(rule(6, NOW), "2026-11-10 09:00") == ("2026-11-16 23:59:59", ["DUE_TIME_UNCHANGED"])
    assert renewed(rule(7, NOW), "2026-11-10 09:00") == ("2026-11-17 23:59:59", [])


def test_R4_the_fine_to_today_is_assessed_and_nothing_is_added_when_it_comes_back_in_time() -> None:
    terms = rule(14, DUE, renew_overdue=True, currency="EUR", fine_rate=200_000_000)
    assert fine_so_far(terms, branch_in(), loan().due_time, at(LATE)) == 80
    new = renewal_due_time(terms, branch_in(), loan(), at(LATE))
    assert fine_so_far(terms, branch_in(), new.time, at("2026-12-04 18:00"), assessed_before=80) == 0


def test_R6_an_overdue_loan_counts_from_today_and_never_from_a_date_in_the_past() -> None:
    overdue = loan(due="2026-11-01 23:59:59", borrowed="2026-10-18 10:00")
    assert renewed(rule(14, DUE, renew_overdue=True), LATE, overdue) == ("2026-12-04 23:59:59", [])


def test_an_overdue_loan_is_refused_unless_the_rule_renews_it() -> None:
    assert renewed(rule(14, DUE), LATE)[1] == ["LOAN_OVERDUE"]
    assert renewed(rule(14, DUE), "2026-11-16 23:59:59.000001")[1] == ["LOAN_OVERDUE"]
    assert renewed(rule(14, DUE), "2026-11-16 23:59:59")[1] == []


@pytest.mark.parametrize(("limit", "renewals", "refused"), [(0, 0, True), (1, 0, False), (1, 1, True), (3, 2, False)])
def test_the_count_of_renewals_is_limited(limit: int, renewals: int, refused: bool) -> None:
    found = renewed(rule(renewal_limit=limit), "2026-11-10 09:00", loan(renewals=renewals))
    assert found[1] == ["RENEWAL_LIMIT_REACHED"] * refused


def test_the_total_length_is_limited_by_local_dates() -> None:
    assert renewed(rule(most_total_days=28), "2026-11-10 09:00")[1] == []
    assert renewed(rule(most_total_days=27), "2026-11-10 09:00")[1] == ["RENEWAL_LIMIT_REACHED"]
    # Lent on the 3rd at 00:30 in Berlin, which is the 2nd in UTC.
    assert renewed(rule(most_total_days=27), "2026-11-10 09:00", loan(borrowed="2026-11-02T23:30+00:00"))[1] == []


@pytest.mark.parametrize(
    ("now", "refused"), [("2026-11-13 23:59:59.999999", True), ("2026-11-14 00:00", False), ("2026-11-16 12:00", False)]
)
def test_before_its_window_a_renewal_is_refused_with_the_earliest_day(now: str, refused: bool) -> None:
    terms = rule(renew_window_days=2)
    assert renewed(terms, now)[1] == ["RENEWAL_TOO_EARLY"] * refused
    assert earliest_renewal_date(terms, branch_in(), loan()) == day("2026-11-14")
    assert earliest_renewal_date(rule(), branch_in(), loan()) is None


def test_all_refusals_come_at_once_with_their_values() -> None:
    terms = rule(1, NOW, renewal_limit=1, renew_window_days=2)
    refusals = renewal_refusals(terms, branch_in(), loan(renewals=1), at("2026-11-10 09:00"), at("2026-11-11 23:59:59"))
    assert [(refusal.reason, dict(refusal.metadata)) for refusal in refusals] == [
        ("RENEWAL_LIMIT_REACHED", {"loan_id": "l", "renewal_limit": "1", "day_limit": "365"}),
        ("RENEWAL_TOO_EARLY", {"loan_id": "l", "earliest_date": "2026-11-14"}),
        ("DUE_TIME_UNCHANGED", {"loan_id": "l", "due_time": "2026-11-16T22:59:59Z"}),
    ]


@pytest.mark.parametrize(
    ("chosen", "reasons"),
    [
        ("2026-11-16 23:59:59", ["DUE_TIME_UNCHANGED"]),
        ("2026-11-15 12:00", ["DUE_TIME_UNCHANGED"]),
        ("2026-11-17 00:00", []),
        ("2026-11-22 12:00", []),  # a Sunday, and no end of a day
        ("2027-11-02 23:59:59", []),
        ("2027-11-03 00:00", ["RENEWAL_LIMIT_REACHED"]),
    ],
)
def test_a_chosen_due_time_is_kept_or_refused(chosen: str, reasons: list[str]) -> None:
    found = renewal_refusals(rule(), branch_in(), loan(), at("2026-11-10 09:00"), at(chosen))
    assert [refusal.reason for refusal in found] == reasons


@pytest.mark.parametrize(("chosen", "refused"), [(LATE, True), ("2026-11-20 09:00:00.000001", False)])
def test_a_chosen_due_time_of_an_overdue_loan_is_later_than_now(chosen: str, refused: bool) -> None:
    found = renewal_refusals(rule(renew_overdue=True), branch_in(), loan(), at(LATE), at(chosen))
    assert [refusal.reason for refusal in found] == ["DUE_TIME_PASSED"] * refused


def test_a_borrower_may_ask_for_other_days() -> None:
    assert renewed(rule(14, DUE, renewal_days=7), "2026-11-10 09:00", asked_days=3)[0] == "2026-11-19 23:59:59"


def test_a_renewal_ends_with_the_membership_unless_that_is_over() -> None:
    """A membership that is over is a refusal of its own: `MEMBERSHIP_EXPIRED`."""
    asked: dict[str, Any] = {"membership_end": day("2026-11-28")}
    assert renewed(rule(), "2026-11-10 09:00", **asked) == ("2026-11-28 23:59:59", [])
    before_due: dict[str, Any] = {"membership_end": day("2026-11-13")}
    assert renewed(rule(), "2026-11-10 09:00", **before_due) == ("2026-11-13 23:59:59", ["DUE_TIME_UNCHANGED"])
    assert renewed(rule(), "2026-11-14 09:00", **before_due) == ("2026-11-30 23:59:59", [])


def test_a_loan_by_hours_is_renewed_by_hours() -> None:
    hours = loan(due="2026-10-25 01:00", borrowed="2026-10-24 21:00")
    now = "2026-10-25 00:30"
    assert renewed(rule(loan_hours=4), now, hours) == ("2026-10-25 04:00:00", [])  # 02:00 to 03:00 come twice
    assert renewed(rule(loan_hours=4, renew_from=NOW), now, hours) == ("2026-10-25 03:30:00", [])
    assert renewed(rule(loan_hours=4, renewal_days=2), now, hours) == ("2026-10-25 02:00:00", [])
    assert renewed(rule(loan_hours=4, renew_overdue=True), "2026-10-25 08:00", hours) == ("2026-10-25 12:00:00", [])
    assert renewal_period_of(rule(loan_hours=4, renewal_days=2), asked_days=3).days == 3


def test_from_the_due_time_of_a_loan_from_before_that_is_no_end_of_a_day() -> None:
    assert renewed(rule(), "2026-11-10 09:00", loan(due="2026-11-16 10:00")) == ("2026-11-30 23:59:59", [])
