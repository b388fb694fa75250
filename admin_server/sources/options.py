"""The options of `library-admin serve` for other catalogues."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from admin_server.sources.catalogues import SourceSettings, check_settings
from service_kit.settings import file_setting, setting

Command = TypeVar("Command", bound=Callable[..., Any])


def source_options(prefix: str) -> Callable[[Command], Command]:
    """Add the settings of other catalogues; the command gets them as `sources`."""
    defaults = SourceSettings()
    options = [
        setting(
            prefix,
            "--open-library-address",
            default=defaults.open_library_address,
            help="Where Open Library is asked.",
        ),
        setting(
            prefix,
            "--open-library-covers-address",
            default=defaults.open_library_covers_address,
            help="Where Open Library has its covers.",
        ),
        setting(
            prefix,
            "--google-books-address",
            default=defaults.google_books_address,
            help="Where Google Books is asked.",
        ),
        file_setting(
            prefix,
            "--google-books-key-file",
            "A file with an API key, without which Google Books is not asked.  [default: none]",
        ),
        setting(
            prefix,
            "--source-contact",
            default=None,
            help="An e-mail address or a URL of the library, which is sent with each request to them.  [default: none]",
        ),
        setting(
            prefix,
            "--source-rate",
            type=click.FloatRange(0.01, 100),
            default=defaults.requests_per_second,
            help="Requests a second to each of them, from all processes together.",
        ),
        setting(
            prefix,
            "--allow-private-sources",
            is_flag=True,
            default=False,
            help="Let these addresses be of this machine or of a private network.",
        ),
    ]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_sources(
            open_library_address: str,
            open_library_covers_address: str,
            google_books_address: str,
            google_books_key_file: Path | None,
            source_contact: str | None,
            source_rate: float,
            allow_private_sources: bool,
            **values: Any,
        ) -> Any:
            sources = SourceSettings(
                open_library_address=open_library_address.rstrip("/"),
                open_library_covers_address=open_library_covers_address.rstrip("/"),
                google_books_address=google_books_address.rstrip("/"),
                google_books_key_file=google_books_key_file,
                contact=source_contact or "",
                requests_per_second=source_rate,
                allow_private=allow_private_sources,
            )
            problem = check_settings(sources)
            if problem:
                raise click.UsageError(problem)
            return command(sources=sources, **values)

        decorated: Any = with_sources
        for option in reversed(options):
            decorated = option(decorated)
        return cast("Command", decorated)

    return decorate
