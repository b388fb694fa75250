"""One call of a server, from its headers until it is over, and how to end it."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc
from grpc import _server
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from service_kit.errors import ServiceError, rich_status
from service_kit.ids import REQUEST_ID_HEADER, request_id_in

if TYPE_CHECKING:
    from service_kit.calls.register import Register

WAIT_SECONDS = 10.0
"""How long a call waits for its turn, in line for a thread and for the store's writer lock together, before it is
refused. A client with a deadline of its own that is shorter gets no work done for it after that."""

_UNUSED = b""


class Stage(enum.Enum):
    """Where a call is."""

    ARRIVING = "its message has not arrived"
    WAITING = "it waits for a thread"
    RUNNING = "its handler runs"
    READING = "its handler waits for the client's next message"
    SENDING = "its handler waits until the client has read a message"
    IDLE = "its handler has nothing to send at present, as in a watch"
    LEAVING = "its answer has not left this process"


# Python looks up the member of an enum much more slowly than a global.
ARRIVING, WAITING, RUNNING, READING = Stage.ARRIVING, Stage.WAITING, Stage.RUNNING, Stage.READING
SENDING, IDLE, LEAVING = Stage.SENDING, Stage.IDLE, Stage.LEAVING
WAIT_FOR_CLIENT = (READING, SENDING, IDLE)


class Call:
    """One call. Its fields belong to the `Register`, but for the stage while its handler runs."""

    __slots__ = (
        "_deadline",
        "_peer",
        "answer_bytes",
        "came",
        "ending",
        "event",
        "give_up_at",
        "holds_answer",
        "is_displaced",
        "is_over",
        "is_read",
        "is_running",
        "is_stream",
        "method",
        "register",
        "since",
        "size",
        "stage",
        "start",
        "state",
    )

    def __init__(self, event: Any, state: Any, method: str) -> None:
        """Take grpcio's event with which the call came, and its state. The event of a registered method has no name."""
        self.method = method
        self.event = event
        self.state = state
        self._peer: bytes | None = None
        self.stage = ARRIVING
        self.came = self.since = time.monotonic()
        self._deadline: float = self.came + event.call_details.deadline - time.time()  # the wall clock may be set
        self.give_up_at = self.came + WAIT_SECONDS
        self.size = 0
        """Bytes that it holds of the server's: of its request while it waits and runs, then of its answer."""
        self.is_stream = self.holds_answer = False
        self.is_read = False
        """Whether it changes nothing, so that its answer may be refused or dropped without loss."""
        """Whether its messages are read by its handler."""
        self.is_displaced = self.is_over = False
        self.is_running = False
        """Whether a handler may still run, also when the call itself is over."""
        self.ending: ServiceError | None = None
        """Why its handler is to end it, when next it waits for the client."""
        self.start: Callable[[Call], object] = _nothing
        """Runs its handler. It must not refer to the call: the garbage collector would have to free both."""
        self.register: Register
        """Where it is registered."""
        self.answer_bytes = 0

    @property
    def peer(self) -> bytes:
        """The connection: the address and port of its client."""
        if self._peer is None:
            self._peer = self.event.call.peer()
        return self._peer

    def is_wanted(self) -> bool:
        """Whether its handler is to go on: also a stream's whose client has gone, once it has all messages.

        What came before is committed already. A handler learns from `ClientStream` that its stream was cut off.
        """
        return self.is_stream or self.is_active()

    def is_active(self) -> bool:
        """Whether the client still waits for the answer: it has neither cancelled, nor has its deadline passed."""
        state = self.state
        return state.client != _server._CANCELLED and not state.statused and self._deadline > time.monotonic()

    def request_id(self) -> str:
        """Return the id that the client sent, or one made here."""
        return request_id_in(self.event.invocation_metadata)

    def is_server_open(self) -> bool:
        """Whether the server lets calls in."""
        return self.register.is_open

    def has_waited_too_long(self) -> bool:
        """Whether its turn comes so late that it is refused instead."""
        return time.monotonic() > self.give_up_at

    def refuse(self, error: ServiceError) -> None:
        """End a call whose handler has not begun. Does nothing when it has ended already."""
        self.release()
        state = self.state
        with state.condition:
            if state.statused:
                return
            identity = self.request_id()
            details = rich_status(error, identity).SerializeToString()
            state.trailing_metadata = (("grpc-status-details-bin", details), (REQUEST_ID_HEADER, identity))
            state.code = error.status
            state.details = str(error).encode()
            _server._abort(state, self.event.call, cygrpc.StatusCode.unknown, _UNUSED)

    def refuse_as_grpcio(self, code: grpc.StatusCode, details: str) -> None:
        """End a call as grpcio would, with a status alone, where it is the protocol that the client does not keep."""
        with self.state.condition:
            if not self.state.statused:
                self.state.code = code
                _server._abort(self.state, self.event.call, cygrpc.StatusCode.unknown, details.encode())

    def interrupt(self, error: ServiceError) -> None:
        """Have the handler end the call with `error`, if it still waits for the client's next message."""
        with self.state.condition:
            if self.stage is READING:
                self.ending = error
                self.state.condition.notify_all()

    def waits(self, stage: Stage) -> None:
        """Note that the handler waits for the client from now on."""
        self.since = time.monotonic()
        self.stage = stage

    def goes_on(self) -> None:
        """Note that the handler has its thread's time again."""
        self.stage = RUNNING
        self.give_up_at = time.monotonic() + WAIT_SECONDS

    def release(self) -> None:
        """Drop what its handler needed, when it has returned or is not to begin.

        That is the request, and what would keep the call in memory until the garbage collector runs: the exceptions
        that ended it refer to it by their tracebacks.
        """
        self.start = _nothing
        self.ending = None
        for error in self.state.rpc_errors:  # each is a local variable of the function that raised it
            error.__traceback__ = None
        self.state.rpc_errors.clear()

    def cut_off(self) -> None:
        """Drop what is left of the call. A client that has not read its answer finds it cancelled."""
        self.event.call.cancel()


def _nothing(_call: Call) -> None:
    pass
