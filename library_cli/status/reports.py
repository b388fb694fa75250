"""How the services are: asked of them, and told as a table, as lines or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TypeAlias

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich import filesize
from rich.console import Console
from rich.table import Table
from rich.text import Text

from library.admin.v1.status_service_pb2 import GetStatusRequest
from library.admin.v1.status_service_pb2_grpc import StatusServiceStub
from library.frontend.v1.sync_service_pb2 import GetSyncStatusRequest, SyncStatus
from library.frontend.v1.sync_service_pb2_grpc import SyncServiceStub
from library_cli.channel import ANSWER_SECONDS, connected, health_of
from library_cli.grpc_errors import CallFailed
from library_cli.http_health import health_at
from library_cli.plain_text import one_line
from library_cli.times import zoned_time

Value: TypeAlias = "str | int | float | bool | list[dict[str, Value]] | None"
Report: TypeAlias = dict[str, Value]
"""What a service tells, by the names of its contract; besides `target`, `health`, and `error` where a call failed.

The REST service has a `url` instead of the `target`."""

ROW_TABLES = {
    "parked_rows": "parked rows: refused by the admin service",
    "set_aside_rows": "rows set aside: the frontend's store could not apply them",
}

WANTS_CARE = ("parked_row_count", "set_aside_count", "clock_behind_seconds", "last_pull_error", "last_push_error")
"""Values that are 0, empty or not set where all is well."""

NO_ANSWER = "NO_ANSWER"
"""The `health` of a service that did not tell it."""


def admin_report(target: str) -> Report:
    """Ask the admin service at `target`."""
    return report(
        target, lambda channel: StatusServiceStub(channel).GetStatus(GetStatusRequest(), timeout=ANSWER_SECONDS)
    )


def frontend_report(target: str) -> Report:
    """Ask the frontend service at `target`."""
    return report(target, sync_status)


def sync_status(channel: grpc.Channel) -> SyncStatus:
    """Ask a frontend service how far it is in step with the admin service."""
    return SyncServiceStub(channel).GetSyncStatus(GetSyncStatusRequest(), timeout=ANSWER_SECONDS)


def clock_warning(told: SyncStatus) -> str:
    """Say in a sentence that a frontend does not lend because of its clock, and what to do; empty when it lends."""
    return clock_sentence(told.clock_behind, told.newest_time) if told.HasField("clock_behind") else ""


def clock_sentence(behind: Duration, newest_time: Timestamp) -> str:
    """Say that a frontend does not lend because its clock is behind its store, and what to do."""
    newest = zoned_time(newest_time)
    days = behind.seconds / 86_400
    return (
        f"The clock is {days:,.1f} days behind {newest}, the newest time in the frontend's store. Patrons can enrol "
        "and browse, but nothing is lent, renewed or returned. Set the clock, and lending begins by itself. If the "
        "time in the store is wrong, run: library-frontend accept-clock"
    )


def report(target: str, ask: Callable[[grpc.Channel], Message]) -> Report:
    """Ask a service for its health and then its status; a call that fails ends the report with its `error`."""
    told: Report = {"target": target, "health": NO_ANSWER}
    try:
        with connected(target) as channel:
            told["health"] = health_of(channel)
            told.update(fields_of(ask(channel)))
    except CallFailed as failure:
        told["error"] = str(failure)
    return told


def rest_report(url: str) -> Report:
    """Ask the REST service at `url`."""
    try:
        health = health_at(url)
    except CallFailed as failure:
        return {"url": url, "health": NO_ANSWER, "error": str(failure)}
    targets: list[Report] = [{"target": target, "health": known} for target, known in health.targets.items()]
    return {"url": url, "health": health.status, "targets": targets}


def all_are_well(reports: dict[str, Report], *, rest_counts: bool) -> bool:
    """Whether all that is told is well. A REST service that does not answer is not needed, unless it `rest_counts`."""
    return all(
        is_well(told) or (service == "rest" and told["health"] == NO_ANSWER and not rest_counts)
        for service, told in reports.items()
    )


def is_well(told: Report) -> bool:
    """Whether a service serves and has reported all, synchronizes all rows, and its clock is right."""
    return told["health"] == "SERVING" and "error" not in told and not any(told.get(key) for key in WANTS_CARE)


def fields_of(message: Message) -> Report:
    """Give a message's fields as plain values: times as RFC 3339, durations in seconds, what is not set as None."""
    told: Report = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type is None:
            told[field.name] = value
        elif field.is_repeated:
            told[field.name] = [fields_of(item) for item in value]
        elif isinstance(value, Duration):
            seconds = value.ToTimedelta().total_seconds()
            told[f"{field.name}_seconds"] = seconds if message.HasField(field.name) else None
        elif isinstance(value, Timestamp):
            told[field.name] = value.ToJsonString() if message.HasField(field.name) else None
    return told


def as_json(reports: dict[str, Report]) -> str:
    """Tell all for a program."""
    return json.dumps(reports, indent=2, ensure_ascii=False)


def as_lines(reports: dict[str, Report]) -> Iterator[str]:
    """Tell all in lines of `service.key: value`; a row parked or set aside is one line, and so is a target."""
    for service, told in reports.items():
        for key, value in told.items():
            if isinstance(value, list):
                for row in value:
                    yield one_line(f"{service}.{key}: {' '.join(str(part) for part in row.values())}")
            else:
                yield one_line(f"{service}.{key}: {plain(value)}")


def plain(value: Value) -> str:
    """Write a value as JSON has it, but text without quotes and None as nothing."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def print_tables(reports: dict[str, Report], console: Console) -> None:
    """Tell all on a terminal: a table for each service, and one each of the rows parked and set aside."""
    for service, told in reports.items():
        table = Table(title=f"{service} service", title_justify="left", show_header=False, min_width=60)
        for key, value in told.items():
            if not isinstance(value, list):
                table.add_row(label(key), shown(key, value))
        for target in rows_of(told, "targets"):
            table.add_row(one_line(f"target {target['target']}"), shown("health", target["health"]))
        console.print(table)
        for key, title in ROW_TABLES.items():
            print_rows(title, rows_of(told, key), console)


def print_rows(title: str, listed: list[Report], console: Console) -> None:
    """Print rows of a report as a table; nothing where there are none."""
    if not listed:
        return
    table = Table(title=title, title_justify="left", min_width=60)
    for column in listed[0]:
        table.add_column(label(column))
    for row in listed:
        table.add_row(*(Text(one_line(plain(part))) for part in row.values()))
    console.print(table)


def rows_of(told: Report, key: str) -> list[Report]:
    """Give a list in a report; none where the report has no such list."""
    value = told.get(key)
    return value if isinstance(value, list) else []


def label(key: str) -> str:
    """Make a field's name a reader's."""
    return key.removesuffix("_seconds").removesuffix("_bytes").replace("_", " ")


def shown(key: str, value: Value) -> Text:
    """Write a value for a reader, with its unit."""
    if value in (None, ""):
        return Text("-", style="dim")
    if key == "health":
        return Text(one_line(str(value)), style="green" if value == "SERVING" else "bold red")
    if key == "error" or key.endswith("_error"):
        return Text(one_line(str(value)), style="red")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if key.endswith("_bytes") and isinstance(value, int):
        return Text(filesize.decimal(value))
    if key.endswith("_seconds"):
        return Text(f"{value:,.1f} s", style="bold red" if key in WANTS_CARE else "")
    if isinstance(value, int):
        return Text(f"{value:,}", style="bold red" if key in WANTS_CARE and value else "")
    return Text(one_line(str(value)))
