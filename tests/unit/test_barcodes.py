"""Barcodes: how they are compared, the library's own series and its check digits, and ranges."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from library_domain.barcodes import (
    LAST_IN_SERIES,
    RangeInvalid,
    barcodes_of_range,
    card_number,
    has_check_digit,
    item_barcode,
    normalized_barcode,
)


@pytest.mark.parametrize(
    ("text", "barcode"),
    [
        ("30001000000010", "30001000000010"),
        (" b-00100\t", "B-00100"),
        ("\u200bab1\ufeff", "AB1"),
        ("straße", "STRASSE"),
        ("x" * 40, "X" * 40),
    ],
)
def test_a_barcode_is_compared_in_upper_case_without_blanks_around_it(text: str, barcode: str) -> None:
    assert normalized_barcode(text) == barcode


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must have a visible character"),
        (" \u200b", "must have a visible character"),
        ("B 100", "must not contain blanks or invisible characters"),
        ("B\u200b100", "must not contain blanks or invisible characters"),
        ("B\x00100", "must not contain blanks or invisible characters"),
        ("x" * 41, "must have at most 40 characters"),
        ("ß" * 21, "must have at most 40 characters"),
    ],
)
def test_what_no_scanner_could_read_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}$"):
        normalized_barcode(text)


@settings(deadline=None)
@given(st.text(max_size=12))
def test_the_normal_form_is_stable(text: str) -> None:
    try:
        barcode = normalized_barcode(text)
    except ValueError:
        return
    assert normalized_barcode(barcode.lower().upper()) == normalized_barcode(barcode) == barcode


def test_a_series_has_fourteen_digits_of_which_the_last_is_the_check_digit() -> None:
    assert [item_barcode(number) for number in (1, 2, 9, 10, LAST_IN_SERIES)] == [
        *("30001000000010", "30001000000028", "30001000000093", "30001000000101", "30001999999990"),
    ]
    assert card_number(1) == "20001000000012"
    for number in (0, LAST_IN_SERIES + 1):
        with pytest.raises(ValueError, match="the series has the numbers 1 to 99999999"):
            item_barcode(number)


@given(st.integers(1, LAST_IN_SERIES), st.integers(0, 13), st.integers(1, 9))
def test_a_mistyped_digit_is_noticed(number: int, place: int, distance: int) -> None:
    barcode = item_barcode(number)
    wrong = str((int(barcode[place]) + distance) % 10)
    assert has_check_digit(barcode)
    assert not has_check_digit(barcode[:place] + wrong + barcode[place + 1 :])


@pytest.mark.parametrize(
    ("first", "last", "barcodes"),
    [
        ("B00098", "B00101", ["B00098", "B00099", "B00100", "B00101"]),
        ("7", "9", ["7", "8", "9"]),
        ("A1-08", "A1-10", ["A1-08", "A1-09", "A1-10"]),
        ("B5", "B5", ["B5"]),
        (item_barcode(9), item_barcode(11), [item_barcode(9), item_barcode(10), item_barcode(11)]),
        # Only one of the ends has a check digit, or neither the length of a series: all digits count.
        (item_barcode(1), "30001000000012", ["30001000000010", "30001000000011", "30001000000012"]),
        ("18", "26", ["18", "19", "20", "21", "22", "23", "24", "25", "26"]),
    ],
)
def test_a_range_counts_up(first: str, last: str, barcodes: list[str]) -> None:
    assert barcodes_of_range(first, last, 10) == barcodes


@pytest.mark.parametrize(
    ("first", "last", "problems"),
    [
        ("B", "B2", {"first": "must end with a digit"}),
        ("BX", "BY", {"first": "must end with a digit", "last": "must end with a digit"}),
        ("B1", "B10", {"last": "must have the length of the first barcode, and what precedes its number"}),
        ("A1", "B2", {"last": "must have the length of the first barcode, and what precedes its number"}),
        ("B2", "B1", {"last": "must not be before the first barcode"}),
        ("B01", "B11", {"last": "must be at most 10 barcodes from the first, but the range has 11"}),
        (
            "1" + "0" * 39,
            "9" * 40,
            {"last": f"must be at most 10 barcodes from the first, but the range has {9 * 10**39}"},
        ),
        (item_barcode(2), item_barcode(1), {"last": "must not be before the first barcode"}),
    ],
)
def test_ends_that_name_no_range_are_refused(first: str, last: str, problems: dict[str, str]) -> None:
    with pytest.raises(RangeInvalid) as refused:
        barcodes_of_range(first, last, 10)
    assert refused.value.problems == problems
