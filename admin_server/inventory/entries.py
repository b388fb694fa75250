"""The columns of an item, made from requests and checked by their rules."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from google.type.money_pb2 import Money

from library.admin.v1.inventory_service_pb2 import BatchCreateItemsRequest, CreateItemRequest, UpdateItemRequest
from library.v1 import item_pb2
from library.v1.item_pb2 import ITEM_STATE_IN_SERVICE, ITEM_STATE_UNSPECIFIED, ITEM_STATE_WITHDRAWN
from library_domain.barcodes import RangeInvalid, barcodes_of_range, normalized_barcode
from library_domain.default_policy import MAIN_BRANCH
from library_domain.money import money_nanos
from service_kit.errors import FieldInvalid
from service_kit.field_masks import masked_fields
from service_kit.message_checks import NANOS
from service_kit.text.keys import text_key, tidied
from service_kit.validation import Problem

MOST_ITEMS = 1_000
"""Items that one call creates, at most."""

MOST_BATCH_BYTES = 3_000_000
"""Bytes of the items of one call, at most: clients accept answers up to 4 MB, which have ids and times, too."""

MOST_PRICE_UNITS = 1_000_000_000
"""More than any item costs, in any currency, and far less than overflows a column."""

BOOK_ID_MISSING = ("item.book_id", "must be the id of the book")
NOT_BY_UPDATE = "must not be ITEM_STATE_WITHDRAWN; WithdrawItem withdraws"


def _barcode(item: item_pb2.Item) -> dict[str, object]:
    return {"barcode": normalized_barcode(item.barcode) if item.barcode.strip() else ""}


def _price(item: item_pb2.Item) -> dict[str, object]:
    return {"price_currency": item.price.currency_code.upper(), "price_nanos": money_nanos(item.price)}


_COLUMNS_OF: dict[str, Callable[[item_pb2.Item], dict[str, object]]] = {
    "barcode": _barcode,
    "item_type": lambda item: {"item_type": tidied(item.item_type), "item_type_key": text_key(item.item_type)},
    "branch": lambda item: {"branch": tidied(item.branch) or MAIN_BRANCH},
    "call_number": lambda item: {"call_number": tidied(item.call_number)},
    "shelf": lambda item: {"shelf": tidied(item.shelf), "shelf_key": text_key(item.shelf)},
    "state": lambda item: {"state": int(item.state) or ITEM_STATE_IN_SERVICE},
    "note": lambda item: {"note": tidied(item.note)},
    "price": _price,
}

CHANGEABLE_FIELDS = tuple(_COLUMNS_OF)
"""Fields that UpdateItem can change."""


def item_columns(item: item_pb2.Item, fields: Collection[str] = CHANGEABLE_FIELDS) -> dict[str, Any]:
    """Return the columns of these fields of an item that was checked, its texts tidied."""
    return {name: value for field in fields for name, value in _COLUMNS_OF[field](item).items()}


def check_creation(request: CreateItemRequest) -> None:
    """Raise `FieldInvalid` with all that is wrong with a new item."""
    _refuse(_missing_book(request.item) + _problems(request.item, CHANGEABLE_FIELDS))


def check_batch(request: BatchCreateItemsRequest) -> None:
    """Raise `FieldInvalid` with all that is wrong with many new items, and with how their barcodes are named."""
    wrong = _missing_book(request.item) + _problems(request.item, CHANGEABLE_FIELDS)
    if request.item.barcode:
        wrong.append(("item.barcode", "must not be set: each item has its own; see barcodes"))
    ways = [name for name in ("count", "barcodes", "first_barcode", "last_barcode") if getattr(request, name)]
    if not ways:
        wrong.append(("count", "must be set, or barcodes, or first_barcode and last_barcode"))
    elif len({"range" if way.endswith("_barcode") else way for way in ways}) > 1:
        wrong += [(way, f"must not be set together with {_others(ways, way)}") for way in ways]
    elif ways[0].endswith("_barcode"):
        wrong += _range_problems(request)
    else:
        wrong += _list_problems(request.barcodes)
    _refuse(wrong or _size_problems(request))


def batch_barcodes(request: BatchCreateItemsRequest) -> list[str]:
    """Return the barcodes of the items of a request that `check_batch` accepts: empty ones for those of the series."""
    if request.count:
        return [""] * request.count
    if request.barcodes:
        return [normalized_barcode(barcode) for barcode in request.barcodes]
    first, last = normalized_barcode(request.first_barcode), normalized_barcode(request.last_barcode)
    return barcodes_of_range(first, last, MOST_ITEMS)


def check_update(request: UpdateItemRequest) -> None:
    """Raise `FieldInvalid` with all that is wrong with an update: its mask, and the new values."""
    item = request.item
    fields, wrong = masked_fields(item, request.update_mask, CHANGEABLE_FIELDS)
    wrong += [] if item.id or not request.HasField("item") else [("item.id", "must be the id of the item")]
    wrong += _problems(item, fields)
    if "barcode" in fields and not item.barcode.strip():
        wrong.append(("item.barcode", "must not be empty"))
    if "state" in fields and item.state == ITEM_STATE_UNSPECIFIED:
        wrong.append(("item.state", "must be set"))
    _refuse(wrong)


def checked_barcode(barcode: str, field: str = "barcode") -> str:
    """Return a barcode in its normal form. Raises `FieldInvalid`."""
    try:
        return normalized_barcode(barcode)
    except ValueError as error:
        raise FieldInvalid((field, str(error))) from error


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise FieldInvalid(*problems)


def _missing_book(item: item_pb2.Item) -> list[Problem]:
    return [] if item.book_id else [BOOK_ID_MISSING]


def _problems(item: item_pb2.Item, fields: Collection[str]) -> list[Problem]:
    wrong: list[Problem] = []
    if "barcode" in fields and item.barcode.strip():
        wrong += _barcode_problems("item.barcode", item.barcode)
    if "state" in fields and item.state == ITEM_STATE_WITHDRAWN:
        wrong.append(("item.state", NOT_BY_UPDATE))
    if "price" in fields and item.HasField("price") and (problem := _price_problem(item.price)):
        wrong.append(("item.price", problem))
    return wrong


def _price_problem(price: Money) -> str:
    code = price.currency_code
    if not (len(code) == 3 and code.isascii() and code.isalpha()):
        return "must have a currency code of three letters (ISO 4217)"
    if not (0 <= price.units <= MOST_PRICE_UNITS and price.nanos in NANOS):
        return f"must be from 0 to {MOST_PRICE_UNITS}"
    return ""


def _barcode_problems(field: str, barcode: str) -> list[Problem]:
    try:
        normalized_barcode(barcode)
    except ValueError as error:
        return [(field, str(error))]
    return []


def _list_problems(barcodes: Collection[str]) -> list[Problem]:
    wrong: list[Problem] = []
    places: dict[str, int] = {}
    for place, barcode in enumerate(barcodes):
        field = f"barcodes[{place}]"
        if found := _barcode_problems(field, barcode):
            wrong += found
        elif (first := places.setdefault(normalized_barcode(barcode), place)) != place:
            wrong.append((field, f"is that of barcodes[{first}]"))
    return wrong


def _range_problems(request: BatchCreateItemsRequest) -> list[Problem]:
    wrong: list[Problem] = []
    for field in ("first_barcode", "last_barcode"):
        wrong += _barcode_problems(field, getattr(request, field))
    if wrong:
        return wrong
    try:
        batch_barcodes(request)
    except RangeInvalid as error:
        return [(f"{end}_barcode", problem) for end, problem in error.problems.items()]
    return []


def _size_problems(request: BatchCreateItemsRequest) -> list[Problem]:
    """Return a problem of items that the answer has no room for. Only the note can be that long."""
    count = request.count or len(batch_barcodes(request))
    if count * request.item.ByteSize() <= MOST_BATCH_BYTES:
        return []
    return [("item.note", f"must be shorter: {count} items with it have more than {MOST_BATCH_BYTES:,} bytes")]


def _others(ways: list[str], way: str) -> str:
    kind = way.endswith("_barcode")
    return ", ".join(other for other in ways if other != way and not (kind and other.endswith("_barcode")))
