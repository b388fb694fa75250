"""The command `library audit`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import click
import grpc

from library.admin.v1.staff_service_pb2 import ListAuditEntriesRequest
from library.admin.v1.staff_service_pb2_grpc import StaffServiceStub
from library.v1.audit_pb2 import AUDIT_RESULT_REFUSED, AuditEntry
from library_cli.channel import connected, pages
from library_cli.desk.refusals import ended_by_refusals
from library_cli.options import admin_target_option
from library_cli.reports.history_calls import PAGE_SIZE, AdminHistory
from library_cli.tables import WIDE, Column, Form, as_json, json_option, limit_option, show
from library_cli.times import local_time
from library_domain.access.roles import role_name


class Listed(NamedTuple):
    """An entry with the name of its caller; "" where it is not known."""

    entry: AuditEntry
    caller: str


def _method(entry: AuditEntry) -> str:
    """Return a method without its package, such as `LendingService/BorrowBook`."""
    return entry.method.rpartition(".")[2] or "several"


def _result(entry: AuditEntry) -> str:
    times = f" ({entry.call_count} times)" if entry.call_count > 1 else ""
    return f"{entry.reason or 'done'}{times}"


AUDIT = Form[Listed](
    columns=[
        Column(
            "time", lambda each: each.entry.time.ToJsonString(), lambda each: local_time(each.entry.time), is_whole=True
        ),
        Column("result", lambda each: _result(each.entry)),
        Column("method", lambda each: each.entry.method, lambda each: _method(each.entry)),
        Column("role", lambda each: role_name(each.entry.role)),
        Column("caller", lambda each: each.caller or each.entry.caller_user_id),
        Column("address", lambda each: each.entry.address, min_width=WIDE),
        Column("objects", lambda each: " ".join(each.entry.objects), min_width=WIDE + 50),
        Column("credential", lambda each: each.entry.credential_id, max_width=0),
        Column("call id", lambda each: each.entry.call_id, max_width=0),
    ],
    as_json=lambda each: {**as_json(each.entry), "caller_name": each.caller},
    nothing="Nothing is recorded.",
)


@click.command("audit", short_help="Show who called what, and what was refused.")
@click.option(
    "--user", "user_text", metavar="CARD", help="Only calls by the user with this card, e-mail address or id."
)
@click.option("--object", "object_", default="", metavar="ID", help="Only calls about this id, barcode or card number.")
@click.option("--refused", is_flag=True, help="Only calls that were refused to their callers.")
@limit_option
@json_option
@admin_target_option
def audit_command(
    user_text: str | None, object_: str, refused: bool, limit: int | None, json_wanted: bool, admin_target: str
) -> None:
    """List the audit log, the last recorded entry first. It needs the role admin, and has entries in the mode token.

    The output is a table on a terminal, otherwise a line for each entry, with tabs between time, result, method, role,
    caller, address, objects, credential and call id.

    Exit status: 0 when the service answered, also if nothing is recorded; 1 when it refused, or not exactly one user
    has the card number or address; 2 when it did not answer.
    """
    with ended_by_refusals(json_wanted=json_wanted), connected(admin_target) as channel:
        users = AdminHistory(channel)
        filters: dict[str, Any] = {"object": object_}
        if user_text:
            filters["caller_user_id"] = users.user_id(user_text)
        if refused:
            filters["result"] = AUDIT_RESULT_REFUSED
        show(_listed(channel, users, filters), AUDIT, json_wanted=json_wanted, limit=limit)


def _listed(channel: grpc.Channel, users: AdminHistory, filters: Mapping[str, Any]) -> Iterator[Listed]:
    request = ListAuditEntriesRequest(page_size=PAGE_SIZE, **filters)
    for page in pages(StaffServiceStub(channel).ListAuditEntries, request):
        names = users.user_names(entry.caller_user_id for entry in page.audit_entries)
        for entry in page.audit_entries:
            yield Listed(entry, names.get(entry.caller_user_id, ""))
