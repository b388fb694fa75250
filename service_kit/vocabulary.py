"""The distinct words of a store's texts, to find what a word with a typing error was meant to be.

A plain table, a row for each word and not for each text. Candidates come from ranges of its two indexes, by the first
and by the last letters; edit distances are rapidfuzz's. docs/search.md has the alternatives that were measured.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

import peewee
from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein

from service_kit.columns import BytewiseTextField
from service_kit.statements import Statement, param
from service_kit.text.expressions import Expression, Word, any_of, replaced, words_in
from service_kit.text.words import is_guessable

SHORTEST, LONGEST = 3, 40
"""Characters of the words that are kept: others are not guessed at."""

ONE_ERROR, TWO_ERRORS = 4, 8
"""From how many letters on a word may have one typing error, and two."""

LONG_ENDS = 6
"""From how many letters on candidates share two letters at one end with the word, and not just one."""

MOST_CANDIDATES = 10
"""How many words one with a typing error may have been meant to be."""

MOST_READ = 20_000
"""How many words are looked at for one. Of half a million words about as many begin with one letter."""

MOST_GUESSED = 12
"""How many words of a query are guessed at."""

MOST_REMEMBERED = 200_000
"""How many words a process remembers that it has written: some 20 MB."""

_PEEWEE_ERRORS = peewee.__exception_wrapper__  # type: ignore[attr-defined]
_BEHIND_ALL = "\U0010ffff"


class VocabularyWord(peewee.Model):
    """A word that some text has, or had."""

    word = BytewiseTextField(primary_key=True)
    mirrored = BytewiseTextField()  # the word from its end, by which its last letters are found

    class Meta:
        table_name = "vocabulary"


VocabularyWord.add_index(VocabularyWord.mirrored, name="vocabulary_mirrored")


_BY_BEGINNING = Statement(
    VocabularyWord.select(VocabularyWord.word)
    .where(VocabularyWord.word >= param("begin"), VocabularyWord.word < param("end"))
    .where(peewee.fn.LENGTH(VocabularyWord.word).between(param("shortest"), param("longest")))
    .limit(MOST_READ)
)
_BY_END = Statement(
    VocabularyWord.select(VocabularyWord.mirrored)
    .where(VocabularyWord.mirrored >= param("begin"), VocabularyWord.mirrored < param("end"))
    .where(peewee.fn.LENGTH(VocabularyWord.mirrored).between(param("shortest"), param("longest")))
    .limit(MOST_READ)
)


def create_vocabulary(database: peewee.Database) -> None:
    """Make the table. Its words are compared byte by byte, in any locale of the database."""
    collation = ' COLLATE "C"' if isinstance(database, peewee.PostgresqlDatabase) else ""
    database.execute_sql(
        f"CREATE TABLE vocabulary (word TEXT{collation} NOT NULL PRIMARY KEY, mirrored TEXT{collation} NOT NULL)"
    )
    database.execute_sql("CREATE INDEX vocabulary_mirrored ON vocabulary (mirrored)")


def learnable(words: Iterable[str]) -> set[str]:
    """Return the words that are worth keeping: those that can be guessed at."""
    return {word for word in words if SHORTEST <= len(word) <= LONGEST and is_guessable(word)}


class LearnedWords:
    """The words that this process knows to be in the vocabulary, so that it need not write them again.

    `new` comes before the transaction that writes words, and `remember` after it, when they are sure to be there.
    """

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._lock = threading.Lock()

    def new(self, words: Iterable[str]) -> set[str]:
        """Return those of the words that are worth keeping and are not known to be kept."""
        known = self._words
        return learnable(word for word in words if word not in known)

    def remember(self, words: Iterable[str]) -> None:
        """Remember words that have been committed."""
        with self._lock:
            if len(self._words) > MOST_REMEMBERED:
                self._words = set()
            self._words.update(words)


def learn(words: Iterable[str]) -> None:
    """Add words to the vocabulary within the present transaction; those that are in it stay.

    In the order of the words, and where writers queue: two that wait for each other's words would be a deadlock.
    """
    database = VocabularyWord._meta.database
    insert = (
        f"INSERT INTO vocabulary (word, mirrored) VALUES ({database.param}, {database.param}) ON CONFLICT DO NOTHING"
    )
    rows = [(word, word[::-1]) for word in sorted(words)]
    if rows:
        with _PEEWEE_ERRORS:
            database.cursor().executemany(insert, rows)


def guessed(expression: Expression) -> Expression | None:
    """Return the expression with each word or what it may have been meant to be; None where nothing can be guessed."""
    known: dict[str, list[str]] = {}
    for word in words_in(expression):
        if word.text not in known and len(known) < MOST_GUESSED:
            known[word.text] = _candidates(word.text)
    if not any(known.values()):
        return None

    def widened(word: Word) -> Expression:
        return any_of([word, *map(Word, known.get(word.text, []))])

    return replaced(expression, widened)


def _candidates(word: str) -> list[str]:
    """The words that are one or two typing errors away, the nearest first."""
    if not ONE_ERROR <= len(word) <= LONGEST or not is_guessable(word):
        return []
    most_errors = 1 if len(word) < TWO_ERRORS else 2
    others = set(_with_same_ends(word, most_errors)) - {word}
    found = process.extract(
        word, sorted(others), scorer=DamerauLevenshtein.distance, score_cutoff=most_errors, limit=MOST_CANDIDATES
    )
    return [candidate for candidate, _, _ in found]


def _with_same_ends(word: str, most_errors: int) -> Iterator[str]:
    """The words that begin or end as this one does, or begin with its first two letters swapped."""
    length = 2 if len(word) >= LONG_ENDS else 1
    lengths = {"shortest": len(word) - most_errors, "longest": len(word) + most_errors}
    beginnings = [word[:length], word[1] + word[0]] if length == 2 else [word[:length]]
    for begin in beginnings:
        for (candidate,) in _BY_BEGINNING.rows(begin=begin, end=begin + _BEHIND_ALL, **lengths):
            yield candidate
    end = word[::-1][:length]
    for (mirrored,) in _BY_END.rows(begin=end, end=end + _BEHIND_ALL, **lengths):
        yield mirrored[::-1]
