"""Draw bars as a picture: SVG by reportlab, PNG by Pillow, which reportlab needs for its pictures anyway."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from xml.sax.saxutils import escape

import fontpkg
from PIL import Image, ImageDraw, ImageFont
from reportlab.graphics import renderSVG
from reportlab.graphics.shapes import Drawing, Rect, String
from reportlab.lib.colors import HexColor

from library_cli.labels.lettering import FAMILY, Fitted, fitted, printable, width

WIDTH, MARGIN = 800, 20
ROW_HEIGHT, BAR_HEIGHT, FONT_SIZE, TITLE_SIZE = 24, 16, 12, 16
GAP = 8
MOST_NAME_WIDTH = 300
VALUE_WIDTH = 70
BAR_COLOUR, TEXT_COLOUR, BACKGROUND = "#2f6f9f", "#222222", "#ffffff"
SCALE = 2
"""Pixels of a PNG for each unit, for screens with a high resolution."""


class Bar(NamedTuple):
    name: str
    amount: int


@dataclass(frozen=True)
class Box:
    """A bar, in units from the left upper corner."""

    left: float
    top: float
    width: float


@dataclass(frozen=True)
class Label:
    """A text, at the left end of its base line."""

    left: float
    base: float
    text: str
    size: float = FONT_SIZE


@dataclass(frozen=True)
class Chart:
    """What is drawn."""

    height: int
    shapes: Sequence[Box | Label]


def svg(title: str, bars: Sequence[Bar]) -> bytes:
    """Return horizontal bars with their names and amounts as an SVG document."""
    chart = _chart(title, bars)
    drawing = Drawing(WIDTH, chart.height)
    drawing.add(_rectangle(0, 0, WIDTH, chart.height, BACKGROUND))
    for shape in chart.shapes:
        if isinstance(shape, Box):
            bottom = chart.height - shape.top - BAR_HEIGHT
            drawing.add(_rectangle(shape.left, bottom, shape.width, BAR_HEIGHT, BAR_COLOUR))
        else:
            text = String(shape.left, chart.height - shape.base, shape.text)
            text.fontName, text.fontSize, text.fillColor = "Helvetica", shape.size, HexColor(TEXT_COLOUR)
            drawing.add(text)
    # The renderer has no parameter for the title that screen readers and browsers show.
    document: str = renderSVG.drawToString(drawing)
    return document.replace("<title>...</title>", f"<title>{escape(title)}</title>").encode()


def _rectangle(left: float, bottom: float, width: float, height: float, colour: str) -> Rect:
    rectangle = Rect(left, bottom, width, height)
    rectangle.fillColor, rectangle.strokeColor = HexColor(colour), None
    return rectangle


def png(title: str, bars: Sequence[Bar]) -> bytes:
    """Return horizontal bars with their names and amounts as a PNG picture."""
    chart = _chart(title, bars)
    image = Image.new("RGB", (WIDTH * SCALE, chart.height * SCALE), BACKGROUND)
    draw = ImageDraw.Draw(image)
    for shape in chart.shapes:
        if isinstance(shape, Box):
            corners = (shape.left, shape.top, shape.left + max(shape.width, 1) - 1, shape.top + BAR_HEIGHT - 1)
            draw.rectangle([each * SCALE for each in corners], fill=BAR_COLOUR)
        else:
            place = (shape.left * SCALE, shape.base * SCALE)
            draw.text(place, shape.text, fill=TEXT_COLOUR, font=_font(shape.size * SCALE), anchor="ls")
    picture = io.BytesIO()
    image.save(picture, "PNG")
    return picture.getvalue()


def _chart(title: str, bars: Sequence[Bar]) -> Chart:
    top = MARGIN + TITLE_SIZE + GAP
    names = [fitted(printable(bar.name).text, FONT_SIZE, MOST_NAME_WIDTH) for bar in bars]
    left = MARGIN + max(width(name.text, name.size) for name in names) + GAP
    room = WIDTH - MARGIN - VALUE_WIDTH - left
    shapes: list[Box | Label] = [Label(MARGIN, MARGIN + TITLE_SIZE, printable(title).text, TITLE_SIZE)]
    for number, (name, bar) in enumerate(zip(names, bars, strict=True)):
        shapes += _row(top + number * ROW_HEIGHT, left, name, bar, room / max(each.amount for each in bars))
    return Chart(top + len(bars) * ROW_HEIGHT + MARGIN, shapes)


def _row(top: float, left: float, name: Fitted, bar: Bar, scale: float) -> Iterator[Box | Label]:
    base = top + (ROW_HEIGHT + FONT_SIZE) / 2 - 2
    yield Label(MARGIN, base, name.text, name.size)
    if bar.amount:
        yield Box(left, top + (ROW_HEIGHT - BAR_HEIGHT) / 2, bar.amount * scale)
    yield Label(left + bar.amount * scale + GAP, base, f"{bar.amount:,}")


def _font(size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(fontpkg.path(FAMILY)), size)
