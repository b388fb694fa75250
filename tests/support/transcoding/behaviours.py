"""Methods that fail, that take long, and that never end: what a client of any server has to live with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.any_pb2 import Any as Packed
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status

from tests.support.transcoding.contracts import PACKAGE, Contract, Rule
from tests.support.transcoding.server import Behaviour

ECHO = Rule('get: "/v1/echo/{text}"', method="Echo")
SEND = Rule('post: "/v1/messages" body: "*"', takes="SendRequest", method="Send")
TAGGED = Rule('get: "/v1/tagged/{text}"', takes="Tagged", method="GetTagged")
FAIL = Rule('post: "/v1/fail" body: "*"', takes="FailRequest", returns="Everything", method="Fail")
FAIL_IN_DETAIL = Rule(
    'post: "/v1/fail:detailed" body: "*"', takes="FailRequest", returns="Everything", method="FailInDetail"
)
FAIL_GARBLED = Rule(
    'post: "/v1/fail:garbled" body: "*"', takes="FailRequest", returns="Everything", method="FailGarbled"
)
BREAK_OFF = Rule('post: "/v1/break" body: "*"', takes="FailRequest", returns="stream Everything", method="BreakOff")
SLEEP = Rule('get: "/v1/sleep"', takes="SleepRequest", returns="Everything", method="Sleep")
BREAK_RAW = Rule('get: "/v1/raw:broken"', returns="stream google.api.HttpBody", method="BreakRaw")
NOTHING = Rule('post: "/v1/nothing" body: "*"', returns="Everything", method="Nothing")
LARGE = Rule('get: "/v1/large"', returns="Everything", method="Large")
TICK = Rule('get: "/v1/ticks"', returns="stream Everything", method="Tick")

RULES = [ECHO, SEND, TAGGED, FAIL, FAIL_IN_DETAIL, FAIL_GARBLED, BREAK_OFF, SLEEP, BREAK_RAW, NOTHING, LARGE, TICK]

POLL_SECONDS = 0.01


@dataclass
class Behaviours:
    """What the methods do, and what the tests watch them by."""

    contract: Contract
    tick: threading.Event = field(default_factory=threading.Event)
    """Set it to let the next tick out."""
    left: threading.Event = field(default_factory=threading.Event)
    """Set once a method that takes long has noticed that nobody waits for it any more."""
    seconds_given: list[float] = field(default_factory=list)
    """The deadlines of the calls of Sleep, as seconds from then."""

    def by_method(self) -> dict[str, Behaviour]:
        """For `TranscodedServer`."""
        return {
            "Fail": self._fail,
            "FailInDetail": self._fail_in_detail,
            "FailGarbled": self._fail_garbled,
            "BreakOff": self._fail,
            "Sleep": self._sleep,
            "BreakRaw": self._break_raw,
            "Nothing": self._nothing,
            "Large": self._large,
            "Tick": self._tick,
        }

    def _fail(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        request = next(requests)
        for number in range(request.answers_before):
            yield self.contract.message_type("Everything")(int32_value=number)
        context.abort(_code(request.code), request.message)

    def _fail_in_detail(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        yield from ()  # makes it a stream, as all are here
        request = next(requests)
        status = Status(code=request.code, message=request.message)
        status.details.add().Pack(ErrorInfo(reason="TOO_MUCH", domain="transcoding.test", metadata={"most": "3"}))
        violation = BadRequest.FieldViolation(field="text", description="is too long")
        status.details.add().Pack(BadRequest(field_violations=[violation]))
        # One of a type that the contract has, and one of a type that nobody described.
        status.details.add().Pack(self.contract.message_type("Message")(text="a"))
        status.details.append(Packed(type_url=f"type.googleapis.com/{PACKAGE}.Unheard", value=b"\x0a\x01a"))
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(_code(request.code), request.message)

    def _fail_garbled(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        yield from ()
        request = next(requests)
        context.set_trailing_metadata((("grpc-status-details-bin", b"\xff no Status"),))
        context.abort(_code(request.code), request.message)

    def _sleep(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        request = next(requests)
        self.seconds_given.append(context.time_remaining() or 0.0)
        waited = 0.0
        while context.is_active() and waited < request.seconds:
            self.left.wait(POLL_SECONDS)
            waited += POLL_SECONDS
        if not context.is_active():
            self.left.set()
        yield self.contract.message_type("Everything")()

    def _break_raw(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        yield HttpBody(content_type="text/csv", data=b"a,b\n")
        context.abort(grpc.StatusCode.DATA_LOSS, "the rest is lost")

    def _nothing(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        yield from ()

    def _large(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        yield self.contract.message_type("Everything")(text="x" * 5_000_000)

    def _tick(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        ticks = 0
        try:
            while context.is_active():
                if self.tick.wait(POLL_SECONDS):
                    self.tick.clear()
                    ticks += 1
                    yield self.contract.message_type("Everything")(int32_value=ticks)
        finally:  # gRPC asks no further once a message could not be sent
            self.left.set()


def _code(number: int) -> grpc.StatusCode:
    return next(code for code in grpc.StatusCode if code.value[0] == number)
