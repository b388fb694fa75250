"""The sheets of labels that can be printed on, as their makers describe them."""

from __future__ import annotations

from dataclasses import dataclass

MM = 72 / 25.4
"""Points in a millimetre."""

A4 = (210.0, 297.0)
LETTER = (215.9, 279.4)
"""Widths and heights of pages, in millimetres."""


@dataclass(frozen=True)
class Sheet:
    """A page of equal labels. Lengths are in millimetres."""

    name: str
    description: str
    page: tuple[float, float]
    columns: int
    rows: int
    width: float
    height: float
    left: float
    """From the left edge of the page to the first label."""
    top: float
    column_pitch: float
    """From the left edge of a label to that of the next one."""
    row_pitch: float
    has_outlines: bool = False
    """Whether each label gets a thin line around it, to cut along."""

    @property
    def capacity(self) -> int:
        return self.columns * self.rows

    def corner(self, place: int) -> tuple[float, float]:
        """Return the lower left corner of a label, from that of the page. Places count from 0, row by row."""
        row, column = divmod(place, self.columns)
        x = self.left + column * self.column_pitch
        return x, self.page[1] - self.top - row * self.row_pitch - self.height


SHEETS = {
    sheet.name: sheet
    for sheet in (
        Sheet("L7160", "A4, 3 x 7 labels of 63.5 x 38.1 mm", A4, 3, 7, 63.5, 38.1, 7.2, 15.15, 66.04, 38.1),
        Sheet("L7651", "A4, 5 x 13 labels of 38.1 x 21.2 mm", A4, 5, 13, 38.1, 21.2, 4.75, 10.7, 40.6, 21.2),
        Sheet("5160", "Letter, 3 x 10 labels of 2 5/8 x 1 inch", LETTER, 3, 10, 66.675, 25.4, 4.76, 12.7, 69.85, 25.4),
        Sheet("ID-1", "A4, 2 x 5 cards of 85.6 x 54 mm to cut", A4, 2, 5, 85.6, 54, 19.4, 13.5, 85.6, 54, True),
    )
}
"""All sheets by their names: those of Avery, and the size of a bank card in ISO/IEC 7810."""
