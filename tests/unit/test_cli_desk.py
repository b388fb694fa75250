"""The parts of the commands at the desk: rows, times and amounts, and calls that are made a second time."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import ErrorInfo
from google.type.money_pb2 import Money
from rich.cells import cell_len
from rich.console import Console

from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.frontend.v1.member_service_pb2_grpc import MemberServiceServicer, add_MemberServiceServicer_to_server
from library.v1.book_pb2 import BOOK_STATE_UNAVAILABLE, Book
from library.v1.loan_pb2 import LOAN_STATE_ACTIVE, Loan
from library.v1.user_pb2 import USER_STATE_ACTIVE, User
from library_cli.channel import connected
from library_cli.desk.calls import Desk
from library_cli.desk.columns import BOOKS, LOANS, LOANS_TO_CHOOSE, USERS, ListedLoan, money
from library_cli.desk.finding import the_one
from library_cli.desk.matching import Matches
from library_cli.desk.refusals import Refusal, of_call
from library_cli.dialing import OPTIONS
from library_cli.grpc_errors import CallFailed
from library_cli.tables import Column, lines, show, table
from library_cli.times import days_until, local_time
from tests.support.scripted_servers import refuse, scripted_server

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def shown(user: User) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    console.print(table([user], USERS.columns, console.width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_whatever_is_in_a_name_it_commands_nothing_and_ends_no_line() -> None:
    text = shown(User(id="u1", email="a@example.org", first_name="[red]A\x1b[2J", state=USER_STATE_ACTIVE))
    assert "[red]A [2J" in text
    assert "\x1b" not in text
    user = User(id="u1", email="a@example.org", last_name="a\tb\nc", state=77, active_loan_count=2)  # type: ignore[arg-type]
    assert list(lines([user], USERS.columns)) == ["u1\ta@example.org\ta b c\t77\t2\t\t\t\t"]


def test_lines_have_every_column_for_programs() -> None:
    book = Book(id="b1", title="Emma", authors=["A", "B"], isbn="9", published_year=-5, total_copies=2, state=77)  # type: ignore[arg-type]
    assert list(lines([book], BOOKS.columns)) == ["Emma\tA; B\t-5\t9\t0/2\tb1"]
    due = Timestamp(seconds=1_000_000_000)
    loan = Loan(id="l1", book_id="b1", user_id="u1", book_title="Emma", due_time=due, state=LOAN_STATE_ACTIVE)
    expected = ["l1\t2001-09-09T01:46:40Z\tactive\tEmma\t\t\tu1\tb1"]
    assert list(lines([ListedLoan(loan, None)], LOANS.columns)) == expected


def printed(columns: Sequence[Column[Any]], rows: Sequence[Any], width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(table(rows, columns, width))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert max(map(cell_len, text.splitlines())) <= width
    return text


def test_a_table_on_any_width_names_each_book() -> None:
    books = [Book(id="b" * 36, title="源氏物語" * 40, state=BOOK_STATE_UNAVAILABLE), Book(id="c" * 36, isbn="9" * 13)]
    for width in (60, 80, 109, 110, 200):
        text = printed(BOOKS.columns, books, width)
        assert "b" * (36 if width >= 110 else 18) in text
        assert "9" * 13 in text
        assert "unavailable" in text or width < 80
    for width in (80, 110):
        alike = [Book(id=f"{'b' * 30}-{number}bbbb") for number in range(2)]
        assert {f"{'b' * 30}-{number}" in printed(BOOKS.columns, alike, width) for number in range(2)} == {True}


def test_a_table_breaks_no_word_that_has_room_and_has_one_order_on_all_widths() -> None:
    ids = [f"01a219b0-cf21-77c{number}-95d5-6c77c3b16079" for number in range(2)]
    user = User(email="ada.lovelace@example.org")
    due = Timestamp(seconds=1_000_000_000)
    loans = [
        ListedLoan(Loan(id=each, book_title="The Fellowship of the Ring", due_time=due, state=2), user)  # type: ignore[arg-type]
        for each in ids
    ]
    for width in (80, 100, 109, 110, 140, 200):
        text = printed(LOANS_TO_CHOOSE.columns, loans, width)
        for word in (
            "ada.lovelace@example.org",
            "Fellowship",
            local_time(due)[:10],
            ids[1][: 36 if width >= 140 else 18],
        ):
            assert word in text, (width, text)
        assert re.search("due .*title .*user .*loan id", text), "as in the printed examples"
    assert ids[0] not in printed(LOANS.columns, loans, 80)
    assert re.search("title .*year .*free .*ISBN .*id", printed(BOOKS.columns, [Book(id=ids[0])], 150))
    assert re.search("email .*name .*state .*loans .*id", printed(USERS.columns, [user], 150))


@pytest.mark.parametrize(
    ("away", "expected"),
    [
        (timedelta(days=14), "in 14 days"),
        (timedelta(days=13, hours=23), "in 14 days"),
        (timedelta(days=1, hours=2), "in 1 day"),
        (timedelta(hours=23), "within a day"),
        (timedelta(), "within a day"),
        (timedelta(seconds=-1), "1 day late"),
        (timedelta(days=-1, seconds=-1), "2 days late"),
        (timedelta(days=-2000), "2,000 days late"),
    ],
)
def test_a_due_time_is_days_from_now(away: timedelta, expected: str) -> None:
    due = Timestamp()
    due.FromDatetime(NOW + away)
    assert days_until(due, NOW) == expected


def test_times_at_the_ends_of_the_calendar_are_shown() -> None:
    for seconds in (-62_135_596_800, 253_402_300_799, 0):
        assert local_time(Timestamp(seconds=seconds))[4] == "-"


def test_amounts_have_at_least_two_decimals() -> None:
    cases = {(0, 0): "", (1, 0): "1.00 EUR", (0, 200_000_000): "0.20 EUR", (3, 5_000_000): "3.005 EUR"}
    for (units, nanos), written in cases.items():
        assert money(Money(currency_code="EUR", units=units, nanos=nanos)) == written


class Moody(MemberServiceServicer):
    """A service that is unavailable for a number of calls."""

    def __init__(self) -> None:
        self.failures = 1
        self.code = grpc.StatusCode.UNAVAILABLE
        self.asked: list[EnrollUserRequest] = []

    def EnrollUser(self, request: EnrollUserRequest, context: grpc.ServicerContext) -> User:
        self.asked.append(request)
        if len(self.asked) <= self.failures:
            context.abort(self.code, "not now")
        return User(id="u1", email=request.email)


@pytest.fixture
def moody() -> Iterator[tuple[Moody, str]]:
    servicer = Moody()  # type: ignore[abstract]
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        add_MemberServiceServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield servicer, f"127.0.0.1:{port}"
        server.stop(None).wait()


def test_a_change_is_sent_again_once_under_the_same_request_id(moody: tuple[Moody, str]) -> None:
    servicer, target = moody
    with connected(target) as channel:
        desk = Desk(channel)
        user = desk.change(desk.members.EnrollUser, EnrollUserRequest(email="a@example.org"))
    assert user.email == "a@example.org"
    first, second = servicer.asked
    assert first == second
    assert first.request_id


@pytest.mark.parametrize(("code", "times"), [(grpc.StatusCode.UNAVAILABLE, 2), (grpc.StatusCode.INTERNAL, 1)])
def test_a_change_is_not_sent_for_ever(moody: tuple[Moody, str], code: grpc.StatusCode, times: int) -> None:
    servicer, target = moody
    servicer.failures, servicer.code = 100, code
    with grpc.insecure_channel(target, options=OPTIONS) as channel:
        desk = Desk(channel)
        with pytest.raises(grpc.RpcError):
            desk.change(desk.members.EnrollUser, EnrollUserRequest(email="a@example.org"))
    assert len(servicer.asked) == times


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_a_lost_answer_is_not_hidden_by_the_refusal_of_the_second_attempt(code: grpc.StatusCode) -> None:
    busy = refuse(code, ErrorInfo(reason="SERVER_BUSY", domain="lending-library"), message="Too many calls.")
    taken = refuse(
        grpc.StatusCode.ALREADY_EXISTS, ErrorInfo(reason="EMAIL_TAKEN", domain="lending-library"), message="Taken."
    )
    with scripted_server() as server:
        for script, is_unknown, expected in (
            ([lose, busy], True, "Too many calls. The first attempt may have made the change: look"),
            ([lose, lose], True, "may have made the change: look before you try again."),
            ([busy, busy], False, "Too many calls."),
            # The service would have returned its first answer again, if it had enrolled the user.
            ([lose, taken], False, "Taken."),
        ):
            server.script = list(script)
            with pytest.raises(CallFailed) as failed, connected(server.address) as channel:
                enrol_at(Desk(channel))
            message = of_call(failed.value).message
            assert expected in message
            assert ("may have made the change" in message) == is_unknown, message


def test_a_further_reason_without_a_sentence_is_shown_with_its_values() -> None:
    details = [
        ErrorInfo(domain="lending-library", reason=reason, metadata={"user_id": "u-1"})
        for reason in ("USER_CLOSED", "OF_A_NEWER_VERSION")
    ]
    with scripted_server() as server:
        server.script = [refuse(grpc.StatusCode.FAILED_PRECONDITION, *details, message="It is closed.")]
        with pytest.raises(CallFailed) as failed, connected(server.address) as channel:
            enrol_at(Desk(channel))
    refusal = of_call(failed.value)
    assert (refusal.reason, refusal.message) == ("USER_CLOSED", "It is closed.")
    assert [each.message for each in refusal.further] == [
        "The service also answered OF_A_NEWER_VERSION (user_id: u-1)."
    ]


def enrol_at(desk: Desk) -> User:
    return desk.change(desk.members.EnrollUser, EnrollUserRequest(email="a@example.org"))


def lose(context: grpc.ServicerContext) -> NoReturn:
    """An answer that does not arrive."""
    context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")


def test_what_was_not_looked_through_is_not_clear() -> None:
    book = Book(id="b1", title="It")
    for matches in (Matches([book], is_cut=True), Matches([], [book], is_cut=True)):
        with pytest.raises(Refusal) as refused:
            the_one(matches, "it", "book", BOOKS, "Add words.", "library search")
        assert (refused.value.reason, refused.value.candidates) == ("AMBIGUOUS", [book])
        assert refused.value.message == 'More than 1,000 books match "it". Add words.'
    assert the_one(Matches([book], [book, Book(id="b2")]), "it", "book", BOOKS, "", "") is book


def test_json_is_whole_or_not_written_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    def books() -> Iterator[Book]:
        yield Book(id="b1", title="Gödel")
        raise Refusal("NO_ANSWER", "The library went away.")

    with pytest.raises(Refusal):
        show(books(), BOOKS, json_wanted=True, limit=None)
    assert capsys.readouterr().out == "", "the refusal is the only object on standard output"
    found = (Book(id=f"b{number}", title="Gödel" * 2_000) for number in range(1_000))
    assert show(found, BOOKS, json_wanted=True, limit=None) == 1_000
    written = json.loads(capsys.readouterr().out)
    assert [book["id"] for book in written] == [f"b{number}" for number in range(1_000)]
    assert written[-1]["title"] == "Gödel" * 2_000
