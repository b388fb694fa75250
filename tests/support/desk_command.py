"""The commands at the desk, run in the test's process against a real frontend."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner, Result

from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from library_cli.__main__ import main
from tests.support.clients import FrontendClient
from tests.support.processes import ServerProcess


@dataclass
class Desk:
    """A frontend with books and people, and the command."""

    process: ServerProcess
    client: FrontendClient
    books: list[Book]
    people: dict[str, User]
    old: dict[str, Loan]
    """Loans from long ago."""

    def run(self, *arguments: str, terminal: int = 0, target: str = "", **variables: str) -> Result:
        """Run the command in this process, piped or on a terminal of `terminal` columns. A traceback fails the test."""
        shape = (
            {"TTY_COMPATIBLE": "1", "COLUMNS": str(terminal), "TERM": "xterm"} if terminal else {"TTY_COMPATIBLE": "0"}
        )
        environment = {"LIBRARY_FRONTEND_TARGET": target or self.process.address, "TZ": "UTC", **shape, **variables}
        done = CliRunner().invoke(main, list(arguments), env=environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    def table(self, *arguments: str, width: int = 80) -> str:
        """Run the command on a terminal that is `width` columns wide; return its output without colours."""
        done = self.run(*arguments, terminal=width)
        text = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)
        assert max(map(len, text.splitlines())) <= width
        return text

    def json(self, *arguments: str, status: int = 0) -> Any:
        """Run the command for JSON; standard error stays empty."""
        done = self.run(*arguments, "--json")
        assert (done.exit_code, done.stderr) == (status, ""), done.output
        return json.loads(done.stdout)

    def refused(self, *arguments: str) -> tuple[str, str, set[str]]:
        """Run what is refused, for people and for machines: the reason, the sentence, and the ids of the candidates."""
        done = self.run(*arguments)
        error = self.json(*arguments, status=1)["error"]
        assert (done.exit_code, done.stdout) == (1, "")
        assert done.stderr.splitlines()[0] == f"Error: {' '.join(error['message'].split())}"
        assert len(done.stderr.splitlines()) == len(error["refusals"]) + len(error["candidates"])
        return error["reason"], error["message"], {each["id"] for each in error["candidates"]}

    def book(self, title: str) -> Book:
        return next(book for book in self.books if book.title.startswith(title))

    def enrol(self, name: str) -> User:
        return self.client.members.EnrollUser(
            EnrollUserRequest(email=f"{name.lower()}@example.org", last_name=name), timeout=100
        )
