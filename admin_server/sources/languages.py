"""Languages as other catalogues name them."""

from __future__ import annotations

import re

_TAG = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")

# Until the table of MARC's languages is there.
_OF_MARC = {"eng": "en", "ger": "de", "fre": "fr", "spa": "es", "ita": "it", "por": "pt", "dut": "nl"}


def language_tag(code: str) -> str:
    """Return a language as this catalogue has it, such as `en`, for a code of MARC or a tag of BCP 47; or ""."""
    return _OF_MARC.get(code, code) if _TAG.fullmatch(code) else ""
