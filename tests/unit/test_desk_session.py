"""What a line at the desk does, with replies instead of a service."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from rich.cells import cell_len

from library.frontend.v1 import circulation_service_pb2 as pb
from library.frontend.v1.lending_service_pb2 import ListLoansRequest, ListLoansResponse
from library.frontend.v1.member_service_pb2 import GetUserRequest, ListUsersRequest, ListUsersResponse
from library.v1.library_settings_pb2 import LibrarySettings
from library.v1.loan_pb2 import LOAN_STATE_OVERDUE, Loan
from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED, User, UserBlock
from library_cli.desk_screen.drawing import draw, keys_line
from library_cli.desk_screen.entries import Kind, NoAnswer, Printed, PrintOut, Refused
from library_cli.desk_screen.session import is_reason, steps_of
from library_cli.desk_screen.state import Desk
from library_cli.grpc_errors import ServiceRefusal
from library_domain.barcodes import card_number, item_barcode

NOW = datetime(2026, 11, 26, 14, 5, tzinfo=timezone(timedelta(hours=1)))
CARD, DUNE, EMMA = card_number(1), item_barcode(1), item_barcode(2)
ADA = User(
    id="u1", first_name="Ada", last_name="Lovelace", card_number=CARD, state=USER_STATE_ACTIVE, note="Large print"
)
NO_ITEM = Refused([ServiceRefusal("ITEM_NOT_FOUND", "", {"barcode": "X"})])
FULL = Refused(
    [ServiceRefusal("LOAN_LIMIT_REACHED", "", {"loan_limit": "5"}), ServiceRefusal("MADE_UP", "So be it", {})]
)


def time(text: str) -> Timestamp:
    made = Timestamp()
    made.FromJsonString(text)
    return made


def loan(title: str = "Dune", loan_id: str = "l1", **fields: Any) -> Loan:
    due, borrowed = time("2026-12-10T22:59:59Z"), time("2026-11-26T13:05:00Z")
    known = {"user_id": "u1", "barcode": DUNE, "due_time": due, "borrow_time": borrowed, "time_zone": "Europe/Berlin"}
    return Loan(**{"id": loan_id, "book_title": title, **known, **fields})


class Library:
    """Replies to the calls of the desk, by the type of the request, and the calls that were made."""

    def __init__(self) -> None:
        self.ids = map(str, itertools.count(1))
        self.desk = Desk("Ada", "main", clock=lambda: NOW, new_request_id=lambda: next(self.ids))
        self.calls: list[Any] = []
        self.users, self.loans = [ADA], [loan("Emma", "l0", barcode=EMMA)]
        self.replies: dict[type[Any], Any] = {}

    def type(self, line: str, **replies: Any) -> None:
        """Do what a line says. The replies are named after the methods."""
        self.replies |= {getattr(pb, f"{name}Request"): reply for name, reply in replies.items()}
        self.calls.clear()
        steps = steps_of(self.desk, line)
        try:
            step = next(steps)
            while True:
                copy = step if isinstance(step, PrintOut) else type(step).FromString(step.SerializeToString())
                self.calls.append(copy)
                step = steps.send(self.reply(copy))
        except StopIteration:
            return

    def reply(self, step: Any) -> Any:
        if type(step) in self.replies:
            return self.replies[type(step)]
        if isinstance(step, ListUsersRequest):
            found = [each for each in self.users if step.card_number in ("", each.card_number)]
            return ListUsersResponse(users=[each for each in found if step.query.lower() in each.last_name.lower()])
        plain: dict[type[Any], Any] = {
            ListLoansRequest: ListLoansResponse(loans=self.loans),
            GetUserRequest: ADA,
            PrintOut: Printed(),
            pb.LookupItemRequest: pb.LookupItemResponse(book_title="Kindred"),
            pb.GetLibrarySettingsRequest: LibrarySettings(loan_limit=5),
        }
        return plain[type(step)]

    @property
    def last(self) -> tuple[Kind, str]:
        entry = self.desk.entries[0]
        return entry.kind, "\n".join([entry.text, *entry.more])

    def screen(self, width: int = 80, height: int = 22) -> str:
        return "\n".join(text.rstrip() for _, text in draw(self.desk.view(), width, height))


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture
def opened(library: Library) -> Library:
    library.type(CARD)
    return library


LENT = pb.CheckOutResponse(loan=loan())
BACK = pb.CheckInResponse(
    loan=loan(return_time=time("2026-12-12T10:00:00Z")),
    was_out=True,
    outcome=pb.CHECK_IN_OUTCOME_SHELVE,
    message="Put it on its shelf.",
)


def test_a_card_opens_its_user_and_a_barcode_is_lent(library: Library) -> None:
    library.type(f" {CARD}\n")
    assert [type(call) for call in library.calls] == [ListUsersRequest, ListLoansRequest, pb.GetLibrarySettingsRequest]
    assert library.last == (
        Kind.USER,
        f"Ada Lovelace · card {CARD} · 1 of 5 loans\nNote: Large print\nThu 2026-12-10  Emma",
    )
    library.type(DUNE, CheckOut=LENT)
    [call] = library.calls
    assert call == pb.CheckOutRequest(user_id="u1", barcode=DUNE, branch="main", staff="Ada", request_id="1")
    assert library.last == (Kind.LENT, '"Dune", due Thu 2026-12-10')
    library.type(DUNE, CheckOut=pb.CheckOutResponse(loan=loan(renewal_count=1), renewed=True))
    assert library.last[0] is Kind.RENEWED
    assert "2 of 5 loans" in library.screen()
    library.type("/close")
    assert library.last[1].endswith("is no longer open.")
    library.type(DUNE, CheckIn=BACK)
    assert library.calls == [pb.CheckInRequest(barcode=DUNE, branch="main", staff="Ada", request_id="3")]
    assert library.last == (Kind.RETURNED, '"Dune"\nPut it on its shelf.')


def test_a_number_is_sought_among_cards_and_items_the_likelier_first(opened: Library) -> None:
    opened.type("b17", CheckOut=LENT)
    assert [type(call) for call in opened.calls] == [ListUsersRequest, pb.CheckOutRequest]
    assert (opened.calls[0].card_number, opened.calls[1].barcode) == ("B17", "B17")
    opened.users = [ADA, User(id="u2", last_name="Three", card_number=DUNE)]
    opened.loans = []
    opened.type(DUNE, CheckOut=NO_ITEM)
    assert opened.last[1].startswith(f"Three · card {DUNE}")
    opened.type("B99", CheckOut=NO_ITEM)
    assert opened.last == (
        Kind.REFUSED,
        "No item and no card has the number X. Scan it again, or type the number.",
    )
    opened.type("two words")
    assert opened.last[0] is Kind.REFUSED
    assert opened.calls == []


def test_what_came_back_is_green_or_yellow_and_a_fine_names_its_user(library: Library) -> None:
    fined = pb.CheckInResponse()
    fined.CopyFrom(BACK)
    fined.fine.CopyFrom(Money(currency_code="EUR", nanos=400_000_000))
    library.type(DUNE, CheckIn=fined)
    kind, text = library.last
    assert (kind, text.splitlines()[2]) == (Kind.RETURNED, "Put it on its shelf.")
    assert text.splitlines()[1].startswith("FINE 0.40 EUR for Ada Lovelace: it was due Thu 2026-12-10, returned Sat ")
    for outcome, kind in [(pb.CHECK_IN_OUTCOME_ASIDE, Kind.ASIDE), (pb.CHECK_IN_OUTCOME_SHELVE, Kind.NOT_OUT)]:
        library.type(DUNE, CheckIn=pb.CheckInResponse(outcome=outcome, message="It was not out. So."))
        assert library.last == (kind, f"{DUNE}. So.")
        assert kind.tone == "warn"


def test_a_refusal_names_all_reasons_and_is_overridden_with_one_for_each(opened: Library) -> None:
    opened.type("/days 7")
    opened.type(DUNE, CheckOut=FULL)
    limit = '"Kindred": The limit is 5 loans. Something must come back first.'
    offer = "To override it, with a reason: F8 or /override"
    assert opened.last == (Kind.REFUSED, f"{limit}\nSo be it\n{offer}")
    opened.type("/override")
    assert (opened.calls, opened.desk.view().question) == ([], "Reason for the override")
    opened.type("School project", CheckOut=LENT)
    [call] = opened.calls
    assert [(each.refusal, each.reason) for each in call.overrides] == [
        ("LOAN_LIMIT_REACHED", "School project"),
        ("MADE_UP", "School project"),
    ]
    assert (call.days, call.barcode, opened.last[0]) == (7, DUNE, Kind.LENT)
    assert opened.desk.view().modes == [], "the days were for one loan"
    opened.type("/override Another")
    assert opened.last[0] is Kind.REFUSED


def test_a_scan_is_never_taken_as_a_reason(opened: Library) -> None:
    opened.type(DUNE, CheckOut=FULL)
    opened.type("/override")
    opened.type(EMMA, CheckOut=LENT)
    [call] = opened.calls
    assert (call.barcode, list(call.overrides)) == (EMMA, [])
    assert not any(map(is_reason, ["", "B17", CARD, "/undo", "?ada"]))
    assert all(map(is_reason, ["Sick", "class 4b", "1 more day"]))


@pytest.mark.parametrize("reason", ["BOOK_REMOVED", "OVERRIDE_NOT_PERMITTED"])
def test_what_cannot_be_overridden_is_not_offered(opened: Library, reason: str) -> None:
    opened.type(DUNE, CheckOut=Refused([*FULL.refusals, ServiceRefusal(reason, "", {})]))
    assert "override" not in opened.last[1]
    opened.type("/override Because")
    assert (opened.calls, opened.last[0]) == ([], Kind.REFUSED)


def test_a_call_without_answer_is_sent_again_with_its_id(opened: Library) -> None:
    opened.type(DUNE, CheckOut=NoAnswer("Nothing answers at X."))
    [first] = opened.calls
    assert opened.last == (
        Kind.NO_ANSWER,
        "Nothing answers at X. Press Enter to send it again: it is done once.",
    )
    assert "1 without answer: Enter sends again" in opened.screen()
    opened.type(EMMA)
    [other] = opened.calls
    opened.type(DUNE)
    assert opened.calls == [first], "the same scan is the same call"
    opened.type("", CheckOut=LENT)
    assert opened.calls == [first, other]
    assert [entry.kind for entry in opened.desk.entries][:2] == [Kind.LENT, Kind.LENT]
    opened.type(DUNE)
    assert opened.calls[0].request_id not in (first.request_id, other.request_id), "it was answered"


def test_slips_are_undone_from_the_last(opened: Library) -> None:
    opened.type(DUNE, CheckOut=LENT)
    opened.type("/checkin")
    opened.type(
        EMMA, CheckIn=pb.CheckInResponse(loan=loan("Emma", "l0"), was_out=True, outcome=pb.CHECK_IN_OUTCOME_SHELVE)
    )
    opened.type("/undo", CancelCheckIn=loan("Emma", "l0"))
    assert opened.calls == [pb.CancelCheckInRequest(loan_id="l0", staff="Ada", request_id="3")]
    opened.type("/undo", CancelCheckOut=loan())
    assert opened.calls == [pb.CancelCheckOutRequest(loan_id="l1", staff="Ada", request_id="4")]
    assert opened.last[0] is Kind.UNDONE
    opened.type("/undo")
    assert (opened.calls, opened.last[0]) == ([], Kind.REFUSED)


def test_a_book_drop_has_a_return_date(opened: Library) -> None:
    opened.type("/checkin yesterday")
    assert opened.desk.user is None, "nothing is lent by mistake"
    opened.type(DUNE, CheckIn=BACK)
    returned = opened.calls[0].return_time.ToDatetime(NOW.tzinfo)
    assert returned.astimezone().strftime("%F %T") == "2026-11-25 23:59:59"
    opened.type(CARD)
    assert opened.desk.entries[0].kind is Kind.WARNING, "a card does not end the mode"
    for wrong in ("2026-11-27", "soon"):
        opened.type(f"/checkin {wrong}")
        assert opened.last[0] is Kind.REFUSED, wrong
    opened.type("/checkin")
    opened.type(CARD)
    assert opened.desk.user == ADA


def test_all_loans_are_renewed_each_with_its_own_answer(opened: Library) -> None:
    opened.desk.loans["l1"] = loan()
    opened.type("/renew", Renew=pb.RenewResponse(loan=loan()))
    assert [call.barcode for call in opened.calls] == [EMMA, DUNE]
    assert opened.last == (Kind.NOTE, "2 of 2 renewed.")
    opened.type("/renew", Renew=Refused([ServiceRefusal("RENEWAL_TOO_EARLY", "", {"earliest_date": "2026-12-01"})]))
    assert opened.last == (Kind.WARNING, "0 of 2 renewed.")
    assert opened.desk.entries[1].text == '"Kindred": It can be renewed from 2026-12-01 on.'


def test_a_name_finds_users_of_whom_one_is_chosen(library: Library) -> None:
    library.users = [ADA, User(id="u2", first_name="Lady", last_name="Lovelace")]
    library.type("?lovelace")
    assert library.last[1].splitlines()[1:] == [f"1 Ada Lovelace · {CARD}", "2 Lady Lovelace"]
    library.type("2")
    assert library.desk.user is not None
    assert library.desk.user.id == "u2"
    library.type("?lovelace")
    library.type(DUNE, CheckOut=LENT)
    assert library.calls[0].barcode == DUNE, "a scan is not a choice"
    library.type("?nobody")
    assert library.last[0] is Kind.REFUSED


def test_a_due_date_is_for_the_next_loan(opened: Library) -> None:
    opened.type("/due 2026-12-01 18:00")
    opened.type(DUNE, CheckOut=LENT)
    assert opened.calls[0].due_time.ToDatetime(NOW.tzinfo).astimezone().strftime("%F %T") == "2026-12-01 18:00:00"
    for wrong in ("/due yesterday", "/due", "/days 0", "/days 366", "/days ten", "/days ²", "/nonsense", "/c", "/"):
        opened.type(wrong)
        assert (opened.last[0], opened.calls) == (Kind.REFUSED, []), wrong


def test_a_receipt_has_todays_loans(opened: Library) -> None:
    opened.desk.loans["l2"] = loan("Old", "l2", borrow_time=time("2026-11-25T13:05:00Z"))
    opened.type("/receipt")
    [printed] = opened.calls
    assert printed.text == (f"Ada Lovelace  2026-11-26 14:05\n\nEmma\n    due Thu 2026-12-10  {EMMA}\n\n1 lent today\n")


def test_what_the_staff_has_to_know_is_shown_first(library: Library) -> None:
    blocked = User(
        id="u1",
        last_name="Lovelace",
        card_number=CARD,
        expire_time=time("2026-11-01T00:00:00Z"),
        blocks=[
            UserBlock(reason="Damaged book"),
            UserBlock(reason="Past", end_time=time("2026-11-26T13:00:00Z")),
        ],
    )
    library.users, library.loans = [blocked], [loan(state=LOAN_STATE_OVERDUE, fine_so_far=Money(units=1))]
    library.type(CARD)
    assert library.desk.entries[0].kind is Kind.WARNING
    warnings = library.desk.view().warnings
    assert warnings[0] == "BLOCKED: Damaged book"
    assert warnings[1].startswith("MEMBERSHIP ENDED 2026-1")
    assert warnings[2:] == ["1 OVERDUE"]
    library.users = [User(id="u3", last_name="Gone", card_number=CARD, state=USER_STATE_CLOSED)]
    library.type(CARD)
    assert (library.desk.user, library.last[0]) == (None, Kind.REFUSED)


def test_an_item_is_explained(opened: Library) -> None:
    answer = pb.ExplainRuleResponse(due_time=time("2026-12-10T22:59:59Z"))
    answer.rule.loan_days = 14
    answer.refusals.add(reason="USER_BLOCKED", message="Blocked.")
    opened.type(f"/explain {DUNE}", ExplainRule=answer)
    assert "any branch, any category, any type: 14 days, 0 renewals" in opened.last[1]
    assert "USER_BLOCKED: Blocked." in opened.last[1]


@pytest.mark.parametrize(("width", "height"), [(80, 22), (30, 10), (200, 60), (12, 4)])
def test_the_screen_fits_any_terminal(opened: Library, width: int, height: int) -> None:
    def many(number: int) -> Loan:
        return loan(f"源氏物語\x1b[2J {number}", f"l{number}")

    opened.desk.loans |= {f"l{number}": many(number) for number in range(40)}
    for number in range(25):
        opened.type(DUNE, CheckOut=pb.CheckOutResponse(loan=many(number)))
    lines = draw(opened.desk.view(), width, height)
    assert len(lines) == height
    assert all(cell_len(text) <= width and "\x1b" not in text for _, text in lines)
    assert cell_len(keys_line(width)) <= width
    assert any(" LENT" in text for _, text in lines)
    if height == 60:
        assert sum("LENT" in text for _, text in lines) == 20
