"""Languages as other catalogues name them: `eng` in Open Library, `pt-BR` in Google Books."""

from __future__ import annotations

import re

from library_formats.mapping.texts import language_of

_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")


def language_tag(code: str) -> str:
    """Return a language as this catalogue has it, such as `en`, for a code of MARC or a tag of BCP 47; or ""."""
    if _TAG.fullmatch(code) is None:
        return ""
    language, hyphen, rest = code.partition("-")
    tag = language_of(language)
    return f"{tag}-{rest}" if tag and hyphen else tag
