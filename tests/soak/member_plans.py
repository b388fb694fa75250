"""What the desk asks for about members: to block them, to lift blocks, to erase them and their ties to loans."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from library.frontend.v1 import member_service_pb2
from library.v1.user_pb2 import USER_STATE_CLOSED
from tests.soak.desk import Desk, Plan, may_have_borrowed
from tests.soak.ledger import is_open


def block_user(desk: Desk) -> Plan | None:
    entry = desk.user()
    if entry is None:
        return None
    blocks = len(entry.last.blocks)
    return Plan(
        [member_service_pb2.BlockUserRequest(user_id=entry.last.id, reason="A lost book")],
        about=entry,
        check=lambda user: "" if len(user.blocks) == blocks + 1 else f"had {blocks} blocks, and has {user.blocks}",
    )


def unblock_user(desk: Desk) -> Plan | None:
    entry = desk.some(desk.ledger.users, lambda user: bool(user.blocks))
    if entry is None or not entry.last.blocks:
        return None
    blocks = [block.id for block in entry.last.blocks]
    lifted = desk.chance.choice(blocks)
    kept = [block for block in blocks if block != lifted]
    closed = frozenset({"USER_CLOSED"}) if entry.last.state == USER_STATE_CLOSED else frozenset()
    return Plan(
        [member_service_pb2.UnblockUserRequest(user_id=entry.last.id, block_id=lifted)],
        about=entry,
        refusals=closed,
        must_be_refused=bool(closed),
        check=lambda user: "" if [block.id for block in user.blocks] == kept else f"lifted {lifted}: {user.blocks}",
    )


def erase_user(desk: Desk) -> Plan | None:
    """Erase a user whose loans are all known to be back."""
    entry = desk.some(desk.ledger.users)
    if entry is None or len(desk.ledger.users) < 3 or may_have_borrowed(desk, entry.last.id):
        return None
    loans = [loan for loan in desk.ledger.loans.values() if loan.last.user_id == entry.last.id]
    if any(not loan.is_settled for loan in loans):
        return None
    borrows = any(is_open(loan.last) for loan in loans)
    return Plan(
        [member_service_pb2.EraseUserRequest(user_id=entry.last.id)],
        about=entry,
        refusals=frozenset({"USER_HAS_LOANS"}) if borrows else frozenset(),
        must_be_refused=borrows,
        check=lambda user: f"erased, and is {user}" if user.email or user.card_number or user.first_name else "",
    )


def anonymize_no_loans(desk: Desk) -> Plan:
    """Anonymise the loans of long ago: later ones are those of other callers, too."""
    return Plan(
        [member_service_pb2.AnonymizeLoansRequest(before=Timestamp(seconds=978_307_200))],
        check=lambda answer: f"anonymised {answer}" if answer.loan_count else "",
    )
