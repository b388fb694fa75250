"""Both kinds of `library_client`, blocking and for asyncio, behind the same calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Unpack

import library_client
import library_client.aio
from library.admin.v1.catalog_service_pb2 import ImportBooksRequest, ImportBooksResponse
from library_client import Options


class Blocking:
    """`library_client`."""

    def call(
        self,
        target: str,
        method: str,
        request: Any,
        call_timeout: float | None = None,
        **options: Unpack[Options],
    ) -> Any:
        """Call a method of a frontend by its path from there, such as `lending.BorrowBook`."""
        with library_client.Frontend(target, **options) as library:
            return _method(library, method)(request, timeout=call_timeout)

    def items(self, target: str, method: str, request: Any, field: str, after_page: Callable[[], None]) -> list[Any]:
        """All items of the pages of a list; calls `after_page` after each page."""
        found: list[Any] = []
        with library_client.Frontend(target) as library:
            for page in library_client.pages(_method(library, method), request):
                found += getattr(page, field)
                after_page()
        return found

    def import_books(
        self, target: str, rows: Sequence[ImportBooksRequest], **options: Unpack[Options]
    ) -> ImportBooksResponse:
        """Import books, which the client sends as a stream."""
        with library_client.Admin(target, **options) as library:
            return library.catalog.ImportBooks(iter(rows))


class Asyncio:
    """`library_client.aio`, in an event loop for each call."""

    def call(
        self,
        target: str,
        method: str,
        request: Any,
        call_timeout: float | None = None,
        **options: Unpack[Options],
    ) -> Any:
        """Call a method of a frontend by its path from there, such as `lending.BorrowBook`."""

        async def call() -> Any:
            async with library_client.aio.Frontend(target, **options) as library:
                return await _method(library, method)(request, timeout=call_timeout)

        return asyncio.run(call())

    def items(self, target: str, method: str, request: Any, field: str, after_page: Callable[[], None]) -> list[Any]:
        """All items of the pages of a list; calls `after_page` after each page."""

        async def read() -> list[Any]:
            found: list[Any] = []
            async with library_client.aio.Frontend(target) as library:
                async for page in library_client.aio.pages(_method(library, method), request):
                    found += getattr(page, field)
                    after_page()
            return found

        return asyncio.run(read())

    def import_books(
        self, target: str, rows: Iterable[ImportBooksRequest], **options: Unpack[Options]
    ) -> ImportBooksResponse:
        """Import books, which the client writes one by one."""

        async def send() -> ImportBooksResponse:
            async with library_client.aio.Admin(target, **options) as library:
                call = library.catalog.ImportBooks()
                for row in rows:
                    await call.write(row)
                await call.done_writing()
                return await call

        return asyncio.run(send())


def _method(library: object, path: str) -> Any:
    stub, _, name = path.partition(".")
    return getattr(getattr(library, stub), name)


Kind = Blocking | Asyncio
KINDS: tuple[Kind, ...] = (Blocking(), Asyncio())
