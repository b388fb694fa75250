"""Which of the admin's outcomes the frontend accepts."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from frontend_server.sync.answers import AnswerRefused, check_outcomes
from library.sync.v1.sync_service_pb2 import RECORD_RESULT_REFUSED, RecordOutcome, RecordStatesResponse


@dataclass
class Row:
    id: str


@pytest.mark.parametrize("returned", ["x" * 5_000, "x" * 6_000])
def test_an_outcome_may_have_the_beginning_of_a_long_id(returned: str) -> None:
    """Only a damaged row has one; it is to be parked, and not to stop the sync."""
    outcomes = [RecordOutcome(id=returned, result=RECORD_RESULT_REFUSED)]
    check_outcomes([Row("x" * 6_000)], RecordStatesResponse(outcomes=outcomes, receipt="r"), 1)


@pytest.mark.parametrize("returned", ["", "x" * 4_999, "y" * 5_000])
def test_an_outcome_of_another_id_is_refused(returned: str) -> None:
    outcomes = [RecordOutcome(id=returned, result=RECORD_RESULT_REFUSED)]
    with pytest.raises(AnswerRefused):
        check_outcomes([Row("x" * 6_000)], RecordStatesResponse(outcomes=outcomes, receipt="r"), 1)
