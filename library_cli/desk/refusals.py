"""Refusals of commands at the desk: a sentence for each reason, and the candidates that could have been meant."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from rich.console import Console

from library_cli.channel import connected
from library_cli.desk.calls import Desk
from library_cli.grpc_errors import CallFailed, ServiceRefusal, rich_status, service_refusal
from library_cli.plain_text import one_line
from library_cli.tables import Form, lines, table

REFUSED, CANNOT_BE_DONE = 1, 2
"""Exit statuses: the service refused, or not exactly one book, user or loan matches; and no service could be asked."""

MOST_SHOWN = 10
"""The most candidates that are shown."""

AMBIGUOUS, NO_ANSWER = "AMBIGUOUS", "NO_ANSWER"
"""Reasons of the command itself, in addition to `ErrorReason` of the contract."""

FIELD_INVALID = "FIELD_INVALID"

BUSY_REASONS = {
    "ADMIN_UNAVAILABLE",
    "CALL_IDLE",
    "INTERNAL",
    "NOT_SERVING",
    "SERVER_BUSY",
    "SOURCE_UNAVAILABLE",
    "STORE_UNAVAILABLE",
}
"""Reasons of the service for calls that can succeed later, sent again unchanged."""


class Refusal(Exception):
    """A command was not carried out. The message is a sentence for people, `reason` a name for programs."""

    def __init__(
        self,
        reason: str,
        message: str,
        candidates: Sequence[Any] = (),
        form: Form[Any] | None = None,
        exit_status: int = REFUSED,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.candidates = list(candidates)[:MOST_SHOWN]
        self.form = form
        self.exit_status = exit_status
        self.further: Sequence[Refusal] = ()
        """The other reasons for which the same call was refused."""


def service_refusals(error: grpc.RpcError) -> list[ServiceRefusal]:
    """Return all reasons for which a service of the library refused a call, in its order; none where none did.

    The service sends a message for the first reason only.
    """
    first, rich = service_refusal(error), rich_status(error)
    if first is None or rich is None:
        return []
    infos = [ErrorInfo() for _ in rich.details]
    _, *others = [info for info, detail in zip(infos, rich.details, strict=True) if detail.Unpack(info)]
    return [first, *(ServiceRefusal(info.reason, _without_message(info), dict(info.metadata)) for info in others)]


def first_with_others(refusals: Sequence[Refusal]) -> Refusal:
    """Return the first refusal of a call, with the others as its further reasons."""
    first, *first.further = refusals
    return first


def of_call(failure: CallFailed) -> Refusal:
    """Return the refusal for a call that failed."""
    cause = failure.__cause__
    refusals = service_refusals(cause) if isinstance(cause, grpc.RpcError) else []
    notes = getattr(cause, "__notes__", [])
    if not refusals:
        return Refusal(NO_ANSWER, " ".join([str(failure), *notes]), exit_status=CANNOT_BE_DONE)
    first, *others = refusals
    status = CANNOT_BE_DONE if first.reason in BUSY_REASONS else REFUSED
    refusal = Refusal(first.reason, " ".join([first.message, *notes]), exit_status=status)
    return first_with_others([refusal, *(Refusal(each.reason, each.message) for each in others)])


@contextmanager
def at_desk(target: str, *, json_wanted: bool) -> Iterator[Desk]:
    """Open the frontend service at `target` for a command. A refusal ends the command with its sentences."""
    with ended_by_refusals(json_wanted=json_wanted), connected(target) as channel:
        yield Desk(channel)


@contextmanager
def ended_by_refusals(*, json_wanted: bool) -> Iterator[None]:
    """End the command with the sentences of a refusal, or of a call that failed."""
    try:
        yield
    except CallFailed as failure:
        end(of_call(failure), json_wanted=json_wanted)
    except Refusal as refusal:
        end(refusal, json_wanted=json_wanted)
    except UnicodeEncodeError:
        message = "An argument has bytes that are not UTF-8; check the encoding of your terminal or of the script."
        end(Refusal(FIELD_INVALID, message), json_wanted=json_wanted)


def end(refusal: Refusal, *, json_wanted: bool) -> None:
    """Print a refusal and end the command.

    With JSON, one object is printed on standard output. Otherwise a line for each reason is printed on standard error,
    followed by the candidates: as a table on a terminal, as lines elsewhere.
    """
    reasons = [refusal, *refusal.further]
    if json_wanted:
        as_json = refusal.form.as_json if refusal.form else dict
        error = {
            "reason": refusal.reason,
            "message": refusal.message,
            "refusals": [{"reason": each.reason, "message": each.message} for each in reasons],
            "candidates": [as_json(candidate) for candidate in refusal.candidates],
        }
        click.echo(json.dumps({"error": error}, indent=2, ensure_ascii=False))
        sys.exit(refusal.exit_status)
    for each in reasons:
        click.echo(f"Error: {one_line(each.message)}", err=True)
    console = Console(stderr=True)
    if refusal.form and refusal.candidates:
        if console.is_terminal:
            console.print(table(refusal.candidates, refusal.form.columns, console.width))
        else:
            for line in lines(refusal.candidates, refusal.form.columns):
                click.echo(line, err=True)
    sys.exit(refusal.exit_status)


def _without_message(info: ErrorInfo) -> str:
    values = ", ".join(f"{name}: {value}" for name, value in sorted(info.metadata.items()))
    return f"The service also answered {info.reason} ({values})."
