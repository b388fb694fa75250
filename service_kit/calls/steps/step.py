"""What a step is: a function that is called once for each method and returns hooks for the method's calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import grpc

from service_kit.ids import request_id_in
from service_kit.validation import Rule


@dataclass(frozen=True)
class Method:
    """A method of a service, as its steps see it."""

    name: str
    """Its full name, such as `library.admin.v1.CatalogService/GetBook`."""
    request_streaming: bool = False
    response_streaming: bool = False
    is_read: bool = False
    """Whether it changes nothing, so that its answers are logged at debug."""
    rules: Sequence[Rule] = ()
    """What it asks of its request in addition to the rules of the contract. It applies them itself."""
    checks_its_messages: bool = False
    """Whether it checks the messages of its stream itself, to answer a bad one without ending the call."""
    authenticate: Callable[[Any, Any, grpc.ServicerContext], object] | None = None
    """Raises a `ServiceError` for a caller who may not call it. Takes the servicer, the request and the context."""


class MethodCall:
    """One call of a method, from the first step on."""

    __slots__ = ("context", "reached", "request", "servicer", "start")

    def __init__(self, servicer: object, request: Any, context: grpc.ServicerContext) -> None:
        """Begin to measure the time of the call. `request` is an iterator where the client sends a stream."""
        self.servicer = servicer
        self.request = request
        self.context = context
        self.reached = 0
        """The index of the step that it has come to, and the number of the steps when it has come to the method."""
        self.start = time.monotonic()

    def seconds(self) -> float:
        """Return how long the call has taken, without its wait for a thread."""
        return time.monotonic() - self.start


class Hooks(NamedTuple):
    """What a step does with a call. A hook that it does not need is None, and costs nothing."""

    before: Callable[[MethodCall], None] | None = None
    """Called before the steps that follow and the method. It may raise, and may replace the request."""
    after: Callable[[MethodCall], None] | None = None
    """Called when the method has answered, with the whole stream if it answers with one."""
    failed: Callable[[MethodCall, Exception], Exception] | None = None
    """Called with the error that the method or a step that follows has raised. Returns that error, or another."""


Step = Callable[[Method], Hooks]


class StepsAround:
    """The steps around one method, with their hooks in the order in which they run."""

    def __init__(self, method: Method, steps: Sequence[Step]) -> None:
        hooks = [step(method) for step in steps]
        self._count = len(hooks)
        self._before = [(index, each.before) for index, each in enumerate(hooks) if each.before]
        self._after = [each.after for each in reversed(hooks) if each.after]
        outside = (reversed(hooks[:reached]) for reached in range(len(hooks) + 1))
        self._failed = [[each.failed for each in around if each.failed] for around in outside]
        """By the step that an error comes from: the hooks of the steps around it."""

    def begin(self, call: MethodCall) -> None:
        """Do what comes before the method, or raise why it is not called."""
        for index, before in self._before:
            call.reached = index
            before(call)
        call.reached = self._count

    def finish(self, call: MethodCall) -> None:
        """Do what comes after the answer."""
        for after in self._after:
            after(call)

    def fail(self, call: MethodCall, error: Exception) -> NoReturn:
        """End a call with an error."""
        for failed in self._failed[call.reached]:
            error = failed(call, error)
        raise error


def request_id(context: grpc.ServicerContext) -> str:
    """Return the id by which the log has this call: the client's own (`x-request-id`), or one that is made here."""
    identity: str | None = getattr(context, "_kit_request_id", None)
    if identity is None:
        identity = request_id_in(context.invocation_metadata())
        context._kit_request_id = identity  # type: ignore[attr-defined]
    return identity
