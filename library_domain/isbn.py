"""ISBNs as people write them, and as the catalogue keeps them."""

from __future__ import annotations

import re

from stdnum import isbn
from stdnum.exceptions import InvalidComponent, ValidationError
from stdnum.util import clean


def normalized_isbn13(text: str) -> str:
    """Give the ISBN-13 that `text` writes, as 13 digits; nothing for nothing, as a book may have none.

    ISBN-10 and ISBN-13 (ISO 2108) are taken, with hyphens, of any width, and spaces between the digits.
    Raises ValueError, whose message says what an ISBN is like where this one differs.
    """
    if not text.strip():
        return ""
    written = clean(text, " -").strip().upper()
    if not re.fullmatch("[0-9]*|[0-9]{0,9}X", written):
        raise ValueError("an ISBN has only digits, hyphens and spaces; an ISBN-10 may end in X")
    # stdnum would take nine digits for an SBN of before 1970; here they are far more often an ISBN with a digit lost.
    if len(written) not in (10, 13):
        raise ValueError(f"an ISBN has 10 or 13 digits, but this has {len(written)}")
    try:
        return isbn.validate(written, convert=True)
    except InvalidComponent as error:
        raise ValueError("an ISBN-13 begins with 978 or 979") from error
    except ValidationError as error:
        raise ValueError("the check digit does not fit the other digits; is one of them mistyped?") from error
