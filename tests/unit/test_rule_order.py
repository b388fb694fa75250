"""The order of circulation rules, as the contract states it."""

from __future__ import annotations

from library_domain.rule_order import specificity_rank

ORDER = ["BCT", "BC-", "B-T", "B--", "-CT", "-C-", "--T", "---"]


def test_rules_are_in_the_order_of_the_contract() -> None:
    assert [specificity_rank(*(letter.strip("-") for letter in rule)) for rule in ORDER] == list(range(8))
