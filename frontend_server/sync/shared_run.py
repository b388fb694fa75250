"""One run of some work for all callers that request it at about the same time."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from service_kit.calls.current import check_wanted

Outcome = TypeVar("Outcome")

CHECK_SECONDS = 1.0
"""How often a waiting caller checks whether its own client still waits."""


class _Run(Generic[Outcome]):
    is_over = False
    has_flag = False
    outcome: Outcome
    error: Exception | None = None


class SharedRun(Generic[Outcome]):
    """Work that one thread at a time does. All callers that request it while it runs share the next run.

    A run is for the callers that requested it before it began, so it covers what they changed before.
    """

    def __init__(self, work: Callable[[bool], Outcome], shared_failure: type[Exception]) -> None:
        """Share runs of `work`, whose argument is True if any of its callers set the flag.

        If a run fails with `shared_failure`, the callers that wait for the next run get the same failure at once. It is
        for failures that the next run would have as well, after the same wait.
        """
        self._work = work
        self._shared_failure = shared_failure
        self._condition = threading.Condition()
        self._is_running = False
        self._next: _Run[Outcome] | None = None

    def join(self, *, flag: bool) -> Outcome:
        """Return, or raise, the outcome of a run that begins after this call.

        Raises:
            CallCancelled: The client of the call that this thread works for does not wait any more.
        """
        with self._condition:
            run = self._next = self._next or _Run()
            run.has_flag |= flag
            while self._is_running and not run.is_over:
                self._condition.wait(CHECK_SECONDS)
                if not run.is_over:
                    check_wanted()
            leads = not run.is_over
            if leads:
                self._is_running, self._next = True, None
        if leads:
            self._lead(run)
        if run.error is not None:
            raise run.error
        return run.outcome

    def _lead(self, run: _Run[Outcome]) -> None:
        try:
            # In a context of its own, so that the run does not end early when the call of this thread is cancelled.
            run.outcome = contextvars.Context().run(self._work, run.has_flag)
        except Exception as error:  # noqa: BLE001 - it is raised in all callers of the run
            run.error = error
        with self._condition:
            self._is_running = False
            run.is_over = True
            if isinstance(run.error, self._shared_failure) and self._next is not None:
                self._next.error, self._next.is_over = run.error, True
                self._next = None
            self._condition.notify_all()
