"""What every servicer's methods have in common, so that a method is: check, call one feature function, convert."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from service_kit.calls.client_streams import CallCancelled, ClientStream
from service_kit.calls.current import CallGivenUp
from service_kit.errors import (
    FieldInvalid,
    InternalError,
    ServiceError,
    StoreNotWritable,
    StoreUnavailable,
    rich_status,
)
from service_kit.ids import REQUEST_ID_HEADER, is_request_id, new_request_id
from service_kit.logs import logger
from service_kit.store import is_unavailable
from service_kit.validation import Rule, check, joined, problems_by, shortened
from service_kit.writability import is_noted

_READS = ("Get", "List")

IS_LONG_CALL = "is_long_call"
"""Attribute of a method that can block for long; the server runs it in the pool for long calls."""

IS_READ = "is_read"
"""Attribute of a method that changes nothing; the server lets it run while those that write wait for one another."""

Servicer = TypeVar("Servicer")

Authenticate = Callable[[Any, Message, grpc.ServicerContext], object]
"""Raises a `ServiceError` for a caller who may not make this call. Gets the servicer and the unchecked request."""

log = logger(__name__)


def anyone(_servicer: object, _request: Message, _context: grpc.ServicerContext) -> None:
    """Let anyone call."""


def instrument_servicer(
    service: ServiceDescriptor,
    long_calls: Container[str] = (),
    rules: Mapping[str, Sequence[Rule]] | None = None,
    authenticate: Authenticate = anyone,
) -> Callable[[type[Servicer]], type[Servicer]]:
    """Decorate a servicer of `service`: its methods check their requests and may raise `ServiceError`.

    `long_calls` names the methods that call another service. Like streams, they get threads of their own, so that they
    do not keep other calls waiting. `rules` names, for each method, what it asks of its arguments in addition to the
    contract, so that all problems of a request are reported at once. `authenticate` comes before everything else, so
    that a caller who is not known learns nothing and costs little; it is not for streams.

    A decorator and not an interceptor, because grpcio-testing runs servicers without interceptors, and the tests are to
    see what clients see.
    """

    def decorate(servicer: type[Servicer]) -> type[Servicer]:
        for method in service.methods:
            plain = servicer.__dict__.get(method.name)
            if plain is None:
                raise TypeError(f"{servicer.__name__} lacks {service.full_name}.{method.name}")
            own_rules = (rules or {}).get(method.name, ())
            answer = _answering(
                plain, f"{service.full_name}/{method.name}", own_rules, method.client_streaming, authenticate
            )
            setattr(answer, IS_LONG_CALL, method.name in long_calls)
            setattr(answer, IS_READ, method.name.startswith(_READS))
            setattr(servicer, method.name, answer)
        return servicer

    return decorate


def _answering(
    plain: Callable[..., Message],
    name: str,
    rules: Sequence[Rule],
    is_stream: bool,
    authenticate: Authenticate,
) -> Callable[..., Message]:
    level = logging.DEBUG if name.rpartition("/")[2].startswith(_READS) else logging.INFO

    @functools.wraps(plain)
    def answer(servicer: object, request: Any, context: grpc.ServicerContext) -> Message:
        try:
            authenticate(servicer, request, context)
            if is_stream:  # its messages are checked one by one, by the function that reads them
                request = ClientStream(request, context, name)
            else:
                check(request)
            reply = plain(servicer, request, context)
        except ServiceError as error:
            refusal = _completed(error, request, rules)
        except (CallCancelled, CallGivenUp):
            end_cancelled(context, name)
        except Exception as error:
            if is_unavailable(error):
                refusal = _unavailable(error, name, request_id(context))
            else:
                log.exception("internal error", method=name, request_id=request_id(context))
                refusal = InternalError()
        else:
            _log_done(context, name, level)
            return reply
        try:
            refuse(context, refusal, name)
        finally:
            # Its traceback refers to this frame, and so to the call, which would stay until the garbage collector runs.
            del refusal

    return answer


def _unavailable(error: Exception, method: str, identity: str) -> StoreUnavailable:
    """Return the refusal for an error of a store that is away, busy or full, and log it unless the store has."""
    if is_noted(error):
        return StoreNotWritable()
    log.error("store unavailable", method=method, request_id=identity, error=str(error))
    return StoreUnavailable()


def _completed(error: ServiceError, request: Any, rules: Sequence[Rule]) -> ServiceError:
    """Add to an error that reports some of the problems of a request what the method's own rules find.

    They are tried only now: the method applies each of them itself, and a request without a fault must not pay twice.
    """
    if not rules or not isinstance(error, FieldInvalid) or not isinstance(request, Message):
        return error
    return FieldInvalid(*joined(error.problems, problems_by(rules, shortened(request, error.problems))))


def _log_done(context: grpc.ServicerContext, method: str, level: int) -> None:
    if log.isEnabledFor(level):
        # The work is done, but an answer to a call that was cancelled meanwhile reaches nobody.
        event = "answered" if context.is_active() else "done, but the call was cancelled"
        log.log(level, event, method=method, request_id=request_id(context))


def end_cancelled(context: grpc.ServicerContext, method: str) -> NoReturn:
    """End a call that was cancelled while its stream was read, or it waited. That is not a fault: it is logged at info.

    By its client or its deadline, most likely; at a stop of the server, after the grace, by the server.
    """
    log.info("call cancelled", method=method, request_id=request_id(context))
    context.abort(grpc.StatusCode.CANCELLED, "The call was cancelled before its work was done.")
    raise AssertionError("abort does not return")


def refuse(context: grpc.ServicerContext, error: ServiceError, method: str) -> NoReturn:
    """End the call with an error, its details, and the request id that the log has, too."""
    identity = request_id(context)
    # On a full disk every change is refused, the log is often on the same disk, and the store logs it once a minute.
    level = logging.DEBUG if isinstance(error, StoreNotWritable) else logging.INFO
    log.log(level, "refused", method=method, request_id=identity, status=error.status.name, reason=error.reason)
    # Not abort_with_status: grpcio-testing does not have it. This is what it does.
    context.set_trailing_metadata(
        (
            ("grpc-status-details-bin", rich_status(error, identity).SerializeToString()),
            (REQUEST_ID_HEADER, identity),
        )
    )
    context.abort(error.status, str(error))
    raise AssertionError("abort does not return")


def request_id(context: grpc.ServicerContext) -> str:
    """The id by which this call is found in the log: the client's own (`x-request-id`), or one made here."""
    made: str | None = getattr(context, "_kit_request_id", None)
    if made is None:
        for key, value in context.invocation_metadata() or ():
            if key == REQUEST_ID_HEADER and isinstance(value, str) and is_request_id(value):
                made = value
        made = made or new_request_id()
        context._kit_request_id = made  # type: ignore[attr-defined]
    return made
