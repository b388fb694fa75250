"""The reports of the services, and how they are printed: as tables, as lines or as JSON."""

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
"""The answer of a service, by the names of its contract, with its `target`, `health`, and `error` if a call failed.

The REST service has a `url` instead of the `target`."""

ROW_TABLES = {
    "parked_rows": "parked rows: refused by the admin service",
    "set_aside_rows": "rows set aside: the frontend's store could not apply them",
}

PROBLEMS = ("parked_row_count", "set_aside_count", "clock_behind_seconds", "last_pull_error", "last_push_error")
"""Fields that are 0, empty or not set if nothing is wrong."""

NO_ANSWER = "NO_ANSWER"
"""The `health` of a service that did not answer."""


def admin_report(target: str) -> Report:
    return report(
        target, lambda channel: StatusServiceStub(channel).GetStatus(GetStatusRequest(), timeout=ANSWER_SECONDS)
    )


def frontend_report(target: str) -> Report:
    return report(target, sync_status)


def sync_status(channel: grpc.Channel) -> SyncStatus:
    """Return how far the catalogue and the outbox of a frontend service are synchronized."""
    return SyncServiceStub(channel).GetSyncStatus(GetSyncStatusRequest(), timeout=ANSWER_SECONDS)


def clock_warning(status: SyncStatus) -> str:
    """Return the sentence for a frontend that does not lend because of its clock; "" if it lends."""
    return clock_sentence(status.clock_behind, status.newest_time) if status.HasField("clock_behind") else ""


def clock_sentence(behind: Duration, newest_time: Timestamp) -> str:
    """Return what is wrong with the clock of a frontend, and what to do."""
    newest = zoned_time(newest_time)
    days = behind.seconds / 86_400
    return (
        f"The clock is {days:,.1f} days behind {newest}, the newest time in the frontend's store. Patrons can enrol "
        "and browse, but nothing is lent, renewed or returned. Set the clock, and lending begins by itself. If the "
        "time in the store is wrong, run: library-frontend accept-clock"
    )


def report(target: str, ask: Callable[[grpc.Channel], Message]) -> Report:
    """Return the health and the status of a service; a failed call ends the report with its `error`."""
    reported: Report = {"target": target, "health": NO_ANSWER}
    try:
        with connected(target) as channel:
            reported["health"] = health_of(channel)
            reported.update(fields_of(ask(channel)))
    except CallFailed as failure:
        reported["error"] = str(failure)
    return reported


def rest_report(url: str) -> Report:
    try:
        health = health_at(url)
    except CallFailed as failure:
        return {"url": url, "health": NO_ANSWER, "error": str(failure)}
    targets: list[Report] = [{"target": target, "health": known} for target, known in health.targets.items()]
    return {"url": url, "health": health.status, "targets": targets}


def all_are_well(reports: dict[str, Report], *, rest_counts: bool) -> bool:
    """Return whether no report has a problem. `rest_counts`: whether the REST service has to answer."""
    return all(
        is_well(reported) or (service == "rest" and reported["health"] == NO_ANSWER and not rest_counts)
        for service, reported in reports.items()
    )


def is_well(reported: Report) -> bool:
    """Return whether a service serves, answered all calls, and reports no problem."""
    is_serving = reported["health"] == "SERVING" and "error" not in reported
    return is_serving and not any(reported.get(key) for key in PROBLEMS)


def fields_of(message: Message) -> Report:
    """Return the fields of a message: times in RFC 3339, durations in seconds, None for fields that are not set."""
    fields: Report = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type is None:
            fields[field.name] = value
        elif field.is_repeated:
            fields[field.name] = [fields_of(item) for item in value]
        elif isinstance(value, Duration):
            seconds = value.ToTimedelta().total_seconds()
            fields[f"{field.name}_seconds"] = seconds if message.HasField(field.name) else None
        elif isinstance(value, Timestamp):
            fields[field.name] = value.ToJsonString() if message.HasField(field.name) else None
    return fields


def as_json(reports: dict[str, Report]) -> str:
    return json.dumps(reports, indent=2, ensure_ascii=False)


def as_lines(reports: dict[str, Report]) -> Iterator[str]:
    """Yield lines of `service.key: value`, one for each field, and for each item of a list."""
    for service, reported in reports.items():
        for key, value in reported.items():
            if isinstance(value, list):
                for row in value:
                    yield one_line(f"{service}.{key}: {' '.join(str(part) for part in row.values())}")
            else:
                yield one_line(f"{service}.{key}: {plain(value)}")


def plain(value: Value) -> str:
    """Return a value as JSON, but text without quotes, and "" for None."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def print_tables(reports: dict[str, Report], console: Console) -> None:
    """Print a table for each service, and tables of the parked rows and of those set aside."""
    for service, reported in reports.items():
        table = Table(title=f"{service} service", title_justify="left", show_header=False, min_width=60)
        for key, value in reported.items():
            if not isinstance(value, list):
                table.add_row(label(key), shown(key, value))
        for target in rows_of(reported, "targets"):
            table.add_row(one_line(f"target {target['target']}"), shown("health", target["health"]))
        console.print(table)
        for key, title in ROW_TABLES.items():
            print_rows(title, rows_of(reported, key), console)


def print_rows(title: str, listed: list[Report], console: Console) -> None:
    if not listed:
        return
    table = Table(title=title, title_justify="left", min_width=60)
    for column in listed[0]:
        table.add_column(label(column))
    for row in listed:
        table.add_row(*(Text(one_line(plain(part))) for part in row.values()))
    console.print(table)


def rows_of(reported: Report, key: str) -> list[Report]:
    """Return a list in a report, empty if the report does not have it."""
    value = reported.get(key)
    return value if isinstance(value, list) else []


def label(key: str) -> str:
    """Return the name of a field without its unit."""
    return key.removesuffix("_seconds").removesuffix("_bytes").replace("_", " ")


def shown(key: str, value: Value) -> Text:
    """Return a value with its unit."""
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
        return Text(f"{value:,.1f} s", style="bold red" if key in PROBLEMS else "")
    if isinstance(value, int):
        return Text(f"{value:,}", style="bold red" if key in PROBLEMS and value else "")
    return Text(one_line(str(value)))
