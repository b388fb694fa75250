"""Search expressions: words, of which all are needed, or some are enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A word of the index, or with `prefix` any word that begins with it."""

    text: str
    prefix: bool = False


@dataclass(frozen=True)
class All:
    """All of these."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class Any:
    """At least one of these."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class But:
    """`wanted` without `unwanted`."""

    wanted: Expression
    unwanted: Expression


Expression = Word | All | Any | But


def all_of(parts: list[Expression]) -> Expression:
    """Return the expression that needs all parts, each once."""
    distinct = tuple(dict.fromkeys(parts))
    return distinct[0] if len(distinct) == 1 else All(distinct)


def any_of(parts: list[Expression]) -> Expression:
    """Return the expression that one of the parts is enough for."""
    distinct = tuple(dict.fromkeys(parts))
    return distinct[0] if len(distinct) == 1 else Any(distinct)


def replaced(expression: Expression, replace: Callable[[Word], Expression]) -> Expression:
    """Return the expression with each of its words replaced."""
    if isinstance(expression, Word):
        return replace(expression)
    if isinstance(expression, But):
        return But(replaced(expression.wanted, replace), replaced(expression.unwanted, replace))
    parts = [replaced(part, replace) for part in expression.parts]
    return all_of(parts) if isinstance(expression, All) else any_of(parts)


def exact(expression: Expression) -> Expression:
    """Return the expression with whole words in place of prefixes."""
    return replaced(expression, lambda word: Word(word.text))


def words_in(expression: Expression) -> Iterator[Word]:
    """Yield each word of the expression."""
    if isinstance(expression, Word):
        yield expression
    elif isinstance(expression, But):
        yield from words_in(expression.wanted)
    else:
        for part in expression.parts:
            yield from words_in(part)
