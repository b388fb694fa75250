"""Lanes, which grpcio uses as thread pools: it submits each call to one when the headers have arrived.

grpcio's own handling of a call takes a thread first and waits for the message in it. A lane waits for the message
without a thread, asks the register for a place, and passes the call to a real pool when it is its turn. It uses
internals of grpcio (`grpc._server`), as `client_streams` does; `tests/e2e/test_open_calls.py` tests each of them.
"""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc
from grpc import _server
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from service_kit.calls.call import ARRIVING, READING, WAITING, Call, Stage
from service_kit.calls.current import CURRENT_CALL
from service_kit.calls.register import Lane, Register, late
from service_kit.calls.workers import Pool
from service_kit.errors import ServiceError
from service_kit.logs import logger
from service_kit.servicer import IS_READ

TAKES_ONE_MESSAGE = "takes_one_message"
"""Attribute of a handler's behavior: its call has one message, which is waited for without a thread."""

METHOD = "method"
"""Attribute of a handler's behavior: the full name of its method, such as `library.admin.v1.BookService/GetBook`."""

SWEEP_SECONDS = 1.0

log = logger(__name__)

_DONE: Future[None] = Future()
_DONE.set_result(None)


class OpenCalls:
    """The lanes of a server, and the thread that ends calls which have waited too long, or make room for others."""

    def __init__(self) -> None:
        self.register = Register(self._end_soon)
        self._lanes: list[Lane] = []
        self._endings: queue.SimpleQueue[tuple[Call, Stage, ServiceError] | None] = queue.SimpleQueue()
        self._ender = threading.Thread(target=self._run, name="call-ender", daemon=True)

    def lane(self, lane: Lane, pool: Pool) -> LanePool:
        """Add a lane whose calls run in `pool`."""
        self._lanes.append(lane)
        return LanePool(lane, self.register, pool)

    def start(self) -> None:
        """Start the thread that ends calls."""
        self._ender.start()

    def stop(self) -> None:
        """Stop the thread. No call may be open."""
        self._endings.put(None)
        if self._ender.is_alive():
            self._ender.join()

    def _end_soon(self, call: Call, stage: Stage, error: ServiceError) -> None:
        # In a thread of its own: it needs the lock of that call, and the caller may have the lock of another call.
        self._endings.put((call, stage, error))

    def _guarded(self, work: Callable[..., object], *arguments: object) -> None:
        """Call `work` and log its error: without this thread no call would be ended any more."""
        try:
            work(*arguments)
        except Exception:
            log.exception("a call could not be ended")

    def _run(self) -> None:
        swept = logged = 0
        while True:
            try:
                ending = self._endings.get(timeout=SWEEP_SECONDS)
            except queue.Empty:
                pass
            else:
                if ending is None:
                    return
                self._guarded(_end, *ending)
                swept += 1
                if swept % 100:
                    continue
            self._guarded(self.register.sweep, self._lanes)
            if self.register.refused > logged:
                log.warning("calls refused, too many are open", refused=self.register.refused - logged)
                logged = self.register.refused


def _end(call: Call, stage: Stage, error: ServiceError) -> None:
    if stage in (ARRIVING, WAITING):
        call.refuse(error)
    elif stage is READING:
        call.interrupt(error)
    else:
        call.cut_off()


class LanePool(ThreadPoolExecutor):
    """A lane in the form of a thread pool, without threads of its own."""

    def __init__(self, lane: Lane, register: Register, pool: Pool) -> None:
        """Run the calls of `lane` in `pool`."""
        super().__init__(1)
        self._lane = lane
        self._register = register
        self._pool = pool

    def submit(self, run_in_context: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        """Take a call whose headers have arrived, as `grpc._server._handle_unary_unary` and similar functions pass it.

        Runs in the thread in which grpcio handles all events, and does not wait.
        """
        respond, event, state, behavior, _argument, reader, writer = arguments
        call = Call(event, state, getattr(behavior, METHOD, ""))
        call.register = self._register
        call.is_read = getattr(behavior, IS_READ, False)
        state.callbacks.append(functools.partial(self._register.forget, call))
        start = functools.partial(run_in_context, _respond, respond, event, state, behavior, reader, writer)
        if getattr(behavior, TAKES_ONE_MESSAGE, False):
            self._register.arrive(call)
            self._await_message(call, reader, start)
        else:
            call.is_stream = True
            call.start = functools.partial(start, None)
            self._admit(call, 0)
        return _DONE

    def _await_message(self, call: Call, reader: Any, start: Callable[[Any], object]) -> None:
        state, core = call.state, call.event.call
        receive = _server._receive_message(state, core, reader)

        def received(event: Any) -> Any:
            outcome = receive(event)
            request, state.request = state.request, None
            if request is not None:
                call.start = functools.partial(start, request)
                self._admit(call, len(_server._serialized_request(event) or b""))
            elif state.client == _server._CLOSED:
                details = f'"/{call.method}" requires exactly one request message.'
                call.refuse_as_grpcio(grpc.StatusCode.UNIMPLEMENTED, details)
            return outcome

        with state.condition:
            core.start_server_batch((cygrpc.ReceiveMessageOperation(0),), received)
            state.due.add(_server._RECEIVE_MESSAGE_TOKEN)

    def _admit(self, call: Call, size: int) -> None:
        refusal, runs = self._register.admit(call, self._lane, size)
        if refusal is not None:
            call.refuse(refusal)
        elif runs:
            self._pool.submit(self._run, call)

    def _run(self, call: Call) -> None:
        try:
            # A call that waited behind others in the pool may have been cancelled meanwhile.
            if not call.is_active():
                log.info("call cancelled", method=call.method, request_id=call.request_id())
            elif call.has_waited_too_long():
                call.refuse(late())
            else:
                call.start(call)
        finally:
            call.release()
            following = self._register.finish(call, self._lane)
            if following is not None:
                self._pool.submit(self._run, following)


def _respond(
    respond: Callable[..., Any],
    event: Any,
    state: Any,
    behavior: Any,
    reader: Any,
    writer: Any,
    request: Any,
    call: Call,
) -> None:
    """Call one of grpcio's `_…_response_in_pool`, which is passed a function that returns the request.

    `request` is None where the handler reads a stream.
    """
    argument = TimedRequests(call, reader) if request is None else request
    token = CURRENT_CALL.set(call)
    try:
        respond(event, state, behavior, lambda: argument, reader, writer)
    finally:
        # The state keeps this context, and the call keeps the state.
        CURRENT_CALL.reset(token)


class TimedRequests(_server._RequestIterator):
    """The messages of a client's stream. The wait for the next one can be ended with a reason."""

    def __init__(self, call: Call, reader: Any) -> None:
        super().__init__(call.state, call.event.call, reader)
        self._kit_call = call

    def _next(self) -> Any:
        call = self._kit_call
        with self._state.condition:
            self._raise_or_start_receive_message()
            call.waits(READING)
            try:
                while True:
                    self._state.condition.wait()
                    if call.ending is not None:
                        raise call.ending
                    request = self._look_for_request()
                    if request is not None:
                        return request
            finally:
                call.goes_on()
