"""The PDF of `library labels`, rendered as a printer does and scanned as a desk does."""

from __future__ import annotations

import random

import pytest

from library_cli.labels.barcodes import QUIET_MODULES, CannotEncode, fit
from library_cli.labels.contents import item_label, user_card
from library_cli.labels.lettering import fitted, printable, width
from library_cli.labels.pdf import LabelsRefused, sheets_of
from library_cli.labels.sheets import MM, SHEETS, Sheet
from library_cli.labels.symbologies import CODABAR, CODE128
from tests.support.printed import scanned, texts, title_of

EVERY_SHEET = pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS)


@pytest.mark.parametrize(
    "sheet",
    [
        pytest.param(each, id=name, marks=[pytest.mark.slow] * (name in ("L7160", "5160")))
        for name, each in SHEETS.items()
    ],
)
def test_sheet_is_filled_row_by_row_from_its_first_free_label(sheet: Sheet) -> None:
    numbers = [f"{30_000_000_000_000 + place * 7_919}" for place in range(sheet.capacity)]
    made = sheets_of([item_label(number, "Dune", "823.914", "A1") for number in numbers], sheet, start=3)
    read = scanned(made.pdf)

    assert [each.text for each in read] == numbers
    assert made.page_count == 2
    assert [each.page for each in read].count(1) == 2
    for place, each in enumerate(read, 2):
        x, y = sheet.corner(place % sheet.capacity)
        assert each.x == pytest.approx(x + sheet.width / 2, abs=0.5)
        assert sheet.page[1] - y - sheet.height < each.y < sheet.page[1] - y


@EVERY_SHEET
def test_labels_are_inside_their_page_and_apart(sheet: Sheet) -> None:
    right, _ = sheet.corner(sheet.columns - 1)
    _, bottom = sheet.corner(sheet.capacity - 1)
    assert sheet.page[0] - right - sheet.width == pytest.approx(sheet.left, abs=0.2)
    assert bottom == pytest.approx(sheet.top, abs=0.2)
    assert sheet.column_pitch >= sheet.width
    assert sheet.row_pitch >= sheet.height


def test_full_sheet_is_one_page() -> None:
    sheet = SHEETS["5160"]
    assert sheets_of([item_label("1", "Dune")] * sheet.capacity, sheet).page_count == 1
    assert len(texts(sheets_of([item_label("1", "Dune")] * sheet.capacity, sheet).pdf)) == 1


@pytest.mark.parametrize(
    ("symbology", "alphabet"), [(CODE128, "0123456789" * 8 + "AZaz -./$*+~"), (CODABAR, "0123456789-$:/.+")]
)
def test_every_number_that_is_accepted_is_scanned(symbology: str, alphabet: str) -> None:
    chosen = random.Random(11)
    numbers = {"".join(chosen.choices(alphabet, k=chosen.randint(4, 14))).strip() for _ in range(42)}
    made = sheets_of([item_label(number, "Dune") for number in sorted(numbers)], SHEETS["L7160"], symbology=symbology)
    # Codabar's start and stop letters are scanned too.
    around = "A" if symbology == CODABAR else ""
    assert sorted(each.text for each in scanned(made.pdf)) == sorted(f"{around}{number}{around}" for number in numbers)


def test_bars_are_at_least_as_wide_as_a_scanner_needs() -> None:
    sheet = SHEETS["L7651"]
    room = (sheet.width - 2) * MM
    barcode = fit("30000000000000", CODE128, room)
    assert barcode.module / MM == pytest.approx(0.254)
    assert barcode.width + 2 * QUIET_MODULES * barcode.module <= room
    made = sheets_of([item_label("1", "Dune"), item_label("30000000000000", "Dune")], sheet)
    assert made.module_mm == pytest.approx(0.254)
    with pytest.raises(CannotEncode, match="'30000000000000' needs a label that is 44 mm wide in codabar"):
        fit("30000000000000", CODABAR, room)


def test_every_number_that_does_not_fit_is_reported() -> None:
    labels = [item_label(number, "Dune") for number in ("1", "Ä1", "B" * 30, "2")]
    with pytest.raises(LabelsRefused) as refused:
        sheets_of(labels, SHEETS["L7160"])
    assert refused.value.problems == [
        "'Ä1' cannot be a barcode in code128, which encodes the characters of ASCII.",
        f"'{'B' * 30}' needs a label that is 83 mm wide in code128: choose another --sheet.",
    ]


def test_text_is_printed_around_the_barcode() -> None:
    card = user_card("2000000001", "Łukasz Żółć-Ђорђе Αθήνα", "Stadtbücherei Österwald")
    made = sheets_of([card, item_label("B-17", "Їжакевич", "823.914 TOL", "A1")], SHEETS["ID-1"], title="Cards")
    (text,) = texts(made.pdf)
    assert text.split("\r\n") == [
        *("Stadtbücherei Österwald", "Łukasz Żółć-Ђорђе Αθήνα", "2000000001"),
        *("823.914 TOL · A1", "Їжакевич", "B-17"),
    ]
    assert title_of(made.pdf) == "Cards"
    assert not made.replaced


def test_same_labels_make_the_same_bytes() -> None:
    labels = [user_card("1", "Ада"), user_card("2", "Łukasz")]
    assert sheets_of(labels, SHEETS["ID-1"]).pdf == sheets_of(labels, SHEETS["ID-1"]).pdf
    assert sheets_of(labels[:1], SHEETS["ID-1"]).pdf != sheets_of(labels[1:], SHEETS["ID-1"]).pdf


def test_letters_that_the_font_lacks_are_replaced_and_reported() -> None:
    made = sheets_of([item_label("7", "Мир 村上 שלום"), item_label("8", "Мир")], SHEETS["L7160"])
    (text,) = texts(made.pdf)
    assert "Мир CunShang slvm" in text
    assert made.replaced == [("7", "村上 שלום")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ångström", "Ångström"),
        ("a\tb\u200e\nc", "a b c"),
        ("Ἀθῆναι Ѣ ǆ Nguyễn “₴”", "Ἀθῆναι Ѣ ǆ Nguyễn “₴”"),
        ("देव", "dev"),
        ("\U000f0000x\U0003fffd", "x?"),
        ("", ""),
    ],
)
def test_printable_text(text: str, expected: str) -> None:
    assert printable(text).text == expected


def test_long_text_is_printed_smaller_then_shortened() -> None:
    room = width("The Fellowship of the Ring", 8)
    assert fitted("The Fellowship of the Ring", 8, room) == ("The Fellowship of the Ring", 8)
    whole = fitted("The Fellowship of the Ring", 9, room)
    assert whole.text == "The Fellowship of the Ring"
    assert whole.size == pytest.approx(8)
    short = fitted("The Fellowship of the Ring, and more of it", 8, room)
    assert short.text.startswith("The Fellowship of the Ring")
    assert short.text.endswith("…")
    assert width(short.text, short.size) <= room
