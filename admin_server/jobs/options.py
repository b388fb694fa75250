"""The options of `library-admin serve` for what runs on a schedule."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

from admin_server.jobs.settings import JobSettings, SourceQuery, source_query
from admin_server.sources.google_books import GoogleBooks
from admin_server.sources.open_library import OpenLibrary
from service_kit.clock import DAY, SECOND
from service_kit.settings import setting

Command = TypeVar("Command", bound=Callable[..., Any])

SOURCE_NAMES = (OpenLibrary.name, GoogleBooks.name)

LEAST_INTERVAL = 60
"""Seconds from one run of a job to the next, at least."""

MOST_INTERVAL = 366 * DAY // SECOND


class QueryType(click.ParamType[SourceQuery]):
    """SOURCE:QUERY."""

    name = "SOURCE:QUERY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> SourceQuery:
        """Parse a value of the option, or a part of its variable."""
        if isinstance(value, SourceQuery):
            return value
        try:
            query = source_query(value)
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)
        if query.source not in SOURCE_NAMES:
            self.fail(f"{value!r} has an unknown source; known are {', '.join(SOURCE_NAMES)}", param, ctx)
        return query

    def split_envvar_value(self, rv: str) -> list[str]:
        """Split the variable at line breaks and semicolons, as queries have blanks and commas in them."""
        return [part.strip() for part in rv.replace("\n", ";").split(";") if part.strip()]


def job_options(prefix: str) -> Callable[[Command], Command]:
    """Add the settings of the schedule; the command gets them as `jobs`."""
    defaults = JobSettings()
    options = [
        setting(
            prefix,
            "--import-query",
            type=QueryType(),
            multiple=True,
            help="What is imported on a schedule, such as open_library:subject:gardening; can be repeated. In the "
            "variable, semicolons separate queries.  [default: none]",
        ),
        setting(
            prefix,
            "--import-interval",
            type=click.IntRange(LEAST_INTERVAL, MOST_INTERVAL),
            default=defaults.import_interval // SECOND,
            help="Seconds between two runs of a query.",
        ),
        setting(
            prefix,
            "--import-most",
            type=click.IntRange(1, 10_000),
            default=defaults.import_most,
            help="Books that a run adds at most.",
        ),
        setting(
            prefix,
            "--import-copies",
            type=click.IntRange(0, 10_000),
            default=defaults.import_copies,
            help="Copies of each book that is added.",
        ),
        setting(
            prefix,
            "--fill-gaps",
            type=click.IntRange(0, MOST_INTERVAL),
            default=0,
            help="Seconds between two runs that look for the descriptions and covers which books with an ISBN lack; "
            "0: never.",
        ),
        setting(
            prefix,
            "--fill-most",
            type=click.IntRange(1, 10_000),
            default=defaults.gap_most,
            help="Books that such a run asks each catalogue about at most.",
        ),
    ]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_jobs(
            import_query: tuple[SourceQuery, ...],
            import_interval: int,
            import_most: int,
            import_copies: int,
            fill_gaps: int,
            fill_most: int,
            **values: Any,
        ) -> Any:
            if 0 < fill_gaps < LEAST_INTERVAL:
                raise click.UsageError(f"--fill-gaps: must be 0, or at least {LEAST_INTERVAL} seconds")
            jobs = JobSettings(
                queries=tuple(dict.fromkeys(import_query)),
                import_interval=import_interval * SECOND,
                import_most=import_most,
                import_copies=import_copies,
                gap_interval=fill_gaps * SECOND,
                gap_most=fill_most,
            )
            return command(jobs=jobs, **values)

        decorated: Any = with_jobs
        for option in reversed(options):
            decorated = option(decorated)
        return cast("Command", decorated)

    return decorate
