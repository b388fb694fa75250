"""Work that is asked for by many at once is done for all of them, after they asked."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from frontend_server.sync.shared_run import SharedRun
from service_kit.calls.current import CURRENT_CALL, CallCancelled

SECONDS = 100.0


class Work:
    """Work that goes on when it is let, and returns how many runs there have been."""

    def __init__(self) -> None:
        self.runs = 0
        self.wishes: list[bool] = []
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.error: Exception | None = None

    def __call__(self, wish: bool) -> int:
        assert CURRENT_CALL.get() is None
        self.runs += 1
        self.wishes.append(wish)
        number = self.runs
        self.begun.release()
        assert self.go_on.acquire(timeout=SECONDS)
        if self.error is not None:
            raise self.error
        return number


def wait_until_joined(shared: SharedRun[int], waiting: int) -> None:
    """Wait until this number of threads wait in `join`."""
    done = threading.Event()
    while len(shared._condition._waiters) < waiting:  # type: ignore[attr-defined]
        done.wait(0.001)


def test_those_who_ask_during_a_run_share_the_next_one() -> None:
    work = Work()
    shared = SharedRun(work, shared_failure=OSError)
    with ThreadPoolExecutor(41) as callers:
        first = callers.submit(shared.join, flag=False)
        assert work.begun.acquire(timeout=SECONDS)
        others = [callers.submit(shared.join, flag=number == 7) for number in range(40)]
        wait_until_joined(shared, 40)
        work.go_on.release(2)
        assert first.result(SECONDS) == 1
        assert {other.result(SECONDS) for other in others} == {2}
    assert work.wishes == [False, True]


@pytest.mark.parametrize(("error", "runs"), [(OSError, 1), (ValueError, 2)])
def test_a_failure_is_everybodys_and_some_failures_also_of_those_who_wait(error: type[Exception], runs: int) -> None:
    work = Work()
    work.error = error()
    shared = SharedRun(work, shared_failure=OSError)
    with ThreadPoolExecutor(11) as callers:
        first = callers.submit(shared.join, flag=False)
        assert work.begun.acquire(timeout=SECONDS)
        others = [callers.submit(shared.join, flag=False) for _ in range(10)]
        wait_until_joined(shared, 10)
        work.go_on.release(2)
        assert {type(caller.exception(SECONDS)) for caller in [first, *others]} == {error}
    assert work.runs == runs


def test_after_a_failure_it_runs_again() -> None:
    work = Work()
    work.go_on.release(2)
    shared = SharedRun(work, shared_failure=OSError)
    work.error = OSError("away")
    with pytest.raises(OSError, match="away"):
        shared.join(flag=False)
    work.error = None
    assert shared.join(flag=True) == 2


class Cancelled:
    def __init__(self) -> None:
        self.give_up_at = 0.0

    def is_wanted(self) -> bool:
        return False

    def is_server_open(self) -> bool:
        return True


def test_one_whose_client_has_left_waits_no_more_and_hinders_nobody() -> None:
    work = Work()
    shared = SharedRun(work, shared_failure=OSError)

    def ask_for_nobody() -> int:
        CURRENT_CALL.set(Cancelled())
        return shared.join(flag=False)

    with ThreadPoolExecutor(3) as callers:
        first = callers.submit(shared.join, flag=False)
        assert work.begun.acquire(timeout=SECONDS)
        assert isinstance(callers.submit(ask_for_nobody).exception(SECONDS), CallCancelled)
        work.go_on.release(2)
        assert first.result(SECONDS) == 1
    assert shared.join(flag=False) == 2
