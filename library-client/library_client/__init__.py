"""A client of the Lending Library: the stubs of its contract, with retries, pages and typed errors.

    from library_client import Frontend, errors, pages

`Frontend` is for patrons, `Admin` for librarians. Their attributes are the generated stubs, so methods and messages are
those of the contract. `library_client.aio` has the same names for asyncio.
"""

from library_client import errors
from library_client.blocking import Admin, Frontend, connect, pages, wait_until_done
from library_client.library_error import FieldViolation, LibraryError
from library_client.operations import file_parts
from library_client.settings import Options

__all__ = [
    "Admin",
    "FieldViolation",
    "Frontend",
    "LibraryError",
    "Options",
    "connect",
    "errors",
    "file_parts",
    "pages",
    "wait_until_done",
]
