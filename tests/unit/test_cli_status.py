"""What both services answer is shown with its units: to people, to scripts, and to machines."""

from __future__ import annotations

import io
import json
import re
import time
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

from library.admin.v1.status_service_pb2 import Status
from library.frontend.v1.sync_service_pb2 import ParkedRow, SetAsideRow, SyncStatus
from library_cli.status.reports import (
    Report,
    all_are_well,
    as_json,
    as_lines,
    clock_warning,
    fields_of,
    is_well,
    print_tables,
)
from library_cli.status.summary import in_lines, summary
from library_cli.times import zoned_time

ADMIN: Report = {
    "target": "127.0.0.1:50052",
    "health": "SERVING",
    **fields_of(
        Status(book_count=5625, revision=7, epoch_time=Timestamp(seconds=1_000_000_000), store_size_bytes=1_500_000)
    ),
}
SYNC = SyncStatus(
    frontend_id="f",
    cursor_age=Duration(seconds=2, nanos=500_000_000),
    last_push_error="no\nway",
    waiting_loan_count=3,
    parked_row_count=1,
    parked_rows=[ParkedRow(kind="loan", id="l1", reason="days: [red]is 0\x1b[2J")],
    set_aside_count=1,
    set_aside_rows=[
        SetAsideRow(kind="book", id="b1", reason="no", revision=7, set_aside_time=Timestamp(seconds=1_000_000_000))
    ],
)
FRONTEND: Report = {"target": "127.0.0.1:50051", "health": "SERVING", **fields_of(SYNC)}


def shown(reports: dict[str, Report]) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    print_tables(reports, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_numbers_stay_numbers_and_times_are_rfc_3339() -> None:
    assert ADMIN["book_count"] == 5625
    assert ADMIN["epoch_time"] == "2001-09-09T01:46:40Z"
    assert FRONTEND["cursor_age_seconds"] == 2.5
    assert FRONTEND["parked_rows"] == [{"kind": "loan", "id": "l1", "reason": "days: [red]is 0\x1b[2J"}]


def test_a_time_of_what_has_not_happened_is_null() -> None:
    fields = fields_of(SyncStatus())
    assert fields["cursor_age_seconds"] is None
    assert fields["last_pull_time"] is None


def test_every_field_of_the_contract_is_shown() -> None:
    assert len(fields_of(Status())) == len(Status.DESCRIPTOR.fields)
    assert len(fields_of(SyncStatus())) == len(SyncStatus.DESCRIPTOR.fields)


def test_json_is_the_reports() -> None:
    reports = {"admin": ADMIN, "frontend": FRONTEND}
    assert json.loads(as_json(reports)) == reports


def test_lines_are_one_for_each_key_for_any_answers() -> None:
    lines = list(as_lines({"admin": ADMIN, "frontend": FRONTEND}))
    assert "admin.health: SERVING" in lines
    assert "admin.book_count: 5625" in lines
    assert "frontend.cursor_age_seconds: 2.5" in lines
    assert "frontend.last_pull_time: " in lines
    assert "frontend.resyncing: false" in lines
    assert "frontend.last_push_error: no way" in lines
    assert "frontend.parked_rows: loan l1 days: [red]is 0 [2J" in lines
    assert "frontend.set_aside_rows: book b1 no 7 2001-09-09T01:46:40Z" in lines


def test_the_table_has_units_and_the_parked_rows() -> None:
    text = shown({"admin": ADMIN, "frontend": FRONTEND})
    assert "5,625" in text
    assert "1.5 MB" in text
    assert "2.5 s" in text
    assert "days: [red]is 0" in text
    assert "rows set aside: the frontend's store could not apply them" in text
    assert "2001-09-09T01:46:40Z" in text
    assert "\x1b[2J" not in text


def test_a_clock_that_is_behind_is_a_sentence_with_the_way_out() -> None:
    assert clock_warning(SYNC) == ""
    behind = SyncStatus(clock_behind=Duration(seconds=20_500 * 86_400), newest_time=Timestamp(seconds=1_800_000_000))
    warning = clock_warning(behind)
    assert warning.startswith(
        f"The clock is 20,500.0 days behind {zoned_time(behind.newest_time)}, the newest time in the"
    )
    assert warning.endswith("run: library-frontend accept-clock")
    assert "1,771,200,000.0 s" in shown({"frontend": {"health": "NOT_SERVING", **fields_of(behind)}})


def test_the_targets_of_the_rest_service_are_shown() -> None:
    rest: Report = {
        "url": "http://127.0.0.1:8080",
        "health": "NOT_SERVING",
        "targets": [{"target": "a:1", "health": "SERVING"}, {"target": "b:2", "health": "NOT_SERVING"}],
    }
    assert "rest.targets: b:2 NOT_SERVING" in list(as_lines({"rest": rest}))
    assert re.search(r"target b:2 +\S NOT_SERVING", shown({"rest": rest}))


def test_a_service_is_well_when_it_serves_and_no_row_is_parked_or_set_aside() -> None:
    assert is_well(ADMIN)
    well = FRONTEND | {"parked_row_count": 0, "set_aside_count": 0, "last_push_error": ""}
    assert is_well(well)
    assert not is_well(well | {"last_push_error": "no"})
    assert not is_well(well | {"last_pull_error": "no"})
    assert not is_well(FRONTEND | {"parked_row_count": 0})
    assert not is_well(FRONTEND | {"set_aside_count": 0})
    assert not is_well(well | {"clock_behind_seconds": 90_000.0})
    assert not is_well(ADMIN | {"health": "NOT_SERVING"})
    assert not is_well(ADMIN | {"error": "no answer"})


def test_a_rest_service_that_does_not_answer_counts_where_it_was_named() -> None:
    url = "http://127.0.0.1:8080"
    serving: Report = {"url": url, "health": "SERVING"}
    silent: Report = {"url": url, "health": "NO_ANSWER", "error": "Nothing answers"}
    waiting: Report = {"url": url, "health": "NOT_SERVING"}
    for rest_counts in (True, False):
        assert all_are_well({"admin": ADMIN, "rest": serving}, rest_counts=rest_counts)
        assert not all_are_well({"admin": ADMIN, "rest": waiting}, rest_counts=rest_counts)
        assert not all_are_well({"admin": ADMIN | {"health": "NO_ANSWER"}, "rest": serving}, rest_counts=rest_counts)
    assert all_are_well({"admin": ADMIN, "rest": silent}, rest_counts=False)
    assert not all_are_well({"admin": ADMIN, "rest": silent}, rest_counts=True)


# --- ten lines ---

WELL: dict[str, Report] = {
    "admin": {
        **ADMIN,
        "user_count": 4,
        "current_user_count": 4,
        "loan_count": 9,
        "open_loan_count": 3,
        "title_count": 5600,
        "copy_count": 12_000,
    },
    "frontend": {
        "target": "127.0.0.1:50051",
        "health": "SERVING",
        **fields_of(SyncStatus(book_count=5625, cursor_age=Duration(seconds=1), last_pull_time=Timestamp(seconds=1))),
    },
    "rest": {"url": "http://127.0.0.1:8080", "health": "SERVING", "targets": []},
}
SILENT: Report = {"health": "NO_ANSWER", "error": "Nothing answers at x; is the service running there? (refused)"}


def ten_lines(overdue: int | None = 0, *, rest_counts: bool = False, **changed: Any) -> dict[str, tuple[str, bool]]:
    """The text of each line, and whether it is well, with some values in place of those of a library that is well."""
    reports = {service: {**report, **changed.get(service, {})} for service, report in WELL.items()}
    lines = summary(reports, overdue, rest_counts=rest_counts)
    assert len(lines) == 10
    printed = [text for text, _ in in_lines(lines)]
    assert all(text.isprintable() for text in printed)
    return {line.label: (text[11:], line.is_well) for line, text in zip(lines, printed, strict=True)}


def test_a_library_that_is_well_is_ten_lines() -> None:
    lines = ten_lines(overdue=1)
    assert all(is_well for _, is_well in lines.values())
    assert lines["admin"][0] == "serves at 127.0.0.1:50052"
    assert lines["books"][0] == "5,600 titles in 12,000 copies"
    assert lines["users"][0] == "4"
    closed = ten_lines(admin={"current_user_count": 2, "title_count": 1, "copy_count": 1})
    assert (closed["users"][0], closed["books"][0]) == ("2, and 2 closed accounts", "1 title in 1 copy")
    assert lines["loans"][0] == "3 out, 1 overdue; to see them: library loans --overdue"
    assert lines["sync"][0] == "the catalogue at the frontend is up to date; nothing waits"
    assert lines["refused"][0] == lines["set aside"][0] == "nothing"


def test_times_are_local_and_the_zone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        for zone, written in (("Asia/Tokyo", "2027-01-15 17:00 JST"), ("UTC", "2027-01-15 08:00 UTC")):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert zoned_time(Timestamp(seconds=1_800_000_000)) == written
            assert ten_lines()["clock"][0].endswith(f" {written[-3:]}")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_problem_is_shown_in_its_line_with_what_to_do() -> None:
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("admin", "does not answer at 127.0.0.1:50052: start it with `library up`", {"admin": SILENT}),
        ("frontend", "another program", {"frontend": {"health": "NO_ANSWER", "error": "another program\x1b[2J"}}),
        ("admin", "serves at 127.0.0.1:50052, but does not report: why", {"admin": {"error": "why"}}),
        ("frontend", "does not serve yet (NOT_SERVING)", {"frontend": {"health": "NOT_SERVING"}}),
        (
            "rest",
            "it waits for b:2",
            {"rest": {"health": "NOT_SERVING", "targets": [{"target": "b:2", "health": "NOT_SERVING"}]}},
        ),
        *(
            (
                "sync",
                f"does not work: no; the last pull ended {zoned_time(Timestamp(seconds=1))}",
                {"frontend": {key: "no"}},
            )
            for key in ("last_push_error", "last_pull_error")
        ),
        (
            "refused",
            "2 rows, which the admin service refused; `library status",
            {"frontend": {"parked_row_count": 2}},
        ),
        ("set aside", "1 row, which the frontend's store could not apply", {"frontend": {"set_aside_count": 1}}),
        (
            "clock",
            f"The clock is 2.0 days behind {zoned_time(Timestamp(seconds=1_800_000_000))}",
            {"frontend": {"clock_behind_seconds": 172_800.0, "newest_time": "2027-01-15T08:00:00Z"}},
        ),
    ]
    for label, expected, changed in cases:
        lines = ten_lines(**changed)
        assert expected in lines[label][0]
        assert [name for name, (_, is_well) in lines.items() if not is_well] == [label], label
        assert not all_are_well({name: {**WELL[name], **changed.get(name, {})} for name in WELL}, rest_counts=True)


def test_what_passes_by_itself_is_not_an_alarm() -> None:
    assert ten_lines(rest=SILENT)["rest"] == (
        "does not answer at http://127.0.0.1:8080; it is only needed for HTTP",
        True,
    )
    assert not ten_lines(rest=SILENT, rest_counts=True)["rest"][1]
    for expected, changed in {
        "3 loans to be sent to the admin service": {"waiting_loan_count": 3},
        "the whole catalogue is being read": {"resyncing": True},
        "the catalogue at the frontend is 90 seconds old": {"cursor_age_seconds": 90.0},
    }.items():
        text, is_well = ten_lines(frontend=changed)["sync"]
        assert expected in text
        assert is_well
    assert ten_lines(frontend={"book_count": 7})["books"][0].endswith(
        "copies; the frontend has read 7 of 5,625 so far, removed ones included"
    )
    assert ten_lines(frontend={"book_count": 7}, admin={"title_count": 5625})["books"][0].endswith("5,625 so far")
    assert ten_lines(overdue=1_000)["loans"][0].startswith("3 out, 1,000 or more overdue")


def test_services_that_do_not_answer_leave_their_lines_unknown() -> None:
    silent = {name: {"target": "x", "url": "x", **SILENT} for name in WELL}
    lines = summary(silent, None, rest_counts=False)
    assert [line.text.startswith("not known while") for line in lines] == [False] * 3 + [True] * 7
