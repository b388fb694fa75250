"""Lists in pages."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar


class PageRequest(Protocol):
    """The request for a page of a list."""

    page_token: str


class Page(Protocol):
    """A page of a list. Each list has its own field for the items."""

    @property
    def next_page_token(self) -> str:
        """Identifies the next page; empty on the last one."""


RequestT = TypeVar("RequestT", bound=PageRequest)


def following(request: RequestT, page: Page) -> RequestT | None:
    """Return the request of the next page, or None after the last one. `request` itself stays as it is."""
    if not page.next_page_token:
        return None
    copy: Any = type(request)()
    copy.CopyFrom(request)
    copy.page_token = page.next_page_token
    next_request: RequestT = copy
    return next_request
