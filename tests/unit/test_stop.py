"""A server stops when it gets the signal, at any moment."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from service_kit.server import StopSignal


@pytest.fixture(autouse=True)
def _handlers_as_before() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("step", range(1, 41))
def test_a_signal_is_handled_at_any_step_of_the_wait(step: int) -> None:
    """With an Event, a handler that ran while `wait` held the Event's lock waited for that lock for ever."""
    steps = 0

    def stop_at_the_step(*_: object) -> None:
        nonlocal steps
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # the last that it sets
            steps += 1
            if steps == step:
                sys.setprofile(None)
                os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    with signals_until_heard(signal.SIGTERM):  # where it waits before it comes to the step
        sys.setprofile(stop_at_the_step)
        try:
            StopSignal().wait()
        finally:
            sys.setprofile(None)


def test_ctrl_c_is_heard() -> None:
    with signals_until_heard(signal.SIGINT):
        StopSignal().wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_the_wait_ends_it(number: signal.Signals) -> None:
    """A server that was stopped as soon as it served, before it waited, ended by the signal, without its drain."""
    stop = StopSignal()
    os.kill(os.getpid(), number)
    stop.wait()


@contextmanager
def signals_until_heard(number: signal.Signals) -> Iterator[None]:
    """Send this process a signal again and again: on a busy machine the first may come before anybody listens."""
    heard = threading.Event()

    def send() -> None:
        while not heard.wait(0.05):
            if signal.getsignal(number) not in (signal.SIG_DFL, signal.default_int_handler):
                os.kill(os.getpid(), number)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        heard.set()
        sender.join()
