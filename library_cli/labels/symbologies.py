"""The symbologies of barcodes, and the characters that each encodes."""

from __future__ import annotations

import re

CODE128, CODABAR = "code128", "codabar"

ENCODABLE = {
    CODE128: (re.compile(r"[ -~]+"), "the characters of ASCII"),
    CODABAR: (re.compile(r"[0-9$:/.+-]+"), "digits and - $ : / . +"),
}
"""What each symbology encodes, as a pattern and in words. Codabar's start and stop letters A are added."""

SYMBOLOGIES = tuple(ENCODABLE)
