"""Find the item whose barcode a text is."""

from __future__ import annotations

import grpc

from library.frontend.v1.circulation_service_pb2 import LookupItemRequest, LookupItemResponse
from library_cli.channel import ANSWER_SECONDS
from library_cli.desk.calls import Desk
from library_cli.desk.matching import isbn_of, may_be_card
from service_kit.ids import UUID

NOT_AN_ITEM = {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED}
"""Statuses for a text that is not a barcode, and of a service from before items existed."""


def item_with_barcode(desk: Desk, text: str) -> LookupItemResponse | None:
    """Return the item with this barcode, with its open loan; None if no item has it. Raises grpc.RpcError."""
    text = text.strip()
    # A barcode has a digit and no blanks, as a card number. An ISBN is printed on every copy.
    if not may_be_card(text) or isbn_of(text) or UUID.fullmatch(text):
        return None
    try:
        return desk.circulation.LookupItem(LookupItemRequest(barcode=text), timeout=ANSWER_SECONDS)
    except grpc.RpcError as error:
        if error.code() not in NOT_AN_ITEM:
            raise
        return None
