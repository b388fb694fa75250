"""Instruments the methods of servicers with the steps, so that a method is: call one feature function, convert."""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from service_kit.calls.current import CallCancelled
from service_kit.calls.steps import STEPS
from service_kit.calls.steps.errors import send_error
from service_kit.calls.steps.outcomes import log_error
from service_kit.calls.steps.step import Method, MethodCall, Step, StepsAround
from service_kit.errors import ServiceError
from service_kit.validation import Rule

IS_LONG_CALL = "is_long_call"
"""Attribute of a method that can block for long; the server runs it in the pool for long calls."""

IS_READ = "is_read"
"""Attribute of a method that changes nothing; the server lets it run while those that write wait for one another."""

_READS = ("Get", "List", "Search", "Lookup", "Explain", "Export", "Wait", "WhoAmI")
"""How the names of methods that change nothing begin (AIP-131, 132, 136, 151)."""

Servicer = TypeVar("Servicer")
Behavior = Callable[..., Any]


def instrument_servicer(
    service: ServiceDescriptor,
    long_calls: Container[str] = (),
    rules: Mapping[str, Sequence[Rule]] | None = None,
    authenticate: Callable[[Any, Any, grpc.ServicerContext], object] | None = None,
    checks_its_messages: Container[str] = (),
    steps: Sequence[Step] = STEPS,
) -> Callable[[type[Servicer]], type[Servicer]]:
    """Decorate a servicer of `service`: the steps run around each of its methods, which may raise `ServiceError`.

    A decorator and not an interceptor, because grpcio-testing runs servicers without interceptors, and tests are to see
    what clients see.

    Args:
        service: The service, which names the methods.
        long_calls: The methods that call another service. Like streams, they get threads of their own, so that they do
            not keep other calls waiting.
        rules: What each method asks of its request in addition to the contract, so that all problems of a request are
            reported at once.
        authenticate: Raises a `ServiceError` for a caller who may not call; takes the servicer, the unchecked request
            and the context.
        checks_its_messages: The methods that check the messages of their stream themselves.
        steps: What runs around each method, outermost first.
    """

    def decorate(servicer: type[Servicer]) -> type[Servicer]:
        for descriptor in service.methods:
            behavior = servicer.__dict__.get(descriptor.name)
            if behavior is None:
                raise TypeError(f"{servicer.__name__} lacks {service.full_name}.{descriptor.name}")
            method = Method(
                f"{service.full_name}/{descriptor.name}",
                descriptor.client_streaming,
                descriptor.server_streaming,
                descriptor.name.startswith(_READS),
                (rules or {}).get(descriptor.name, ()),
                descriptor.name in checks_its_messages,
                authenticate,
            )
            instrumented = with_steps(behavior, method, steps)
            setattr(instrumented, IS_LONG_CALL, descriptor.name in long_calls)
            setattr(instrumented, IS_READ, method.is_read)
            setattr(servicer, descriptor.name, instrumented)
        return servicer

    return decorate


def with_steps(behavior: Behavior, method: Method, steps: Sequence[Step] = STEPS) -> Behavior:
    """Return a method of a servicer with the steps around it. The steps are composed here, not at each call."""
    around = StepsAround(method, steps)
    return _answer_with_stream(behavior, around) if method.response_streaming else _answer(behavior, around)


def _answer(behavior: Behavior, around: StepsAround) -> Behavior:
    @functools.wraps(behavior)
    def answer(servicer: object, request: Any, context: grpc.ServicerContext) -> Any:
        call = MethodCall(servicer, request, context)
        try:
            around.begin(call)
            reply = behavior(servicer, call.request, context)
        except Exception as error:  # noqa: BLE001 - the steps log it and send it
            around.fail(call, error)
        around.finish(call)
        return reply

    return answer


def _answer_with_stream(behavior: Behavior, around: StepsAround) -> Behavior:
    @functools.wraps(behavior)
    def answer(servicer: object, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        call = MethodCall(servicer, request, context)
        try:
            around.begin(call)
            yield from behavior(servicer, call.request, context)
        except GeneratorExit:  # grpcio reads no further, as the call has ended
            with suppress(Exception):  # there is no client to send the error to
                around.fail(call, CallCancelled())
            raise
        except Exception as error:  # noqa: BLE001 - the steps log it and send it
            around.fail(call, error)
        around.finish(call)

    return answer


def refuse(context: grpc.ServicerContext, error: ServiceError, method: str) -> NoReturn:
    """Log and send an error of a call that no step has seen, as the server refuses it before or after the method."""
    log_error(context, error, method)
    send_error(context, error)
