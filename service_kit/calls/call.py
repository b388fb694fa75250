"""One call of a server, from its headers until it is over, and how to end it."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc
from grpc import _server
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from service_kit.calls.current import WAIT_SECONDS
from service_kit.errors import ServiceError, rich_status
from service_kit.ids import REQUEST_ID_HEADER, request_id_in

if TYPE_CHECKING:
    from service_kit.calls.register import Register

_UNUSED = b""


class Stage(enum.Enum):
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
    """One call. Only the `Register` writes its fields, except for the stage while the handler runs."""

    __slots__ = (
        "_deadline",
        "_peer",
        "answer_bytes",
        "came",
        "ending",
        "event",
        "give_up_at",
        "is_answered",
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
        """Take the event by which grpcio announced the call, and its state. A registered method's event has no name."""
        self.method = method
        self.event = event
        self.state = state
        self._peer: bytes | None = None
        self.stage = ARRIVING
        self.came = self.since = time.monotonic()
        self._deadline: float = self.came + event.call_details.deadline - time.time()  # the wall clock may be set
        self.give_up_at = self.came + WAIT_SECONDS
        self.size = 0
        """Bytes of memory that it uses: of its request while it waits and runs, then of its answer."""
        self.is_answered = False
        self.is_stream = False
        """Whether its handler reads its messages."""
        self.is_read = False
        """Whether it changes nothing, so that its answer may be refused or dropped without loss."""
        self.is_displaced = self.is_over = False
        self.is_running = False
        """Whether a handler may still run; it may do so after the call itself is over."""
        self.ending: ServiceError | None = None
        """The error with which its handler ends it the next time that it waits for the client."""
        self.start: Callable[[Call], object] = _nothing
        """Runs its handler. It must not refer to the call: the garbage collector would have to free both."""
        self.register: Register
        """Where it is registered."""
        self.answer_bytes = 0

    @property
    def peer(self) -> bytes:
        """The address and port of the client, which identify the connection."""
        if self._peer is None:
            self._peer = self.event.call.peer()
        return self._peer

    def is_wanted(self) -> bool:
        """Return whether its handler is to go on: of a stream also if the client has gone after its last message.

        Earlier batches of a stream are committed already. `ClientStream` raises an error for a stream that was cut off.
        """
        return self.is_stream or self.is_active()

    def is_active(self) -> bool:
        """Return whether the client still waits: it has not cancelled, and its deadline has not passed."""
        state = self.state
        return state.client != _server._CANCELLED and not state.statused and self._deadline > time.monotonic()

    def request_id(self) -> str:
        """Return the id that the client sent, or a new one."""
        return request_id_in(self.event.invocation_metadata)

    def is_server_open(self) -> bool:
        """Return whether the server lets calls in."""
        return self.register.is_open

    def has_waited_too_long(self) -> bool:
        """Return whether it has waited longer than `WAIT_SECONDS` for its turn."""
        return time.monotonic() > self.give_up_at

    def refuse(self, error: ServiceError) -> None:
        """End a call whose handler has not begun, unless it has ended already."""
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
        """End a call with a status and no details, as grpcio ends a call that breaks the protocol."""
        with self.state.condition:
            if not self.state.statused:
                self.state.code = code
                _server._abort(self.state, self.event.call, cygrpc.StatusCode.unknown, details.encode())

    def interrupt(self, error: ServiceError) -> None:
        """Make the handler end the call with `error`, if it still waits for the client's next message."""
        with self.state.condition:
            if self.stage is READING:
                self.ending = error
                self.state.condition.notify_all()

    def waits(self, stage: Stage) -> None:
        """Note that the handler waits for the client from now on."""
        self.since = time.monotonic()
        self.stage = stage

    def goes_on(self) -> None:
        """Note that the handler runs again."""
        self.stage = RUNNING
        self.give_up_at = time.monotonic() + WAIT_SECONDS

    def release(self) -> None:
        """Drop the references that keep a call in memory after its handler has returned, or will not begin.

        They are the request and the exceptions that ended the call, whose tracebacks refer to it. With them, it would
        stay until the garbage collector runs.
        """
        self.start = _nothing
        self.ending = None
        for error in self.state.rpc_errors:  # each is a local variable of the function that raised it
            error.__traceback__ = None
        self.state.rpc_errors.clear()

    def cut_off(self) -> None:
        """Cancel the call. A client that has not read its answer gets the status CANCELLED."""
        self.event.call.cancel()


def _nothing(_call: Call) -> None:
    pass
