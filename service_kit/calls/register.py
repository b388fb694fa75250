"""The register of a server's open calls: who gets a place, who waits, and whose call is ended to make room.

A call has a place of its lane from the arrival of its message until its handler has returned, whether the client still
waits or not. Before and after that, other limits apply: to the number of calls whose message has not arrived, and to
the bytes of answers. Over these limits no new call is refused; the call that has waited longest for its client is
ended. So calls that make no progress do not keep out others.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from service_kit.calls.call import (
    ARRIVING,
    LEAVING,
    READING,
    RUNNING,
    SENDING,
    WAIT_FOR_CLIENT,
    WAITING,
    Call,
    Stage,
)
from service_kit.calls.current import WAIT_SECONDS
from service_kit.errors import CallIdle, ServerBusy, ServiceError

CLIENT_SECONDS = 30.0
"""The longest that a call waits for its client: for a message, or until an answer is read."""

STREAM_SECONDS = 600.0
"""The longest time for a whole stream of a client. An import of 20,000 rows takes seconds."""

YIELDS_AFTER_SECONDS = 1.0
"""A stream that has waited for its client for this time loses its place to another call that needs it."""

MOST_ARRIVING = 256
"""The most calls whose message has not arrived. It is nearly always in the same packet as the headers."""

SERVER_BYTES = 64 * 1024 * 1024
"""The most bytes of requests in memory, and of answers: 16 of the largest messages each."""

CONNECTION_BYTES = 16 * 1024 * 1024
"""The most bytes in memory for one connection."""

SMALL_BYTES = 64 * 1024
"""A message up to this size is not refused for its bytes, although they are counted. The number of such messages is
limited by the streams of a connection."""

CALL_BYTES = 16 * 1024
"""The approximate memory of an open call in addition to its message."""

_BYTES_OF_CONNECTION = "bytes of requests and unread answers of one connection"

End = Callable[[Call, Stage, ServiceError], None]


@dataclass(eq=False)
class Lane:
    """Places for calls of one kind, which calls of other kinds cannot take."""

    name: str
    places: int
    """Calls that run or wait for a thread."""
    most_running: int
    connection_places: int | None = None
    """Places that one connection may take; None is all of them."""
    calls: dict[Call, None] = field(default_factory=dict)
    waiting: OrderedDict[Call, None] = field(default_factory=OrderedDict)
    running: int = 0


class Register:
    """The open calls of a server."""

    def __init__(self, end: End) -> None:
        """Make an empty register. It calls `end`, which must not wait, for each call that is to be ended."""
        self._end = end
        self._lock = threading.Lock()
        self._arriving: OrderedDict[Call, None] = OrderedDict()
        self._leaving: OrderedDict[Call, None] = OrderedDict()
        self._request_bytes = self._answer_bytes = 0
        self._connection_bytes: dict[bytes, int] = {}
        """The bytes of each connection, of messages over `SMALL_BYTES`."""
        self._lane_of: dict[Call, Lane] = {}
        self.refused = 0
        self.is_open = False
        """Whether methods let calls in: see `service_kit.calls.steps.readiness`."""

    def arrive(self, call: Call) -> None:
        """Register a call whose message has not arrived.

        Over the limit, the connection with the most such calls loses its oldest one.
        """
        with self._lock:
            self._arriving[call] = None
            if len(self._arriving) > MOST_ARRIVING:
                oldest = _oldest_of_largest(self._arriving, Counter(each.peer for each in self._arriving))
                del self._arriving[oldest]
                self._leave(oldest)
                self._end(oldest, ARRIVING, _busy(MOST_ARRIVING, "calls without their message"))

    def admit(self, call: Call, lane: Lane, size: int) -> tuple[ServiceError | None, bool]:
        """Find a place in a lane for a call with a request of `size` bytes.

        Returns:
            The error with which to refuse the call, if any; and whether to run it now, or when `finish` returns it.
        """
        with self._lock:
            if call.is_over or call.stage is not ARRIVING:  # it has ended before this
                return None, False
            self._arriving.pop(call, None)
            refusal = self._find_place(call, lane, size)
            if refusal is not None:
                self.refused += 1
                self._leave(call)
                return refusal, False
            if size > SMALL_BYTES:
                self._resize(call, size)
            lane.calls[call] = None
            if lane.running < lane.most_running:
                self._run(call, lane)
                return None, True
            call.stage = WAITING
            lane.waiting[call] = None
            self._lane_of[call] = lane
            return None, False

    def answer(self, call: Call, size: int) -> ServiceError | None:
        """Count the bytes of a call's answer before it is sent; return the error with which to refuse it, if any.

        Only answers of reads are refused, as other calls have made their changes.
        """
        if size > SMALL_BYTES:
            with self._lock:
                others = self._connection_bytes.get(call.peer, 0) - (call.size if call.size > SMALL_BYTES else 0)
                if others + size > CONNECTION_BYTES and call.is_read:
                    self.refused += 1
                    return _busy(CONNECTION_BYTES, _BYTES_OF_CONNECTION)
                self._count_answer(call, size)
        call.answer_bytes = size
        return None

    def finish(self, call: Call, lane: Lane) -> Call | None:
        """Note that a call's handler has returned; return the call to run next, if any."""
        with self._lock:
            call.is_running = False
            lane.running -= 1
            del lane.calls[call]
            if not call.is_over:
                self._leave(call)
            elif call.size:
                self._resize(call, 0)
            if lane.waiting and lane.running < lane.most_running:
                following = lane.waiting.popitem(last=False)[0]
                del self._lane_of[following]
                self._run(following, lane)
                return following
        return None

    def forget(self, call: Call) -> None:
        """Note that a call is over: its answer was sent or dropped."""
        with self._lock:
            call.is_over = True
            if call.is_running:
                return  # `finish` does the rest
            if call.stage is LEAVING:
                self._leaving.pop(call, None)
                if call.size:
                    self._resize(call, 0)
            elif call.stage is WAITING:
                self._stop_waiting(call)
                self._resize(call, 0)
            else:
                self._arriving.pop(call, None)

    def sweep(self, lanes: Iterable[Lane]) -> None:
        """End the calls that have waited too long, for their client or for their turn."""
        now = time.monotonic()
        with self._lock:
            for call in [call for call in self._lane_of if now > call.give_up_at]:
                self._stop_waiting(call)
                self._leave(call)
                self._end(call, WAITING, late())
            self._end_slow(lanes, now)

    def is_empty(self) -> bool:
        """Whether no call is open."""
        return not (self._arriving or self._leaving or self._lane_of or self._held())

    def _find_place(self, call: Call, lane: Lane, size: int) -> ServiceError | None:
        """Return the error if there is no place, after ending another call to make one if possible."""
        if size > SMALL_BYTES:
            if self._connection_bytes.get(call.peer, 0) + size > CONNECTION_BYTES:
                return _busy(CONNECTION_BYTES, _BYTES_OF_CONNECTION)
            if self._request_bytes + size > SERVER_BYTES:
                return _busy(SERVER_BYTES, "bytes of requests")
        if lane.connection_places is not None and len(lane.calls) >= lane.connection_places:
            own = [other for other in lane.calls if other.peer == call.peer]
            if len(own) >= lane.connection_places:
                return self._displace(own, lane.connection_places, f"open {lane.name} of one connection")
        if len(lane.calls) >= lane.places:
            return self._displace(list(lane.calls), lane.places, f"open {lane.name}")
        return None

    def _displace(self, calls: list[Call], limit: int, what: str) -> ServiceError | None:
        """End one of these calls: of the connection with the most, the one that has waited longest for its client.

        Returns the error for the new call if none of them waits for its client.
        """
        latest = time.monotonic() - YIELDS_AFTER_SECONDS
        idle = [call for call in calls if call.stage in WAIT_FOR_CLIENT and call.since < latest]
        idle = [call for call in idle if not call.is_displaced]
        if not idle:
            return _busy(limit, what)
        counts = Counter(call.peer for call in idle)
        victim = max(idle, key=lambda call: (counts[call.peer], -call.since))
        victim.is_displaced = True
        self._end(victim, victim.stage, _busy(limit, what))
        return None

    def _drop_answers(self) -> None:
        """Drop answers until their bytes are within the limit: always the oldest of the connection with the most bytes.

        Large answers of reads are dropped first, as nothing is lost with them.
        """
        while self._answer_bytes > SERVER_BYTES and self._leaving:
            large_reads = [call for call in self._leaving if call.is_read and call.size > SMALL_BYTES]
            victims = large_reads or self._leaving
            held: Counter[bytes] = Counter()
            for call in victims:
                held[call.peer] += call.size
            victim = _oldest_of_largest(victims, held)
            del self._leaving[victim]
            self._resize(victim, 0)
            self._end(victim, LEAVING, _busy(SERVER_BYTES, "bytes of unread answers"))

    def _run(self, call: Call, lane: Lane) -> None:
        lane.running += 1
        call.is_running = True
        call.stage = RUNNING

    def _stop_waiting(self, call: Call) -> None:
        lane = self._lane_of.pop(call)
        del lane.waiting[call], lane.calls[call]

    def _leave(self, call: Call) -> None:
        call.stage = LEAVING
        call.since = time.monotonic()
        self._leaving[call] = None
        self._count_answer(call, call.answer_bytes)

    def _count_answer(self, call: Call, size: int) -> None:
        """Count an answer of `size` bytes instead of the request."""
        if not call.is_answered:
            self._resize(call, 0)
            call.is_answered = True
        before = call.size
        self._resize(call, size + CALL_BYTES)
        if call.size > before and self._answer_bytes > SERVER_BYTES:
            self._drop_answers()

    def _held(self) -> int:
        return self._request_bytes + self._answer_bytes + len(self._connection_bytes)

    def _resize(self, call: Call, size: int) -> None:
        """Change the bytes that are counted for a call: of its request or, later, of its answer."""
        before, call.size = call.size, size
        if call.is_answered:
            self._answer_bytes += size - before
        else:
            self._request_bytes += size - before
        if before > SMALL_BYTES or size > SMALL_BYTES:
            held = self._connection_bytes.pop(call.peer, 0)
            held += (size if size > SMALL_BYTES else 0) - (before if before > SMALL_BYTES else 0)
            if held:
                self._connection_bytes[call.peer] = held

    def _end_slow(self, lanes: Iterable[Lane], now: float) -> None:
        latest = now - CLIENT_SECONDS
        for call in _older(self._arriving, latest):
            del self._arriving[call]
            self._leave(call)
            self._end(call, ARRIVING, _idle("send its message", CLIENT_SECONDS))
        for call in _older(self._leaving, latest):
            del self._leaving[call]
            self._resize(call, 0)
            self._end(call, LEAVING, _idle("read its answer", CLIENT_SECONDS))
        for lane in lanes:
            for call in lane.calls:
                error = _slow(call, now)
                if error is not None:
                    self._end(call, call.stage, error)


def _oldest_of_largest(calls: Iterable[Call], held: Counter[bytes]) -> Call:
    """Return the first of these calls whose connection has the most in `held`."""
    largest = max(held.values())
    return next(call for call in calls if held[call.peer] == largest)


def _older(calls: Iterable[Call], latest: float) -> list[Call]:
    """Return the calls that have waited since `latest` or longer. `calls` are in the order of their times."""
    older = []
    for call in calls:
        if call.since > latest:
            break
        older.append(call)
    return older


def _slow(call: Call, now: float) -> ServiceError | None:
    stage = call.stage
    if stage not in (READING, SENDING):
        return None
    if now - call.since > CLIENT_SECONDS:
        return _idle("send the next message of its stream" if stage is READING else "read its answer", CLIENT_SECONDS)
    if stage is READING and now - call.came > STREAM_SECONDS:
        return _idle("end its stream", STREAM_SECONDS)
    return None


def _idle(action: str, seconds: float) -> CallIdle:
    return CallIdle(action=action, seconds=f"{seconds:.0f}")


def _busy(limit: int, what: str) -> ServerBusy:
    return ServerBusy(limit=f"{limit:,} {what}")


def late() -> ServerBusy:
    """Return the error for a call that has waited too long for its turn."""
    return ServerBusy(limit=f"{WAIT_SECONDS:.0f} seconds in line")
