"""The columns of the items that a record describes, or what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal, InvalidOperation

from google.type.money_pb2 import Money

from admin_server.books.entries import MOST_COPIES
from admin_server.inventory.entries import MOST_PRICE_UNITS, item_columns
from library.v1.item_pb2 import Item
from library_domain.barcodes import normalized_barcode
from library_domain.default_policy import MAIN_BRANCH
from library_domain.money import NANOS
from library_formats.records import ItemDraft
from service_kit.text.keys import tidied
from service_kit.validation import Problem, problems

LONGEST_PRICE = 40
"""Characters of a price that are read."""

_CURRENCY = re.compile("[A-Za-z]{3}")
_AMOUNT = re.compile("[0-9][0-9.,' ]{0,20}")


def draft_columns(
    drafts: Sequence[ItemDraft], branches: Collection[str], currency: str
) -> tuple[list[Mapping[str, object]], list[Problem], list[Problem]]:
    """Return the columns of items, the problems for which their record is left out, and those that it is taken with.

    Args:
        drafts: The items of one record.
        branches: The codes of the library's branches.
        currency: Of prices without one; empty if the library has none, and such prices are left out.
    """
    if len(drafts) > MOST_COPIES:
        return [], [("items", f"are {len(drafts)}; a book can have {MOST_COPIES} copies at most")], []
    columns: list[Mapping[str, object]] = []
    wrong: list[Problem] = []
    remarks: list[Problem] = []
    for place, draft in enumerate(drafts):
        found, item = _item(draft, branches, currency, remarks, f"items[{place}]")
        wrong += [(f"items[{place}].{field}", problem) for field, problem in found]
        if not found:
            columns.append(item_columns(item))
    return columns, wrong, remarks


def _item(
    draft: ItemDraft, branches: Collection[str], currency: str, remarks: list[Problem], path: str
) -> tuple[list[Problem], Item]:
    item = Item(
        barcode=draft.barcode,
        branch=draft.branch,
        shelf=draft.shelf,
        call_number=draft.call_number,
        item_type=draft.item_type,
        note=draft.note,
    )
    found = problems(item)
    if draft.barcode.strip():
        try:
            normalized_barcode(draft.barcode)
        except ValueError as error:
            found.append(("barcode", str(error)))
    branch = tidied(draft.branch)
    if branch and branch != MAIN_BRANCH and branch not in branches and not any(field == "branch" for field, _ in found):
        found.append(("branch", f"{branch} is not the code of a branch of the library (`library branches` lists them)"))
    if draft.price.strip():
        price = price_of(draft.price, currency)
        if price is None:
            remarks.append((f"{path}.price", "was left out: it is not an amount with a currency, such as EUR 7.50"))
        else:
            item.price.CopyFrom(price)
    return found, item


def price_of(text: str, currency: str) -> Money | None:
    """Return the amount in a text such as `EUR 12.50`, `12,50` or `1,234.50 USD`.

    Returns None for a text without an amount, or without a currency where the library has none either.
    """
    if len(text) > LONGEST_PRICE:
        return None
    code = _CURRENCY.search(text)
    amount = _AMOUNT.search(text)
    unit = code[0].upper() if code else currency
    if amount is None or not unit or "-" in text[: amount.start()]:
        return None
    digits = amount[0].replace(" ", "").replace("'", "")
    mark = max(digits.rfind("."), digits.rfind(","))
    if mark >= 0:
        whole = digits[:mark].replace(".", "").replace(",", "")
        rest = digits[mark + 1 :]
        # `1.234` has thousands, `12.50` has cents.
        digits = whole + rest if len(rest) == 3 else f"{whole}.{rest}"
    try:
        value = Decimal(digits or "x")
    except InvalidOperation:
        return None
    if value > MOST_PRICE_UNITS:
        return None
    units, nanos = divmod(int(value * NANOS), NANOS)
    return Money(currency_code=unit, units=units, nanos=nanos)
