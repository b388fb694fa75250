"""The examples of docs/rules.md are what the code computes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from frontend_server.circulation.circulation_rule import CirculationRule, DueMode, RenewFrom
from frontend_server.circulation.due_times import checkout_due_time
from frontend_server.circulation.fines import fine_so_far
from frontend_server.circulation.renewals import OpenLoan, renewal_due_time, renewal_refusals
from frontend_server.circulation.rule_choice import RuleTable
from library_domain.calendars import Calendar
from service_kit.text.keys import text_key
from tests.support.lending_terms import CHRISTMAS, CLOSED_SUNDAYS, TWENTY_CENTS, at, branch_in, day, local, opened

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
WEEKEND = Calendar(weekly_closed_days=frozenset({6, 7}))
CALENDARS = dict.fromkeys(("C1", "C2", "C3", "C4", "C5"), CHRISTMAS) | {
    "C7": replace(CLOSED_SUNDAYS, exceptions=(opened("2026-12-13"),))
}


def examples(kinds: str) -> list[list[str]]:
    """Return the cells of the rows whose example begins with one of these letters."""
    rows = re.findall(rf"^\| ([{kinds}]\d+ \|.*) \|$", PAGE, re.MULTILINE)
    return [[cell.strip().strip("`") for cell in row.split("|")] for row in rows]


def after(word: str, text: str, otherwise: str) -> str:
    found = re.search(rf"{word} (\S+?)(,|$)", text)
    return found[1] if found else otherwise


def test_no_example_is_left_out() -> None:
    assert [len(examples(kind)) for kind in ("P", "DCTH", "R", "F")] == [3, 15, 4, 13]


@pytest.mark.parametrize(("name", "rows", "checkout", "applies"), examples("P"))
def test_the_row_that_applies(name: str, rows: str, checkout: str, applies: str) -> None:
    def row(text: str) -> CirculationRule:
        names = {word: after(word, text.replace(" and ", ", "), "") for word in ("branch", "category", "type")}
        return CirculationRule(text, names["branch"], text_key(names["category"]), text_key(names["type"]))

    table = RuleTable(row(text) for text in rows.split(" · "))
    assert table.matching(*checkout.split(", "))[0].id == applies


@pytest.mark.parametrize(("name", "lent", "period", "mode", "further", "due"), examples("DCTH"))
def test_due_times(name: str, lent: str, period: str, mode: str, further: str, due: str) -> None:
    number, unit = period.split()
    zone = further if "/" in further else "Europe/Berlin"
    ceiling, membership = after("ceiling", further, ""), after("until", further, "")
    rule = CirculationRule(
        loan_days=int(number),
        loan_hours=int(number) if unit == "hours" else 0,
        due_mode=DueMode[mode],
        term_ceiling_date=day(ceiling) if ceiling else None,
    )
    branch = branch_in(zone, CALENDARS.get(name, CLOSED_SUNDAYS))
    found = checkout_due_time(rule, branch, at(lent, zone), 0, day(membership) if membership else None)
    assert local(found.time, zone) == due


@pytest.mark.parametrize(("name", "renewed", "period", "start", "result"), examples("R"))
def test_renewals(name: str, renewed: str, period: str, start: str, result: str) -> None:
    renew_from = RenewFrom.NOW if start == "now" else RenewFrom.DUE
    days = int(period.split(maxsplit=1)[0])
    rule = CirculationRule(loan_days=days, renew_from=renew_from, renewal_limit=1, renew_overdue=name == "R4")
    loan = OpenLoan("l", at("2026-11-02 10:00"), at("2026-11-16 23:59:59"), 0)
    due = renewal_due_time(rule, branch_in(), loan, at(renewed))
    refusals = renewal_refusals(rule, branch_in(), loan, at(renewed), due.time)
    shown = [refusal.reason for refusal in refusals] or [local(due.time)[:10]]
    assert shown == [result]


@pytest.mark.parametrize(("name", "back", "further", "fine"), examples("F"))
def test_fines(name: str, back: str, further: str, fine: str) -> None:
    cap = after("cap", further, "")
    rule = replace(
        TWENTY_CENTS,
        grace_days=int(after("grace", further, "0")),
        grace_excluded="excluded" in further,
        skip_closed_days="not charged" in further,
        fine_cap=round(float(cap) * 10**9) if cap else None,
    )
    minor = fine_so_far(rule, branch_in(calendar=WEEKEND), at("2026-11-13 23:59:59"), at(back))
    assert f"{minor // 100}.{minor % 100:02}" == fine
