"""Words: those by which a text is found, and those of a query.

Compounds are found joined and by their parts: `Don't` as dont, don and t; `Spider-Man` as spiderman, spider and man;
`J. R. R. Tolkien` as jrr, too. Scripts without blanks between words are found by each one, two and three characters
that follow one another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import regex

from service_kit.text.expressions import Expression, Word, all_of, any_of, exact
from service_kit.text.folding import A_MARKER, E_MARKER, marked

WORD_CHARACTERS = 100
"""Longer words are cut here, in the index and in queries: PostgreSQL accepts 2,046 bytes."""

INDEX_BYTES = 900_000
"""Bytes of the words of one text, at most: PostgreSQL accepts 1 MB for a row."""

NUMBER_PREFIX = 7
"""Digits from which a number matches longer ones that begin with it. Fewer are too small a part of an ISBN."""

GRAM = 3
"""The most characters of a script without blanks in one word of the index."""

_SPACELESS = (
    r"\p{Han}\p{Hiragana}\p{Katakana}ー〆〇々\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tai_Le}\p{New_Tai_Lue}"
    r"\p{Tai_Tham}\p{Tai_Viet}\p{Javanese}\p{Balinese}\p{Yi}\p{Tangut}\p{Nushu}"
)
_LETTER = r"[\p{L}\p{N}]"
_PART = rf"{_LETTER}[\p{{L}}\p{{N}}\p{{M}}{E_MARKER}{A_MARKER}]*(?:\+\+|\#(?!{_LETTER}))?"
_COMPOUND = regex.compile(rf"{_PART}(?:(?:'{{1,2}}|[-./&·]|,(?=\d\d\d)){_PART})*", regex.V1)
_JOINER = regex.compile("[-./&·,]")
_BETWEEN_PIECES = regex.compile("[-./&·,']+")
_SPACELESS_CLUSTER = regex.compile(rf"[{_SPACELESS}&&[\p{{L}}\p{{N}}]]\p{{M}}*", regex.V1)
_SPACELESS_RUN = regex.compile(rf"((?:[{_SPACELESS}&&[\p{{L}}\p{{N}}]]\p{{M}}*)+)", regex.V1)
_INITIALS = regex.compile(r"\p{L}(?:\.\p{L})*", regex.V1)
_BETWEEN_INITIALS = regex.compile(r"[.\s]+")
_GUESSABLE = regex.compile(rf"[[\p{{L}}\p{{M}}]--[{_SPACELESS}]]+", regex.V1)

# The same for texts of ASCII, three times as fast.
_ASCII_PART = r"[a-z0-9]+(?:\+\+|\#(?![a-z0-9]))?"
_ASCII_COMPOUND = re.compile(rf"{_ASCII_PART}(?:(?:'{{1,2}}|[-./&]|,(?=\d\d\d)){_ASCII_PART})*")


def index_words(text: str) -> list[str]:
    """Return the words by which the text is found, each once."""
    words: dict[str, None] = {}
    for compounds in _initials_apart(marked(text)):
        if len(compounds) > 1:
            words["".join(compounds).replace(".", "")] = None
        for compound in compounds:
            if compound.isascii() and compound.isalnum():
                words[compound[:WORD_CHARACTERS]] = None
            else:
                words.update(dict.fromkeys(_indexed(compound)))
    return _bounded(words)


def query_expression(text: str) -> Expression | None:
    """Return the search expression of a query, or None where it has no word.

    Each word is a prefix, but a single letter only where it comes last, as the word that is being typed.
    `service_kit.text.expressions.exact` makes whole words of them.
    """
    rows = list(_initials_apart(marked(text)))
    parts: list[Expression] = []
    for compounds in rows:
        is_last = compounds is rows[-1]
        if len(compounds) > 1:
            letters = all_of([exact(_asked(compound)) for compound in compounds])
            parts.append(any_of([_word("".join(compounds).replace(".", "")), letters]))
        elif len(compounds[0]) == 1 and not is_last:
            parts.append(exact(_asked(compounds[0])))
        else:
            parts.append(_asked(compounds[0]))
    return all_of(parts) if parts else None


def is_guessable(word: str) -> bool:
    """Return whether a word can have a typing error: it has letters only, of a script that separates words."""
    if word.isascii():
        return word.isalpha()
    return _GUESSABLE.fullmatch(word) is not None


def _initials_apart(folded: str) -> Iterator[list[str]]:
    """Yield the compounds of a text, each in a list of its own, but initials in a row together: J. R. R."""
    row: list[str] = []
    end = 0
    for match in (_ASCII_COMPOUND if folded.isascii() else _COMPOUND).finditer(folded):
        compound = match.group()
        is_initials = (len(compound) == 1 or compound[1] == ".") and _is_initials(compound)
        if row and not (is_initials and _BETWEEN_INITIALS.fullmatch(folded, end, match.start())):
            yield row
            row = []
        if is_initials:
            row.append(compound)
            end = match.end()
        else:
            yield [compound]
    if row:
        yield row


def _is_initials(compound: str) -> bool:
    return _INITIALS.fullmatch(compound) is not None and not _SPACELESS_RUN.search(compound)


def _indexed(compound: str) -> Iterator[str]:
    """Yield the words that a compound is found by: as a whole, and each part, and the parts of that."""
    parts = _JOINER.split(compound)
    if len(parts) > 1:
        yield from _spellings(_as_one_word(_pieces(compound)))
    for part in parts:
        pieces = _pieces(part)
        if len(pieces) > 1:
            yield from _spellings(_as_one_word(pieces))
        for piece in pieces:
            yield from _indexed_part(piece)


def _pieces(text: str) -> list[str]:
    """Take apart a compound, or a part of one, at joiners and apostrophes. It neither begins nor ends with these."""
    return _BETWEEN_PIECES.split(text)


def _as_one_word(pieces: list[str]) -> str:
    """Join the pieces of a compound. Only the last keeps its `#` or `++`: within a word, a query would end there."""
    return "".join([*(piece.rstrip("+#") for piece in pieces[:-1]), pieces[-1]])


def _indexed_part(part: str) -> Iterator[str]:
    for run in _runs(part):
        if _SPACELESS_RUN.match(run):
            yield from _grams(run)
        else:
            yield from _spellings(run)
            if run[-1] in "+#":
                yield from _spellings(run.rstrip("+#"))


def _runs(part: str) -> list[str]:
    """Take apart what is in a script without blanks and what is not."""
    if not _SPACELESS_RUN.search(part):
        return [part]
    return [run for run in _SPACELESS_RUN.split(part) if run.strip("+#")]


def _grams(run: str) -> Iterator[str]:
    clusters = _SPACELESS_CLUSTER.findall(run)
    for begin in range(len(clusters)):
        for end in range(begin + 1, min(begin + GRAM, len(clusters)) + 1):
            yield "".join(clusters[begin:end])[:WORD_CHARACTERS]


def _spellings(word: str) -> Iterator[str]:
    """Yield a word without umlauts and, if it has any, with those written as two letters.

    Nothing for a compound with a script without blanks, which is found by grams.
    """
    if word.isascii():
        yield word[:WORD_CHARACTERS]
    elif not _SPACELESS_RUN.search(word):
        for e_letter, a_letter in (("", ""), ("e", ""), ("", "a"), ("e", "a")):
            if (not e_letter or E_MARKER in word) and (not a_letter or A_MARKER in word):
                yield word.replace(E_MARKER, e_letter).replace(A_MARKER, a_letter)[:WORD_CHARACTERS]


def _asked(compound: str) -> Expression:
    """Return the expression of a compound in a query: itself as one word, or all of its parts."""
    parts = _JOINER.split(compound)
    separate = _separate([_asked_part(part) for part in parts])
    return _joined(_as_one_word(_pieces(compound)), separate) if len(parts) > 1 else separate


def _asked_part(part: str) -> Expression:
    pieces = _pieces(part)
    separate = _separate([_asked_piece(piece) for piece in pieces])
    return _joined(_as_one_word(pieces), separate) if len(pieces) > 1 else separate


def _separate(parts: list[Expression]) -> Expression:
    """Return the expression of all parts, of which only the last can be a prefix, and only from two letters on."""
    last = parts[-1]
    if len(parts) > 1 and isinstance(last, Word) and len(last.text) == 1:
        last = exact(last)
    return all_of([*map(exact, parts[:-1]), last])


def _joined(word: str, separate: Expression) -> Expression:
    spellings: list[Expression] = [_word(spelling) for spelling in _spellings(word)]
    return any_of([*spellings, separate])


def _asked_piece(piece: str) -> Expression:
    asked: list[Expression] = []
    for run in _runs(piece):
        if _SPACELESS_RUN.match(run):
            asked += _asked_grams(run)
        else:
            asked.append(any_of([_word(spelling) for spelling in _spellings(run)]))
    return all_of(asked)


def _asked_grams(run: str) -> list[Expression]:
    """Return the longest grams of a run; the last one can end within a character, as in Thai."""
    clusters = _SPACELESS_CLUSTER.findall(run)
    last = max(0, len(clusters) - GRAM)
    return [
        Word("".join(clusters[begin : begin + GRAM])[:WORD_CHARACTERS], prefix=begin == last)
        for begin in range(last + 1)
    ]


def _word(text: str) -> Word:
    text = text[:WORD_CHARACTERS]
    return Word(text, prefix=not text.isdecimal() or len(text) >= NUMBER_PREFIX)


def _bounded(words: Iterable[str]) -> list[str]:
    """Return as many words as an engine accepts; only a text that was made as an attack has more."""
    kept = list(words)
    if sum(map(len, kept)) * 4 <= INDEX_BYTES:
        return kept
    room = INDEX_BYTES
    for count, word in enumerate(kept):
        room -= len(word.encode()) + 1
        if room < 0:
            return kept[:count]
    return kept
