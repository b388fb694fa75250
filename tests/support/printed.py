"""What a printer makes of a PDF: its text, and the barcodes that a scanner reads from its pages."""

from __future__ import annotations

from typing import NamedTuple

import pypdfium2
import zxingcpp

DPI = 300
"""Of the usual office printer. Thin bars have few dots there."""

POINTS = 72


class Scanned(NamedTuple):
    text: str
    page: int
    x: float
    """Of its middle from the left, and from the top, in millimetres."""
    y: float


def scanned(pdf: bytes, dpi: int = DPI) -> list[Scanned]:
    """Scan all barcodes, page by page in rows from the top."""
    found: list[Scanned] = []
    document = pypdfium2.PdfDocument(pdf)
    for page, each in enumerate(document):
        image = each.render(scale=dpi / POINTS, grayscale=True).to_pil()
        for barcode in zxingcpp.read_barcodes(image):
            corners = barcode.position.top_left, barcode.position.bottom_right
            x, y = (sum(getattr(corner, axis) for corner in corners) / 2 / dpi * 25.4 for axis in "xy")
            found.append(Scanned(barcode.text, page, x, y))
    document.close()
    return sorted(found, key=lambda each: (each.page, round(each.y), each.x))


def texts(pdf: bytes) -> list[str]:
    """The text of each page."""
    document = pypdfium2.PdfDocument(pdf)
    read = [str(page.get_textpage().get_text_bounded()) for page in document]
    document.close()
    return read


def title_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    title: str = document.get_metadata_value("Title")
    document.close()
    return title
