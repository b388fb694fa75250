"""The command `library search`."""

from __future__ import annotations

from collections.abc import Callable

import click

from library.frontend.v1.catalog_service_pb2 import ListBooksRequest
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, Book
from library_cli.desk.calls import Desk
from library_cli.desk.columns import BOOKS, quoted
from library_cli.desk.matching import book_begins
from library_cli.desk.refusals import at_desk
from library_cli.options import frontend_target_option
from library_cli.tables import json_option, limit_option, show
from library_cli.times import local_time

MOST_COUNTED = 1_000
"""The highest number of left-out books that the service counts."""


@click.command("search", short_help="Find books by words of the title, the authors or the subjects, or by the ISBN.")
@click.argument("words", nargs=-1)
@click.option("--publisher", multiple=True, help="Only books of this publisher; may be given several times.")
@click.option("--category", multiple=True, help="Only books of this category; may be given several times.")
@click.option(
    "--format", "forms", multiple=True, help="Only books of this format, such as DVD; may be given several times."
)
@click.option("--language", help="Only books in this language, such as en; en also finds en-GB.")
@click.option("--all", "all_wanted", is_flag=True, help="Also books that cannot be borrowed now.")
@limit_option
@json_option
@frontend_target_option
def search_command(
    words: tuple[str, ...],
    publisher: tuple[str, ...],
    category: tuple[str, ...],
    forms: tuple[str, ...],
    language: str | None,
    all_wanted: bool,
    limit: int | None,
    json_wanted: bool,
    frontend_target: str,
) -> None:
    """List the books that contain each of the WORDS, or words that begin with them; without WORDS all books.

    Without --all only books that can be borrowed now are listed. If no book contains the words, books with similar
    words are listed.

    The output is a table on a terminal, otherwise a line for each book, with tabs between title, authors, year, ISBN,
    free and all copies, and id. A table has the subtitle, the volume and the format with the title; --json has all
    fields.

    Exit status: 0 when the service answered, also if no book was found; 1 when it refused; 2 when no service answered.
    """
    query = " ".join(words)
    with at_desk(frontend_target, json_wanted=json_wanted) as desk:
        request = ListBooksRequest(
            query=query, publisher=publisher, category=category, format=forms, include_unavailable=all_wanted
        )
        first = desk.first_page(request)
        left_out = first.left_out_count
        if query.strip() and not json_wanted and first.books and not book_begins(query)(first.books[0]):
            click.echo(f'No book has the words "{query}". These books have similar words.', err=True)
        is_wanted = in_language(language)
        found = (book for book in desk.books(request, first) if is_wanted(book))
        if left_out and not first.books and language is None and not json_wanted:
            click.echo(_none_free(desk, request, left_out), err=True)
            return
        show(found, BOOKS, json_wanted=json_wanted, limit=limit)
    if left_out and not json_wanted:
        number = _number(left_out)
        click.echo(f"Not shown, because they cannot be borrowed now: {number}. To see them too, add --all.", err=True)


def _none_free(desk: Desk, request: ListBooksRequest, left_out: int) -> str:
    """Return the message if no matching book can be borrowed now; for one book, with the next due time."""
    if left_out > 1:
        return f"{_number(left_out)} books match, but none of them can be borrowed now. To see them, add --all."
    everything = ListBooksRequest()
    everything.CopyFrom(request)
    everything.include_unavailable = True
    everything.page_token = ""
    book = next(desk.books(everything), None)
    if book is None or book.state != BOOK_STATE_ACTIVE or not book.total_copies:
        return "1 book matches, but it cannot be borrowed now. To see it, add --all."
    due = (
        f"; the next is due back {local_time(book.next_available_time)}" if book.HasField("next_available_time") else ""
    )
    return f"1 book matches, {quoted(book)}, but every copy is on loan{due}. To see it, add --all."


def _number(left_out: int) -> str:
    return f"{left_out:,} or more" if left_out == MOST_COUNTED else f"{left_out:,}"


def in_language(language: str | None) -> Callable[[Book], bool]:
    """Return a filter by language: `en` matches `en` and `en-GB`, in any case."""
    if language is None:
        return lambda book: True
    wanted = language.strip().casefold().replace("_", "-")

    def is_wanted(book: Book) -> bool:
        tag = book.language.strip().casefold().replace("_", "-")
        return tag == wanted or tag.startswith(f"{wanted}-")

    return is_wanted
