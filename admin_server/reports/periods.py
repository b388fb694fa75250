"""The loans that a report is about: those made in a period, by a branch."""

from __future__ import annotations

from typing import Any, Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from admin_server.store.models import Loan
from service_kit.clock import micros
from service_kit.message_checks import check_values


class PeriodRequest(Protocol):
    """The fields that select the loans of a report."""

    branch: str

    @property
    def start_time(self) -> Timestamp:
        """Only loans made from this time on."""

    @property
    def end_time(self) -> Timestamp:
        """Only loans made before this time."""

    def HasField(self, field_name: Any, /) -> bool:  # noqa: N802 - protobuf's name
        """Return whether a field is set."""


def of_period(query: Any, request: PeriodRequest) -> Any:
    """Narrow a query of loans to those of a report; to all loans if nothing is set. Raises `FieldInvalid`."""
    check_values(request)
    conditions: list[Any] = []
    if request.HasField("start_time"):
        conditions.append(Loan.borrow_time >= micros(request.start_time))
    if request.HasField("end_time"):
        conditions.append(Loan.borrow_time < micros(request.end_time))
    if request.branch:
        conditions.append(Loan.branch == request.branch)
    return query.where(*conditions) if conditions else query
