"""Refusals that the staff overrides, each with a reason that is kept in the history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from frontend_server.refusals import in_order
from library.frontend.v1.circulation_service_pb2 import Refusal
from service_kit.errors import ServiceError

NEVER_OVERRIDDEN = frozenset(
    {
        *("ITEM_NOT_FOUND", "ITEM_NOT_ON_LOAN", "BOOK_NOT_FOUND", "BOOK_REMOVED", "NO_COPY_AVAILABLE"),
        *("LOAN_NOT_FOUND", "LOAN_RETURNED", "DUE_TIME_UNCHANGED", "DUE_TIME_PASSED"),
        *("USER_NOT_FOUND", "ROW_UNREADABLE", "USER_CLOSED", "USER_NOT_ACTIVE"),
    }
)
"""Without an item, a book or a user there is no loan; a closed account has none; and a loan is due after it began."""


class Override(Protocol):
    """The message `library.frontend.v1.Override`."""

    refusal: str
    reason: str


@dataclass(frozen=True)
class Overrides:
    """The reasons by which the staff overrides refusals, by the names of the refusals."""

    reasons: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_messages(cls, overrides: Iterable[Override]) -> Overrides:
        """Take the overrides of a request. Of two for the same refusal the first counts."""
        reasons: dict[str, str] = {}
        for override in overrides:
            reasons.setdefault(override.refusal, override.reason)
        return cls(reasons)

    def split(self, refusals: Iterable[ServiceError]) -> tuple[list[ServiceError], list[ServiceError]]:
        """Return the refusals that remain, and those that are overridden, both in their order."""
        ordered = in_order(refusals)
        overridden = [each for each in ordered if each.reason in self.reasons and each.reason not in NEVER_OVERRIDDEN]
        return [each for each in ordered if each not in overridden], overridden

    def kept(self, overridden: Iterable[ServiceError]) -> dict[str, str]:
        """Return the reasons for overriding these refusals, for the history."""
        return {each.reason: self.reasons[each.reason] for each in overridden}


NO_OVERRIDES = Overrides()


def refusal_messages(refusals: Sequence[ServiceError]) -> list[Refusal]:
    """Convert refusals to messages."""
    return [Refusal(reason=each.reason, message=str(each)) for each in refusals]
