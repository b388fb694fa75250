"""Which circulation rule applies: the most specific row, as a whole. No value is taken from another row."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from frontend_server.circulation.circulation_rule import CirculationRule
from service_kit.text.keys import text_key

ANY = ""

# Which of branch, user category and item type a row names, from the most specific row to the rule for everything. A
# branch counts more than a category, a category more than an item type.
SPECIFICITY = (
    (True, True, True),
    (True, True, False),
    (True, False, True),
    (True, False, False),
    (False, True, True),
    (False, True, False),
    (False, False, True),
    (False, False, False),
)


class RuleTable:
    """The rows of a library, found by what they name."""

    def __init__(self, rules: Iterable[CirculationRule]) -> None:
        """Take the rows. The first of two for the same branch, category and type counts."""
        self._rows: dict[tuple[str, str, str], CirculationRule] = {}
        for rule in rules:
            self._rows.setdefault((rule.branch, rule.user_category_key, rule.item_type_key), rule)

        # The same few kinds of users and items come again and again.
        self._matching = lru_cache(maxsize=1_000)(self._find)

    def matching(self, branch: str, user_category: str, item_type: str) -> tuple[CirculationRule, ...]:
        """Return all rows that match, the one that applies first.

        Category and type are compared by `text_key`. Any of the three may be empty: only rows for any match it.
        """
        return self._matching(branch, user_category, item_type)

    def _find(self, branch: str, user_category: str, item_type: str) -> tuple[CirculationRule, ...]:
        category_key, type_key = text_key(user_category), text_key(item_type)
        keys = (
            (branch if names_branch else ANY, category_key if names_category else ANY, type_key if names_type else ANY)
            for names_branch, names_category, names_type in SPECIFICITY
        )
        # Of an empty category two keys are the same.
        return tuple(self._rows[key] for key in dict.fromkeys(keys) if key in self._rows)
