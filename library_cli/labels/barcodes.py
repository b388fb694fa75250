"""Barcodes with bars that are wide enough for a scanner."""

from __future__ import annotations

from dataclasses import dataclass

from reportlab.graphics.barcode.code128 import Code128
from reportlab.graphics.barcode.common import Barcode, Codabar

from library_cli.labels.symbologies import CODABAR, ENCODABLE

DOT = 72 / 600
"""The dot of a printer with 600 dpi, in points. Bars of whole dots are printed equally wide."""

MODULE_DOTS = range(5, 9)
"""Widths of the narrowest bar, in dots: 0.21 mm, which the usual scanner can read, to 0.34 mm."""

QUIET_MODULES = 10
"""Blank modules on each side, at least: ISO/IEC 15417 for Code 128, EN 798 for Codabar."""

CODABAR_RATIO = 2.5
"""Width of a wide bar in narrow ones: EN 798 wants 2.25 to 3."""


class CannotEncode(Exception):
    """A number does not fit on the label as a barcode. The message is a sentence."""


@dataclass(frozen=True)
class FittedBarcode:
    """A barcode with the width of its narrowest bar. Lengths are in points."""

    number: str
    symbology: str
    modules: float
    """Width without the quiet zones, in narrowest bars."""
    module: float

    @property
    def width(self) -> float:
        return self.modules * self.module

    def drawable(self, height: float) -> Barcode:
        """Return the bars in this height, without the quiet zones and without text."""
        return _bars(self.number, self.symbology, module=self.module, height=height)


def fit(number: str, symbology: str, room: float) -> FittedBarcode:
    """Return the barcode with the widest bars that fit into `room` points together with the quiet zones.

    Raises:
        CannotEncode: The number has other characters, or is too long for bars of 0.21 mm.
    """
    pattern, characters = ENCODABLE[symbology]
    if not pattern.fullmatch(number):
        raise CannotEncode(f"{number!r} cannot be a barcode in {symbology}, which encodes {characters}.")
    modules = float(_bars(number, symbology).width)
    dots = int(room / (modules + 2 * QUIET_MODULES) / DOT)
    if dots < MODULE_DOTS[0]:
        needed = (modules + 2 * QUIET_MODULES) * MODULE_DOTS[0] * DOT / 72 * 25.4
        raise CannotEncode(
            f"{number!r} needs a label that is {needed + 2:.0f} mm wide in {symbology}: choose another --sheet."
        )
    return FittedBarcode(number, symbology, modules, min(dots, MODULE_DOTS[-1]) * DOT)


def _bars(number: str, symbology: str, module: float = 1.0, height: float = 1.0) -> Barcode:
    if symbology == CODABAR:
        return Codabar(f"A{number}A", barWidth=module, barHeight=height, quiet=False, ratio=CODABAR_RATIO)
    return Code128(number, barWidth=module, barHeight=height, quiet=False)
