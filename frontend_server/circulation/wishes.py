"""What requests of the desk ask for."""

from __future__ import annotations

from frontend_server.circulation.eligibility import Wish
from library.frontend.v1.circulation_service_pb2 import CheckOutRequest, ExplainRuleRequest, RenewRequest
from library_domain.barcodes import normalized_barcode
from service_kit.clock import micros
from service_kit.errors import FieldInvalid


def check_user(request: CheckOutRequest | ExplainRuleRequest) -> None:
    """Raise `FieldInvalid` unless a request names its user by one of card and id."""
    if request.card_number and request.user_id:
        raise FieldInvalid(("user_id", "must not be set together with card_number"))
    if not request.card_number and not request.user_id:
        raise FieldInvalid(("card_number", "must be set, or user_id"))


def check_due_time(request: CheckOutRequest | RenewRequest) -> None:
    """Raise `FieldInvalid` for days together with a due time."""
    if request.days and request.HasField("due_time"):
        raise FieldInvalid(("due_time", "must not be set together with days"))


def wish_of(request: CheckOutRequest | ExplainRuleRequest) -> Wish:
    """Return what a check-out is to do."""
    return Wish(
        barcode=code_of(request.barcode, "barcode"),
        user_id=request.user_id,
        card_number=code_of(request.card_number, "card_number") if request.card_number else "",
        days=request.days,
        due_time=_due_time(request),
        branch=request.branch,
    )


def _due_time(request: CheckOutRequest | ExplainRuleRequest) -> int | None:
    if isinstance(request, CheckOutRequest) and request.HasField("due_time"):
        return micros(request.due_time)
    return None


def code_of(text: str, field: str) -> str:
    """Return a barcode or a card number in its normal form. Raises `FieldInvalid`."""
    try:
        return normalized_barcode(text)
    except ValueError as error:
        raise FieldInvalid((field, str(error))) from error
