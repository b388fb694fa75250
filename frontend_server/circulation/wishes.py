"""What requests of the desk ask for."""

from __future__ import annotations

from typing import Any

from frontend_server.circulation.eligibility import Wish
from library.frontend.v1.circulation_service_pb2 import CheckOutRequest, ExplainRuleRequest
from library_domain.barcodes import normalized_barcode
from service_kit.clock import micros
from service_kit.errors import FieldInvalid
from service_kit.message_checks import message_problems


def check_user(request: CheckOutRequest | ExplainRuleRequest) -> None:
    """Raise `FieldInvalid` unless a request names its user by one of card and id."""
    if request.card_number and request.user_id:
        raise FieldInvalid(("user_id", "must not be set together with card_number"))
    if not request.card_number and not request.user_id:
        raise FieldInvalid(("card_number", "must be set, or user_id"))


def check_codes(request: Any) -> None:
    """Raise `FieldInvalid` for a barcode or a card number that no item or user can have."""
    problems = []
    for field in ("barcode", "card_number"):
        text = getattr(request, field, "")
        try:
            if text:
                normalized_barcode(text)
        except ValueError as error:
            problems.append((field, str(error)))
    if problems:
        raise FieldInvalid(*problems)


def check_times(request: Any) -> None:
    """Raise `FieldInvalid` for a time that cannot be, and for days together with a due time."""
    problems = message_problems(request)
    if "due_time" in request.DESCRIPTOR.fields_by_name and request.HasField("due_time") and request.days:
        problems.append(("due_time", "must not be set together with days"))
    if problems:
        raise FieldInvalid(*problems)


def check_item(request: Any) -> None:
    """Raise `FieldInvalid` for what `check_codes` or `check_times` refuses."""
    check_codes(request)
    check_times(request)


def wish_of(request: CheckOutRequest | ExplainRuleRequest) -> Wish:
    """Return what a check-out is to do. Raises `FieldInvalid`."""
    check_user(request)
    check_item(request)
    return Wish(
        barcode=normalized_barcode(request.barcode),
        user_id=request.user_id,
        card_number=normalized_barcode(request.card_number) if request.card_number else "",
        days=request.days,
        due_time=_due_time(request),
        branch=request.branch,
    )


def _due_time(request: CheckOutRequest | ExplainRuleRequest) -> int | None:
    if isinstance(request, CheckOutRequest) and request.HasField("due_time"):
        return micros(request.due_time)
    return None
