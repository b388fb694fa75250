"""Why something could not be fetched from another server."""

from __future__ import annotations


class FetchFailed(Exception):
    """Something could not be fetched.

    The texts name the host and never the rest of an address, a header or what the server sent: they are shown, logged
    and stored, and an address or a header can have a key in it.
    """

    def __init__(self, problem: str, *, retry_time: int | None = None, is_lasting: bool = False) -> None:
        """Take what is wrong, as a clause: `openlibrary.org answered with the status 429`.

        Args:
            problem: What is wrong.
            retry_time: When the server asks to be tried again, in microseconds since 1970; None if it does not say.
            is_lasting: Whether the same request would fail again: a refused address, an answer that is too large.
                Otherwise it is worth a retry: the statuses 429 and 5xx, and faults of the connection.
        """
        super().__init__(problem)
        self.problem, self.retry_time, self.is_lasting = problem, retry_time, is_lasting


class NotThere(FetchFailed):
    """The server answered that there is nothing at the address: 404 or 410."""

    def __init__(self, problem: str) -> None:
        """Take what is wrong, as a clause."""
        super().__init__(problem, is_lasting=True)


class RequestRefused(FetchFailed):
    """The server does not want this client: 401 or 403, for a wrong key or one whose quota is used up."""

    def __init__(self, problem: str) -> None:
        """Take what is wrong, as a clause."""
        super().__init__(problem, is_lasting=True)
