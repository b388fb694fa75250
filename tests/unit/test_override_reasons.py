"""The refusals that a role can permit to override are those that the desk lets its staff override."""

from __future__ import annotations

from frontend_server.circulation.overrides import NEVER_OVERRIDDEN
from frontend_server.refusals import REFUSAL_ORDER
from library_domain.access.override_reasons import OVERRIDABLE

NOT_OF_THE_DESK = {
    *("BARCODE_NOT_FOUND", "CARD_NOT_FOUND", "ETAG_MISMATCH", "USER_HAS_LOANS", "CARD_NUMBER_TAKEN", "EMAIL_TAKEN"),
}
"""Refusals of other calls than CheckOut and Renew, and those that are reported under another name."""


def test_each_refusal_of_the_desk_can_be_overridden_or_never() -> None:
    refusals = {refusal.reason for refusal in REFUSAL_ORDER}
    assert refusals - NEVER_OVERRIDDEN - NOT_OF_THE_DESK == OVERRIDABLE
