"""One run of some work for all who ask for it at about the same time."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from service_kit.calls.current import check_wanted

Outcome = TypeVar("Outcome")

LOOK_SECONDS = 1.0
"""How often one who waits looks whether its own client still waits."""


class _Run(Generic[Outcome]):
    is_over = False
    is_wished = False
    outcome: Outcome
    error: Exception | None = None


class SharedRun(Generic[Outcome]):
    """Work that is done by one thread at a time; all who ask while it runs share the next run.

    A run is for those who asked before it began, so it covers what they changed before they asked.
    """

    def __init__(self, work: Callable[[bool], Outcome], shared_failure: type[Exception]) -> None:
        """Run `work`, which is passed whether any of those it is for has a wish.

        A `shared_failure` of a run is also the outcome for those who wait for the next one. It is for failures that
        would only be waited for again.
        """
        self._work = work
        self._shared_failure = shared_failure
        self._condition = threading.Condition()
        self._is_running = False
        self._next: _Run[Outcome] | None = None

    def join(self, *, wish: bool) -> Outcome:
        """Return, or raise, the outcome of a run that begins after this call.

        Raises:
            CallCancelled: The client of the call that this thread works for does not wait any more.
        """
        with self._condition:
            run = self._next = self._next or _Run()
            run.is_wished |= wish
            while self._is_running and not run.is_over:
                self._condition.wait(LOOK_SECONDS)
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
            # In a context of its own: it does not end early because the call that leads it was cancelled.
            run.outcome = contextvars.Context().run(self._work, run.is_wished)
        except Exception as error:  # noqa: BLE001 - it is raised to all that the run is for
            run.error = error
        with self._condition:
            self._is_running = False
            run.is_over = True
            if isinstance(run.error, self._shared_failure) and self._next is not None:
                self._next.error, self._next.is_over = run.error, True
                self._next = None
            self._condition.notify_all()
