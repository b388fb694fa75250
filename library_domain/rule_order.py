"""The order of circulation rules: of those that match a check-out, the first one applies as a whole."""

from __future__ import annotations


def specificity_rank(branch: str, user_category: str, item_type: str) -> int:
    """Return the place of a rule among the rules that match a check-out, from 0, the most specific, to 7.

    Each of the three is empty in a rule for any. A branch counts more than a category, a category more than a type.
    """
    return 4 * (not branch) + 2 * (not user_category) + (not item_type)
