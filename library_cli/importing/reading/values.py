"""The values of a row as spreadsheets and catalogues write them: ISBNs, years, numbers and names of authors."""

from __future__ import annotations

import re

from library.v1.book_pb2 import IDENTIFIER_TYPE_EAN, Identifier
from library_cli.importing.reading.table import Value
from library_domain.field_texts import HTML_CODE, SEPARATORS, is_html_code, list_in, texts_in
from library_domain.identifiers import normalized_identifier
from library_domain.isbn import normalized_isbn13

_AS_FORMULA = re.compile(r'=\s*"(?P<text>[^"]*)"')
"""How Excel, and many programs that write for it, protect digits: `="0441569595"`."""
_FLOAT = re.compile(r"(?P<whole>[0-9]{1,13})[.,]0{1,3}")
_IN_FULL = re.compile(r"(?P<first>9)[.,](?P<rest>[0-9]{12})E\+?12", re.IGNORECASE)
"""An ISBN-13 in the notation of large numbers, of which no digit is rounded."""
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3}){2,4}")
_ROUNDED = re.compile(r"[0-9](?:[.,][0-9]+)?E\+?[0-9]{1,2}", re.IGNORECASE)
_ROUNDED_IN_FULL = re.compile(r"97[89][0-9]{3}0{7}")
_WITHOUT_ZEROS = re.compile(r"[1-9][0-9]{5,7}[0-9X]", re.IGNORECASE)
"""Digits that begin with a zero have lost none: 03785955 is the ISSN of a journal, whose check digit fits, too."""

_NO_VALUE = re.compile(
    r"n\.?\s?/?\s?a\.?|none|null|nan|nil|\\n|unknown|[-–—]{1,3}|\?+|(?:n\.\s?d|s\.\s?a)\.?|no\s(?:isbn|date|year)",
    re.IGNORECASE,
)
_NO_ISBN = re.compile(r"0+(?:\.0+)?")

ROUNDED = "a spreadsheet has rounded this number; format the column as text"

_WHOLE = re.compile(r"[+-]?[0-9]{1,9}")
_WHOLE_AS_FLOAT = re.compile(r"(?P<number>[+-]?[0-9]{1,9})(?:[.,]0{1,2}|(?:(?<=[0-9]{4})|(?<=\b0))[.,]000)")
"""`1,000` is a thousand, and `1.000` may be."""
_IN_THOUSANDS = re.compile(r"[0-9]{1,3}(?:[,\u00a0\u202f ][0-9]{3}){1,2}")
_THOUSANDS_OR_PLACES = re.compile(r"[1-9][0-9]{0,2}\.000")
"""In German a number of thousands, in English a number with three places."""
_UNITS = {
    "page_count": r"(?:pages?|pgs?\.?|pp?\.?|seiten|s\.|p[áa]ginas|p[áa]gs?\.?)",
    "copies": r"(?:cop(?:y|ies)|items?|pcs\.?|exemplare?|ex\.?)",
}

_MONTHS = (
    r"jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|février|mar(?:ch|s)?|märz|apr(?:il)?|avril|may|mai|mayo|june?|juni|juin|"
    r"july?|juli|juillet|aug(?:ust)?|août|sept?(?:ember|embre)?|oct(?:ober|obre)?|okt(?:ober)?|nov(?:ember|embre)?|"
    r"dec(?:ember)?|dez(?:ember)?|décembre|enero|febrero|marzo|abril|junio|julio|agosto|septiembre|octubre|noviembre|"
    r"diciembre|spring|summer|autumn|fall|winter"
)
_DAY = r"(?:0?[1-9]|[12][0-9]|3[01])"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_YEAR = r"(?P<year>[0-9]{4})"
_TIME = r"(?:[T ][0-9:.]+(?:\s?[AP]M)?(?:Z|[+-][0-9:]+)?)?"
_YEARS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_YEAR}[.,]0{{1,3}}",
        rf"{_YEAR}[-/]{_MONTH}",
        rf"{_YEAR}([-/.]){_MONTH}\2{_DAY}{_TIME}",
        rf"{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])",
        rf"(?:{_DAY}[-/.]\s?)?{_DAY}[-/.]\s?{_YEAR}{_TIME}",
        rf"(?:{_DAY}(?:st|nd|rd|th|\.)?[\s-]+(?:of\s+|de\s+)?)?(?:{_MONTHS})\.?,?(?:\s+de)?[\s-]*{_YEAR}",
        rf"(?:{_MONTHS})\.?\s+{_DAY}(?:st|nd|rd|th)?,?\s+{_YEAR}",
        rf"{_YEAR},?[\s-]+(?:{_MONTHS})\.?(?:[\s-]+{_DAY})?",
        r"(?:first\s+)?(?:published|publ?\.?|printed|impr\.)(?:\s+in)?\s+(?P<year>[0-9]{4})",
    )
]
_RANGE = re.compile(r"(?P<first>[0-9]{4})\s?[-–—/]\s?(?P<last>[0-9]{4}|[0-9]{2})?")
_ABOUT = re.compile(
    r"(?:©|\(c\)|℗|copyright|cop\.?|circa|ca\.?|c\.?|p|approx\.?|about|um)?\s*©?\s*"
    r"(?P<year>[0-9]{4}\s*\??|[0-9]{3})\.?",  # 199? is a decade
    re.IGNORECASE,
)
_BEFORE_CHRIST = re.compile(
    r"(?:ca?\.?\s*)?(?P<year>[0-9]{1,4})\s*(?:b\.?\s?c\.?(?:\s?e\.?)?|v\.\s?chr\.?|av\.\s?j\.?-c\.?)", re.IGNORECASE
)
_AFTER_CHRIST = re.compile(
    r"a\.?\s?d\.?\s*(?P<year>[0-9]{1,4})|(?P<year_first>[0-9]{1,4})\s*(?:a\.?\s?d\.?|c\.?\s?e\.?|n\.\s?chr\.?)",
    re.IGNORECASE,
)

_DAYS = re.compile(r"(?P<days>[2-5][0-9]{4})(?:[.,]0{1,3})?")
"""A date of 1954 to 2064 that a spreadsheet shows as the number of days since 1900."""

_EXTENT = re.compile(r"(?P<pages>[0-9]{1,5}\s?(?:p|pages|s|seiten)\.?)\s*[:;,+].*", re.IGNORECASE | re.DOTALL)
"""What library catalogues write about the size of a book: `271 p. : ill. ; 24 cm`."""

_LIFE_DATES = re.compile(r"(?:b\.\s*)?[0-9]{3,4}\??\s*[-–]?\s*(?:[0-9]{3,4})?\??\.?")

_MISREAD = re.compile("[\u00c2-\u00f4][^\x00-\x7f]")
"""Two letters that are often seen where UTF-8 was read as Windows-1252: `Ã©` for é."""

AUTHORS_SEPARATORS = (*SEPARATORS, " & ")
"""The first of these that a value contains separates its authors."""


def isbn_of(text: str) -> tuple[str, str]:
    """Return the ISBN-13 in a cell, or "", and a text about what was repaired in it, or "".

    Raises ValueError with the problem.
    """
    plain = _as_digits(without_protection(text))
    if has_no_value(plain) or _NO_ISBN.fullmatch(plain):
        return "", ""
    if _ROUNDED.fullmatch(plain) or _ROUNDED_IN_FULL.fullmatch(plain):
        raise ValueError(ROUNDED)
    if _WITHOUT_ZEROS.fullmatch(plain):
        try:
            return normalized_isbn13(plain.zfill(10)), f"{plain} was read as {plain.zfill(10)}"
        except ValueError:
            pass  # the error for the digits as they are is more useful
    try:
        return normalized_isbn13(plain), ""
    except ValueError:
        return _same_isbn(plain), ""


def ean_of(text: str) -> str:
    """Return the EAN in a cell of a column of ISBNs, such as that of a game; "" for an ISBN and for any other text."""
    plain = _as_digits(without_protection(text))
    if plain.startswith(("978", "979")) or len(plain) < SHORTEST_EAN:
        return ""
    try:
        return normalized_identifier(Identifier(type=IDENTIFIER_TYPE_EAN, value=plain)).value
    except ValueError:
        return ""


SHORTEST_EAN = 12
"""Digits of a UPC. Fewer can be an ISBN that has lost zeros."""


def _as_digits(plain: str) -> str:
    """Return the digits of an ISBN that a spreadsheet shows as a number; other texts as they are."""
    if match := _FLOAT.fullmatch(plain):
        return match["whole"]
    if match := _IN_FULL.fullmatch(plain):
        return match["first"] + match["rest"]
    return plain.replace(",", "") if _GROUPED.fullmatch(plain) else plain


MOST_FORMS = 10
"""ISBNs in a cell, at most. More are not forms of one ISBN."""


def _same_isbn(plain: str) -> str:
    """Return the ISBN-13 of a text with several forms of one ISBN. Raises ValueError for any other text."""
    parts = [part for part in re.split(r"[;,|/\s]+", plain) if part]
    if not 2 <= len(parts) <= MOST_FORMS:
        return normalized_isbn13(plain)
    try:
        found = {normalized_isbn13(part) for part in parts}
    except ValueError:
        return normalized_isbn13(plain)  # whose message is about the whole
    if len(found) > 1:
        raise ValueError(f"these are the ISBNs of {len(found)} books; keep the one of this book")
    return found.pop()


def without_protection(text: str) -> str:
    """Return a number without the characters that protect it from spreadsheets."""
    match = _AS_FORMULA.fullmatch(text.strip())
    return re.sub("^['’`´]", "", (match["text"] if match else text).strip()).strip()


def damage_of(text: str) -> str:
    """Return what seems to have happened to a text before it was written to the file; empty for an undamaged text."""
    if "\ufffd" in text:
        return "characters were lost before this file was written"
    if _AS_FORMULA.fullmatch(text):
        return "the text is a formula of a spreadsheet"
    if any(is_html_code(code) for code in HTML_CODE.findall(text)):
        return "the text has codes of HTML"
    if _MISREAD.search(text):
        try:
            return "UTF-8 was read in another encoding" if text.encode("cp1252").decode("utf-8") else ""
        except UnicodeError:
            pass
    return ""


def has_no_value(plain: str) -> bool:
    """Return whether a text in a column of numbers, ISBNs or dates means an unknown value, such as `n/a`."""
    return bool(_NO_VALUE.fullmatch(plain))


def number_of(field: str, text: str) -> int:
    """Return the whole number in a cell. Raises ValueError with the problem."""
    plain = without_protection(text)
    if field == "page_count" and has_no_value(plain):
        return 0
    plain = _without_unit(field, plain)
    if _WHOLE.fullmatch(plain):
        return int(plain)
    if _IN_THOUSANDS.fullmatch(plain):  # before what has places: 1,000 pages are not 1
        return int(re.sub("[^0-9]", "", plain))
    if _THOUSANDS_OR_PLACES.fullmatch(plain):
        raise ValueError(f"{text[:40]!r} may be thousands or decimal places; write the number without a point")
    if match := _WHOLE_AS_FLOAT.fullmatch(plain):
        return int(match["number"])
    raise ValueError(f"{text[:40]!r} is not a whole number of up to nine digits")


def _without_unit(field: str, plain: str) -> str:
    if field == "page_count" and (match := _EXTENT.fullmatch(plain)):
        plain = match["pages"]
    unit = _UNITS.get(field)
    return re.sub(rf"(?<=[0-9])\s*{unit}$", "", plain, flags=re.IGNORECASE) if unit else plain


def year_of(value: Value) -> int:
    """Return the year in a cell with a year or a date: of a range the first one, 0 for an unknown one.

    Raises ValueError with the problem.
    """
    text = str(value)
    if isinstance(value, int) and abs(value) < 10**9:
        return value
    plain = without_protection(text).replace("−", "-")
    plain = re.sub(r"[\[\]()]", "", plain).strip(" .,") if re.fullmatch(r"[\[(].*[\])]\.?", plain) else plain
    if has_no_value(plain):
        return 0
    if not _DAYS.fullmatch(plain) and (not plain or re.fullmatch(r"-[0-9]{1,9}|\+?[0-9]{3,9}|0", plain)):
        return _whole_year(plain)
    for pattern in (_BEFORE_CHRIST, _AFTER_CHRIST):
        if match := pattern.fullmatch(plain):
            year = int(next(group for group in match.groups() if group))
            return -year if pattern is _BEFORE_CHRIST else year
    if match := next((found for pattern in (*_YEARS, _ABOUT) if (found := pattern.fullmatch(plain))), None):
        return int(match["year"].rstrip(" ?"))
    if (match := _RANGE.fullmatch(plain)) and _goes_up(match["first"], match["last"]):
        return int(match["first"])
    raise ValueError(f"{text[:40]!r} {_not_a_year(plain)}")


def _not_a_year(plain: str) -> str:
    if _DAYS.fullmatch(plain):
        return "may be a date that a spreadsheet shows as a number; format the column as a date"
    if re.fullmatch("'?[0-9]{1,2}", plain):
        return "may be a year of any century; write all four digits, such as 1998 or 0098"
    return "is not a year, nor a date with one, such as 1998, 2004-03-01 or c1998"


def _whole_year(plain: str) -> int:
    # Eight digits can be a date, such as 20040301; any other long number is out of the contract's range.
    if match := _YEARS[3].fullmatch(plain):
        return int(match["year"])
    return int(plain or "0")


def _goes_up(first: str, last: str | None) -> bool:
    if not last:
        return True
    return int(last) > int(first[-len(last) :])


def authors_of(value: Value, separators: tuple[str, ...], *, last_first: bool) -> list[str]:
    """Return the authors in a cell, as `texts_of` separates them."""
    names = texts_of(value, separators)
    if not last_first or isinstance(value, list) or list_in(str(value).strip()) is not None:
        return names
    return [_first_name_first(name) for name in names]


def texts_of(value: Value, separators: tuple[str, ...] = SEPARATORS) -> list[str]:
    """Return the texts of a list in a cell.

    A list in JSON is returned as it is, also one in a cell of another format. Otherwise the first separator that the
    value contains separates them.
    """
    return value if isinstance(value, list) else texts_in(str(value), separators)


def _first_name_first(name: str) -> str:
    """Return `Last, First` as `First Last`, with a suffix such as Jr. last, and without years of birth and death."""
    last, *others = [part.strip() for part in name.split(",")]
    others = [part for part in others if part and not _LIFE_DATES.fullmatch(part)]
    if not others:
        return last
    return ", ".join([f"{others[0]} {last}", *others[1:]])
