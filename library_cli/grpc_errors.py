"""Explain a failed call in one sentence, with the details that the server sent."""

from __future__ import annotations

from typing import NamedTuple, cast

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from library_cli.plain_text import one_line
from library_cli.transport import chosen, is_on_this_machine

REFUSALS = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
    }
)
"""Statuses of calls that changed nothing, if the service itself sent them, with details."""


DOMAIN = "lending-library"
"""The domain of the library's errors in `google.rpc.ErrorInfo`."""


class CallFailed(Exception):
    """A call was answered with an error, or not at all. The message is a sentence for the user of the command."""


class ServiceRefusal(NamedTuple):
    """The details of an error from a service of the library."""

    reason: str
    """The name of a value of `library.v1.ErrorReason`, without the prefix."""
    message: str
    metadata: dict[str, str]


FOR_USERS = {
    "SIGN_IN_REQUIRED": "This needs somebody who has signed in. Run: library login",
    "TOKEN_INVALID": "Your token is not valid, or not any more. Use another one, or sign in: library login",
    "ROLE_REQUIRED": "This needs the role {required_role}, and you have the role {role}. An admin can grant it to you.",
    "SCOPE_REQUIRED": "This API token is limited to {scopes}.",
    "SIGN_IN_FAILED": "No user has this name and this password, PIN or code.",
}
"""Messages for the users of the command in place of those for programs, by their reasons."""

MESSAGE_CHARACTERS = 2_000
"""The longest message that is shown. Messages of the library's services are shorter."""


def message_of(error: grpc.RpcError) -> str:
    """Return the message of a failed call as one line of at most MESSAGE_CHARACTERS."""
    return " ".join(one_line(error.details() or "").split())[:MESSAGE_CHARACTERS]


def service_refusal(error: grpc.RpcError) -> ServiceRefusal | None:
    """Return the details of an error; None if it does not come from a service of the library."""
    rich = rich_status(error)
    info, bad_request = ErrorInfo(), BadRequest()
    for detail in rich.details if rich else ():
        # Unpack ignores details of other types. The first ErrorInfo is the reason; others are further reasons.
        if not info.reason:
            detail.Unpack(info)
        detail.Unpack(bad_request)
    if info.domain != DOMAIN:
        return None
    message = message_of(error)
    for violation in bad_request.field_violations:
        if violation.description not in message:
            message += f"; {violation.field}: {violation.description}"
    return ServiceRefusal(info.reason, _for_users(info) or message, dict(info.metadata))


def _for_users(info: ErrorInfo) -> str:
    """Return the message for users of the command; "" if the service's own is for them, too."""
    try:
        return one_line(FOR_USERS.get(info.reason, "").format(**info.metadata))
    except KeyError:  # an older service sends other metadata
        return ""


def reason_of(error: grpc.RpcError) -> str:
    """Return the reason of an error; "" if it does not come from a service of the library."""
    refused = service_refusal(error)
    return refused.reason if refused else ""


def explain(error: grpc.RpcError, target: str) -> str:
    """Return a sentence with the status, the message, the invalid fields, and the request id for the server's log."""
    message = message_of(error)
    rich = rich_status(error)
    refused = service_refusal(error)
    if refused is not None and refused.reason in FOR_USERS:
        return refused.message
    sentence = f"The service at {target} answered {error.code().name}: {message}"
    if rich is None:
        return _without_details(error.code(), message, target) or sentence
    bad_request, request = BadRequest(), RequestInfo()
    for detail in rich.details:
        # Unpack ignores details of other types.
        detail.Unpack(bad_request)
        detail.Unpack(request)
    for violation in bad_request.field_violations:
        if violation.description not in message:
            sentence += f"; {violation.field}: {violation.description}"
    return f"{sentence} (request id {request.request_id})" if request.request_id else sentence


def _without_details(code: grpc.StatusCode, message: str, target: str) -> str:
    """Return the sentence for an error that gRPC or another program made; "" if the code does not show the cause."""
    if "Failed parsing HTTP/2" in message:
        return f"What answers at {target} is another program than this command needs: it does not speak gRPC."
    if code is grpc.StatusCode.UNAVAILABLE and (problem := _tls_problem(message, target)):
        return problem
    if code is grpc.StatusCode.UNAVAILABLE:
        cause = message.rpartition("last error: ")[2].removeprefix("UNKNOWN: ")
        return nothing_answers(target, "service", cause)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"The service at {target} took too long to answer. The change may or may not have been made."
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return f"What answers at {target} is another service than this command needs ({message})."
    return ""


def _tls_problem(message: str, target: str) -> str:
    """Return the sentence for a connection that failed because of TLS; "" for other failures."""
    if "WRONG_VERSION_NUMBER" in message:
        return f"The service at {target} does not serve TLS: call it without --ca (or LIBRARY_CA)."
    if "CERTIFICATE_VERIFY_FAILED" in message:
        return (
            f"The certificate of the service at {target} is not valid, or not from an authority that --ca (or "
            "LIBRARY_CA) names. `library certs show` lists the certificates of this library."
        )
    if "Hostname Verification Check failed" in message:
        return f"The certificate of the service at {target} is for other names: see `library certs renew --host`."
    # A service that ends during a call closes the connection, too, after it was made.
    if message.endswith("Socket closed") and ("failed to connect" in message or chosen().ca):
        return (
            f"The service at {target} closed the connection. If it serves TLS, name the authority of its certificate "
            "with --ca; if it also requires a certificate of yours, use --client-cert and --client-key."
        )
    return ""


def nothing_answers(address: str, noun: str, cause: str) -> str:
    """Return the sentence for an address where nothing answers: HOST:PORT or a URL."""
    why = "" if "connection refused" in cause.lower() else f" ({cause})"
    start = " Start the library with `library up`." if is_on_this_machine(address) else ""
    return f"Nothing answers at {address}; is the {noun} running there?{why}{start}"


def is_surely_not_done(error: grpc.RpcError) -> bool:
    """Return whether a failed call has changed nothing: it reached no server, or was refused.

    After other failures this is not known: the service may have committed the change before the answer was lost.
    """
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:  # with or without details
        return True
    if rich_status(error) is not None:
        return error.code() in REFUSALS
    text = (error.details() or "").lower()
    not_connected = any(words in text for words in ("failed to connect to all addresses", "errors resolving "))
    return error.code() is grpc.StatusCode.UNAVAILABLE and not_connected


def rich_status(error: grpc.RpcError) -> Status | None:
    """Return the `google.rpc.Status` of an error; None if the server sent none, or one with another code."""
    try:
        # A stub raises the call itself, which its type does not show.
        status: Status | None = rpc_status.from_call(cast("grpc.Call", error))
    except ValueError:
        return None
    return status
