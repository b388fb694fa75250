"""Invisible characters: people copy them along with a text, and a text must not consist of them alone."""

from __future__ import annotations

import regex

EMPTY_GLYPHS = "\u2800\U0001d159\U00013441\U00013442"
"""Characters whose glyph is empty, although no property of Unicode says so: the Braille blank, the null notehead, and
two blank hieroglyphs."""

# The planes and blocks that have any; a look at all of Unicode would slow the start noticeably.
_CANDIDATES = "".join(
    map(
        chr,
        (
            code
            for block in ((0, 0xD800), (0xE000, 0x10000), (0x13000, 0x14000), (0x1BC00, 0x1D200), (0xE0000, 0xE1000))
            for code in range(*block)
        ),
    )
)
# Not those that change the character before them: variation selectors, and the tags of flags.
_AT_ENDS = "".join(
    regex.findall(
        rf"[[\s\p{{Default_Ignorable_Code_Point}}{EMPTY_GLYPHS}]--[\p{{Variation_Selector}}\U000e0020-\U000e007f]]",
        _CANDIDATES,
        regex.V1,
    )
)


def stripped(text: str) -> str:
    """Return a text without blanks and invisible characters at its ends, in time proportional to its length."""
    return text.strip() if text.isascii() else text.strip(_AT_ENDS)
