"""Make the PDF of a sheet of labels: a pure function of the labels and the sheet."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reportlab.pdfgen.canvas import Canvas

from library_cli.labels.barcodes import DOT, CannotEncode, FittedBarcode, fit
from library_cli.labels.contents import Label
from library_cli.labels.lettering import FONT, Printable, fitted, printable, width
from library_cli.labels.sheets import MM, Sheet
from library_cli.labels.symbologies import CODE128

MARGIN = 1.0
"""Millimetres at the sides of a label that have neither bars nor quiet zone, as printers shift a page."""

TEXT_MARGIN = 2.0
"""Millimetres around the text of a label."""

TEXT_SIZES = 6.0, 11.0
"""The smallest and the largest size of ordinary text, in points."""

SIZE_PER_MM = 0.21
"""Points of text size for each millimetre of a label's height."""

LINE_HEIGHT = 1.3
BASELINE = 0.95
"""Both in text sizes; the second one is measured from the top of a line."""

GAP = 0.5
"""Millimetres between text and bars."""

BAR_HEIGHT = 15.0
"""The greatest height of bars, in millimetres. A scanner needs 1/4 inch, which the smallest label has."""


@dataclass(frozen=True)
class LabelSheets:
    """A finished document."""

    pdf: bytes
    page_count: int
    module_mm: float
    """Width of the narrowest bar of all barcodes, in millimetres."""
    replaced: Sequence[tuple[str, str]]
    """The labels' numbers, with the characters that the font lacks and Latin letters replaced."""


class LabelsRefused(Exception):
    """Some labels cannot be printed. `problems` has a sentence for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def sheets_of(
    labels: Sequence[Label], sheet: Sheet, *, start: int = 1, symbology: str = CODE128, title: str = "Labels"
) -> LabelSheets:
    """Return the PDF of the labels, in their order. Equal arguments return equal bytes.

    Args:
        labels: At least one label.
        sheet: The sheet that is printed on.
        start: The place of the first label on the first page, from 1 to `sheet.capacity`. Those before it are used.
        symbology: One of `SYMBOLOGIES`.
        title: The title of the document.

    Raises:
        LabelsRefused: A number cannot be encoded, or its barcode is too wide for the sheet.
    """
    barcodes = _fitted(labels, symbology, (sheet.width - 2 * MARGIN) * MM)
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(sheet.page[0] * MM, sheet.page[1] * MM), pageCompression=1, invariant=1)
    canvas.setTitle(title)
    canvas.setCreator("library labels")
    canvas.setViewerPreference("PrintScaling", "None")  # scaled pages do not fit on the labels
    replaced: list[tuple[str, str]] = []
    for place, (label, barcode) in enumerate(zip(labels, barcodes, strict=True), start - 1):
        if place >= sheet.capacity and place % sheet.capacity == 0:
            canvas.showPage()
        lines = [(printable(line.text), line.scale) for line in label.lines]
        replaced += [(label.number, text.replaced) for text, _ in lines if text.replaced]
        _draw(canvas, sheet, place % sheet.capacity, lines, barcode)
    canvas.save()
    return LabelSheets(
        out.getvalue(),
        -(-(len(labels) + start - 1) // sheet.capacity),
        min(barcode.module for barcode in barcodes) / MM,
        replaced,
    )


def _fitted(labels: Sequence[Label], symbology: str, room: float) -> list[FittedBarcode]:
    fitted: list[FittedBarcode] = []
    problems: list[str] = []
    for label in labels:
        try:
            fitted.append(fit(label.number, symbology, room))
        except CannotEncode as problem:
            problems.append(str(problem))
    if problems:
        raise LabelsRefused(problems)
    return fitted


def _draw(
    canvas: Canvas, sheet: Sheet, place: int, lines: Sequence[tuple[Printable, float]], barcode: FittedBarcode
) -> None:
    """Draw a label: the lines from its top down, the number at its bottom, and the bars above the number."""
    left, bottom = (length * MM for length in sheet.corner(place))
    middle = left + sheet.width * MM / 2
    size = min(max(sheet.height * SIZE_PER_MM, TEXT_SIZES[0]), TEXT_SIZES[1])
    if sheet.has_outlines:
        canvas.setLineWidth(0.25)
        canvas.rect(left, bottom, sheet.width * MM, sheet.height * MM, stroke=1, fill=0)
    text_room = (sheet.width - 2 * TEXT_MARGIN) * MM
    ceiling = bottom + (sheet.height - TEXT_MARGIN) * MM
    for text, line_size in _lines(lines, size):
        fitting = fitted(text, line_size, text_room)
        canvas.setFont(FONT, fitting.size)
        canvas.drawCentredString(middle, ceiling - BASELINE * line_size, fitting.text)
        ceiling -= LINE_HEIGHT * line_size
    _draw_number(canvas, barcode.number, middle, bottom + TEXT_MARGIN * MM, size, text_room)
    floor = bottom + TEXT_MARGIN * MM + size * LINE_HEIGHT
    height = min(ceiling - floor - GAP * MM, BAR_HEIGHT * MM)
    # Bars begin at a whole dot, so that no printer rounds equal bars to unequal ones.
    dots = round((middle - barcode.width / 2) / DOT)
    barcode.drawable(height).drawOn(canvas, dots * DOT, floor)


def _lines(lines: Sequence[tuple[Printable, float]], size: float) -> Iterator[tuple[str, float]]:
    return ((text.text, scale * size) for text, scale in lines if text.text)


def _draw_number(canvas: Canvas, number: str, middle: float, bottom: float, size: float, room: float) -> None:
    """Draw the number below the bars. It is never shortened: a long one is printed smaller."""
    fitting = size * min(1.0, room / width(number, size))
    canvas.setFont(FONT, fitting)
    canvas.drawCentredString(middle, bottom + (LINE_HEIGHT - BASELINE) * size, number)
