"""Section 3 of the agreement: which row applies, and the policy that it is part of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product
from zoneinfo import ZoneInfo

import pytest
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money
from hypothesis import given, settings
from hypothesis import strategies as st

from frontend_server.circulation.circulation_rule import CirculationRule, DueMode, FineChargedAt, RenewFrom
from frontend_server.circulation.policy import Policy, PolicyDefaults, policy_of
from frontend_server.circulation.rule_choice import SPECIFICITY, RuleTable
from library.v1 import circulation_rule_pb2 as rules
from library.v1.branch_pb2 import Branch
from library.v1.calendar_pb2 import Calendar, YearlyDay
from library.v1.library_settings_pb2 import LibrarySettings
from library_domain.default_policy import DEFAULT_RULE_ID, default_fine_rate, default_rule
from library_domain.rule_order import specificity_rank
from tests.support.lending_terms import day

DEFAULTS = PolicyDefaults(
    CirculationRule.from_message(default_rule(default_fine_rate())), 5, ZoneInfo("Asia/Kathmandu")
)


def row(branch: str, category: str, item_type: str, **values: object) -> rules.CirculationRule:
    name = f"{branch or '-'}{category or '-'}{item_type or '-'}"
    return rules.CirculationRule(id=name, branch=branch, user_category=category, item_type=item_type, **values)  # type: ignore[arg-type]


def policy(*received: rules.CirculationRule) -> Policy:
    return policy_of(DEFAULTS, received)


def ids(found: Sequence[CirculationRule]) -> list[str]:
    return [rule.id for rule in found]


def test_P1_a_branch_counts_more_than_category_and_type() -> None:
    assert policy(row("X", "", ""), row("", "Student", "DVD")).rule_for("X", "Student", "DVD").id == "X--"


def test_P2_a_category_counts_more_than_a_type() -> None:
    assert policy(row("", "Student", ""), row("", "", "DVD")).rule_for("main", "Student", "DVD").id == "-Student-"


@pytest.mark.parametrize(("branch", "category", "item_type"), [*product(["", "X"], ["", "Student"], ["", "DVD"])])
def test_P4_the_rule_for_everything_applies_to_anything(branch: str, category: str, item_type: str) -> None:
    only = policy(row("", "", ""))
    assert ids(only.matching_rules(branch, category, item_type)) == ["---"]


def test_P5_there_is_always_a_rule_for_everything() -> None:
    """The admin refuses to delete it: RULE_REQUIRED. Without one, as before the first sync, the default applies."""
    assert policy().rule_for("X", "Student", "DVD").id == DEFAULT_RULE_ID
    assert ids(policy(row("X", "", "")).matching_rules("X", "", "")) == ["X--", DEFAULT_RULE_ID]
    assert ids(policy(row("", "", "", deleted=True)).matching_rules("X", "", "")) == [DEFAULT_RULE_ID]
    assert ids(policy(row("", "", "")).matching_rules("X", "", "")) == ["---"]


def test_P6_nothing_is_taken_from_a_less_specific_row() -> None:
    five = Money(currency_code="EUR", units=5)
    found = policy(row("", "", "", fine_cap=five), row("X", "", "")).rule_for("X", "", "")
    assert (found.id, found.fine_cap) == ("X--", None)


ALL_ROWS = [row(*names) for names in product(["X", ""], ["C", ""], ["T", ""])]
IN_ORDER = ["XCT", "XC-", "X-T", "X--", "-CT", "-C-", "--T", "---"]


@pytest.mark.parametrize("arrival", [ALL_ROWS, ALL_ROWS[::-1], ALL_ROWS[4:] + ALL_ROWS[:4]])
def test_all_rows_that_match_come_with_the_most_specific_first(arrival: list[rules.CirculationRule]) -> None:
    found = policy(*arrival)
    assert ids(found.matching_rules("X", "C", "T")) == IN_ORDER
    assert ids(found.matching_rules("Y", "C", "T")) == IN_ORDER[4:]
    assert ids(found.matching_rules("X", "other", "T")) == ["X-T", "X--", "--T", "---"]
    assert ids(found.matching_rules("X", "", "")) == ["X--", "---"]
    assert ids(found.matching_rules("", "", "")) == ["---"]


def test_category_and_type_are_compared_without_case_and_a_branch_by_its_code() -> None:
    found = policy(row("X", "Student", "Blu-ray"), row("", "", ""))
    assert found.rule_for("X", " sTUDENT", "blu‐ray").id == "XStudentBlu-ray"
    assert found.rule_for("x", "Student", "Blu-ray").id == "---"


NAMES = st.sampled_from(["", "a", "b"])
ROWS = st.lists(st.builds(row, NAMES, NAMES, NAMES), unique_by=lambda each: each.id)


@settings(max_examples=50, deadline=None)
@given(ROWS, NAMES, NAMES, NAMES)
def test_the_table_equals_a_plain_walk_over_all_rows(
    received: list[rules.CirculationRule], branch: str, category: str, item_type: str
) -> None:
    received = [*received, row("", "", "")] if "---" not in {each.id for each in received} else received
    matching = [
        each
        for each in received
        if each.branch in ("", branch) and each.user_category in ("", category) and each.item_type in ("", item_type)
    ]
    matching.sort(key=lambda each: specificity_rank(each.branch, each.user_category, each.item_type))
    found = policy(*received)
    assert ids(found.matching_rules(branch, category, item_type)) == [each.id for each in matching]
    assert found.rule_for(branch, category, item_type).id == matching[0].id


def test_both_services_have_the_same_order() -> None:
    ranks = [specificity_rank("X" * names[0], "C" * names[1], "T" * names[2]) for names in SPECIFICITY]
    assert ranks == list(range(8))


@pytest.mark.parametrize("arrival", [*permutations(["b", "a"])])
def test_of_two_rows_for_the_same_all_processes_use_one(arrival: tuple[str, ...]) -> None:
    assert policy(*(rules.CirculationRule(id=name, branch="X") for name in arrival)).rule_for("X", "", "").id == "a"


def test_a_table_without_a_row_that_matches_is_empty() -> None:
    assert RuleTable([]).matching("X", "C", "T") == ()


def test_a_rule_is_read_from_its_message() -> None:
    message = rules.CirculationRule(
        id="r",
        branch="X",
        user_category="Student",
        item_type="DVD",
        lendable=False,
        loan_days=7,
        max_loan_days=28,
        due_mode=rules.DUE_MODE_SAME_WEEKDAY,
        renewal_limit=2,
        renewal_days=3,
        renew_from=rules.RENEW_FROM_NOW,
        renew_overdue=True,
        renew_window_days=4,
        max_total_days=100,
        term_ceiling_date=Date(year=2027, month=1, day=31),
        term_floor_date=Date(year=2026, month=1, day=31),
        term_fixed_date=Date(year=2027, month=1, day=30),
        fine_rate=Money(currency_code="KWD", units=1, nanos=5),
        fine_period_days=7,
        fine_charged_at=rules.FINE_CHARGED_AT_END,
        grace_days=1,
        grace_excluded=True,
        skip_closed_days=True,
        fine_cap=Money(currency_code="KWD", units=9),
        cap_at_price=True,
        item_type_limit=0,
    )
    rule = CirculationRule.from_message(message)
    assert (rule.id, rule.branch, rule.lendable, rule.loan_days, rule.most_days) == ("r", "X", False, 7, 28)
    assert (rule.due_mode, rule.renew_from, rule.fine_charged_at) == (
        DueMode.SAME_WEEKDAY,
        RenewFrom.NOW,
        FineChargedAt.END,
    )
    assert (rule.renewal_limit, rule.renewal_days, rule.renew_overdue) == (2, 3, True)
    assert (rule.renew_window_days, rule.most_total_days) == (4, 100)
    assert (rule.term_floor_date, rule.term_fixed_date) == (day("2026-01-31"), day("2027-01-30"))
    assert rule.term_ceiling_date == day("2027-01-31")
    assert (rule.currency, rule.fine_rate, rule.fine_cap) == ("KWD", 1_000_000_005, 9_000_000_000)
    assert (rule.fine_period_days, rule.grace_days, rule.item_type_limit) == (7, 1, 0)
    assert rule.grace_excluded
    assert rule.skip_closed_days
    assert rule.price_cap(Money(currency_code="KWD", units=2)) == 2_000_000_000
    assert rule.price_cap(Money(currency_code="EUR", units=2)) is None
    assert rule.price_cap(Money()) is None
    assert rules.CirculationRule.FromString(rule.snapshot) == message
    assert policy().rule_of_loan(rule.snapshot) == rule


def test_fields_that_are_not_set_have_the_meaning_that_the_contract_states() -> None:
    rule = CirculationRule.from_message(rules.CirculationRule())
    assert rule == CirculationRule()
    assert (rule.lendable, rule.loan_days, rule.most_days, rule.most_total_days) == (True, 14, 365, 365)
    assert (rule.renewal_days, rule.fine_cap, rule.item_type_limit, rule.fine_period_days) == (None, None, None, 1)
    assert (rule.due_mode, rule.renew_from, rule.fine_charged_at) == (
        DueMode.IGNORE,
        RenewFrom.DUE,
        FineChargedAt.START,
    )
    assert CirculationRule.from_message(rules.CirculationRule(fine_cap=Money(currency_code="EUR"))).fine_cap == 0


def test_a_borrower_asks_for_days_in_a_rule_with_hours_only_where_it_has_a_most() -> None:
    assert CirculationRule.from_message(rules.CirculationRule(loan_hours=4)).most_days == 0
    assert CirculationRule.from_message(rules.CirculationRule(loan_hours=4, max_loan_days=3)).most_days == 3


def test_an_enumeration_value_of_a_newer_version_means_the_default() -> None:
    newer = rules.CirculationRule(due_mode=99, renew_from=99, fine_charged_at=99)  # type: ignore[arg-type]
    rule = CirculationRule.from_message(newer)
    assert (rule.due_mode, rule.renew_from, rule.fine_charged_at) == (
        DueMode.IGNORE,
        RenewFrom.DUE,
        FineChargedAt.START,
    )


def test_the_numbers_are_those_of_the_contract() -> None:
    assert {f"DUE_MODE_{mode.name}": mode.value for mode in DueMode} | {"DUE_MODE_UNSPECIFIED": 0} == dict(
        rules.DueMode.items()
    )
    assert {f"RENEW_FROM_{start.name}": start.value for start in RenewFrom} | {"RENEW_FROM_UNSPECIFIED": 0} == dict(
        rules.RenewFrom.items()
    )
    charged = {f"FINE_CHARGED_AT_{at.name}": at.value for at in FineChargedAt}
    assert charged | {"FINE_CHARGED_AT_UNSPECIFIED": 0} == dict(rules.FineChargedAt.items())


# --- the policy ---


def test_the_default_lends_for_14_days_at_the_branch_main_in_the_zone_of_the_machine() -> None:
    rule = policy().rule_for("main", "", "")
    assert (rule.loan_days, rule.due_mode, rule.most_days, rule.most_total_days) == (14, DueMode.IGNORE, 365, 365)
    assert (rule.renewal_limit, rule.renew_from, rule.renewal_days) == (3, RenewFrom.DUE, None)
    assert (rule.currency, rule.fine_rate, rule.fine_cap, rule.lendable) == ("EUR", 200_000_000, None, True)
    assert (policy().loan_limit, policy().user_fine_cap) == (5, None)
    assert policy().branch("main").zone.key == "Asia/Kathmandu"
    assert policy().branch("main").calendar.is_open(day("2026-12-25"))
    assert policy().rule_of_loan(b"") == DEFAULTS.rule


def test_a_branch_without_a_known_zone_has_that_of_main() -> None:
    zones = [Branch(code="north"), Branch(code="mars", time_zone="Mars/Olympus"), Branch(code="b", time_zone="America")]
    with_main = policy_of(DEFAULTS, branches=[*zones, Branch(code="main", time_zone="Europe/Berlin")])
    assert {with_main.branch(code).zone.key for code in ("north", "mars", "b", "main", "new")} == {"Europe/Berlin"}
    alone = policy_of(DEFAULTS, branches=zones)
    assert {alone.branch(code).zone.key for code in ("north", "mars", "main", "new")} == {"Asia/Kathmandu"}


def test_a_branch_has_its_calendar_and_a_loan_the_zone_it_was_made_in() -> None:
    christmas = Calendar(branch="north", yearly_closed_days=[YearlyDay(month=12, day=25)])
    found = policy_of(DEFAULTS, branches=[Branch(code="north", time_zone="UTC")], calendars=[christmas])
    assert not found.branch("north").calendar.is_open(day("2026-12-25"))
    assert found.branch("main").calendar.is_open(day("2026-12-25"))
    assert found.branch_of_loan("north", "UTC") is found.branch("north")
    lent_before = found.branch_of_loan("north", "Pacific/Apia")
    assert (lent_before.zone.key, lent_before.calendar) == ("Pacific/Apia", found.branch("north").calendar)
    assert found.branch_of_loan("north", "") is found.branch("north")
    assert found.branch_of_loan("", "").code == "main"


def test_settings_replace_the_options_of_the_frontend_only_where_they_are_set() -> None:
    assert policy_of(DEFAULTS, settings=LibrarySettings()).loan_limit == 5
    limited = policy_of(
        DEFAULTS, settings=LibrarySettings(loan_limit=0, user_fine_cap=Money(currency_code="EUR", units=50))
    )
    assert (limited.loan_limit, limited.user_fine_cap, limited.user_fine_cap_currency) == (0, 5_000, "EUR")
    none = policy_of(DEFAULTS, settings=LibrarySettings(user_fine_cap=Money(currency_code="EUR")))
    assert none.user_fine_cap == 0
