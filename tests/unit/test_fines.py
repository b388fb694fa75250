from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontend_server.circulation.fines import DailyFine, fine_nanos
from service_kit.clock import DAY, SECOND

TWENTY_CENTS = DailyFine("EUR", 200_000_000)
DUE = 1_800_000_000 * SECOND


@pytest.mark.parametrize(
    ("late", "days_begun"),
    [
        (-400 * DAY, 0),
        (-DAY, 0),
        (-1, 0),
        (0, 0),  # at the due time it is not late
        (1, 1),
        (DAY - 1, 1),
        (DAY, 1),
        (DAY + 1, 2),
        (10 * DAY, 10),
        (365 * DAY + 1, 366),
    ],
)
def test_each_day_begun_after_the_due_time_costs_the_daily_fine(late: int, days_begun: int) -> None:
    assert fine_nanos(TWENTY_CENTS, DUE, DUE + late) == days_begun * 200_000_000


def test_no_fine_where_a_day_costs_nothing() -> None:
    assert fine_nanos(DailyFine("EUR", 0), DUE, DUE + 100 * DAY) == 0


@given(late=st.integers(-1000 * DAY, 10_000 * DAY), later=st.integers(0, 100 * DAY))
def test_waiting_never_makes_it_cheaper(late: int, later: int) -> None:
    fine = fine_nanos(TWENTY_CENTS, DUE, DUE + late)
    assert 0 <= fine <= fine_nanos(TWENTY_CENTS, DUE, DUE + late + later)
    assert fine % TWENTY_CENTS.nanos == 0


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("0.20 EUR", DailyFine("EUR", 200_000_000)),
        (" 0.20 EUR ", DailyFine("EUR", 200_000_000)),
        ("1 USD", DailyFine("USD", 1_000_000_000)),
        ("0 CHF", DailyFine("CHF", 0)),
        ("1000 JPY", DailyFine("JPY", 1_000_000_000_000)),
        ("0.000000001 EUR", DailyFine("EUR", 1)),
    ],
)
def test_a_daily_fine_is_read(text: str, fine: DailyFine) -> None:
    assert DailyFine.parse(text) == fine


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0.20",
        "EUR",
        "EUR 0.20",
        "0.20 eur",
        "0.20 EURO",
        "0.20 E1R",
        "0.20 €€€",
        "0,20 EUR",
        "-0.20 EUR",
        "1000.01 EUR",
        "1e400 EUR",
        "NaN EUR",
        "sNaN EUR",
        "Infinity EUR",
        "0.0000000001 EUR",
    ],
)
def test_an_invalid_daily_fine_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"as in '0\.20 EUR'"):
        DailyFine.parse(text)
