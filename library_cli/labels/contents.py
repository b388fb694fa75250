"""What is printed on a label or a card."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A line of text above a barcode; nothing is printed for an empty one."""

    text: str
    scale: float = 1.0
    """Its size in that of ordinary text."""


@dataclass(frozen=True)
class Label:
    """A label, or a card. The number is printed as a barcode, and in digits below it."""

    number: str
    lines: tuple[Line, ...]


def item_label(barcode: str, title: str, call_number: str = "", shelf: str = "") -> Label:
    """Return the label of an item: where it belongs, and the title."""
    place = " · ".join(filter(None, (call_number.strip(), shelf.strip())))
    return Label(barcode, (Line(place, 1.15), Line(title)))


def user_card(card_number: str, name: str, library: str = "") -> Label:
    """Return the card of a user: the library, and the name."""
    return Label(card_number, (Line(library), Line(name, 1.3)))
