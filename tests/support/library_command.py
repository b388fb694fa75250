"""The operator's command `library`, run as people and scripts run it."""

from __future__ import annotations

import os
import subprocess
import sys

from library.admin.v1.catalog_service_pb2 import ListBooksRequest
from library.v1.book_pb2 import Book
from tests.support.clients import AdminClient, open_channel
from tests.support.processes import ROOT

NOBODY = "127.0.0.1:1"
"""A port where nothing listens: tcpmux, of 1988."""

NO_CONTEXTS = ROOT / "build" / "no-contexts"
"""A folder that nobody makes, in place of the contexts of the user who runs the tests."""

COMMAND = [sys.executable, "-m", "library_cli"]


def environment(admin: str = NOBODY, frontend: str = NOBODY, **variables: str) -> dict[str, str]:
    """The variables for the command, with the services at these addresses."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("LIBRARY_")},
        "LIBRARY_ADMIN_TARGET": admin,
        "LIBRARY_FRONTEND_TARGET": frontend,
        "LIBRARY_CONFIG_DIR": str(NO_CONTEXTS),
        "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("", "generated", "library-client")),
        **variables,
    }


def library(
    *arguments: str, admin: str = NOBODY, frontend: str = NOBODY, stdin: bytes = b""
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end; it must never show a traceback."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=environment(admin, frontend),
        input=stdin,
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def catalogue(admin: str) -> list[Book]:
    """All books that the admin service lists."""
    with open_channel(admin) as channel:
        listed: list[Book] = []
        request = ListBooksRequest(page_size=1000)
        while True:
            page = AdminClient(channel).catalog.ListBooks(request, timeout=100)
            listed += page.books
            if not page.next_page_token:
                return listed
            request.page_token = page.next_page_token
