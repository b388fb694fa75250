"""Convert ISO 5426, the extended Latin characters of UNIMARC before Unicode."""

from __future__ import annotations

import unicodedata

_LETTERS = dict(
    zip(
        (
            *(0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xAB, 0xAC, 0xAD, 0xAE, 0xAF, 0xB0, 0xB1),
            *(0xB2, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xBB, 0xBC, 0xBD, 0xBE, 0xBF, 0xE1, 0xE2, 0xE6, 0xE8, 0xE9, 0xEA),
            *(0xEC, 0xF1, 0xF2, 0xF3, 0xF5, 0xF6, 0xF8, 0xF9, 0xFA, 0xFB, 0xFC),
        ),
        "¡„£$¥†§′‘“«♭©℗®ʿʾ‚‡·″’”»♯ʹʺ¿ÆĐĲŁØŒÞæđðıĳłøœßþ",
        strict=True,
    )
)
_NOT_SORTED = (0x88, 0x89)
"""They enclose an article that is not sorted, and have no glyph."""
_ACCENTS = dict(
    enumerate(
        "\u0309\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u0308\u030a\u0315\u0312\u030b\u031b\u030c"
        "\u0327\u031c\u0326\u0328\u0325\u032e\u0323\u0324\u0332\u0333\u0329\u032d",
        start=0xC0,
    )
)
"""Each precedes its letter."""


def decoded_iso5426(data: bytes) -> tuple[str, int]:
    """Return a text, and how many of its characters are not known: they become U+FFFD."""
    text: list[str] = []
    accents: list[str] = []
    wrong = 0
    for byte in data:
        if byte in _ACCENTS:
            accents.append(_ACCENTS[byte])
        elif byte not in _NOT_SORTED:
            char = chr(byte) if byte < 0x80 else _LETTERS.get(byte, "�")
            wrong += char == "�"
            text += (char, *accents)
            accents.clear()
    return unicodedata.normalize("NFC", "".join(text)), wrong + len(accents)
