"""The command `library items`."""

from __future__ import annotations

from typing import Any

import click

from library.admin.v1.inventory_service_pb2 import (
    BatchCreateItemsRequest,
    ListItemsRequest,
    UpdateItemRequest,
    WithdrawItemRequest,
)
from library.v1.item_pb2 import Item, ItemPlace, ItemState
from library_cli.inventory.calls import in_stock_room
from library_cli.options import admin_target_option
from library_cli.tables import SHORT_ID, WIDE, Column, Form, as_json, json_option, limit_option, show

STATES = {
    name.removeprefix("ITEM_STATE_").lower().replace("_", "-"): number for name, number in ItemState.items() if number
}
SETTABLE = [name for name in STATES if name != "withdrawn"]


def _state(item: Item) -> str:
    return next((name for name, number in STATES.items() if number == item.state), str(item.state))


def _place(item: Item) -> str:
    return ItemPlace.Name(item.place).removeprefix("ITEM_PLACE_").lower().replace("_", " ")


ITEMS = Form[Item](
    columns=[
        Column("barcode", lambda item: item.barcode, is_whole=True),
        Column("state", _state),
        Column("place", _place),
        Column("branch", lambda item: item.branch),
        Column("type", lambda item: item.item_type),
        Column("shelf", lambda item: item.shelf),
        Column("call number", lambda item: item.call_number),
        Column("book", lambda item: item.book_id, min_width=WIDE, short_below=WIDE + SHORT_ID),
    ],
    as_json=as_json,
    nothing="No item matches.",
)


def _entry_options(command: Any) -> Any:
    """Add the options for what an item has alongside its barcode."""
    for name, text in (
        ("--type", "What the circulation rules call it, such as DVD."),
        ("--branch", "The code of its branch."),
        ("--call-number", "Its call number."),
        ("--shelf", "Its shelf or room."),
        ("--note", "A note for the staff."),
    ):
        command = click.option(name, name.lstrip("-").replace("-", "_"), help=text)(command)
    return click.option("--state", type=click.Choice(SETTABLE), help="Whether it circulates.")(command)


def _entry(values: dict[str, str | None]) -> dict[str, Any]:
    """Return the fields of an item that options were given for."""
    given = {name: value for name, value in values.items() if value is not None}
    fields: dict[str, Any] = {{"type": "item_type"}.get(name, name): value for name, value in given.items()}
    return {**fields, "state": STATES[fields["state"]]} if "state" in fields else fields


@click.group("items", invoke_without_command=True, short_help="Show and change the items: the copies of the books.")
@click.option("--book", help="Only items of this book: its id, its ISBN or words of its title.")
@click.option("--barcode", default="", help="Only items whose barcode begins with this.")
@click.option("--state", type=click.Choice(list(STATES)), help="Only items of this state.  [default: not withdrawn]")
@click.option("--branch", default="", help="Only items of this branch.")
@click.option("--type", "item_type", default="", help="Only items of this type.")
@click.option("--shelf", default="", help="Only items on this shelf.")
@limit_option
@json_option
@admin_target_option
@click.pass_context
def items_command(
    ctx: click.Context,
    book: str | None,
    barcode: str,
    state: str | None,
    branch: str,
    item_type: str,
    shelf: str,
    limit: int | None,
    json_wanted: bool,
    admin_target: str,
) -> None:
    """List the items, the oldest entry first; with --barcode by their barcodes.

    The output is a table on a terminal, otherwise a line for each item, with tabs between barcode, state, place,
    branch, type, shelf, call number and the id of the book.

    Exit status: 0 when the service answered; 1 when it refused; 2 when no service answered.
    """
    ctx.obj = admin_target
    if ctx.invoked_subcommand is not None:
        return
    with in_stock_room(admin_target, json_wanted=json_wanted) as room:
        request = ListItemsRequest(
            book_id=room.book_id(book) if book else "",
            barcode_prefix=barcode,
            state=STATES[state] if state else 0,  # type: ignore[arg-type]
            branch=branch,
            item_type=item_type,
            shelf=shelf,
        )
        show(room.items(request), ITEMS, json_wanted=json_wanted, limit=limit)


@items_command.command("add")
@click.argument("book")
@click.option("--count", type=click.IntRange(1, 1_000), help="How many, with generated barcodes.  [default: 1]")
@click.option("--barcode", "barcodes", multiple=True, help="The barcode of an item; can be given several times.")
@click.option("--range", "ends", nargs=2, help="The first and the last barcode of a range, such as B001 B020.")
@_entry_options
@click.pass_obj
def add(
    admin_target: str,
    /,
    book: str,
    count: int | None,
    barcodes: tuple[str, ...],
    ends: tuple[str, str] | None,
    **values: str | None,
) -> None:
    """Add items of the BOOK: its id, its ISBN or words of its title. All are added, or none."""
    if (count is not None) + bool(barcodes) + bool(ends) > 1:
        raise click.UsageError("--count, --barcode and --range cannot be used together.")
    with in_stock_room(admin_target) as room:
        item = Item(book_id=room.book_id(book), **_entry(values))
        request = BatchCreateItemsRequest(item=item, barcodes=barcodes)
        if ends:
            request.first_barcode, request.last_barcode = ends
        elif not barcodes:
            request.count = count or 1
        added = room.change(room.inventory.BatchCreateItems, request).items
    for each in added:
        click.echo(each.barcode)


@items_command.command("change")
@click.argument("barcode")
@click.option("--barcode", "new_barcode", help="Its new barcode.")
@_entry_options
@click.pass_obj
def change(admin_target: str, /, barcode: str, new_barcode: str | None, **values: str | None) -> None:
    """Change the item with the BARCODE. An empty value removes the old one."""
    fields = {**_entry(values), **({} if new_barcode is None else {"barcode": new_barcode})}
    if not fields:
        raise click.UsageError("Name what to change, for example: --state set-aside")
    with in_stock_room(admin_target) as room:
        found = room.item(barcode)
        request = UpdateItemRequest(item=Item(id=found.id, etag=found.etag, **fields))
        request.update_mask.paths.extend(fields)
        changed = room.change(room.inventory.UpdateItem, request)
    click.echo(f"Changed the item {changed.barcode}, which is {_state(changed).replace('-', ' ')}.")


@items_command.command("withdraw")
@click.argument("barcodes", nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Also while it is on loan; its loan ends when it comes back.")
@click.pass_obj
def withdraw(admin_target: str, barcodes: tuple[str, ...], force: bool) -> None:
    """Withdraw the items with these BARCODES, for good."""
    with in_stock_room(admin_target) as room:
        for barcode in barcodes:
            request = WithdrawItemRequest(id=room.item(barcode).id, force=force)
            withdrawn = room.change(room.inventory.WithdrawItem, request)
            click.echo(f"Withdrew the item {withdrawn.barcode}.")
