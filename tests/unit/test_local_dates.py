from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from google.type.money_pb2 import Money

from library_domain.local_dates import end_of_date, last_date_before, local_date, time_zone_names, time_zone_or_none
from library_domain.money import minor_unit, money_nanos, rounded_to_minor_units, set_amount
from service_kit.clock import DAY, FIRST_TIME, LAST_TIME
from tests.support.lending_terms import BERLIN, at, day


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "America", "../UTC", "/etc/passwd", "Europe/Berlin\0", "x" * 300])
def test_a_name_that_is_not_a_time_zone_is_none(name: str) -> None:
    assert time_zone_or_none(name) is None
    assert name not in time_zone_names()


def test_the_names_are_those_of_iana() -> None:
    assert {"UTC", BERLIN, "America/Santiago", "Australia/Lord_Howe", "Pacific/Apia"} <= time_zone_names()
    assert not {"localtime", "Factory", "posixrules", "right/Europe/Berlin"} & time_zone_names()
    assert time_zone_or_none(BERLIN) == ZoneInfo(BERLIN)


@pytest.mark.parametrize(
    ("expires", "last"),
    [
        ("2026-11-16 00:00", "2026-11-15"),
        ("2026-11-15 23:59:59", "2026-11-15"),
        ("2026-11-15 00:00:00.000001", "2026-11-15"),
        ("2026-11-15 00:00", "2026-11-14"),
    ],
)
def test_a_membership_lasts_until_the_date_before_its_end(expires: str, last: str) -> None:
    assert last_date_before(at(expires), ZoneInfo(BERLIN)) == day(last)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "UTC"])
def test_each_time_that_can_be_stored_has_a_date(zone: str) -> None:
    assert local_date(LAST_TIME, ZoneInfo(zone)).year == 9989
    assert local_date(FIRST_TIME, ZoneInfo(zone)).year in (10, 11)
    assert local_date(end_of_date(date.max, ZoneInfo(zone)) - 10 * 366 * DAY, ZoneInfo(zone)).year == 9980


@pytest.mark.parametrize(
    ("currency", "unit"), [("EUR", 10_000_000), ("JPY", 1_000_000_000), ("KWD", 1_000_000), ("CLF", 100_000)]
)
def test_minor_units(currency: str, unit: int) -> None:
    assert minor_unit(currency) == unit
    assert rounded_to_minor_units(currency, 7 * unit + unit // 2) == 8
    assert rounded_to_minor_units(currency, 7 * unit + unit // 2 - 1) == 7
    for minor in (0, 7, 123_456_789):
        message = Money()
        set_amount(message, currency, minor * unit)
        assert (message.currency_code, money_nanos(message)) == (currency, minor * unit)
        assert 0 <= message.nanos < 1_000_000_000
