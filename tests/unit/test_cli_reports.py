"""The parts of `library report`: bars, months, dates, cells of a CSV file, pictures."""

from __future__ import annotations

import io
from datetime import UTC, date
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import click
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from PIL import Image
from rich.console import Console

from library.admin.v1.report_service_pb2 import LoanCount, OpenLoan
from library.v1.loan_pb2 import Loan
from library_cli.reports.bars import bar_length, with_bars
from library_cli.reports.charts import BAR_COLOUR, SCALE, WIDTH, Bar, png, svg
from library_cli.reports.csv_files import cell
from library_cli.reports.history import event_text
from library_cli.reports.kinds import COUNTS, due_text
from library_cli.reports.months import with_months_between
from library_cli.reports.periods import days_from_now, period, start_of
from library_cli.tables import table

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> Timestamp:
    time = Timestamp()
    time.FromJsonString(text)
    return time


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30", "'+49 30"),
        ("-", "'-"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("＝1", "'＝1"),
        ("1=1", "1=1"),
        ("", ""),
        ("Emma", "Emma"),
        (-5, -5),
    ],
)
def test_a_spreadsheet_computes_no_text(text: str, written: str) -> None:
    assert cell(text) == written


@pytest.mark.parametrize(
    ("amount", "most", "width", "length"), [(10, 10, 60, 60), (5, 10, 60, 30), (1, 10_000, 60, 1), (0, 10, 60, 0)]
)
def test_the_length_of_a_bar(amount: int, most: int, width: int, length: int) -> None:
    assert bar_length(amount, most, width) == length


def drawn(width: int, encoding: str = "utf-8", name: str = "2026-01", **options: Any) -> list[str]:
    """Return the lines of a table of two counts with bars on a terminal."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=width, force_terminal=True, legacy_windows=False, **options)
    counts = [LoanCount(name=name, loan_count=40), LoanCount(name="2026-02", loan_count=10)]
    form = with_bars(counts, COUNTS.form, lambda count: count.loan_count, console)
    console.print(table(counts, form.columns, console.width))
    file.seek(0)
    return file.read().splitlines()


@pytest.mark.parametrize("width", range(30, 130, 7))
def test_bars_fit_on_any_terminal(width: int) -> None:
    lines = drawn(width, color_system=None)
    longest, other = (line.count("█") for line in lines if line.strip().startswith("2026"))
    assert longest in (0, *range(10, 61))
    assert longest == 60 or longest > width - 45 or not longest, "they use the room"
    assert other == (bar_length(10, 40, longest) if longest else 0)
    assert all(len(line) <= width for line in lines)


def test_bars_are_plain_where_a_terminal_has_no_colours_or_blocks() -> None:
    assert any("####" in line for line in drawn(80, no_color=True))
    assert any("####" in line for line in drawn(80, encoding="ascii"))
    assert not any("#" in line for line in drawn(80))
    assert any("\x1b[36m█" in line for line in drawn(80, color_system="standard"))


def test_a_long_name_leaves_room_for_bars() -> None:
    assert any("█" * 10 in line for line in drawn(80, name="long name " * 30, color_system=None))


def test_months_without_loans_are_shown() -> None:
    found = with_months_between([LoanCount(name="2025-11", loan_count=1), LoanCount(name="2026-02", loan_count=2)])
    assert [(each.name, each.loan_count) for each in found] == [
        *(("2025-11", 1), ("2025-12", 0), ("2026-01", 0), ("2026-02", 2)),
    ]
    far = [LoanCount(name="0999-01"), LoanCount(name="2026-02")]
    assert list(with_months_between(far)) == far


def test_dates_begin_where_the_zone_begins_them() -> None:
    assert start_of(date(2026, 7, 1), BERLIN) == at("2026-06-30T22:00:00Z")
    # In Santiago the clock skipped the first hour of 2026-09-06.
    assert start_of(date(2026, 9, 6), ZoneInfo("America/Santiago")) == at("2026-09-06T04:00:00Z")
    both = period(date(2026, 3, 29), date(2026, 3, 29), BERLIN)  # 23 hours
    assert both == {"start_time": at("2026-03-28T23:00:00Z"), "end_time": at("2026-03-29T22:00:00Z")}
    assert period(None, None, BERLIN) == {}
    for since, until in ((date(2026, 1, 2), date(2026, 1, 1)), (date(1, 1, 1), None), (None, date(9999, 12, 31))):
        with pytest.raises(click.UsageError):
            period(since, until, BERLIN)


@pytest.mark.parametrize("days", [0, 7])
def test_due_soon_ends_with_a_date(days: int) -> None:
    now, end = days_from_now(days, BERLIN)
    first, last = now.ToDatetime(UTC).astimezone(BERLIN), end.ToDatetime(UTC).astimezone(BERLIN)
    assert (last.date() - first.date()).days == days + 1
    assert (last.hour, last.minute, last.second) == (0, 0, 0)


def test_a_due_date_is_that_of_the_loan() -> None:
    def due(time: str, zone: str) -> str:
        return due_text(OpenLoan(loan=Loan(due_time=at(time), time_zone=zone)))

    assert due("2026-12-11T22:59:59Z", "Europe/Berlin") == "2026-12-11"
    assert due("2026-12-11T22:30:00Z", "Europe/Berlin") == "2026-12-11 23:30"
    assert due("2026-12-11T23:59:59Z", "") == "2026-12-11"
    assert due("2026-12-11T23:59:59Z", "No/Zone") == "2026-12-11"


def test_events_in_words() -> None:
    assert event_text(1) == "check out"
    assert event_text(99) == "99"


BARS = [Bar("2026-01 <&>", 40), Bar("Мир 村 " * 20, 10), Bar("", 0)]


def test_a_picture_shows_the_bars() -> None:
    root = ElementTree.fromstring(svg("Loans <by> month", BARS))
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "Loans <by> month"
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Loans <by> month", "2026-01 <&>", "40", "10", "0"} <= set(texts)
    boxes = [element for element in root.iter("{http://www.w3.org/2000/svg}rect") if "18%" in element.get("style", "")]
    widths = [float(box.get("width", "0")) for box in boxes]
    assert widths[0] == pytest.approx(4 * widths[1])
    image = Image.open(io.BytesIO(png("Loans", BARS)))
    assert image.width == WIDTH * SCALE
    colour = tuple(bytes.fromhex(BAR_COLOUR.removeprefix("#")))
    rows = [[image.getpixel((x, y)) for x in range(image.width)].count(colour) for y in range(image.height)]
    longest, shortest = max(rows), min(row for row in rows if row)
    assert longest == pytest.approx(4 * shortest, abs=8)
