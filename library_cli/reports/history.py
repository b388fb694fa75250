"""The command `library history`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import click

from library.v1.history_pb2 import HistoryEntry, HistoryEvent
from library_cli.channel import connected
from library_cli.desk.refusals import ended_by_refusals
from library_cli.options import admin_target_option, frontend_target_option
from library_cli.reports.history_calls import AdminHistory, DeskHistory, History
from library_cli.tables import WIDE, Column, Form, as_json, json_option, limit_option, show
from library_cli.times import local_time


class Entry(NamedTuple):
    """An entry with what people call its user and its book; "" where they are not known."""

    entry: HistoryEntry
    user: str
    title: str


def event_text(event: int) -> str:
    """Return an event in words, or the number of one that only a newer service knows."""
    if event not in HistoryEvent.values():
        return str(event)
    return HistoryEvent.Name(event).removeprefix("HISTORY_EVENT_").lower().replace("_", " ")  # type: ignore[arg-type]


def _overridden(listed: Entry) -> str:
    return "; ".join(f"{each.refusal}: {each.reason}" for each in listed.entry.overridden)


def _as_json(listed: Entry) -> dict[str, Any]:
    return {**as_json(listed.entry), "user_name": listed.user, "book_title": listed.title}


HISTORY = Form[Entry](
    columns=[
        Column("time", lambda listed: listed.entry.time.ToJsonString(), lambda listed: local_time(listed.entry.time)),
        Column("event", lambda listed: event_text(listed.entry.event)),
        Column("user", lambda listed: listed.user),
        Column("title", lambda listed: listed.title),
        Column("details", lambda listed: listed.entry.detail),
        Column("staff", lambda listed: listed.entry.staff),
        Column("overridden", _overridden, min_width=WIDE),
        Column("loan id", lambda listed: listed.entry.loan_id, max_width=0),
        Column("item id", lambda listed: listed.entry.item_id, max_width=0),
    ],
    as_json=_as_json,
    nothing="Nothing is recorded.",
)


@click.command("history", short_help="Show who did what when with an item, a user or a loan.")
@click.option("--item", "barcode", metavar="BARCODE", help="The item with this barcode.")
@click.option("--user", "user_text", metavar="CARD", help="The user with this card number, e-mail address or id.")
@click.option("--loan", "loan_id", metavar="ID", help="The loan with this id.")
@click.option("--at-desk", is_flag=True, help="Ask the frontend service, which has the newest entries.")
@limit_option
@json_option
@admin_target_option
@frontend_target_option
def history_command(
    barcode: str | None,
    user_text: str | None,
    loan_id: str | None,
    at_desk: bool,
    limit: int | None,
    json_wanted: bool,
    admin_target: str,
    frontend_target: str,
) -> None:
    """List what was done with an item, a user or a loan, the newest first.

    The output is a table on a terminal, otherwise a line for each entry, with tabs between time, event, user, title,
    details, staff, overridden refusals, loan id and item id.

    Exit status: 0 when the service answered, also if nothing is recorded; 1 when it refused, or not exactly one user
    has the card number or address; 2 when no service answered.
    """
    if sum(bool(each) for each in (barcode, user_text, loan_id)) != 1:
        raise click.UsageError("Name one of --item, --user and --loan.")
    target = frontend_target if at_desk else admin_target
    with ended_by_refusals(json_wanted=json_wanted), connected(target) as channel:
        history: History = (DeskHistory if at_desk else AdminHistory)(channel)
        filters: dict[str, str] = {"loan_id": loan_id or ""}
        if barcode:
            filters = {"item_id": history.item_id(barcode)}
        elif user_text:
            filters = {"user_id": history.user_id(user_text)}
        show(_listed(history, filters), HISTORY, json_wanted=json_wanted, limit=limit)


def _listed(history: History, filters: dict[str, str]) -> Iterator[Entry]:
    for entries in history.pages(**filters):
        users = history.user_names(entry.user_id for entry in entries)
        titles = history.titles(entry.book_id for entry in entries)
        for entry in entries:
            yield Entry(entry, users.get(entry.user_id, ""), titles.get(entry.book_id, ""))
