"""Tell a call that failed in one sentence, with what the server said about it."""

from __future__ import annotations

from typing import NamedTuple, cast
from urllib.parse import urlsplit

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from library_cli.plain_text import one_line
from service_kit.addresses import is_loopback

REFUSALS = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
    }
)
"""Statuses, sent with details by the service itself, of calls that changed nothing."""


DOMAIN = "lending-library"
"""The domain of the library's errors in `google.rpc.ErrorInfo`."""


class CallFailed(Exception):
    """A call was answered with an error, or not at all; the message is a sentence for whoever runs the command."""


class ServiceRefusal(NamedTuple):
    """What a service of the library said when it refused a call."""

    reason: str
    """The name of a value of `library.v1.ErrorReason`, without the prefix."""
    message: str
    metadata: dict[str, str]


MESSAGE_CHARACTERS = 2_000
"""How much of a message is shown; those of the library's services are shorter."""


def message_of(error: grpc.RpcError) -> str:
    """Return the message of a call that failed, in one line, whatever the server put into it."""
    return " ".join(one_line(error.details() or "").split())[:MESSAGE_CHARACTERS]


def service_refusal(error: grpc.RpcError) -> ServiceRefusal | None:
    """Return what a service of the library said; None where no such service answered."""
    rich = rich_status(error)
    info, bad_request = ErrorInfo(), BadRequest()
    for detail in rich.details if rich else ():
        # Unpack leaves alone what is of another type. The first ErrorInfo is the reason; others are further reasons.
        if not info.reason:
            detail.Unpack(info)
        detail.Unpack(bad_request)
    if info.domain != DOMAIN:
        return None
    message = message_of(error)
    for violation in bad_request.field_violations:
        if violation.description not in message:
            message += f"; {violation.field}: {violation.description}"
    return ServiceRefusal(info.reason, message, dict(info.metadata))


def reason_of(error: grpc.RpcError) -> str:
    """Return the reason for which a service of the library refused a call; "" where none did."""
    refused = service_refusal(error)
    return refused.reason if refused else ""


def refusal_in(failure: CallFailed) -> ServiceRefusal | None:
    """Return what a service of the library said in a call that failed; None where no such service answered."""
    return service_refusal(failure.__cause__) if isinstance(failure.__cause__, grpc.RpcError) else None


def explain(error: grpc.RpcError, target: str) -> str:
    """Say what came of a call to the service at `target`: the fields at fault, and the id that the server's log has."""
    said = message_of(error)
    rich = rich_status(error)
    sentence = f"The service at {target} answered {error.code().name}: {said}"
    if rich is None:
        return _without_details(error.code(), said, target) or sentence
    bad_request, request = BadRequest(), RequestInfo()
    for detail in rich.details:
        # Unpack leaves alone what is of another type.
        detail.Unpack(bad_request)
        detail.Unpack(request)
    for violation in bad_request.field_violations:
        if violation.description not in said:
            sentence += f"; {violation.field}: {violation.description}"
    return f"{sentence} (request id {request.request_id})" if request.request_id else sentence


def _without_details(code: grpc.StatusCode, said: str, target: str) -> str:
    """Say what came of a call to which no service of the library answered; "" where that is not known."""
    if "Failed parsing HTTP/2" in said:
        return f"What answers at {target} is another program than this command needs: it does not speak gRPC."
    if code is grpc.StatusCode.UNAVAILABLE:
        cause = said.rpartition("last error: ")[2].removeprefix("UNKNOWN: ")
        return nothing_answers(target, "service", cause)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"The service at {target} took too long to answer; whether it did what was asked is not known."
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return f"What answers at {target} is another service than this command needs ({said})."
    return ""


def nothing_answers(address: str, noun: str, cause: str) -> str:
    """Return the sentence for a silent address: HOST:PORT or a URL. The cause is left out where it only repeats it."""
    why = "" if "connection refused" in cause.lower() else f" ({cause})"
    start = " Start the library with `library up`." if _is_this_machine(address) else ""
    return f"Nothing answers at {address}; is the {noun} running there?{why}{start}"


def _is_this_machine(address: str) -> bool:
    try:
        host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
        return host == "localhost" or is_loopback(host)
    except ValueError:
        return False


def is_surely_not_done(error: grpc.RpcError) -> bool:
    """Return whether a call that failed has changed nothing: it reached nobody, or was refused.

    After other failures it is not known: the service may have committed the change before the answer was lost.
    """
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:  # with or without details
        return True
    if rich_status(error) is not None:
        return error.code() in REFUSALS
    said = (error.details() or "").lower()
    reached_nobody = any(words in said for words in ("failed to connect to all addresses", "errors resolving "))
    return error.code() is grpc.StatusCode.UNAVAILABLE and reached_nobody


def rich_status(error: grpc.RpcError) -> Status | None:
    """Give the `google.rpc.Status` that the server sent along; None where it sent none that goes with the error."""
    try:
        # What a stub raises is the call itself, which the types do not tell.
        status: Status | None = rpc_status.from_call(cast("grpc.Call", error))
    except ValueError:
        return None
    return status
