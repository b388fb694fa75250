"""Why a command at the desk did not do what was asked: a sentence, and what it could have meant."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console

from library_cli.channel import connected
from library_cli.desk.calls import Desk
from library_cli.grpc_errors import CallFailed, refusal_in
from library_cli.plain_text import one_line
from library_cli.tables import Form, lines, table

REFUSED, CANNOT_BE_DONE = 1, 2
"""Exit statuses: the library refused, or what was named is not one thing; and no library could be asked."""

MOST_SHOWN = 10
"""How many candidates are shown at most."""

AMBIGUOUS, NO_ANSWER = "AMBIGUOUS", "NO_ANSWER"
"""Reasons of refusals that are not the service's own, beside `ErrorReason` of the contract."""

FIELD_INVALID = "FIELD_INVALID"

BUSY_REASONS = {"ADMIN_UNAVAILABLE", "CALL_IDLE", "INTERNAL", "NOT_SERVING", "SERVER_BUSY", "STORE_UNAVAILABLE"}
"""Reasons of the service for calls that may succeed later as they are."""


class Refusal(Exception):
    """What was asked was not done. The message is a sentence for people, `reason` a word for programs."""

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


def of_call(failure: CallFailed) -> Refusal:
    """Return the refusal for a call that failed."""
    refused = refusal_in(failure)
    notes = getattr(failure.__cause__, "__notes__", [])
    if refused is None:
        return Refusal(NO_ANSWER, " ".join([str(failure), *notes]), exit_status=CANNOT_BE_DONE)
    status = CANNOT_BE_DONE if refused.reason in BUSY_REASONS else REFUSED
    return Refusal(refused.reason, " ".join([refused.message, *notes]), exit_status=status)


@contextmanager
def at_desk(target: str, *, json_wanted: bool) -> Iterator[Desk]:
    """Open the frontend service at `target` for a command; end the command with a sentence when it is refused."""
    try:
        with connected(target) as channel:
            yield Desk(channel)
    except CallFailed as failure:
        end(of_call(failure), json_wanted=json_wanted)
    except Refusal as refusal:
        end(refusal, json_wanted=json_wanted)
    except UnicodeEncodeError:
        message = "An argument has bytes that are not UTF-8; check the encoding of your terminal or of the script."
        end(Refusal(FIELD_INVALID, message), json_wanted=json_wanted)


def end(refusal: Refusal, *, json_wanted: bool) -> None:
    """Say why something was refused, and end the command.

    With JSON all is one object on standard output; otherwise it is on standard error: a sentence, and the candidates as
    a table on a terminal, as lines elsewhere.
    """
    if json_wanted:
        error = {"reason": refusal.reason, "message": refusal.message}
        as_json = refusal.form.as_json if refusal.form else dict
        candidates = [as_json(candidate) for candidate in refusal.candidates]
        click.echo(json.dumps({"error": {**error, "candidates": candidates}}, indent=2, ensure_ascii=False))
        sys.exit(refusal.exit_status)
    click.echo(f"Error: {one_line(refusal.message)}", err=True)
    console = Console(stderr=True)
    if refusal.form and refusal.candidates:
        if console.is_terminal:
            console.print(table(refusal.candidates, refusal.form.columns, console.width))
        else:
            for line in lines(refusal.candidates, refusal.form.columns):
                click.echo(line, err=True)
    sys.exit(refusal.exit_status)
