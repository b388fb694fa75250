"""How one caller sends its calls: by gRPC or over HTTP, patiently, with a short deadline, or breaking off."""

from __future__ import annotations

import enum
import http.client
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from tests.soak.library import Library
from tests.soak.methods import HttpCall, Method
from tests.soak.records import Records
from tests.support.clients import refusal_of

HANG_SECONDS = 100.0
"""Only a call that hangs takes longer, on the busiest machine."""

UNKNOWN = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"})
"""What these calls came to is not known: they may have been done."""

SLOW_SECONDS = 5.0
"""The servers refuse a call that has waited for 10 seconds. After this time it only shows that the machine is slow."""

UNDER_WAY = "a sync is still under way"
"""Why SyncNow is refused if the sync before it takes over 10 seconds: that shows, too, that the machine is slow."""

NEVER = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"})
"""No call of the soak may ever come to this."""

CHANNEL_OPTIONS = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # a connection for each caller
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 200),
]


THROTTLED = "SIGN_IN_THROTTLED"
"""The reason for which a sign-in has to wait after failures."""
FULL = frozenset({THROTTLED, "TOO_MANY_IMPORTS"})
"""Reasons that do not show a slow server: a sign-in has to wait after failures, an import for other imports."""


class Way(enum.Enum):
    """How a call is sent."""

    GRPC = "gRPC"
    GRPC_HURRIED = "gRPC, short deadline"
    GRPC_CANCELLED = "gRPC, cancelled"
    HTTP = "HTTP"
    HTTP_HURRIED = "HTTP, short deadline"
    HTTP_BROKEN_OFF = "HTTP, broken off"

    @property
    def is_patient(self) -> bool:
        """Whether the caller waits for the answer."""
        return self in (Way.GRPC, Way.HTTP)

    @property
    def is_http(self) -> bool:
        """Whether the call goes through library-rest."""
        return self in (Way.HTTP, Way.HTTP_HURRIED, Way.HTTP_BROKEN_OFF)


WAYS = [Way.GRPC] * 11 + [Way.HTTP] * 5 + [Way.GRPC_HURRIED, Way.GRPC_CANCELLED, Way.HTTP_HURRIED, Way.HTTP_BROKEN_OFF]


@dataclass(frozen=True)
class Outcome:
    """What a call came to."""

    status: str
    reason: str = ""
    message: str = ""
    answer: Any = None
    is_excused: bool = False
    """Whether it needs no kill: a kept connection may be closed when there was no request for a while."""

    @property
    def is_unknown(self) -> bool:
        """Whether the call may have been done or not. A server that is busy is asked again, too."""
        is_busy = self.status == "RESOURCE_EXHAUSTED" and self.reason != "TOO_MANY_IMPORTS"
        return self.status in UNKNOWN or is_busy


class Sender:
    """One caller's connections. `send` judges what every call has to keep to."""

    def __init__(self, library: Library, records: Records, chance: random.Random) -> None:
        self._library, self._records, self._chance = library, records, chance
        self._channels = {
            name: grpc.insecure_channel(process.address, CHANNEL_OPTIONS)
            for name, process in (("admin", library.admin), ("frontend", library.frontend))
        }
        self._stubs: dict[str, Any] = {}
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Close the connections."""
        for channel in self._channels.values():
            channel.close()
        self._hang_up()

    def send(self, method: Method, requests: list[Message], way: Way) -> Outcome:
        """Make a call. What cannot be sent over HTTP goes by gRPC."""
        call = method.http_call(requests) if way.is_http else None
        if way.is_http and call is None:
            way = Way.GRPC
        began = time.monotonic()
        outcome = self._by_http(method, call, way) if call is not None else self._by_grpc(method, requests, way)
        ended = time.monotonic()
        self._records.note(method.name, way.value, outcome.status, outcome.reason, ended - began)
        self._judge(method, requests, way, outcome, (began, ended))
        return outcome

    def _judge(
        self, method: Method, requests: list[Message], way: Way, outcome: Outcome, when: tuple[float, float]
    ) -> None:
        problem, is_slow = "", when[1] - when[0] > SLOW_SECONDS
        # A caller of SyncNow shares the outcome of a run that others have waited for, maybe for long.
        is_excused = outcome.is_excused or (outcome.reason == "ADMIN_UNAVAILABLE" and UNDER_WAY in outcome.message)
        may_be_unavailable = is_slow or is_excused or self._library.was_disturbed(*when)
        is_exhausted = outcome.status == "RESOURCE_EXHAUSTED" and outcome.reason not in FULL and not is_slow
        if outcome.status in NEVER or is_exhausted:
            problem = "may never be"
        elif outcome.status == "DEADLINE_EXCEEDED" and way.is_patient:
            problem = f"hangs: no answer in {when[1] - when[0]:.0f} s"
        elif outcome.status == "UNAVAILABLE" and not may_be_unavailable:
            problem = "no process was killed"
        elif outcome.status == "CANCELLED" and way.is_patient and not self._library.was_disturbed(*when):
            problem = "it was not cancelled"
        if problem:
            shown = str(requests[0] if requests else "")[:500]
            self._records.fault(f"{method.name} by {way.value}: {outcome} ({problem}), for {shown}")

    # --- gRPC ---

    def _by_grpc(self, method: Method, requests: list[Message], way: Way) -> Outcome:
        if method.name not in self._stubs:
            self._stubs[method.name] = method.stub(self._channels[method.server])
        sent: Any = iter(requests) if method.descriptor.client_streaming else requests[0]
        deadline = self._chance.uniform(0.001, 0.05) if way is Way.GRPC_HURRIED else HANG_SECONDS
        try:
            if method.descriptor.server_streaming:
                return self._streamed(self._stubs[method.name], sent, deadline)
            future = self._stubs[method.name].future(sent, timeout=deadline)
            if way is Way.GRPC_CANCELLED:
                self._cancel_soon(future)
            return Outcome("OK", answer=future.result())
        except grpc.FutureCancelledError:
            return Outcome("CANCELLED")
        except grpc.RpcError as error:
            refusal = refusal_of(error)
            return Outcome(refusal.code.name, refusal.reason, refusal.message)

    def _streamed(self, stub: Any, sent: Any, deadline: float) -> Outcome:
        """Read the first answer of a stream, which may have no end, and cancel it."""
        answers = stub(sent, timeout=deadline)
        try:
            return Outcome("OK", answer=next(answers, None))
        finally:
            answers.cancel()

    def _cancel_soon(self, future: Any) -> None:
        event = threading.Event()
        future.add_done_callback(lambda _: event.set())
        event.wait(self._chance.uniform(0.0, 0.03))
        future.cancel()

    # --- HTTP ---

    def _by_http(self, method: Method, call: HttpCall, way: Way) -> Outcome:
        is_kept = self._connection is not None and self._connection.sock is not None
        try:
            response = self._response_to(call, way)
            if response is None:
                return Outcome("CANCELLED")
            body = response.read()
        except TimeoutError:
            self._hang_up()
            return Outcome("DEADLINE_EXCEEDED")
        except (OSError, http.client.HTTPException) as error:
            self._hang_up()
            return Outcome("UNAVAILABLE", message=repr(error), is_excused=is_kept)
        if response.status == 200:
            return Outcome("OK", answer=json_format.Parse(body, method.answer_type()))
        return _refused(response.status, body)

    def _response_to(self, call: HttpCall, way: Way) -> http.client.HTTPResponse | None:
        """Send a request; return the head of its answer, or None where this client broke off."""
        if self._connection is None or self._chance.random() < 0.02:
            self._hang_up()
            host, _, port = self._library.rest.address.rpartition(":")
            self._connection = http.client.HTTPConnection(host, int(port), timeout=HANG_SECONDS)
        headers = {} if call.body is None else {"Content-Type": call.content_type}
        if way is Way.HTTP_HURRIED:
            headers["Grpc-Timeout"] = f"{self._chance.randint(1, 50)}m"
        self._connection.request(call.verb, call.path, call.body, headers)
        if way is Way.HTTP_BROKEN_OFF:
            time.sleep(self._chance.uniform(0.0, 0.02))
            self._hang_up()
            return None
        return self._connection.getresponse()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _refused(status: int, body: bytes) -> Outcome:
    """Read an error by AIP-193. One in another form, or any 500, is an INTERNAL."""
    try:
        error = json.loads(body)["error"]
        reasons = [detail["reason"] for detail in error.get("details", []) if "reason" in detail]
        outcome = Outcome(error["status"], reasons[0] if reasons else "", error["message"])
    except (ValueError, KeyError, TypeError):
        return Outcome("INTERNAL", message=f"HTTP {status} with {body[:300]!r}")
    return Outcome("INTERNAL", outcome.reason, outcome.message) if status == 500 else outcome


def plain(way_of: Callable[[], Way]) -> Way:
    """Choose a way until it is one that waits for its answer."""
    while not (way := way_of()).is_patient:
        pass
    return way
