from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontend_server.circulation.fines import DailyFine, fine_so_far
from service_kit.clock import DAY
from tests.support.lending_terms import TWENTY_CENTS, at, branch_in

DUE = at("2026-11-13 23:59:59")


@given(late=st.integers(-1000 * DAY, 10_000 * DAY), later=st.integers(0, 100 * DAY))
def test_waiting_never_makes_it_cheaper(late: int, later: int) -> None:
    fine = fine_so_far(TWENTY_CENTS, branch_in(), DUE, DUE + late)
    assert 0 <= fine <= fine_so_far(TWENTY_CENTS, branch_in(), DUE, DUE + late + later)
    assert fine % 20 == 0


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
