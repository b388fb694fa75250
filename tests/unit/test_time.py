"""Times survive their way through the stores."""

from __future__ import annotations

import time

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from library.v1.loan_pb2 import LOAN_STATE_ACTIVE, LOAN_STATE_OVERDUE, LOAN_STATE_RETURNED, LoanState
from library_domain.loans import loan_state
from service_kit.clock import micros, system_clock, timestamp

# From the year 1 to the year 9999, which is the range of a Timestamp.
MICROS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)


@given(MICROS)
def test_microseconds_are_kept_exactly(moment: int) -> None:
    assert micros(timestamp(moment)) == moment
    assert 0 <= timestamp(moment).nanos < 1_000_000_000


def test_what_is_finer_than_a_microsecond_is_cut_off() -> None:
    assert micros(Timestamp(seconds=1, nanos=1_999)) == 1_000_001


def test_the_system_clock_shows_the_time() -> None:
    before = time.time()
    now = system_clock() / 1_000_000
    assert before - 0.001 <= now <= time.time() + 0.001


@pytest.mark.parametrize(
    ("due_time", "return_time", "state"),
    [
        (1_000, None, LOAN_STATE_ACTIVE),
        (999, None, LOAN_STATE_OVERDUE),
        (1_001, None, LOAN_STATE_ACTIVE),
        (999, 500, LOAN_STATE_RETURNED),
        (999, 1_000, LOAN_STATE_RETURNED),
        (1_001, 0, LOAN_STATE_RETURNED),
    ],
)
def test_a_loan_has_the_state_of_the_time(due_time: int, return_time: int | None, state: LoanState.ValueType) -> None:
    assert loan_state(due_time, return_time, now=1_000) == state
